"""What the shipped painter reaches on unseen maps, in styles that nobody selected."""

import pytest
import torch

import course_lib
from course_lib.data.storybook import Look, Storybook
from course_lib.metrics import map_iou
from course_lib.metrics.painted_maps import map_scores, painted
from course_lib.metrics.texture import right
from course_lib.painter import noise

LOOKS = Look(hour="night"), Look(hour="day")


def ratios(found, what):
    return {name: score for name, score in found.items() if name.startswith(f"{what} of")}


@pytest.mark.slow
def test_five_hundred_unseen_maps():
    """Clouds alone, and the long waves of water and snow, are still too weak: see the card."""
    found = map_scores(course_lib.load("spade"))
    assert found["map IoU"].value >= 0.95 * found["map IoU"].ceiling
    variances, bands = ratios(found, "variance"), ratios(found, "band")
    assert len(variances) == 10 and right(variances) >= 0.9
    often = ("sky", "grass", "sand", "water")
    assert right({name: variances[f"variance of {name}"] for name in often}) == 1
    of_these = {name: score for name, score in bands.items() if name.split()[2].strip(",") in often}
    assert len(of_these) == 16 and right(of_these) >= 12 / 16 and right(bands) >= 12 / 16
    assert found["styles apart"].value >= 0.5
    assert found["own palette"].value >= 0.7


def test_fifty_unseen_maps_are_read_back():
    painter, book = course_lib.load("spade"), Storybook(size=64)
    scenes = book.batch(torch.tensor(book.split("test")[:50]))
    pictures = painted(painter, scenes.label_maps, noise(0, 50, 1, painter.z_dim))[:, 0]
    found = map_iou(pictures, scenes)
    assert found.value >= 0.8 * found.ceiling and found.floor < 0.2


def test_the_shipped_painter_takes_the_light_of_another_picture():
    painter, book = course_lib.load("spade"), Storybook(size=64)
    scene, other = book[0], book[1]
    by_night, by_day = (
        painter.generate(scene.label_map, style=other.redraw(look=look).image).image
        for look in LOOKS
    )
    assert by_day.shape == (3, 64, 64) and by_day.mean() > by_night.mean() + 0.2
