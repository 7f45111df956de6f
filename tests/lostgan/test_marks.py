"""What the shipped painter reaches, on layouts that it never saw and samples nobody selected."""

from functools import cache

import pytest
import torch

import course_lib
from course_lib.data.storybook import Storybook
from course_lib.judges.pages import page_colours
from course_lib.lostgan.objective import LostGANObjective
from course_lib.metrics import change, edits, thing_recall
from course_lib.training import train

UNSEEN = Storybook(seed=1, size=64)  # it has learnt from the book of seed 0


@cache
def shipped():
    return course_lib.load("lostgan")


def recall(count):
    """Of class and colour, as the judge of things reads them in the boxes."""
    scenes = UNSEEN.batch(torch.arange(count))
    colours = torch.stack([page_colours(UNSEEN[n]) for n in range(count)])
    painted = shipped().paint_scenes(scenes).pictures
    return thing_recall(painted, scenes, colours[:, : scenes.objects.shape[1]])


def control(painter, count, kind):
    """Mean change inside and outside of the edited boxes."""
    found = change(edits(painter, map(UNSEEN.__getitem__, range(count)), kind))
    return found["inside"].value, found["outside"].value


def check_control(inside, outside):
    assert inside >= 0.05 and outside <= 0.03 and inside >= 3 * outside


@pytest.mark.slow
def test_a_thousand_unseen_layouts_have_their_things_in_their_colours():
    found = recall(1000)
    assert found.value >= 0.85 * found.ceiling and found.floor < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["move", "restyle"])
def test_a_thousand_edits_stay_where_they_are(kind):
    check_control(*control(shipped(), 1000, kind))


def test_sixty_unseen_layouts():
    found = recall(60)
    assert found.value >= 0.8 * found.ceiling and found.floor < 0.2
    check_control(*control(shipped(), 30, "move"))
    check_control(*control(shipped(), 30, "restyle"))


class Shuffled(LostGANObjective):
    """Told lies about styles: each object is given another one's."""

    def styles(self, real, boxes, labels):
        z, whole = super().styles(real, boxes, labels)
        objects = z[:, :-1]
        order = torch.randperm(objects.shape[0] * objects.shape[1])
        return torch.cat([objects.flatten(0, 1)[order].view_as(objects), z[:, -1:]], dim=1), whole


@pytest.mark.slow
def test_a_twin_that_learns_with_shuffled_styles_fails(tmp_path):
    plan = {"rounds": 300, "ema": 0.98, "sample_every": 300, "device": "cpu"}
    game = Shuffled(course_lib.configure("lostgan", "cpu", plan))
    game.generator.load_state_dict(shipped().generator.state_dict())
    train(game, Storybook(size=64), tmp_path, show=False)
    twin = course_lib.load(tmp_path)
    check_control(*control(twin, 100, "move"))  # it still hears the layout
    inside, _ = control(twin, 100, "restyle")
    assert inside < 0.5 * control(shipped(), 100, "restyle")[0] and inside < 0.05
