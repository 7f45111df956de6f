"""What the judge of canvases studies: digits, junk, bare canvases and pairs."""

import pytest
import torch

from course_lib.judges import canvases
from course_lib.judges.canvases import NONE, junk, lesson


@pytest.fixture(scope="module")
def written():
    return canvases.handwriting("test")[0]  # scikit-learn's, the last 360


def test_a_lesson_holds_digits_junk_bare_canvases_and_pairs(written):
    torch.manual_seed(0)
    ink, labels = (part[:32] for part in written)
    images, answers, masks = lesson(ink, labels)
    assert images.shape == (72, 3, 32, 32) and masks.shape == (72, 1, 32, 32)
    assert images.abs().max() <= 1 + 1e-5
    assert answers[:32].tolist() == labels.tolist() and set(answers[32:].tolist()) == {NONE}
    covered = masks.mean(dim=(1, 2, 3))
    assert (covered[:32] > 0.01).all()
    assert covered[64:68].max() == 0  # bare, and after them two digits each
    assert (covered[68:] > 0.02).all()


def test_every_kind_of_junk_differs_from_the_digits_it_was_made_of(written):
    torch.manual_seed(0)
    ink, labels = (part[:100] for part in written)
    for kind, spoiled in junk(ink, labels).items():
        assert spoiled.shape == ink.shape and spoiled.abs().max() <= 1 + 1e-4, kind
        assert ((spoiled - ink).abs().mean(dim=(1, 2, 3)) > 0.01).float().mean() > 0.95, kind


def test_what_stands_on_a_canvas_says_nothing_of_its_background(written):
    torch.manual_seed(0)
    images, masks = canvases.canvases(written[0][:40])
    hueless = (images - images.mean(dim=1, keepdim=True)).abs().amax(dim=(1, 2, 3)) < 1e-6
    assert hueless[::2].all() and not hueless[1::2].all()
    assert (masks.amax(dim=(1, 2, 3)) > 0.5).all()
