"""Does a picture of one thing show the thing, the colour and the ground that its caption names?

Each is asked by itself. Where the thing is says the judge of scenes: its surest box, or, where it
finds none, the box of the page that the caption was written for. What is in the box, and in which
colour, says the judge of things; the ground is the stuff around the box on the label map that the
judge of scenes reads, by the rule that Storybook's captions follow.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from course_lib.data.storybook import CLASSES, COLOURS, THINGS
from course_lib.data.storybook.captions import surroundings
from course_lib.errors import CourseError
from course_lib.judges.captions import claims_of
from course_lib.judges.scenes import SceneJudge
from course_lib.judges.things import ThingJudge
from course_lib.metrics.score import Score, bootstrap, enough, shuffled
from course_lib.scene import SceneBatch

__all__ = ["NAMED", "named", "named_accuracy"]

NAMED = ("thing", "colour", "ground")
PROTOCOL = (
    "share of first captions whose {} scene_judge and thing_judge read in the picture, one picture "
    "a caption; bootstrap over pictures"
)
Names = tuple[str, str, str]


def named_accuracy(pictures: Tensor, scenes: SceneBatch) -> dict[str, Score]:
    """Share of pictures that show what their captions name, of each of :data:`NAMED`.

    Args:
        pictures: ``[N, 3, H, W]``, painted from the first captions of ``scenes``.
        scenes: pages of Storybook with one thing each.

    Raises:
        CourseError: too few pictures, or scenes of another number, without captions or boxes.
    """
    enough(len(pictures), 50, "named accuracy")
    captions, boxes = scenes.captions, scenes.boxes
    if len(pictures) != len(scenes) or captions is None or boxes is None or boxes.shape[1] != 1:
        raise CourseError(
            "a picture for each scene, with caption and one box, is needed", where="scenes"
        )
    said = [named(several[0]) for several in captions]

    def rows(shown: Tensor, order: Tensor) -> Tensor:
        """Right and said names: ``[N, 3, 2]``."""
        told = [said[number] for number in order.tolist()]
        seen = look(shown, boxes[order, 0], [thing for thing, _, _ in told])
        return torch.tensor([_marks(words, view) for words, view in zip(told, seen, strict=True)])

    own = torch.arange(len(pictures))
    parts = rows(pictures, own), rows(pictures, shuffled(len(pictures))), rows(scenes.images, own)
    return {
        name: Score(
            _share(parts[0][:, place]),
            bootstrap(_share, parts[0][:, place]),
            int(parts[0][:, place, 1].sum()),
            _share(parts[1][:, place]),
            _share(parts[2][:, place]),
            PROTOCOL.format(name),
        )
        for place, name in enumerate(NAMED)
    }


def named(caption: str) -> Names:
    """Thing, colour and ground of a caption; empty where it says nothing of it."""
    claims = claims_of(caption)
    noun = next(claim.noun for claim in claims if claim.noun is not None)
    ground = next((claim.value for claim in claims if claim.attribute == "place"), "")
    return noun.name, noun.colour, ground


def look(pictures: Tensor, pages: Tensor, things: Sequence[str]) -> list[Names]:
    """Thing, colour and ground of each picture as the judges see them.

    Args:
        pages: the boxes of the captions' own pages, ``[N, 4]``.
        things: what the captions name: a sun has its ground all around, a house below it.
    """
    reading = SceneJudge.load().read(pictures)
    found, at = reading.found, torch.arange(len(pictures))
    best = (found.sureness * found.present).argmax(dim=1)  # [N]
    boxes = torch.where(found.present[at, best][:, None], found.boxes[at, best], pages)  # [N, 4]
    there = torch.ones(len(pictures), 1, dtype=torch.bool)
    classes, colours = (
        part[:, 0] for part in ThingJudge.load().read(pictures, boxes[:, None], there)
    )
    seen = []
    for number, name in enumerate(things):
        read = int(classes[number])
        shown = "" if read == CLASSES.unlabeled else CLASSES.name(read)
        ids, (x0, y0, x1, y1) = reading.label_maps[number].numpy(), boxes[number].tolist()
        ground = surroundings(ids, (x0, y0, x1, y1), "sky" in THINGS[name].stands)
        seen.append((shown, tuple(COLOURS)[int(colours[number])], ground))
    return seen


def _marks(words: Names, view: Names) -> list[list[float]]:
    return [[float(w != "" and w == v), float(w != "")] for w, v in zip(words, view, strict=True)]


def _share(rows: Tensor) -> float:
    hits, chances = rows.sum(0).tolist()
    return hits / max(chances, 1)
