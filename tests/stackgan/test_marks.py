"""What the shipped painter reaches on captions that it has not seen."""

import pytest
import torch
import torch.nn.functional as F

import course_lib
from course_lib.data.sources import open_source
from course_lib.metrics.one_thing import named_accuracy


def scores(count, stage):
    painter = course_lib.load("stackgan")
    pages = open_source("storybook-alone", 64, "test").batch(torch.arange(count))
    text = painter.embed(*(several[0] for several in pages.captions))
    return named_accuracy(painter.paint(text, range(count))[stage], pages)


def check(found):
    assert found["thing"].value >= 0.9 and found["thing"].value >= 3 * found["thing"].floor
    assert found["colour"].value >= 0.9
    assert found["ground"].value >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["stage_1", "stage_2"])
def test_a_thousand_unseen_captions_are_heard_by_both_stages(stage):
    check(scores(1000, stage))


@pytest.mark.slow
def test_stage_two_is_sharper_than_its_enlarged_sketch():
    painter = course_lib.load("stackgan")
    pages = open_source("storybook-alone", 128, "test").batch(torch.arange(100))
    text = painter.embed(*(several[0] for several in pages.captions))
    sketch, painting = painter.paint(text, range(100)).values()
    large = F.interpolate(sketch, size=128, mode="bilinear", align_corners=False)
    assert 1.1 * edges(large) < edges(painting) and edges(painting) < edges(pages.images)


def edges(pictures):
    """How much brightness changes from a pixel to the next, in the mean."""
    grey = pictures.mean(dim=1)
    return (grey.diff(dim=1).abs().mean() + grey.diff(dim=2).abs().mean()).item()


def test_sixty_unseen_captions_are_heard():
    found = scores(60, "stage_1")
    assert found["thing"].value > 0.8 and found["colour"].value > 0.9
    assert found["ground"].value > 0.8


@pytest.mark.parametrize(
    ("caption", "other", "place"),
    [
        ("a large red house on the grass by day", "a large blue house on the grass by day", 1),
        ("a large red car on the road by day", "a large red flower on the grass by day", 0),
        ("a large red sun shines in the sky", "a large red mushroom grows on the grass", 2),
    ],
)
def test_one_word_changes_what_the_picture_shows(caption, other, place):
    from course_lib.metrics.one_thing import look, named

    painter, seeds = course_lib.load("stackgan"), range(12)
    box = torch.tensor([0.25, 0.2, 0.75, 0.85]).expand(12, 4)
    for told in (caption, other):
        pictures = painter.paint(painter.embed(*[told] * 12), seeds)["stage_1"]
        shown = [view[place] for view in look(pictures, box, [named(told)[0]] * 12)]
        assert shown.count(named(told)[place]) >= 8, (told, shown)
