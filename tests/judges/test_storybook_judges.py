"""The judges of Storybook keep the promises of their model cards, on pages nobody has seen."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from course_lib.data.storybook import CLASSES, COLOURS, THINGS, Storybook
from course_lib.errors import CourseError
from course_lib.judges.boxes import Found, box_loss, find_boxes, recall
from course_lib.judges.captions import UNSURE, CaptionJudge, View, claims_of, holds
from course_lib.judges.pages import SIZE, draw_pages
from course_lib.judges.scenes import (
    UNLABELED,
    SceneJudge,
    confusion,
    damaged,
    flattened,
    mean_iou,
    mosaic,
)  # fmt: skip
from course_lib.judges.spoil import SPOILERS, blobs, gentle, noise, spoiled
from course_lib.judges.things import NONE, ThingJudge, crops_of, cut_out, silhouettes, strays

SEED, COUNT = 777, 200


@pytest.fixture(scope="module")
def pages():
    return draw_pages(Storybook(seed=SEED), range(COUNT))


@pytest.fixture(scope="module")
def thing_judge():
    return ThingJudge.load()


@pytest.fixture(scope="module")
def scene_judge():
    return SceneJudge.load()


def untrained_painter(count):
    """Samples of a generator with weights by chance: no kind of mush that the judges studied."""
    layers = [nn.ConvTranspose2d(32, 64, 4), nn.BatchNorm2d(64), nn.ReLU()]
    for _ in range(3):
        layers += [nn.ConvTranspose2d(64, 64, 4, 2, 1), nn.BatchNorm2d(64), nn.ReLU()]
    generator = nn.Sequential(*layers, nn.ConvTranspose2d(64, 3, 4, 2, 1), nn.Tanh())
    with torch.no_grad():
        return generator(torch.randn(count, 32, 1, 1)).mul(3).clamp(-1, 1)


def share(hits):
    return hits.float().mean().item()


# --- things ---


def test_things_and_colours_are_read_right(thing_judge, pages):
    present = pages.objects >= 0
    things, colours = thing_judge.read(pages.pictures, pages.boxes, present)
    assert share((things == pages.objects)[present]) >= 0.97
    assert share((colours == pages.colours)[present]) >= 0.97
    assert (things[~present] == NONE).all()


def test_every_thing_is_read_right_for_the_most_part(thing_judge, pages):
    """No class is the default for whatever is unclear, and none is never seen."""
    present = pages.objects >= 0
    things, _ = thing_judge.read(pages.pictures, pages.boxes, present)
    for name in CLASSES.things:
        own = present & (pages.objects == CLASSES.id(name))
        assert own.sum() >= 5
        assert share(things[own] == CLASSES.id(name)) >= 0.8, name


@pytest.mark.parametrize("spoil", SPOILERS, ids=lambda spoil: spoil.__name__)
def test_mush_is_no_thing(thing_judge, pages, spoil):
    torch.manual_seed(0)
    crops = cut_out(pages.pictures, pages.boxes, pages.objects >= 0)
    assert share(thing_judge(spoil(crops))[0].argmax(1) < len(CLASSES.things)) <= 0.05


def test_flat_silhouettes_and_untrained_painters_are_no_things(thing_judge, pages):
    torch.manual_seed(0)
    large = (pages.boxes[..., 2:] - pages.boxes[..., :2]).amax(-1) > 0.3
    flat, present = silhouettes(pages, pages.pictures), (pages.objects >= 0) & large
    assert share(thing_judge.read(flat, pages.boxes, present)[0][present] != NONE) <= 0.08
    painted = untrained_painter(COUNT)
    assert share(thing_judge.read(painted, pages.boxes, present)[0][present] != NONE) <= 0.05


@pytest.mark.parametrize(("size", "least"), [(32, 0.85), (128, 0.97)])
def test_things_are_read_at_other_sizes(thing_judge, size, least):
    world = Storybook(seed=SEED, size=size)
    batch = world.batch(torch.arange(60))
    things, _ = thing_judge.read(batch.images, batch.boxes, batch.present)
    assert share((things == batch.objects)[batch.present]) >= least


def test_no_boxes_no_things(thing_judge):
    things, _ = thing_judge.read(torch.zeros(2, 3, 64, 64), torch.zeros(2, 4, 4),
                                 torch.zeros(2, 4, dtype=torch.bool))  # fmt: skip
    assert (things == NONE).all()


def test_crops_show_what_is_in_the_box():
    """A picture of four quarters: each quarter's crop has the quarter's colour in its middle."""
    picture = torch.zeros(1, 3, SIZE, SIZE)
    picture[0, 0, :32, :32], picture[0, 1, :32, 32:], picture[0, 2, 32:, :32] = 1, 1, 1
    boxes = torch.tensor([[[0, 0, 0.5, 0.5], [0.5, 0, 1, 0.5], [0, 0.5, 0.5, 1]]])
    crops = cut_out(picture, boxes, torch.ones(1, 3, dtype=torch.bool))
    assert crops.shape == (3, 3, 32, 32)
    assert torch.equal(crops[:, :, 16, 16], torch.eye(3))


# --- maps and looks ---


def test_maps_and_looks_are_read_right(scene_judge, pages):
    seen = scene_judge.read(pages.pictures)
    counts = confusion(seen.label_maps, pages.label_maps.long()).sum(0)
    assert mean_iou(counts) >= 0.93
    assert share(seen.hours == pages.looks[:, 1]) >= 0.97


@pytest.mark.parametrize("spoil", [noise, blobs, mosaic], ids=lambda spoil: spoil.__name__)
def test_mush_is_no_stuff(scene_judge, pages, spoil):
    torch.manual_seed(0)
    assert share(scene_judge.read(spoil(pages.pictures)).label_maps != UNLABELED) <= 0.10


def test_flat_colour_is_no_stuff(scene_judge, pages):
    """The sky may be flat; grass, sand, water and things may not."""
    flat = scene_judge.read(flattened(pages, pages.pictures)).label_maps
    rough = ~torch.isin(pages.label_maps, torch.tensor([CLASSES.id("sky"), CLASSES.id("cloud")]))
    assert share((flat != UNLABELED)[rough]) <= 0.10


def test_mean_iou_by_hand():
    true, read = torch.tensor([[[0, 0], [1, 1]]]), torch.tensor([[[0, 1], [1, 1]]])
    counts = confusion(read, true)[0]
    assert counts[0, 0] == 1 and counts[0, 1] == 1 and counts[1, 1] == 2 and counts.sum() == 4
    assert mean_iou(counts) == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_studied_pictures_are_spoiled_where_their_targets_say_so(pages):
    torch.manual_seed(0)
    pictures, targets, left = damaged(pages)
    changed = (pictures != pages.pictures).any(dim=1)
    kept = targets == pages.label_maps
    assert not (changed & kept).any()
    assert 0.05 < share(targets == UNLABELED) < 0.4
    assert left.sum() < (pages.objects >= 0).sum()


# --- boxes ---


def test_boxes_are_found(scene_judge, pages):
    present, found = pages.objects >= 0, scene_judge.read(pages.pictures).found
    hits = recall(found, pages.objects, pages.boxes, present)
    assert share(hits[present]) >= 0.93
    real = Found(pages.objects, pages.boxes, present.float(), present)
    assert share(recall(real, found.objects, found.boxes, found.present)[found.present]) >= 0.93


def test_what_the_box_loss_wants_is_what_is_found():
    """Its minimum by gradient descent is the boxes that were asked for."""
    objects = torch.tensor([[CLASSES.id("cat"), CLASSES.id("sun"), -1]])
    boxes = torch.tensor([[[0.1, 0.5, 0.4, 0.9], [0.6, 0.1, 0.9, 0.4], [0, 0, 0, 0]]])
    present = objects >= 0
    answer = torch.full((1, 21, 32, 32), -2.0, requires_grad=True)
    optimiser = torch.optim.Adam([answer], lr=0.2)
    for _ in range(150):
        optimiser.zero_grad()
        box_loss(answer, objects, boxes, present).backward()
        optimiser.step()
    found = find_boxes(answer.detach())
    assert found.present.sum() == 2
    assert recall(found, objects, boxes, present, overlap=0.9).sum() == 2


def test_two_peaks_on_one_thing_are_one_thing():
    answer = torch.full((1, 21, 32, 32), -9.0)
    answer[0, 17:] = 2 + math.log(math.expm1(0.3))  # from every cell, 0.3 to each side
    answer[0, 3, 16, 16], answer[0, 3, 16, 19] = 5.0, 3.0
    assert find_boxes(answer).present.sum() == 1
    answer[0, 4, 16, 19] = 4.0  # another class is another thing
    found = find_boxes(answer)
    assert found.present.sum() == 2
    middle = 16.5 / 32
    wanted = torch.tensor([middle - 0.3, middle - 0.3, middle + 0.3, middle + 0.3])
    assert torch.allclose(found.boxes[0, 0], wanted, atol=1e-5)


def test_recall_by_hand():
    cat, sun = CLASSES.id("cat"), CLASSES.id("sun")
    objects, present = torch.tensor([[cat, cat, sun]]), torch.tensor([[True, True, True]])
    boxes = torch.tensor([[[0, 0, 0.4, 0.4], [0.5, 0.5, 0.9, 0.9], [0.1, 0.6, 0.3, 0.8]]])
    shifted = boxes + torch.tensor([0.1, 0, 0.1, 0])  # IoU of the first .3 * .4 / (.5 * .4) = .6
    found = Found(torch.tensor([[cat, sun, sun]]), shifted, torch.ones(1, 3), present)
    assert recall(found, objects, boxes, present).tolist() == [[True, False, False]]
    assert recall(found, objects, boxes, present, overlap=0.61).sum() == 0


# --- captions ---


def test_true_captions_are_true_and_others_mostly_not(scene_judge, thing_judge):
    world, judge = Storybook(seed=SEED), CaptionJudge(scene_judge, thing_judge)
    batch = world.batch(torch.arange(120))
    views = judge.see(batch.images)
    for number in range(5):
        told = [
            [claim for claim in claims_of(texts[number]) if claim.attribute not in UNSURE]
            for texts in batch.captions
        ]
        right = [
            holds(claim, view) for view, said in zip(views, told, strict=True) for claim in said
        ]
        other = told[1:] + told[:1]
        wrong = [
            holds(claim, view) for view, said in zip(views, other, strict=True) for claim in said
        ]
        assert np.mean(right) >= 0.97
        assert np.mean(wrong) <= 0.45


def test_a_verdict_names_the_claim_that_is_wrong(scene_judge, thing_judge):
    """A red boat is no blue boat, so it is no blue boat on the water."""
    world = Storybook(seed=SEED, things=(1, 1))
    scene = next(s for s in world if s.things[0].name == "boat" and s.things[0].colour == "red")
    picture = scene.image[None].float() / 127.5 - 1
    judge = CaptionJudge(scene_judge, thing_judge)
    (verdicts,) = judge.verdicts(picture, ["a blue boat on the water"])
    assert [(claim.attribute, ok) for claim, ok in verdicts] == [
        ("thing", True), ("colour", False), ("place", False),
    ]  # fmt: skip
    (verdicts,) = judge.verdicts(picture, ["a red boat on the water"])
    assert all(ok for _, ok in verdicts)


def seen(index):
    """What is truly to be seen on a page."""
    scene = Storybook(seed=SEED)[index]
    stuff = {name: float((scene.ids == CLASSES.id(name)).mean()) for name in CLASSES.stuff}
    return scene, View(scene.sights, stuff, scene.look.season, scene.look.hour)


def test_every_claim_of_a_true_caption_holds_of_what_is_truly_there():
    for index in range(60):
        scene, view = seen(index)
        for caption in scene.captions:
            wrong = [claim for claim in claims_of(caption) if not holds(claim, view)]
            assert not wrong, (caption, wrong)


@given(index=st.integers(0, 40), colour=st.sampled_from(list(COLOURS)))
def test_a_changed_word_is_a_lie(index, colour):
    scene, view = seen(index)
    for sight in scene.sights:
        told = [claim for claim in claims_of(f"a {colour} {sight.name}") if not holds(claim, view)]
        same = [other for other in scene.sights if other.name == sight.name]
        assert bool(told) == (colour not in {other.colour for other in same})
        number = "three" if len(same) != 3 else "two"
        count = claims_of(f"{number} {THINGS[sight.name].plural}")[-1]
        assert count.attribute == "count" and not holds(count, view)


@pytest.mark.parametrize("caption", ["a red hose", "hello", "on the left", "a cat eats a bird"])
def test_a_caption_in_other_words_is_refused_with_the_place(caption):
    with pytest.raises(CourseError, match="cannot read"):
        claims_of(caption)


# --- what judges study ---


def test_gentle_keeps_and_rough_destroys(pages):
    torch.manual_seed(0)
    pictures = pages.pictures[:60]
    for change in (gentle, spoiled, mosaic):
        out = change(pictures)
        assert out.shape == pictures.shape
        assert out.min() >= -1 and out.max() <= 1
    difference = (gentle(pictures) - pictures).abs().mean()
    assert all((spoil(pictures) - pictures).abs().mean() > difference for spoil in SPOILERS)


def test_crops_to_study_are_half_real_half_none(pages):
    torch.manual_seed(0)
    crops, things, colours = crops_of(pages)
    none = things == len(CLASSES.things)
    assert len(crops) == len(things) == len(colours)
    assert (colours[none] == -1).all() and (colours[~none] >= 0).all()
    assert 0.4 < share(none) < 0.75


def test_stray_boxes_are_boxes(pages):
    torch.manual_seed(0)
    boxes = strays(pages)
    assert boxes.min() >= 0 and boxes.max() <= 1
    assert (boxes[..., 2:] >= boxes[..., :2]).all()
