"""The control score card: Storybook reaches the ceiling, who hears nothing sits on the floor."""

from __future__ import annotations

import pytest
import torch

from course_lib.cli import main
from course_lib.errors import CourseError
from course_lib.metrics.control import (
    OTHER,
    control_scenes,
    control_scores,
    moved,
    on_another_day,
)

ROWS = ["thing", "colour", "ground", "box", "map", "edit", "diversity", "texture"]


@pytest.fixture(scope="module")
def scenes():
    return control_scenes(50)


def of(scene):
    return scene.image.as_subclass(torch.Tensor) / 127.5 - 1


def test_who_hears_all_reaches_the_ceiling(scenes):
    card = control_scores(lambda s, seed: of(s if seed < OTHER else on_another_day(s)), scenes)
    assert list(card) == ROWS
    for name, score in card.items():
        assert score.value == pytest.approx(score.ceiling, abs=1e-6) or name == "texture"
        assert score.floor < 0.85 * score.value
    assert card["texture"].value == 1


def test_who_hears_nothing_sits_on_the_floor(scenes):
    def stubborn(scene, seed):
        return of(scenes[seed % 7])  # real pictures, but never of what was asked for

    card = control_scores(stubborn, scenes)
    for name in ("thing", "colour", "ground", "box", "map"):
        low, high = card[name].interval
        assert low - 0.15 <= card[name].floor <= high + 0.15, name
        assert card[name].value < 0.6 * card[name].ceiling
    assert card["edit"].value == 0  # not even a moved thing changes its picture


def test_a_thing_moves_and_all_that_is_told_with_it(scenes):
    for scene in scenes[:5]:
        aside = moved(scene)
        (before,), (after,) = scene.sights, aside.sights
        assert abs(before.middle - after.middle) > 0.1 and before.name == after.name
        assert scene.label_map.names().keys() >= {before.name} <= aside.label_map.names().keys()
        assert (scene.label_map.ids != aside.label_map.ids).any()


def test_too_few_scenes_are_refused(scenes):
    with pytest.raises(CourseError, match="3 samples are too few"):
        control_scores(lambda scene, seed: of(scene), scenes[:3])


def test_a_painter_of_small_grey_pictures_on_the_command_line(capsys):
    assert main(["evaluate", "control", "lrgan", "--n", "50"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ROWS
    assert "floor" in lines[0] and "ceiling" in lines[0]
