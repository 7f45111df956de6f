"""The judge of canvases: it reads digits that it has not studied, and refuses what is none."""

import pytest
import torch

from course_lib.judges import canvases
from course_lib.judges.canvases import NONE, CanvasJudge, bare, junk, lesson


@pytest.fixture(scope="module")
def written():
    return canvases.handwriting("test")[0]  # scikit-learn's, the last 360


@pytest.fixture(scope="module")
def judge():
    return CanvasJudge.load()


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


def test_half_of_a_lessons_digits_are_as_they_were_written(written, monkeypatch):
    """A judge that only ever saw softened digits, beside sharp junk, called sharp digits none."""
    pasted = []
    compose = canvases.canvases
    monkeypatch.setattr(canvases, "canvases", lambda ink: pasted.append(ink) or compose(ink))
    torch.manual_seed(0)
    ink, labels = (part[:64] for part in written)
    lesson(ink, labels)
    same = (pasted[0][:64] == ink).flatten(1).all(dim=1).float().mean()
    assert 0.3 < same < 0.7


def test_the_shipped_judge_reads_what_it_has_not_studied(judge, written):
    torch.manual_seed(0)
    ink, labels = written
    images, masks = canvases.canvases(ink)
    chances, found = judge.look(images)
    assert (chances.argmax(dim=1) == labels).float().mean() > 0.85
    assert (chances[:, :NONE].amax(dim=1) > 0.9).float().mean() > 0.6
    true = masks[:, 0] > 0.5
    iou = (found & true).sum(dim=(1, 2)) / (found | true).sum(dim=(1, 2))
    assert iou.mean() > 0.92


def test_the_shipped_judge_refuses_junk(judge, written):
    torch.manual_seed(0)
    ink, labels = (part[:200] for part in written)
    kinds = {"bare": bare(ink)} | junk(ink, labels)
    sure = {
        kind: (judge.look(canvases.canvases(bad)[0])[0][:, :NONE].amax(dim=1) > 0.9).float().mean()
        for kind, bad in kinds.items()
    }
    assert all(share < 0.08 for share in sure.values()), sure
    assert sure["bare"] == sure["noise"] == sure["blobs"] == sure["clots"] == 0


def test_grey_and_larger_canvases_are_read_as_well(judge, written):
    torch.manual_seed(0)
    images, _ = canvases.canvases(written[0][:50])
    grey = images[::2]  # every second one is grey
    torch.testing.assert_close(judge.look(grey[:, :1])[0], judge.look(grey)[0])
    large = torch.nn.functional.interpolate(images, scale_factor=2, mode="nearest")
    same = judge.look(large)[0].argmax(dim=1) == judge.look(images)[0].argmax(dim=1)
    assert same.float().mean() > 0.9


def test_loading_the_judge_takes_nothing_from_chance():
    torch.manual_seed(5)
    CanvasJudge.load()
    after = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(after, torch.rand(3))
