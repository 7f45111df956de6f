"""MNIST-ONE and MNIST-TWO: the canvas is the equation, the masks are true, everything is inside."""

import pytest
import torch

from course_lib.data.digit_scenes import DIGIT_CLASSES, SCENES, DigitScenes, compose, tight
from course_lib.data.digits import Digits
from course_lib.data.sources import open_source
from course_lib.errors import CourseError

DIGITS = Digits(32)


def scenes(*args, count=200, **more):
    return DigitScenes(DIGITS, *args, count=count, **more)


@pytest.mark.parametrize("objects", [1, 2])
@pytest.mark.parametrize(("look", "channels"), [("grey", 1), ("clouds", 3)])
@pytest.mark.parametrize("size", [32, 64])
def test_scenes_are_sound_and_say_what_is_on_them(objects, look, channels, size):
    source = scenes(objects, look, size=size)
    batch = source.batch(torch.arange(50))
    batch.check()
    assert batch.images.shape == (50, channels, size, size) and source.channels == channels
    assert batch.objects.shape == (50, objects) and batch.classes is DIGIT_CLASSES
    assert (batch.labels is None) == (objects == 2)
    masks = source.masks(torch.arange(50))
    assert torch.equal(batch.instances > 0, (masks > 0.5).any(dim=1))
    area = source.masks(torch.arange(200)).mean(dim=(2, 3))
    assert area.min() > 0.01 and area.max() < 0.25


def test_a_canvas_is_its_background_with_ink_over_it():
    ink = tight(DIGITS)[:40, 0].view(20, 2, *tight(DIGITS).shape[-2:])
    made = compose(ink, 32, "clouds", torch.Generator().manual_seed(0))
    canvas = made.backgrounds
    for layer in range(2):
        mask = made.masks[:, layer, None]
        canvas = mask * made.colours[:, layer] + (1 - mask) * canvas
    torch.testing.assert_close(made.images, canvas)
    assert made.backgrounds.min() >= 0 and made.backgrounds.max() <= 1


def test_ink_lies_in_its_box_and_boxes_inside_the_canvas():
    source = scenes(2, size=64)
    boxes = source.batch(torch.arange(200)).boxes * 64
    assert boxes.min() >= 0 and boxes.max() <= 64
    place = torch.arange(64) + 0.5
    for mask, box in zip(source.masks(torch.arange(200)).flatten(0, 1), boxes.flatten(0, 1),
                         strict=True):  # fmt: skip
        outside_x = (place < box[0] - 1) | (place > box[2] + 1)
        outside_y = (place < box[1] - 1) | (place > box[3] + 1)
        assert mask[:, outside_x].max() < 0.01 and mask[outside_y].max() < 0.01


def test_two_digits_hardly_touch():
    masks = scenes(2).masks(torch.arange(200)) > 0.5
    shared = masks.all(dim=1).sum(dim=(1, 2))
    assert shared.float().mean() < 0.2 and shared.max() < 15  # pixels of 1,024


def test_digits_differ_from_their_background_and_have_one_colour():
    source = scenes(1)
    batch, masks = source.batch(torch.arange(200)), source.masks(torch.arange(200))[:, 0]
    for image, mask in zip(batch.images[:, 0], masks, strict=True):
        ink, paper = image[mask > 0.99], image[mask == 0]
        assert ink.std() < 0.02 and paper.std() < 1e-3
        assert (ink.mean() - paper.mean()).abs() > 0.4


def test_scenes_are_a_function_of_their_seed():
    one, same, other = scenes(1, seed=3), scenes(1, seed=3), scenes(1, seed=4)
    which = torch.tensor([5, 0])
    assert torch.equal(one.batch(which).images, same.batch(which).images)
    assert one.fingerprint == same.fingerprint != other.fingerprint
    assert not torch.equal(one.batch(which).images, other.batch(which).images)


def test_there_are_more_canvases_than_d_could_learn_by_heart():
    source = DigitScenes(DIGITS)
    batch = source.batch(torch.randint(len(source), (300,)))
    assert len(source) == 100_000 and len(batch.boxes.flatten(1).unique(dim=0)) > 295


def test_sources_by_name(monkeypatch, tmp_path):
    assert SCENES["mnist-two-clouds"] == (2, "clouds") and SCENES["digits-one"] == (1, "grey")
    source = open_source("digits-one-clouds", 16)
    assert source.name == "digits-one-clouds" and source.batch(torch.arange(2)).images.shape[1] == 3
    assert not torch.equal(
        source.batch(torch.arange(2)).images,
        open_source("digits-one-clouds", 16, "test").batch(torch.arange(2)).images,
    )
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    with pytest.raises(CourseError, match="MNIST is not complete"):
        open_source("mnist-one", 32)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"objects": 3}, "3 digits"),
        ({"size": 8}, "16 pixels or more"),
        ({"look": "lilac"}, "lilac.*grey, clouds"),
        ({"objects": 0, "size": 4}, "2 problems"),
        ({"seed": -1}, "seed"),
    ],
)
def test_what_cannot_be_composed_is_refused(values, words):
    with pytest.raises(CourseError, match=words):
        DigitScenes(DIGITS, **values)
