"""LostGAN's game: hinge losses on the picture and on each object, and likeness to the real picture.

Sun and Wu 2019, section 3.4, and 2021, section 3.5. The published game asks for likeness of whole
pictures; small painters learn shapes sooner if it is also asked for object by object.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.errors import CourseError, Problems
from course_lib.foreign import read_weights
from course_lib.lostgan.discriminator import PLANS, Discriminator
from course_lib.lostgan.networks import NOWHERE, WIDTHS, Generator, Sizes
from course_lib.nn.perceptual import PerceptualNet, perceptual_distance
from course_lib.nn.regions import region_features
from course_lib.nn.vgg import VGG19, vgg19_file, vgg_distance
from course_lib.objective import Objective, Player, Step, TrainConfig, check_adam, check_each, draw
from course_lib.painter import noise
from course_lib.scene import ClassTable, SceneBatch, Source

__all__ = [
    "COLOURS", "HUES", "LostGANConfig", "LostGANObjective", "crop_distance", "mean", "objects_of",
    "padded", "palette", "stuff_boxes", "styled", "with_colours", "with_whole",
]  # fmt: skip

COLOURS = 24  # styles of each class that a painter remembers the colours of
MIDDLE = 0.6  # of an object's width and height, where its colours are read
HUES = 4 * 3  # numbers with which a style begins that begins with colours
LEAST_STUFF = 0.02  # of the picture: less of a kind of stuff is no object, as in the paper's filter


@dataclass(frozen=True)
class LostGANConfig(TrainConfig):
    """The defaults are the authors' for version 2 on COCO-Stuff: 200 epochs of 24,972 pictures."""

    version: Literal[1, 2] = 2  # 1: ICCV 2019; 2: the masks are mended while G paints
    data: str = "coco-layouts"  # scenes with boxes
    size: int = 128  # side of a picture in pixels: 64, 128 or 256
    rounds: int = 78_000  # each epoch has every picture twice, as it is and mirrored
    batch_size: int = 128  # scenes a round
    flip: bool = True  # mirror pictures by chance
    labels: int = 184  # classes, and one more for "nothing"; COCO's numbers have one to spare
    max_objects: int = 8  # in a scene
    stuff: float = 0.0  # share of scenes whose stuff regions, read off the label map, are objects
    everywhere: bool = False  # the picture itself is an object, too, as for Visual Genome
    colour_styles: bool = False  # a style begins with the object's colours in the real picture
    quick_start: bool = False  # G begins with an even first map and loud classes
    z_dim: int = 128  # length of the noise of an object, and of the picture's
    label_dim: int = 180  # length of a class's embedding; 128 in the published 64-pixel network
    width_g: int = 64  # channels of G's last map
    width_d: int = 64  # channels of D's first map
    mask_width: int = 256  # channels of the mask network; 128 in the published version 1
    mask_labels: int = 184  # classes whose masks version 2 mends
    mask_hidden: int = 100  # channels of the network that does so
    parts: int = 1  # that an object's mask has, each with gains of its own; published: one
    in_front: bool = False  # small things stand before large ones; published: a mixture
    grain: bool = False  # in G a fixed grain, as much of it as each channel learns
    align_corners: bool = True  # how masks are sampled; the authors' torch 1.0 did it so
    plan_d: int = 0  # D as published for pictures of 64, 128 or 256 pixels; 0 for those of `size`
    high_pass: float = 0.0  # how much fine detail is amplified for D; 0 for no such channels
    alone: float = 0.0  # share of the rounds, the first ones, in which G learns likeness only
    on_objects: float = 1.0  # weight of the objects' hinge losses
    on_picture: float = 0.1  # weight of the picture's
    pixel: float = 1.0  # weight of the mean absolute difference to the real picture
    perceptual: float = 1.0  # weight of that of activations, VGG-19's where its file is there
    crop: float = 0.0  # weight of that of objects, each resampled to 16 x 16 pixels
    ema: float = 0.0  # the paper samples from the last weights
    milestone_every: int = 1_170  # rounds: 3 epochs
    keep: Literal["painter", "full"] = "full"  # a run may resume from any milestone
    lr_g: float = 1e-4  # Adam's step sizes
    lr_d: float = 1e-4
    betas: tuple[float, float] = (0.0, 0.999)  # Adam's memory

    @property
    def sizes(self) -> Sizes:
        """What G is built from."""
        return Sizes(
            version=self.version,
            size=self.size,
            labels=self.labels,
            z_dim=self.z_dim,
            label_dim=self.label_dim,
            width=self.width_g,
            mask_width=self.mask_width,
            mask_labels=self.mask_labels,
            mask_hidden=self.mask_hidden,
            parts=self.parts,
            in_front=self.in_front,
            grain=self.grain,
            align_corners=self.align_corners,
        )

    def check(self, problems: Problems) -> None:
        super().check(problems)
        problems.check(self.version in (1, 2), f"version is {self.version!r}, there are 1 and 2")
        sides = ", ".join(map(str, WIDTHS))
        problems.check(self.size in WIDTHS, f"size is {self.size}: one of {sides}")
        problems.check(self.plan_d in (0, *PLANS), f"plan_d is {self.plan_d}: 0, {sides}")
        check_each(
            problems,
            self,
            "labels",
            "max_objects",
            "z_dim",
            "label_dim",
            "width_g",
            "width_d",
            "mask_width",
            "mask_labels",
            "mask_hidden",
            "parts",
        )
        problems.check(
            self.version == 1 or self.mask_labels >= self.labels,
            f"mask_labels is {self.mask_labels}, fewer than the {self.labels} labels",
            "the same number, or more",
        )
        problems.check(
            self.version == 1 or self.parts == 1,
            f"parts is {self.parts}; version 2 mends masks of 1",
        )
        for name in ("high_pass", "on_objects", "on_picture", "pixel", "perceptual", "crop"):
            value = getattr(self, name)
            problems.check(value >= 0, f"{name} is {value}, it must not be negative")
        problems.check(
            self.z_dim > HUES or not self.colour_styles,
            f"z_dim is {self.z_dim}, the colours alone take {HUES}",
        )
        for name in ("stuff", "alone"):
            share = getattr(self, name)
            problems.check(0 <= share <= 1, f"{name} is {share}, a share from 0 to 1")
        problems.check(
            self.batch_size >= 2,
            f"batch_size is {self.batch_size}; batch norm needs 2 pictures or more",
        )
        check_adam(problems, "lr_g", self.lr_g, self.betas)
        check_adam(problems, "lr_d", self.lr_d, self.betas)


# --- The losses ---


def mean(scores: Tensor) -> Tensor:
    """The mean, in float32; 0 of no scores at all: a batch may have no objects.

    Where a batch is shared by processes or played in parts, it is the mean of their means.
    """
    return scores.float().sum() / max(len(scores), 1)


def hinge(real: Tensor, fake: Tensor) -> Tensor:
    """``E max(0, 1 - D(x)) + E max(0, 1 + D(G(z)))``."""
    return mean(F.relu(1 - real)) + mean(F.relu(1 + fake))


def crop_distance(painted: Tensor, real: Tensor, boxes: Tensor, labels: Tensor) -> Tensor:
    """Mean absolute difference of the objects, each resampled to 16 x 16 pixels.

    So a small object counts as much as a large one; in a whole picture it hardly counts.
    """
    there = labels != 0
    number = there.nonzero()[:, 0]
    one, other = (
        region_features(pictures, boxes[there], number, 16, aligned=True, samples=2)
        for pictures in (painted, real)
    )
    return mean((one - other).abs().mean(dim=(1, 2, 3)))


def eyes() -> VGG19 | PerceptualNet:
    """VGG-19 where its file is there; else the course's own network for losses, never a judge."""
    file = vgg19_file()
    return VGG19(read_weights(file)) if file.is_file() else PerceptualNet.load()


def quick_start(generator: Generator) -> None:
    """First weights with which layout and class are heard from the first round on.

    Published, all matrices begin orthogonal. Then each of the 16 places of G's first map has
    features of its own, which batch norm makes as strong as all that masks and styles say; and a
    class is a vector of length 1 beside noise of length ``sqrt(z_dim)``. With days of training
    that does not matter. Here the places begin alike, and classes as loud as noise.
    """
    nn.init.normal_(generator.embedding.weight)
    weight = generator.fc.get_parameter("parametrizations.weight.original")
    places = weight.data.unflatten(0, (-1, 16))  # [channels, 16, z_dim]; as `fc` is viewed
    places.copy_(places[:, :1].clone())


# --- The layout as the networks take it ---


def stuff_boxes(label_maps: Tensor, stuff: Tensor) -> tuple[Tensor, Tensor]:
    """A box around each kind of stuff, and whether there is enough of it to be an object.

    Shapes: label maps ``[B, H, W]``, class ids ``[S]`` -> ``[B, S, 4]`` (corners, fractions) and
    ``[B, S]``, bool.
    """
    shown = label_maps[:, None] == stuff[:, None, None]  # [B, S, H, W]
    ends = []
    for dim in (2, 3):  # columns, then rows, that show it
        line = shown.any(dim=dim).int()
        length = line.shape[-1]
        ends.append((line.argmax(-1) / length, 1 - line.flip(-1).argmax(-1) / length))
    (left, right), (top, bottom) = ends
    enough = shown.float().mean(dim=(2, 3)) > LEAST_STUFF
    return torch.stack([left, top, right, bottom], dim=-1), enough


def padded(boxes: Tensor, objects: Tensor, present: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Those objects that are present, in their order, and nothing after them.

    Shapes: boxes ``[B, O, 4]``, class ids ``[B, O]``, present ``[B, O]`` -> boxes
    ``[B, most, 4]`` and labels ``[B, most]``, class id + 1, or 0 for nothing.

    Raises:
        CourseError: a scene has more than ``most`` objects.
    """
    if present.shape[1] > most and int(present.sum(dim=1).max()) > most:
        raise CourseError(
            f"a scene has {int(present.sum(dim=1).max())} objects, max_objects is {most}",
            where="data",
        )
    boxes = torch.where(present[..., None], boxes, boxes.new_tensor(NOWHERE))
    labels = torch.where(present, objects + 1, 0)
    order = present.int().argsort(dim=1, descending=True, stable=True)[:, :most]
    boxes, labels = boxes.gather(1, order[..., None].expand(-1, -1, 4)), labels.gather(1, order)
    room = most - order.shape[1]
    nowhere = boxes.new_tensor(NOWHERE).expand(len(boxes), room, 4)
    return torch.cat([boxes, nowhere], dim=1), F.pad(labels, (0, room))


def with_whole(boxes: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """One more object, the whole picture, of the label 0: D never sees it.

    Where masks are shared out, even a faint one takes all if no other is there. With it something
    always is, and a thing alone has a shape, too.
    """
    whole = boxes.new_tensor([0.0, 0.0, 1.0, 1.0]).expand(len(boxes), 1, 4)
    return torch.cat([boxes, whole], dim=1), F.pad(labels, (0, 1))


def objects_of(scenes: SceneBatch, asked: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes, class ids and which are present; with the stuff of those scenes that are ``asked``.

    Raises:
        CourseError: scenes without boxes or, where stuff is asked for, without label maps.
    """
    boxes, objects, present = scenes.boxes, scenes.objects, scenes.present
    if boxes is None or objects is None or present is None:
        raise CourseError("these scenes have no boxes", where="data")
    if asked is None:
        return boxes, objects, present
    if scenes.label_maps is None or scenes.classes is None:
        raise CourseError("these scenes have no label maps", where="data", fix="stuff=0")
    ids = torch.tensor([scenes.classes.id(name) for name in scenes.classes.stuff])
    ids = ids.to(scenes.label_maps.device)
    around, enough = stuff_boxes(scenes.label_maps, ids)
    return (
        torch.cat([around, boxes], dim=1),
        torch.cat([ids.expand(len(scenes), -1), objects], dim=1),
        torch.cat([enough & asked[:, None], present], dim=1),
    )


# --- Styles that begin with colours ---


def colours_of(pictures: Tensor, boxes: Tensor, labels: Tensor) -> Tensor:
    """The median colours of the four quarters of each object's middle: ``[B, O, 12]``.

    As large as noise, and 0 for no object. Four, since an umbrella's colour is above and a boat's
    below, and since they also tell whether it faces left.

    A published style means nothing until D has made it mean something, and likeness to the real
    picture is at odds with it: from a layout nobody can know that the car was red. Layout2Im (Zhao
    et al., CVPR 2019) reads styles off real objects with an encoder; this is the smallest such.
    """
    there = labels != 0
    corner, size = boxes[there][:, :2], boxes[there][:, 2:] - boxes[there][:, :2]
    edge = (1 - MIDDLE) / 2
    middle = torch.cat([corner + edge * size, corner + (1 - edge) * size], dim=1)
    cut = region_features(pictures, middle, there.nonzero()[:, 0], 8, aligned=True, samples=2)
    quarters = cut.unflatten(2, (2, 4)).unflatten(4, (2, 4)).transpose(3, 4)  # [N, 3, 2, 2, 4, 4]
    found = pictures.new_zeros(*labels.shape, HUES)
    found[there] = 2 * quarters.flatten(4).median(dim=4).values.flatten(1).to(found.dtype)
    return found


def with_colours(
    z: Tensor, z_image: Tensor, pictures: Tensor, boxes: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor]:
    """Noise ``[B, O, z_dim]`` and ``[B, z_dim]`` whose first numbers are colours."""
    whole = boxes.new_tensor([0, 0, 1, 1]).expand(len(z), 1, 4)
    own = colours_of(pictures, whole, torch.ones_like(labels[:, :1]))[:, 0]
    objects = colours_of(pictures, boxes, labels)
    return torch.cat([objects, z[..., HUES:]], dim=-1), torch.cat([own, z_image[:, HUES:]], dim=-1)


def styled(
    config: LostGANConfig,
    z: Tensor,
    z_image: Tensor,
    pictures: Tensor,
    boxes: Tensor,
    labels: Tensor,
) -> tuple[Tensor, Tensor]:
    """Styles as G takes them, from noise; with colours, and the picture's own, if it has learnt so.

    Shapes: those of :func:`with_colours`.
    """
    if config.colour_styles:
        z, z_image = with_colours(z, z_image, pictures, boxes, labels)
    if config.everywhere:
        z = torch.cat([z[:, :-1], z_image[:, None]], dim=1)  # [B, O, z_dim]
    return z, z_image


def palette(pictures: Tensor, boxes: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Colours that each label has had, label 0 standing for the picture: ``[labels, COLOURS, 12]``.

    Of more than :data:`COLOURS` the first; fewer are repeated, and a label never seen has greys.
    """
    whole = boxes.new_tensor([0, 0, 1, 1]).expand(len(labels), 1, 4)
    boxes = torch.cat([whole, boxes], dim=1)
    seen = colours_of(pictures, boxes, F.pad(labels, (1, 0), value=1))
    kinds = F.pad(labels, (1, 0), value=-1)  # the picture's own; 0 is nothing
    found = torch.zeros(classes, COLOURS, HUES)
    for label in kinds[kinds != 0].unique().tolist():
        some = seen[kinds == label]
        found[max(label, 0)] = some[torch.arange(COLOURS) % len(some)]
    return (found * 100).round() / 100  # it travels as text


class LostGANObjective(Objective):
    """One round: D learns to tell real from fake; then G, with the same fakes, to be believed.

    D may join late (``alone``): before there are shapes it has nothing to teach.
    """

    kind = "lostgan"

    config: LostGANConfig

    def __init__(self, config: LostGANConfig) -> None:
        super().__init__(config)
        self.generator = Generator(config.sizes)
        if config.quick_start:
            quick_start(self.generator)
        self.discriminator = Discriminator(
            config.size, config.width_d, config.labels, config.plan_d or None, config.high_pass
        )
        self.players = {
            "D": Player(self.discriminator, config.lr_d, config.betas),
            "G": Player(self.generator, config.lr_g, config.betas, averaged=True),
        }
        self.eyes = eyes() if config.perceptual else None
        self.classes: ClassTable | None = None
        self.colours: Tensor | None = None  # [labels, COLOURS, 12], where styles begin with them
        self.shown: SceneBatch | None = None  # what previews paint

    def prepare(self, source: Source) -> None:
        """Looks at the classes and the first scenes.

        Raises:
            CourseError: scenes without boxes, or of more classes than there are labels.
        """
        self.shown = source.batch(torch.arange(min(8, len(source))))
        self.classes, needed = self.shown.classes, 0
        with Problems("data") as problems:
            problems.check(self.shown.boxes is not None, "these scenes have no boxes")
            problems.check(self.classes is not None, "these scenes have no class table")
            needed = len(self.classes or ()) + 1
            problems.check(
                needed <= self.config.labels,
                f"there are {needed - 1} classes, too many for labels={self.config.labels}",
                f"labels={needed}, mask_labels={needed}",
            )
        if self.config.colour_styles:
            many = source.batch(torch.arange(min(128, len(source))))
            layout = self.layout_with(many, torch.ones(len(many), dtype=torch.bool))
            self.colours = palette(many.images, *layout, self.config.labels)

    def tables(self) -> dict[str, Any]:
        found = {} if self.classes is None else {"classes": self.classes.to_json()}
        return found | ({} if self.colours is None else {"colours": self.colours.tolist()})

    def round(self, scenes: SceneBatch, step: Step) -> None:
        config, real = self.config, scenes.images
        boxes, labels = self.layout(scenes)
        z, z_image = self.styles(real, boxes, labels)
        fake = self.generator(z, z_image, boxes, labels).pictures
        likeness = self.likeness(fake.float(), real, boxes, labels)
        if step.round < config.alone * config.rounds:
            step("G", likeness, likeness=likeness)
            return

        real_score, real_objects = self.discriminator(real, boxes, labels)
        fake_score, fake_objects = self.discriminator(fake.detach(), boxes, labels)
        on_picture, on_objects = hinge(real_score, fake_score), hinge(real_objects, fake_objects)
        loss = config.on_objects * on_objects + config.on_picture * on_picture
        accuracy = (real_score > fake_score).float().mean()  # of pairs; 1/2 is a guess
        step("D", loss, picture=on_picture, objects=on_objects, accuracy=accuracy)

        score, objects = self.discriminator(fake, boxes, labels)
        believed = -config.on_objects * mean(objects) - config.on_picture * mean(score)
        step("G", believed + likeness, likeness=likeness)

    def styles(self, real: Tensor, boxes: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """New styles: of the objects ``[B, O, z_dim]`` and of the picture ``[B, z_dim]``."""
        length = self.config.z_dim
        z = draw(torch.randn, len(real), labels.shape[1], length).to(real.device)
        z_image = draw(torch.randn, len(real), length).to(real.device)
        return styled(self.config, z, z_image, real, boxes, labels)

    def likeness(self, fake: Tensor, real: Tensor, boxes: Tensor, labels: Tensor) -> Tensor:
        """How far the picture is from the real one of the same layout, in three ways."""
        config = self.config
        total = config.pixel * (fake - real).abs().mean()
        if self.eyes is not None:
            distance = vgg_distance if isinstance(self.eyes, VGG19) else perceptual_distance
            seen = distance(self.eyes.to(fake.device), fake, real)  # type: ignore[arg-type]
            total = total + config.perceptual * seen
        if config.crop:
            total = total + config.crop * crop_distance(fake, real, boxes, labels)
        return total

    def layout(self, scenes: SceneBatch) -> tuple[Tensor, Tensor]:
        """Boxes ``[B, O, 4]`` and labels ``[B, O]``; with stuff by chance."""
        return self.layout_with(scenes, draw(torch.rand, len(scenes)) < self.config.stuff)

    def layout_with(self, scenes: SceneBatch, asked: Tensor) -> tuple[Tensor, Tensor]:
        """The same with the stuff of those scenes that are ``asked``."""
        stuff = asked.to(scenes.images.device) if self.config.stuff else None
        layout = padded(*objects_of(scenes, stuff), self.config.max_objects)
        return with_whole(*layout) if self.config.everywhere else layout

    @torch.no_grad()
    def preview(self, players: Mapping[str, nn.Module]) -> Tensor:
        """Eight layouts: the real pictures, and below each three of one layout."""
        device = next(players["G"].parameters()).device
        scenes = self.shown.to(device) if self.shown else None
        if scenes is None:
            raise CourseError("no scenes were looked at", where="preview", fix="prepare(source)")
        boxes, labels = self.layout_with(scenes, torch.ones(len(scenes), dtype=torch.bool))
        rows = [scenes.images]
        for seed in range(3):
            drawn = noise(seed, len(scenes), labels.shape[1] + 1, self.config.z_dim).to(device)
            shown = scenes.images.roll(seed, 0)  # whose colours: first their own, then each other's
            z, z_image = styled(self.config, drawn[:, 1:], drawn[:, 0], shown, boxes, labels)
            rows.append(players["G"](z, z_image, boxes, labels).pictures)
        return torch.cat(rows)
