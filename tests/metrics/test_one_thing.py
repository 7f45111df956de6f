"""Named accuracy: real pages name what they show; other pages, and mush, do not."""

import pytest
import torch

from course_lib.data.sources import open_source
from course_lib.errors import CourseError
from course_lib.metrics.one_thing import NAMED, named, named_accuracy


@pytest.fixture(scope="module")
def pages():
    return open_source("storybook-alone", 64, "test").batch(torch.arange(60))


@pytest.mark.parametrize(
    ("caption", "names"),
    [
        ("a large red house stands on the grass by day", ("house", "red", "grass")),
        ("a white fish in the water under a cloudy sky", ("fish", "white", "water")),
        ("a boat in the middle in winter", ("boat", "", "")),
    ],
)
def test_a_caption_names_thing_colour_and_ground(caption, names):
    assert named(caption) == names


def test_real_pages_show_what_they_name_and_others_do_not(pages):
    scores = named_accuracy(pages.images, pages)
    assert set(scores) == set(NAMED)
    for name, score in scores.items():
        assert score.value == score.ceiling >= 0.95, name
        assert score.floor < 0.5 and score.n >= 50, name


def test_noise_shows_no_thing(pages):
    noise = torch.randn(60, 3, 64, 64, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
    assert named_accuracy(noise, pages)["thing"].value < 0.1


def test_a_picture_for_each_scene_is_needed(pages):
    with pytest.raises(CourseError, match="a picture for each scene"):
        named_accuracy(torch.zeros(55, 3, 64, 64), pages)
