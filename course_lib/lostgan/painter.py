"""LostGAN's public face: a layout in, a picture out, whose objects can be restyled and moved."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.init import trunc_normal_

from course_lib.data.coco import COCO_CLASSES
from course_lib.data.tables import table_of
from course_lib.errors import CourseError, Problems, check_seed
from course_lib.lostgan import official
from course_lib.lostgan.networks import Generator, Painting
from course_lib.lostgan.objective import (
    COLOURS,
    HUES,
    LostGANConfig,
    objects_of,
    padded,
    stuff_boxes,
    styled,
    with_whole,
)
from course_lib.painter import Painter, Picture, grid
from course_lib.paths import data_dir
from course_lib.scene import ClassTable, Layout, Scene, SceneBatch
from course_lib.storage.checkpoint import part

__all__ = ["Drawn", "LostGANPainter", "read_layout"]

VISUAL_GENOME = 179  # sg2im's classes, ``__image__`` included
MOST = 31  # objects that one layout may have: the published programs' largest number
TRUNCATION = 2.0  # styles are drawn anew until no number is larger: as the published program does

Four = Sequence[float]
Written = Layout | Sequence[tuple[str, Four]]


@dataclass(frozen=True)
class Drawn(Picture):
    """A picture that knows its layout; what it was painted from can be used again.

    Its steps, for ``O`` objects: ``masks`` ``[O, h, w]`` in [0, 1], as regressed; ``refined``,
    as the last block used them; ``styles`` ``[O, z_dim]`` and ``z`` ``[z_dim]``, the picture's own.
    """

    layout: Layout = Layout.empty()

    @property
    def styles(self) -> Tensor:
        """The style of each object: ``[O, z_dim]``."""
        return self.steps["styles"]


class LostGANPainter(Painter):
    """Paints a layout; every object has a style of its own, and all that is not asked for stays.

    Attributes:
        generator: the trained network.
        config: how it was trained; None for the authors' weights.
    """

    kind = "lostgan"

    def __init__(self, generator: Generator, config: LostGANConfig | None = None) -> None:
        self.generator, self.config = generator.eval(), config
        self.sizes = generator.sizes

    @classmethod
    def from_weights(
        cls, config: Mapping[str, Any], weights: Mapping[str, Tensor]
    ) -> LostGANPainter:
        settings = LostGANConfig.from_json(config)
        generator = Generator(settings.sizes)
        generator.load_state_dict(part(weights, "G"))
        return cls(generator, settings)

    @classmethod
    def from_official(cls, weights: Mapping[str, Tensor]) -> LostGANPainter:
        """A painter from the authors' ``G_*.pth``; its classes are COCO's or Visual Genome's."""
        return cls(official.generator_of(weights))

    @property
    def classes(self) -> ClassTable:
        """What layouts may name."""
        if "classes" in self.tables:
            return ClassTable.from_json(self.tables["classes"])
        if self.sizes.labels == len(COCO_CLASSES) + 2:  # nothing, and "other", which is no object
            return COCO_CLASSES
        return visual_genome_classes(self.sizes.labels)

    @property
    def everywhere(self) -> bool:
        """Whether each layout ends with the picture itself, as an object of the label 0.

        The released networks of Visual Genome have learnt so from sg2im's layouts.
        """
        if self.config is not None:
            return self.config.everywhere
        return self.sizes.labels == VISUAL_GENOME

    def generate(
        self,
        layout: Written | None = None,
        styles: Mapping[int, int | Tensor] | None = None,
        *,
        seed: int = 7,
        z: Tensor | None = None,
    ) -> Drawn:
        """Paints one picture.

        Args:
            layout: what stands where; also pairs of a class name and two corners in fractions,
                ``[("tree", (0.1, 0.4, 0.3, 0.9))]``. The order decides nothing but who is who.
            styles: styles for single objects, by number: a seed to roll anew, or a style itself
                ``[z_dim]``: another object's (borrowed), or the one it had before (locked).
            seed: of all other styles and of the picture's own noise. An object's style depends on
                the seed and its number alone: it stays when boxes move or objects are added. Of
                one in ``styles``, on its seed and class alone: it also stays when numbers change.
            z: the picture's own noise ``[z_dim]``, instead of the seed's.

        Raises:
            CourseError: no layout, unknown classes, boxes that are none, too many objects, styles
                of objects that there are not or of another length; all at once.
        """
        classes = self.classes
        read = read_layout(layout, classes)
        objects = read.ids(classes)  # [O]
        drawn = self.drawn(seed, objects + 1)  # [1 + O, z_dim]
        own, z = drawn[1:], drawn[0] if z is None else z
        self._check(read, styles or {}, z)
        for number, style in (styles or {}).items():
            label = objects[[number]] + 1  # a seed's style is the same for whichever number
            own[number] = self.drawn(style, label)[1] if isinstance(style, int) else style
        return self._drawn(read, objects, own, z)

    def _drawn(self, layout: Layout, objects: Tensor, styles: Tensor, z: Tensor) -> Drawn:
        """One more place than there are objects lies nowhere: so no layout is empty."""
        count = len(objects)
        there = torch.ones(1, count, dtype=torch.bool)
        boxes, labels = padded(layout.fractions()[None], objects[None], there, count + 1)
        if self.everywhere:
            boxes[0, count] = torch.tensor([0.0, 0.0, 1.0, 1.0])
        painting = self.paint(boxes, labels, torch.cat([styles, z[None]])[None], z[None])
        steps = {"masks": painting.masks[0, :count], "refined": painting.refined[0, :count]}
        return Drawn(painting.pictures[0], steps | {"styles": styles, "z": z}, layout=layout)

    def repaint(
        self,
        picture: Drawn,
        *,
        move: Mapping[int, Four] | None = None,
        styles: Mapping[int, int | Tensor] | None = None,
    ) -> Drawn:
        """The picture with some of its boxes moved or some styles changed; all else stays.

        Args:
            move: new boxes by the objects' numbers: two corners, in fractions.
            styles: as in :meth:`generate`; ``{0: picture.styles[2]}`` borrows.
        """
        boxes = [list(box) for _, box in picture.layout]
        for number, box in (move or {}).items():
            if number not in range(len(boxes)):
                raise CourseError(
                    f"there is no object {number!r}; {_known(len(boxes))}", where="move"
                )
            boxes[number] = list(box)
        layout = list(zip(picture.layout.names, boxes, strict=True))
        kept: dict[int, int | Tensor] = dict(enumerate(picture.styles))
        return self.generate(layout, kept | dict(styles or {}), z=picture.steps["z"])

    def drawn(self, seed: int, labels: Tensor) -> Tensor:
        """The styles of a seed, ``[1 + O, z_dim]``: the picture's own, then each object's.

        Where a style begins with colours, they are some that the class has had.
        """
        dice = torch.Generator().manual_seed(check_seed(seed))
        styles = truncated(dice, 1 + MOST, self.sizes.z_dim)[: 1 + len(labels)]
        if "colours" in self.tables:
            picks = torch.randint(COLOURS, (1 + MOST,), generator=dice)[: len(styles)]
            known = torch.tensor(self.tables["colours"])  # [labels, COLOURS, 12]
            styles[:, :HUES] = known[torch.cat([labels.new_zeros(1), labels]), picks]
        return styles

    def sheets(self, seeds: Sequence[int], **how: Any) -> dict[str, Tensor]:
        """Grids by name: ``final``, and ``masks``, a row of masks for each picture."""
        pictures = [self.generate(**how, seed=seed) for seed in seeds]
        images = torch.stack([picture.image for picture in pictures])
        sheets = {"final": grid(images, math.ceil(math.sqrt(len(images))))}
        if count := len(pictures[0].layout):
            masks = torch.cat([picture.steps["masks"] for picture in pictures])
            sheets["masks"] = grid(2 * masks[:, None] - 1, count)
        return sheets

    @torch.no_grad()
    def paint(self, boxes: Tensor, labels: Tensor, styles: Tensor, z: Tensor) -> Painting:
        """Many pictures at once, as the network takes them.

        Shapes: boxes ``[N, O, 4]`` and labels ``[N, O]`` as ``padded`` gives them, styles
        ``[N, O, z_dim]``, z ``[N, z_dim]``.
        """
        return self.generator(styles, z, boxes, labels)

    def paint_scenes(self, scenes: SceneBatch, seed: int = 0) -> Painting:
        """A picture for each scene's layout, with its stuff if the painter has learnt stuff.

        Colours are those of the scenes' pictures if the painter has learnt styles that have any.
        """
        learnt = self.config is not None and self.config.stuff > 0
        asked = torch.ones(len(scenes), dtype=torch.bool) if learnt else None
        boxes, objects, present = objects_of(scenes, asked)
        boxes, labels = padded(boxes, objects, present, max(1, int(present.sum(dim=1).max())))
        if self.everywhere:
            boxes, labels = with_whole(boxes, labels)
        dice = torch.Generator().manual_seed(check_seed(seed))
        drawn = truncated(dice, len(scenes), labels.shape[1] + 1, self.sizes.z_dim)
        styles, z = drawn[:, 1:], drawn[:, 0]
        if self.config is not None:
            styles, z = styled(self.config, styles, z, scenes.images, boxes, labels)
        parts = zip(*(x.split(64) for x in (boxes, labels, styles, z)), strict=True)
        painted = [self.paint(*part) for part in parts]
        return Painting(*(torch.cat(each) for each in zip(*painted, strict=True)))

    def layout_of(self, scene: Scene) -> Layout:
        """The scene's layout, with its stuff if the painter has learnt stuff and there is a map."""
        layout = scene.layout or Layout.empty()
        known = self.config is not None and self.config.stuff > 0
        if not known or scene.label_map is None:
            return layout
        names = scene.label_map.classes.stuff
        ids = torch.tensor([scene.label_map.classes.id(name) for name in names])
        boxes, enough = stuff_boxes(scene.label_map.ids.as_subclass(Tensor)[None], ids)
        rows = zip(names, boxes[0].tolist(), enough[0].tolist(), strict=True)
        stuff = [(name, box) for name, box, there in rows if there]
        return read_layout([*stuff, *layout], self.classes)

    def _check(self, layout: Layout, styles: Mapping[int, int | Tensor], z: Tensor) -> None:
        length = self.sizes.z_dim
        with Problems("generate") as problems:
            problems.check(list(z.shape) == [length], f"z is {list(z.shape)}, not [{length}]")
            for number, style in styles.items():
                known = number in range(len(layout))
                problems.check(known, f"there is no object {number!r}; {_known(len(layout))}")
                fine = isinstance(style, int) or list(style.shape) == [length]
                problems.check(fine, f"the style of object {number} is no seed and not [{length}]")


def _known(count: int) -> str:
    return f"there are 0 to {count - 1}" if count else "the layout is empty"


def truncated(dice: torch.Generator, *shape: int) -> Tensor:
    """Normal noise without numbers beyond :data:`TRUNCATION`."""
    return trunc_normal_(torch.empty(*shape), a=-TRUNCATION, b=TRUNCATION, generator=dice)


def read_layout(layout: Written | None, classes: ClassTable) -> Layout:
    """A layout in fractions, checked: of known classes, with boxes inside the picture.

    Raises:
        CourseError: everything that is wrong with it.
    """
    if layout is None:
        raise CourseError(
            "a layout is needed",
            where="generate",
            fix='generate([("tree", (0.1, 0.4, 0.3, 0.9))]): two corners, as fractions',
        )
    if not isinstance(layout, Layout | list | tuple):
        raise CourseError(f"{layout!r} is no list of names and boxes", where="layout")
    return Layout.of(
        *layout, units="fraction", format="xyxy", classes=classes, clip=True, max_objects=MOST
    )


def visual_genome_classes(labels: int) -> ClassTable:
    """The names in sg2im's ``vocab.json``; the first is ``__image__``, which is no object.

    Raises:
        CourseError: the file is not there, or has another number of names.
    """
    place = data_dir() / "visual_genome"
    files = sorted(place.rglob("vocab.json"))
    if not files:
        fix = "put sg2im's vocab.json there; or set painter.tables = {'classes': table.to_json()}"
        what = f"the names of {labels - 1} classes are not here"
        raise CourseError(what, where=str(place), fix=fix)
    names = json.loads(files[0].read_text("utf-8"))["object_idx_to_name"][1:]
    if len(names) != labels - 1:
        raise CourseError(f"{len(names)} names for {labels - 1} classes", where=str(files[0]))
    return table_of(names)
