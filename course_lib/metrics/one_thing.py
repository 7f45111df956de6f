"""Does a picture of one thing show the thing, the colour and the ground that its caption names?

Each is asked by itself. The judge of scenes says where the thing is: its surest box. What is in the
box, and in which colour, says the judge of things; the ground is the stuff around the box on the
judge's label map, by the rule that Storybook's captions follow. A picture without any box has
neither thing nor colour nor ground.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from course_lib.data.storybook import CLASSES, COLOURS, THINGS
from course_lib.data.storybook.captions import surroundings
from course_lib.judges.captions import claims_of
from course_lib.judges.scenes import SceneJudge
from course_lib.judges.things import ThingJudge
from course_lib.metrics.score import Score, bootstrap, enough, shuffled

__all__ = ["NAMED", "named_accuracy"]

NAMED = ("thing", "colour", "ground")
PROTOCOL = (
    "share of captions whose {} is read in the picture by scene_judge and thing_judge, "
    "one picture a caption; bootstrap over pictures"
)


def named_accuracy(pictures: Tensor, captions: Sequence[str], real: Tensor) -> dict[str, Score]:
    """Share of pictures that show what their captions name, of each of :data:`NAMED`.

    Args:
        pictures: ``[N, 3, H, W]``, one for each caption.
        captions: in Storybook's words, each about one thing.
        real: the real pictures of the captions.
    """
    enough(len(pictures), 50, "named accuracy")
    said = [named(caption) for caption in captions]

    def rows(seen: Sequence[tuple[str, ...]], order: Tensor) -> Tensor:
        """Right and said names: ``[N, 3, 2]``."""
        told = [said[number] for number in order.tolist()]
        return torch.tensor([_marks(words, view) for words, view in zip(told, seen, strict=True)])

    seen, own = look(pictures), torch.arange(len(pictures))
    parts = rows(seen, own), rows(seen, shuffled(len(pictures))), rows(look(real), own)
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


def _marks(words: Sequence[str], view: Sequence[str]) -> list[list[float]]:
    return [[float(w != "" and w == v), float(w != "")] for w, v in zip(words, view, strict=True)]


def _share(rows: Tensor) -> float:
    hits, chances = rows.sum(0).tolist()
    return hits / max(chances, 1)


def named(caption: str) -> tuple[str, str, str]:
    """Thing, colour and ground of a caption; empty where it says nothing of it."""
    claims = claims_of(caption)
    noun = next(claim.noun for claim in claims if claim.noun is not None)
    ground = next((claim.value for claim in claims if claim.attribute == "place"), "")
    return noun.name, noun.colour, ground


def look(pictures: Tensor) -> list[tuple[str, str, str]]:
    """Thing, colour and ground of each picture as the judges see them."""
    reading = SceneJudge.load().read(pictures)
    found, maps = reading.found, reading.label_maps.cpu().numpy()
    best = (found.sureness * found.present).argmax(dim=1)  # [B]
    at = torch.arange(len(pictures), device=best.device)
    boxes, there = found.boxes[at, best][:, None], found.present[at, best][:, None]
    things, colours = ThingJudge.load().read(pictures, boxes, there)
    seen = []
    for number, ids in enumerate(maps):
        thing = int(things[number, 0])
        if not there[number] or thing == CLASSES.unlabeled:
            seen.append(("", "", ""))
            continue
        name, box = CLASSES.name(thing), boxes[number, 0].tolist()
        ground = surroundings(ids, tuple(box), "sky" in THINGS[name].stands)
        seen.append((name, tuple(COLOURS)[int(colours[number, 0])], ground))
    return seen
