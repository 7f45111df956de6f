"""Caption accuracy: which share of what the captions say is to be seen in the pictures?"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from course_lib.errors import CourseError
from course_lib.judges.captions import (
    ATTRIBUTES,
    UNSURE,
    CaptionJudge,
    View,
    claims_of,
    holds,
)
from course_lib.metrics.score import Score, bootstrap, enough, shuffled, wilson

__all__ = ["caption_accuracy"]

LEAST = 30  # claims from which on an attribute has a score
SURE = [place for place, name in enumerate(ATTRIBUTES) if name not in UNSURE]


def caption_accuracy(
    pictures: Tensor, captions: Sequence[str], real: Tensor, judge: CaptionJudge | None = None
) -> dict[str, Score]:
    """Share of claims that are true of the pictures: of all, and of each attribute by itself.

    Args:
        captions: one for each picture, in Storybook's words.
        real: the real pictures of the captions.

    Returns:
        Scores of ``"all"``, ``"whole captions"`` (every claim true), and of each attribute that
        the captions mention thirty times or more. The season, which the judge reads less surely,
        has a score of its own and counts in no other.
    """
    enough(len(pictures), 50, "caption accuracy")
    if not len(pictures) == len(captions) == len(real):
        counts = f"{len(pictures)} pictures, {len(captions)} captions, {len(real)} real pictures"
        raise CourseError(counts, where="captions")
    reader, claims = judge or CaptionJudge(), [claims_of(caption) for caption in captions]

    def measure(views: list[View], order: Tensor) -> Tensor:
        """True and said claims of each attribute: ``[N, attributes, 2]``."""
        rows = torch.zeros(len(views), len(ATTRIBUTES), 2)
        for number, (view, which) in enumerate(zip(views, order.tolist(), strict=True)):
            for claim in claims[which]:
                place = ATTRIBUTES.index(claim.attribute)
                rows[number, place] += torch.tensor([float(holds(claim, view)), 1.0])
        return rows

    seen, own = reader.see(pictures), torch.arange(len(pictures))
    rows, floor = measure(seen, own), measure(seen, shuffled(len(pictures)))
    return _scores(rows, floor, measure(reader.see(real), own))


def _scores(rows: Tensor, floor: Tensor, ceiling: Tensor) -> dict[str, Score]:
    def share(part: Tensor) -> float:
        true, said = part.flatten(0, -2).sum(0).tolist()
        return true / max(said, 1)

    def whole(part: Tensor) -> float:
        return (part[..., 0] == part[..., 1]).all(dim=1).float().mean().item()

    protocol = "claims of captions that are true of the picture, read by both judges"
    sure = [part[:, SURE] for part in (rows, floor, ceiling)]
    own, low, high = (share(part) for part in sure)
    scores = {"all": Score(own, bootstrap(share, sure[0]), len(rows), low, high, protocol)}
    own, low, high = (whole(part) for part in sure)
    interval = wilson(own * len(rows), len(rows))
    scores["whole captions"] = Score(own, interval, len(rows), low, high, protocol)
    for place, attribute in enumerate(ATTRIBUTES):
        parts = [part[:, place : place + 1] for part in (rows, floor, ceiling)]
        said = int(parts[0][..., 1].sum())
        if said >= LEAST:
            value, low, high = (share(part) for part in parts)
            scores[attribute] = Score(value, bootstrap(share, parts[0]), said, low, high, protocol)
    return scores
