"""Every score of real pictures lies near its ceiling, of shuffled conditions near its floor, and
falls as the pictures get worse."""

import functools

import pytest
import torch

from course_lib.data.storybook import CLASSES, Storybook
from course_lib.data.storybook.palette import SEASONS
from course_lib.errors import CourseError
from course_lib.judges.captions import CaptionJudge
from course_lib.judges.pages import page_colours
from course_lib.judges.scenes import SceneJudge
from course_lib.judges.spoil import resample
from course_lib.judges.things import ThingJudge
from course_lib.metrics import (
    box_recall,
    caption_accuracy,
    diversity,
    fid,
    inception_score,
    kid,
    map_iou,
    pixel_accuracy,
    spectrum_distance,
    thing_recall,
    variance_ratio,
)  # fmt: skip
from course_lib.scene import ClassTable, SceneBatch

COUNT = 80
WORLD = Storybook(seed=778, size=64)


@pytest.fixture(scope="module")
def scenes():
    return WORLD.batch(torch.arange(COUNT))


@pytest.fixture(scope="module")
def others():
    """Other real pictures, which fit no condition of ``scenes``."""
    return Storybook(seed=779, size=64).batch(torch.arange(COUNT)).images


@pytest.fixture(scope="module")
def judges():
    """Reading takes most of the time: the same pictures are read once."""
    scenes, things = SceneJudge.load(), ThingJudge.load()
    scenes.read = functools.cache(scenes.read)  # a tensor is its own key
    return {"scenes": scenes, "things": things, "captions": CaptionJudge(scenes, things)}


@pytest.fixture(scope="module")
def colours():
    """As many places as the batch pads to."""
    return torch.stack([page_colours(WORLD[k]) for k in range(COUNT)])[:, :4]


def noisy(pictures, strength):
    grain = torch.randn(pictures.shape, generator=torch.Generator().manual_seed(0))
    return (pictures + strength * grain).clamp(-1, 1)


WORSE = {
    "blur": lambda pictures: [pictures, resample(pictures, 24), resample(pictures, 10)],
    "noise": lambda pictures: [pictures, noisy(pictures, 0.3), noisy(pictures, 1.0)],
}
HARMS = ["blur", pytest.param("noise", marks=pytest.mark.slow)]


@pytest.fixture(scope="module")
def harmed(scenes):
    """The real pictures, worse ones and still worse ones, always the same."""
    return functools.cache(lambda harm: WORSE[harm](scenes.images))


@pytest.mark.parametrize("metric", [map_iou, pixel_accuracy, box_recall, thing_recall])
@pytest.mark.parametrize("harm", HARMS)
def test_worse_pictures_fit_worse(metric, harm, harmed, scenes, judges):
    judge = judges["things" if metric is thing_recall else "scenes"]
    good, worse, worst = (metric(p, scenes, judge=judge) for p in harmed(harm))
    assert good.value == good.ceiling >= 0.9
    assert good.value > worse.value > worst.value
    assert good.floor < 0.4 and good.floor < good.value / 2
    assert good.interval[0] <= good.value <= good.interval[1]
    assert good.n == COUNT


@pytest.mark.parametrize("metric", [map_iou, pixel_accuracy, box_recall, thing_recall])
def test_good_pictures_of_something_else_are_worth_the_floor(metric, scenes, others, judges):
    judge = judges["things" if metric is thing_recall else "scenes"]
    made = metric(others, scenes, judge=judge)
    assert made.value == pytest.approx(made.floor, abs=0.12)
    assert made.ceiling >= 0.9


def test_colours_count_if_they_are_asked_for(scenes, colours, judges):
    right = thing_recall(scenes.images, scenes, colours, judges["things"])
    wrong = thing_recall(scenes.images, scenes, (colours + 1) % 8, judges["things"])
    assert right.value >= 0.95 and wrong.value <= 0.02
    assert "colour" in right.protocol


def test_half_right_is_half_the_score(scenes, others, judges):
    mixed = torch.where(torch.arange(COUNT)[:, None, None, None] % 2 == 0, scenes.images, others)
    made = thing_recall(mixed, scenes, judge=judges["things"])
    assert made.value == pytest.approx((made.ceiling + made.floor) / 2, abs=0.12)


@pytest.mark.parametrize("harm", HARMS)
def test_captions(harm, harmed, scenes, judges):
    captions = [texts[1] for texts in scenes.captions]
    good, worse, worst = (
        caption_accuracy(p, captions, scenes.images, judges["captions"]) for p in harmed(harm)
    )
    assert good["all"].value == good["all"].ceiling >= 0.97
    assert good["all"].value > worse["all"].value > worst["all"].value
    for attribute in ("all", "whole captions", "thing", "colour"):
        assert good[attribute].floor < 0.4 < 0.9 < good[attribute].ceiling, attribute
    assert good["thing"].n >= 30


def test_the_season_counts_by_itself_alone(scenes, judges):
    """True captions with a wrong season at their ends are wrong in nothing but the season."""
    seasons = [SEASONS.index(WORLD[k].look.season) for k in range(COUNT)]
    captions = [f"{texts[1]} in {SEASONS[(season + 2) % 4]}"
                for texts, season in zip(scenes.captions, seasons, strict=True)]  # fmt: skip
    made = caption_accuracy(scenes.images, captions, scenes.images, judges["captions"])
    assert made["season"].value < 0.4 and made["all"].value >= 0.97
    assert made["whole captions"].value > 0.8


def test_texture(scenes, others):
    real = variance_ratio(scenes.images, scenes)
    flat, soft = (variance_ratio(resample(scenes.images, s), scenes) for s in (8, 32))
    for name in ("grass", "sand", "water"):
        assert real[name].value == pytest.approx(1)
        assert flat[name].value < soft[name].value < 0.9
    softened = spectrum_distance(resample(scenes.images, 32), scenes)
    assert "sky" in softened
    assert all(made.value > 1.5 * made.ceiling for made in softened.values())
    assert variance_ratio(noisy(scenes.images, 0.3), scenes)["grass"].value > 1.5


@pytest.fixture(scope="module")
def real():
    """256 pictures to judge, and 512 to compare with."""
    return Storybook(seed=780, size=64).batch(torch.arange(768)).images.split([256, 512])


@pytest.mark.parametrize(
    ("metric", "some", "many"),
    [(kid, 100, 200), pytest.param(fid, 256, 512, marks=pytest.mark.slow)],
)
def test_distances_of_real_pictures_and_of_noisy_ones(metric, some, many):
    pages = Storybook(seed=780, size=64).batch(torch.arange(some + many)).images
    real, known = pages.split([some, many])
    state = torch.get_rng_state()
    good, noisier = metric(real, known), metric(noisy(real, 0.1), known)
    name = metric.__name__.upper()
    assert good.n == some and good.protocol.startswith(f"course-{name} (feature_net, 64 features)")
    assert good.value < 0.3 * good.floor and good.ceiling < 0.3 * good.floor
    assert noisier.value > 1.5 * good.value and noisier.floor == good.floor
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.slow
@pytest.mark.parametrize("harm", WORSE)
@pytest.mark.parametrize("metric", [fid, kid, inception_score])
def test_worse_crowds_score_worse(metric, harm, real):
    good, worse, worst = (metric(p, real[1]) for p in WORSE[harm](real[0]))
    assert min(good.value, worst.value) < worse.value < max(good.value, worst.value)
    assert (good.value < worst.value) is (metric is not inception_score)
    assert abs(good.value - good.ceiling) < 0.3 * abs(good.value - good.floor)


def test_diversity(scenes, others):
    assert diversity(others, scenes.images).value == pytest.approx(1, abs=0.1)
    few = scenes.images[:6].repeat(COUNT // 6, 1, 1, 1)
    one = scenes.images[:1].repeat(COUNT, 1, 1, 1)
    assert diversity(few, scenes.images).value < 0.9
    assert diversity(one, scenes.images).value == pytest.approx(0, abs=1e-3)


def test_scenes_must_have_what_is_asked_for(scenes, judges):
    bare = SceneBatch(images=scenes.images)
    with pytest.raises(CourseError, match="no label_maps"):
        map_iou(scenes.images, bare, judge=judges["scenes"])
    own = ClassTable.of(stuff={"sky": (1, 2, 3)})
    foreign = SceneBatch(images=scenes.images, label_maps=scenes.label_maps * 0, classes=own)
    with pytest.raises(CourseError, match="classes of their own"):
        map_iou(scenes.images, foreign, judge=judges["scenes"])
    with pytest.raises(CourseError, match="too few"):
        map_iou(scenes.images[:20], scenes, judge=judges["scenes"])
    assert CLASSES.names == scenes.classes.names
