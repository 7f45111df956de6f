"""Objects cut out of pictures, LPIPS, diversity of one layout, and how pictures are saved."""

import pytest
import torch
from torch import nn
from torchvision.models import alexnet

from course_lib.data.storybook import Storybook
from course_lib.errors import CourseError
from course_lib.metrics import (
    Score,
    classification_accuracy,
    diversity_score,
    objects,
    saved,
    scene_fid,
)
from course_lib.metrics.lpips import LPIPS
from course_lib.metrics.objects import crops

BOOK = Storybook(size=64, things=(2, 4))


@pytest.fixture(scope="module")
def pages():
    return BOOK.batch(torch.arange(60))


# --- saving ---


def test_plain_saving_rounds_to_8_bits_and_keeps_the_contrast():
    faint = torch.linspace(-0.2, 0.3, 48).view(1, 3, 4, 4)
    plain = saved(faint)
    assert (plain - faint).abs().max() <= 0.5 / 127.5 + 1e-6
    levels = (plain + 1) * 127.5
    torch.testing.assert_close(levels, levels.round(), rtol=0, atol=1e-4)


def test_the_published_saving_stretches_every_picture_by_itself():
    faint = torch.stack([torch.linspace(-0.2, 0.3, 48), torch.linspace(0.5, 0.6, 48)])
    stretched = saved(faint.view(2, 3, 4, 4), stretched=True).flatten(1)
    assert stretched.amin(1).tolist() == [-1, -1] and stretched.amax(1).tolist() == [1, 1]
    assert stretched[0, 24].item() == pytest.approx(2 * 24 / 47 - 1, abs=1 / 127)
    assert saved(torch.full((1, 3, 4, 4), 0.3), stretched=True).isfinite().all()


# --- LPIPS ---


@pytest.fixture(scope="module")
def network():
    """Files of the official shapes, with drawn numbers."""
    torch.manual_seed(0)
    with torch.device("meta"):
        shapes = alexnet(weights=None).features.state_dict()
    backbone = {f"features.{n}": 0.1 * torch.randn(v.shape) for n, v in shapes.items()}
    widths = (64, 192, 384, 256, 256)
    rows = {f"lin{k}.model.1.weight": torch.rand(1, c, 1, 1) for k, c in enumerate(widths)}
    return backbone, rows


def test_lpips_is_the_papers_sum_over_levels(network):
    lpips, (one, other) = LPIPS(*network), torch.rand(2, 2, 3, 64, 64)
    total = torch.zeros(2)
    for level, last in enumerate((1, 4, 7, 9, 11)):
        f = [lpips.features[: last + 1]((x - lpips.shift) / lpips.scale) for x in (one, other)]
        f = [x / x.norm(dim=1, keepdim=True).clamp(min=1e-10) for x in f]
        row = network[1][f"lin{level}.model.1.weight"][0]
        total += ((f[0] - f[1]).square() * row).sum(1).mean((1, 2))
    torch.testing.assert_close(lpips(one, other), total)
    assert lpips(one, one).abs().max() == 0


def test_files_that_lack_a_level_are_refused(network):
    rows = {name: row for name, row in network[1].items() if "lin3" not in name}
    with pytest.raises(CourseError, match="lin3.model.1.weight are missing"):
        LPIPS(network[0], rows)


# --- diversity of one layout ---


def test_other_looks_are_diverse_and_the_same_picture_is_not(pages, network):
    real = (
        pages.images[:20],
        torch.stack([BOOK[k].redraw(look=BOOK.look(k + 500)).picture.image for k in range(20)]),
    )
    same = diversity_score(real[0], real[0], real)
    assert same.value == same.floor == 0 and same.protocol.startswith("course-DS")
    other = diversity_score(*real, real)
    assert other.value == other.ceiling > 1
    published = diversity_score(*real, network=LPIPS(*network))
    assert published.protocol.startswith("DS: LPIPS") and 0 < published.value != other.value
    with pytest.raises(CourseError, match="at least 20"):
        diversity_score(real[0][:5], real[1][:5])


# --- objects ---


def test_every_object_is_cut_out_with_its_class(pages):
    cut, kinds = crops(pages.images, pages, 32)
    assert len(cut) == len(kinds) == pages.present.sum()
    assert torch.equal(kinds, pages.objects[pages.present])
    x0, y0, x1, y1 = (pages.boxes[0, 0] * 64).round().long().tolist()
    within = pages.images[0, :, y0:y1, x0:x1].mean((1, 2))
    torch.testing.assert_close(cut[0].mean((1, 2)), within, rtol=0, atol=0.08)
    with pytest.raises(CourseError, match="as many scenes"):
        crops(pages.images[:3], pages, 32)


def test_scene_fid_compares_objects_cut_out(pages, monkeypatch):
    seen = []

    def fid(painted, real, features):
        seen.extend((painted, real, features))
        return Score(1.0, (0.5, 1.5), len(painted), 9.0, 0.1, "course-FID (64); less is better")

    monkeypatch.setattr(objects, "fid", fid)
    found = scene_fid(-pages.images, pages)
    assert torch.equal(seen[0], -seen[1]) and seen[1].shape == (int(pages.present.sum()), 3, 64, 64)
    assert found.protocol == "course-SceneFID, objects cut out, (64); less is better"


@pytest.mark.slow
def test_scene_fid_of_real_objects_is_near_its_ceiling_and_of_grey_ones_is_not():
    pages = BOOK.batch(torch.arange(180))
    real = scene_fid(pages.images, pages)
    grey = scene_fid(torch.zeros_like(pages.images), pages)
    assert real.value < 2 * real.ceiling + 0.5 and grey.value > 10 * real.value
    assert real.protocol.startswith("course-SceneFID") and real.n == pages.present.sum() // 2


def test_classes_are_learnt_from_real_objects_and_not_from_grey_ones(pages):
    some, unseen = BOOK.batch(torch.arange(100)), BOOK.batch(torch.arange(100, 140))
    real = classification_accuracy(some.images, some, unseen, steps=40)
    assert real.value == real.ceiling > real.floor + 0.15

    def tiny(classes):
        return nn.Sequential(nn.AvgPool2d(16), nn.Flatten(), nn.Linear(12, classes))

    grey = classification_accuracy(
        torch.zeros_like(some.images), some, unseen, network=tiny, steps=20
    )
    assert grey.value <= grey.floor + 0.05 and "CAS, another classifier" in grey.protocol
    with pytest.raises(CourseError, match="at least 100"):
        classification_accuracy(some.images[:9], some[:9], unseen)
