"""Layouts for captions: what is named, how often, and where it is said to be."""

import pytest
import torch

from course_lib.data.coco import COCO_CLASSES
from course_lib.data.proposal import propose
from course_lib.data.storybook import CLASSES, THINGS, Storybook

HOLDS = {
    "left of": lambda a, b: a[2] + a[0] < b[2] + b[0],
    "right of": lambda a, b: a[2] + a[0] > b[2] + b[0],
    "above": lambda a, b: a[3] <= b[1],
    "below": lambda a, b: a[1] >= b[3],
    "beside": lambda a, b: a[3] == pytest.approx(b[3]) and (a[2] < b[0] or b[2] < a[0]),
    "in front of": lambda a, b: a[3] > b[3] and a[0] < b[2] and b[0] < a[2],
    "behind": lambda a, b: a[3] < b[3] and a[0] < b[2] and b[0] < a[2],
}


@pytest.mark.parametrize("how", list(HOLDS))
@pytest.mark.parametrize(("one", "other"), [("bird", "house"), ("cat", "tree"), ("car", "sun")])
def test_relations_hold(how, one, other):
    layout = dict(propose(f"a large red {one} {how} a {other} at night", CLASSES))
    assert HOLDS[how](layout[one], layout[other])


@pytest.mark.parametrize(
    ("caption", "names"),
    [
        ("two birds and a large house", ["bird", "bird", "house"]),
        ("three sheep in the snow", ["sheep"] * 3),
        ("no boats and one fish", ["fish"]),
        ("nothing but sand under a cloudy sky", []),
        ("A Cat,  an umbrella; the lighthouse!", ["cat", "lighthouse", "umbrella"]),
        ("a catfish and a houseboat", []),
        ("", []),
    ],
)
def test_what_is_named_has_boxes(caption, names):
    assert sorted(propose(caption, CLASSES).names) == names


def test_only_as_many_as_a_painter_takes():
    assert propose("two birds and a house", CLASSES, most=2).names == ("bird", "bird")


def test_sides_sizes_and_usual_places():
    layout = dict(propose("a house on the right and a boat on the left under a sun", CLASSES))
    assert layout["house"][0] > 0.5 > layout["boat"][2] - 0.06
    small, large = (dict(propose(f"a {size} tree", CLASSES))["tree"] for size in ("small", "large"))
    assert large[3] - large[1] > 1.5 * (small[3] - small[1])
    plain = dict(propose("a sun and a car", CLASSES))
    assert plain["sun"][3] < 0.5 < plain["car"][1] + 0.3 and plain["sun"][2] < plain["car"][2]


def test_a_sky_is_nothing_to_stand_below():
    """ "under" goes with the stuff that follows it, not with the next thing."""
    layout = dict(propose("a house under a clear sky and a tree", CLASSES))
    assert layout["house"][3] == pytest.approx(layout["tree"][3])


def test_any_class_table_will_do():
    layout = propose("two dogs next to a fire hydrant, and a hot dog", COCO_CLASSES)
    assert sorted(layout.names) == ["dog", "dog", "fire hydrant", "hot dog"]


def test_every_caption_of_the_book_gets_boxes_inside_the_picture():
    book = Storybook()
    for scene in (book[number] for number in range(60)):
        for caption in scene.captions:
            boxes = propose(caption, CLASSES).fractions()
            assert ((boxes >= 0) & (boxes <= 1)).all() and (boxes[:, 2:] > boxes[:, :2]).all()
    told = scene.captions[4]
    counted = sum(1 for name in THINGS if name in told or THINGS[name].plural in told)
    assert len(set(propose(told, CLASSES).names)) <= counted
    assert torch.equal(propose(told, CLASSES).fractions(), propose(told, CLASSES).fractions())
