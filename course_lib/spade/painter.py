"""SPADE's public face: a label map in, a picture out, in as many styles as one likes."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision.tv_tensors import Mask

from course_lib.data.class_lists import ADE20K, cityscapes
from course_lib.data.coco.classes import COCO_CLASSES
from course_lib.data.sources import open_source
from course_lib.errors import CourseError, suggestion
from course_lib.nn.by_label import LabelMaps
from course_lib.painter import Painter, Picture, grid, noise
from course_lib.scene import ClassTable, LabelMap, Scene, SceneBatch, load_image, to_image
from course_lib.spade import official
from course_lib.spade.networks import Encoder, Generator
from course_lib.spade.objective import Artist, SPADEConfig, grain_of, label_maps
from course_lib.storage.checkpoint import part

__all__ = ["SPADEPainter"]

NO_ENCODER = "this painter was trained without an encoder and knows no styles"
TRAIN_ONE = "a painter that was trained with use_vae=true; of the shipped ones: spade"


class SPADEPainter(Painter):
    """Paints what a label map says; how it looks is up to the style, where the painter has styles.

    Attributes:
        generator: the trained network.
        encoder: reads a picture's style; None for a painter without.
        config: how it was trained; for the authors' weights, how they are fed.
        z_dim: length of a style; 0 for a painter that paints a map in one way.
    """

    kind = "spade"

    def __init__(self, generator: Generator, encoder: Encoder | None, config: SPADEConfig) -> None:
        self.generator, self.config = generator.eval(), config
        self.encoder = None if encoder is None else encoder.eval()
        self.z_dim = generator.sizes.z_dim
        self._latest: tuple[LabelMap, LabelMaps] | None = None

    @classmethod
    def from_weights(cls, config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> SPADEPainter:
        settings = SPADEConfig.from_json(config)
        artist = Artist(settings)
        artist.load_state_dict(part(weights, "G"))
        return cls(artist.generator, artist.encoder, settings)

    @classmethod
    def from_official(
        cls, weights: Mapping[str, Tensor], classes: ClassTable | None = None, **told: Any
    ) -> SPADEPainter:
        """A painter from the authors' ``latest_net_G.pth`` (:mod:`course_lib.spade.official`).

        Args:
            classes: whose ids the maps hold, for a generator that is none of the released ones.
            told: what no shape tells: ``size``, ``aspect``, ``upsampling``, ``shifted``.
        """
        generator = official.generator_of(weights, **told)
        known = tables().get(generator.sizes.planes)
        classes = classes or known
        if classes is None:
            raise CourseError(
                f"no data set is known whose maps have {generator.sizes.planes} planes",
                where=official.WHERE,
                fix="SPADEPainter.from_official(read_weights(path), classes=...)",
            )
        painter = cls(generator, None, config_of(generator, classes))
        painter.tables = {"classes": classes.to_json()}
        return painter

    def with_encoder(self, path: str | Path) -> SPADEPainter:
        """The same painter with the styles of the authors' ``latest_net_E.pth``."""
        encoder = official.read_encoder(Path(path))
        length = encoder.fc_mu.out_features
        if length != self.z_dim:
            raise CourseError(
                f"its styles have {length} numbers, the generator takes {self.z_dim}",
                where=str(path),
            )
        painter = SPADEPainter(self.generator, encoder, replace(self.config, use_vae=True))
        painter.tables = self.tables
        return painter

    @property
    def classes(self) -> ClassTable:
        """The classes that it can paint."""
        return ClassTable.from_json(self.tables["classes"])

    @property
    def canvas(self) -> tuple[int, int]:
        """Height and width of its pictures."""
        return self.generator.sizes.picture

    def generate(
        self,
        label_map: LabelMap | Scene | Tensor | str | Path | None = None,
        *,
        style: Tensor | Picture | str | Path | None = None,
        seed: int = 7,
    ) -> Picture:
        """Paints one picture.

        Args:
            label_map: a map, a scene's, a PNG of one, or ids ``[H, W]``. A map of another size is
                resized, by nearest neighbour, with a warning if its shape changes. By default one
                of its data that it has not seen.
            style: numbers ``[z_dim]``, or a picture whose style it is to be; by default one drawn
                by the seed.
            seed: of the style, and of the grain where the painter has any.

        Raises:
            CourseError: classes that it does not know; a style for a painter without styles.
        """
        labels = self._unseen([seed])[1][0] if label_map is None else self.read(label_map)
        z = self._style(style, seed)
        image = self.paint(labels, None if z is None else z[None], [seed])[0]
        steps = {"label_map": labels.coloured().as_subclass(Tensor) / 127.5 - 1}
        notes = self._notes(labels)
        for note in notes:
            warnings.warn(note, stacklevel=2)
        return Picture(image, steps if z is None else steps | {"style": z}, notes)

    def styles(
        self, label_map: LabelMap | Scene | Tensor | str | Path, styles: Tensor, *, seed: int = 7
    ) -> Tensor:
        """One map in many styles ``[N, z_dim]``: ``[N, 3, H, W]`` in [-1, 1].

        What the map alone decides, every layer's gamma and beta, is computed once for all.
        """
        self._check_has_styles()
        return self.paint(self.read(label_map), styles, [seed])

    def between(
        self, label_map: LabelMap | Scene | Tensor | str | Path, first: Tensor, last: Tensor,
        count: int = 8, *, seed: int = 7,
    ) -> Tensor:  # fmt: skip
        """One map on the straight way from one style to another: ``[count, 3, H, W]``."""
        shares = torch.linspace(0, 1, count)[:, None]
        return self.styles(label_map, first + shares * (last - first), seed=seed)

    @torch.no_grad()
    def encode(self, picture: Tensor | Picture | str | Path) -> Tensor:
        """The style of a picture: ``[z_dim]``.

        Args:
            picture: a file, or ``[3, H, W]``, bytes from 0 to 255 or floats in [-1, 1].
        """
        if self.encoder is None:
            raise CourseError(NO_ENCODER, where="style", fix=TRAIN_ONE)
        pixels = pixels_of(picture)
        return self.encoder(pixels[None])[0][0]

    @torch.no_grad()
    def paint(self, label_map: LabelMap, styles: Tensor | None, seeds: Sequence[int]) -> Tensor:
        """One map in ``N`` styles: ``[N, 3, H, W]``; a seed of the grain for each, or one."""
        maps = self._maps(label_map)
        if styles is None:
            return self.generator(maps, None, grain_of(seeds))
        parts, painted = styles.split(16), []
        for number, some in enumerate(parts):
            own = seeds if len(seeds) == 1 else seeds[16 * number : 16 * number + len(some)]
            painted.append(self.generator(maps, some, grain_of(own)))
        return torch.cat(painted)

    def read(self, label_map: LabelMap | Scene | Tensor | str | Path) -> LabelMap:
        """A map in the classes of this painter; one of other classes is read by their names."""
        if isinstance(label_map, str | Path):
            return LabelMap.load(label_map, self.classes)
        if isinstance(label_map, Scene):
            if label_map.label_map is None:
                raise CourseError("this scene has no label map", where="label_map")
            label_map = label_map.label_map
        if isinstance(label_map, Tensor):
            return LabelMap.of(label_map, self.classes, where="label_map")
        if label_map.classes.digest == self.classes.digest:
            return label_map
        return translated(label_map, self.classes)

    def sheets(self, seeds: Sequence[int], **how: Any) -> dict[str, Tensor]:
        """``final``: a map in a style of each seed; without a map, unseen ones of its data, with
        ``real`` pictures and ``maps`` beside.
        """
        if how.get("label_map") is not None:
            return super().sheets(seeds, **how)
        scenes, maps = self._unseen(seeds)
        style, columns = how.get("style"), math.ceil(math.sqrt(len(seeds)))
        painted = [self.generate(m, style=style, seed=s) for m, s in zip(maps, seeds, strict=True)]
        coloured = torch.stack([picture.steps["label_map"] for picture in painted])
        final = torch.stack([picture.image for picture in painted])
        sheets = {"real": scenes.images, "maps": coloured, "final": final}
        return {name: grid(pictures, columns) for name, pictures in sheets.items()}

    def _unseen(self, seeds: Sequence[int]) -> tuple[SceneBatch, list[LabelMap]]:
        """Scenes of its data, chosen by the seeds, and their maps."""
        source = open_source(self.config.data, self.config.size, "test", aspect=self.config.aspect)
        scenes = source.batch(torch.tensor([seed % len(source) for seed in seeds]))
        if scenes.label_maps is None or scenes.classes is None:
            raise CourseError(f"{self.config.data} has no label maps", where="label_map")
        told = scenes.instances if scenes.instances is not None else [None] * len(scenes)
        maps = [
            LabelMap(Mask(ids), scenes.classes, None if objects is None else Mask(objects))
            for ids, objects in zip(scenes.label_maps, told, strict=True)
        ]
        return scenes, maps

    def _maps(self, label_map: LabelMap) -> LabelMaps:
        """The map as the layers take it; the latest one remembers what they made of it."""
        if self._latest is None or not same(self._latest[0], label_map):
            objects = label_map.instances
            told = None if objects is None else objects.as_subclass(Tensor)[None]
            ids = label_map.ids.as_subclass(Tensor)[None]
            self._latest = label_map, label_maps(self.config, ids, told, remember=True)
        return self._latest[1]

    def _style(self, style: Tensor | Picture | str | Path | None, seed: int) -> Tensor | None:
        if style is not None:
            self._check_has_styles()
        if not self.z_dim:
            return None
        if style is None:
            return noise(seed, self.z_dim)
        if isinstance(style, Tensor) and style.ndim == 1:
            if len(style) != self.z_dim:
                raise CourseError(
                    f"this style has {len(style)} numbers, styles here have {self.z_dim}",
                    where="style",
                )
            return style
        return self.encode(style)

    def _check_has_styles(self) -> None:
        if not self.z_dim:
            raise CourseError(NO_ENCODER, where="style", fix=TRAIN_ONE)

    def _notes(self, label_map: LabelMap) -> tuple[str, ...]:
        (height, width), (rows, columns) = label_map.canvas, self.canvas
        if abs(math.log(height * columns / (width * rows))) < 0.02:
            return ()
        return (f"the map is {width} x {height} pixels, it is painted as {columns} x {rows}",)


def same(one: LabelMap, other: LabelMap) -> bool:
    """Whether two maps are equal, pixel by pixel."""
    if one is other:
        return True
    if one.canvas != other.canvas or not torch.equal(one.ids, other.ids):
        return False
    if one.instances is None or other.instances is None:
        return one.instances is other.instances
    return torch.equal(one.instances, other.instances)


def translated(label_map: LabelMap, classes: ClassTable) -> LabelMap:
    """The map in ids of another table, class by class, by their names."""
    unknown = [name for name in label_map.names() if name not in (*classes.names, "unlabeled")]
    if unknown:
        raise CourseError(
            f"this painter has no class {unknown[0]!r}; {suggestion(unknown[0], classes.names)}"
            + (f" (nor {', '.join(unknown[1:])})" if unknown[1:] else ""),
            where="label_map",
        )
    ids = [classes.id(name) if name in classes else 0 for name in label_map.classes.names]
    lookup = torch.tensor([*ids, classes.unlabeled])
    return LabelMap.of(
        lookup[label_map.ids.as_subclass(Tensor)], classes, instances=label_map.instances
    )


def pixels_of(picture: Tensor | Picture | str | Path) -> Tensor:
    """A picture as ``[3, H, W]`` in [-1, 1]."""
    if isinstance(picture, str | Path):
        return load_image(picture).as_subclass(Tensor).float() / 127.5 - 1
    held = picture.image if isinstance(picture, Picture) else picture
    return to_image(held, values=(-1, 1), where="style").as_subclass(Tensor).float() / 127.5 - 1


def tables() -> dict[int, ClassTable]:
    """The classes of the released generators, by the planes that they take."""
    return {184: COCO_CLASSES, 151: ADE20K.classes, 36: cityscapes().classes}


def config_of(generator: Generator, classes: ClassTable) -> SPADEConfig:
    """How the authors' generator is fed: planes past the classes are void, then edges."""
    sizes = generator.sizes
    more = sizes.planes - len(classes)
    if more not in (0, 1, 2):
        raise CourseError(
            f"{sizes.planes} planes do not fit {len(classes)} classes (and void, and edges)",
            where=official.WHERE,
        )
    return SPADEConfig(
        data={184: "coco_stuff_spade", 151: "ade20k", 36: "cityscapes"}.get(sizes.planes, "yours"),
        labels=len(classes),
        void=more >= 1,
        edges=more == 2,
        size=sizes.size,
        aspect=sizes.aspect,
        upsampling=sizes.upsampling,
        width_g=sizes.width,
        hidden=sizes.hidden,
        kernel=sizes.kernel,
        norm_g=sizes.norm,
        spectral_g=sizes.spectral,
        use_vae=sizes.z_dim > 0,
        z_dim=sizes.z_dim or 256,
    )
