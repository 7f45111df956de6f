"""StackGAN's losses against closed forms and torch.distributions; rounds of both stages."""

from dataclasses import asdict

import pytest
import torch
import torch.nn.functional as F

from course_lib.errors import CourseError
from course_lib.objective import Player
from course_lib.registry import configure, wing
from course_lib.scene import SceneBatch
from course_lib.stackgan import objective as objective_module
from course_lib.stackgan.objective import (
    StackGANConfig,
    StackGANObjective,
    distance,
    matching_aware,
    sameness,
    stage_one,
    worn,
)
from course_lib.training import train

CAPTIONS = ("a red car by day", "a blue car by day", "a white boat at night", "a pink sheep")


def test_the_matching_aware_loss_is_three_cross_entropies():
    right, fake, wrong = torch.randn(9), torch.randn(9), [torch.randn(9), torch.randn(9)]
    bce = F.binary_cross_entropy_with_logits
    zeros = torch.zeros(9)
    mismatched = (bce(wrong[0], zeros) + bce(wrong[1], zeros)) / 2
    expected = bce(right, torch.ones(9)) + 0.5 * (mismatched + bce(fake, zeros))
    torch.testing.assert_close(matching_aware(right, wrong, fake), expected)


def test_r1_is_due_seldom_and_of_d_with_the_right_caption():
    torch.manual_seed(0)
    objective = StackGANObjective(small(norm_d=False, r1=0.5, r1_every=4))
    real, text = torch.randn(3, 3, 32, 32), torch.randn(3, 1024)
    torch.nn.init.normal_(objective.discriminator.conv1.weight, 0, 0.5)
    answer = objective.discriminator.logits
    slopes = torch.autograd.functional.jacobian(lambda x: answer(x, text), real)
    own = torch.stack([slopes[k, k].square().sum() for k in range(3)])
    torch.testing.assert_close(objective.penalty(real, text, 8), 0.5 * 4 * own.mean() / 2)
    assert objective.penalty(real, text, 9) == 0


def test_sameness_is_small_where_noise_makes_a_difference():
    z = torch.cat([torch.zeros(2, 4), torch.ones(2, 4)])
    alike, apart = torch.zeros(4, 3, 8, 8), torch.zeros(4, 3, 8, 8)
    apart[2:] = 0.5
    assert sameness(apart, z).item() == pytest.approx(2, rel=1e-3)
    assert sameness(alike, z).item() > 1000


def test_a_worn_picture_is_smaller_and_at_most_washed_out():
    torch.manual_seed(0)
    stripes = torch.ones(64, 3, 16, 16)
    stripes[..., 2::4] = stripes[..., 3::4] = -1  # two pixels wide: one in the sketch
    small = worn(stripes, 8)
    assert small.shape == (64, 3, 8, 8)
    contrast = small.std(dim=(1, 2, 3), correction=0)
    assert contrast.max() > 0.95 and contrast.min() < 0.1  # as they were; all grey
    assert worn(torch.full((2, 3, 16, 16), 0.3), 8).sub(0.3).abs().max() < 1e-6


def test_the_distance_of_a_picture_to_its_sketch_is_that_of_its_means():
    sketch = torch.rand(2, 3, 8, 8)
    large = sketch.repeat_interleave(2, 2).repeat_interleave(2, 3)  # [2, 3, 16, 16]
    assert distance(large, sketch).item() == 0
    assert distance(large + 0.25, sketch).item() == pytest.approx(0.25)


# --- The configuration ---


def test_the_defaults_are_those_of_the_published_program():
    config = asdict(StackGANConfig())
    published = {
        "size": 64, "z_dim": 100, "embed_dim": 128, "width_d": 512, "width_2": 512,
        "batch_size": 64, "lr_g": 2e-4, "lr_d": 2e-4, "betas": (0.5, 0.999),
        "width_1": 8 * (100 + 128),
    }  # fmt: skip
    assert {name: config[name] for name in published} == published
    assert StackGANConfig(stage=2).size == 256 and StackGANConfig(stage=2).sketch == 64
    assert StackGANConfig().rounds == 100 * (7034 // 64)  # 100 epochs
    assert StackGANConfig().crop_from == 76 and StackGANConfig(stage=2).crop_from == 304


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"stage": 3}, "stage is 3"),
        ({"size": 48}, "size is 48"),
        ({"stage": 2, "size": 16}, "smaller than its sketch"),
        ({"wrong": ()}, "wrong is ()"),
        ({"wrong": ("swapped",)}, "words can be swapped in captions"),
        ({"batch_size": 1}, "wrong captions need 2"),
        ({"r1": 1.0}, "norm_d=false"),
        ({"kl": -1.0}, "kl is -1"),
        ({"crop": 0.5}, "crop is 0.5"),
        ({"fullest": 1.5}, "fullest is 1.5"),
        ({"z_dim": 0, "width_d": 2.5}, "z_dim is 0"),
    ],
)
def test_impossible_values_are_refused(values, words):
    with pytest.raises(CourseError) as error:
        StackGANConfig(**values)
    assert words in str(error.value)


# --- A round ---


class Recorder:
    """A step that takes gradients and moves nobody."""

    def __init__(self, objective, round=0):
        self.objective, self.round, self.seen = objective, round, {}

    def __call__(self, player, loss, **figures):
        module = self.objective.players[player].module
        names, parameters = zip(*module.named_parameters(), strict=True)
        gradients = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
        self.seen[player] = dict(zip(names, gradients, strict=True))
        self.seen[f"{player}.figures"] = figures


def scenes(size=32, **more):
    torch.manual_seed(1)
    images = torch.rand(4, 3, size, size) * 2 - 1
    return SceneBatch(images, captions=tuple((caption,) for caption in CAPTIONS), **more)


def small(**values):
    return configure("stackgan", "smoke", values)


@pytest.mark.parametrize(
    "values", [{}, {"wrong": ("nearest",)}, {"variety": 1.0}, {"norm_d": False, "r1": 0.5}]
)
def test_every_part_of_both_players_learns(values):
    objective = StackGANObjective(small(**values))
    step = Recorder(objective)
    objective.round(scenes(), step)
    for player in "DG":
        still = [name for name, g in step.seen[player].items() if g is None or not g.any()]
        assert not still, f"{player}: {still}"
    assert step.seen["G.figures"]["kl"] >= 0 and 0 <= step.seen["D.figures"]["heard"] <= 1


def test_fakes_teach_the_generator_through_d_and_d_without_the_generator():
    objective = StackGANObjective(small())
    graph = {}

    def step(player, loss, **figures):
        generator = next(objective.generator.parameters())
        graph[player] = torch.autograd.grad(loss, generator, retain_graph=True, allow_unused=True)

    step.round = 0
    objective.round(scenes(), step)
    assert graph["D"][0] is None and graph["G"][0] is not None


def test_wrong_captions_are_never_the_right_ones():
    objective = StackGANObjective(small(wrong=("shuffled", "swapped", "nearest")))
    captions = [
        "a red car by day",
        "a red car by day",
        "a blue car by day",
        "a white boat at night",
    ]
    text = objective.read(captions)
    shuffled, swapped, nearest = objective.mismatched(captions, text)
    assert torch.equal(shuffled, text.roll(1, 0))
    assert not (swapped - text).norm(dim=1).eq(0).any()
    torch.testing.assert_close(nearest[:2], text[2:3].expand(2, -1))  # the other car
    assert (swapped - text).norm(dim=1).mean() < (shuffled - text).norm(dim=1)[2:].mean()


def test_variety_waits_for_its_round(monkeypatch):
    asked = []
    objective = StackGANObjective(small(variety=1.0, variety_after=5))
    paint = objective.paint
    monkeypatch.setattr(objective, "paint", lambda t, *more: asked.append(t) or paint(t, *more))
    for round in (4, 5):
        objective.round(scenes(), Recorder(objective, round))
    assert len({row.sum().item() for row in asked[0]}) == 4
    assert torch.equal(asked[1][:2], asked[1][2:])


def test_where_noise_shall_make_the_difference_the_code_is_the_same():
    objective = StackGANObjective(small(logvar=0.0))
    text, z = objective.read(["a red car"] * 4), torch.zeros(4, objective.config.z_dim)
    twice, once = objective.paint(text, z, 2)[0], objective.paint(text, z)[0]
    assert torch.equal(twice[:2], twice[2:]) and not torch.equal(once[:2], once[2:])


def test_only_words_of_the_kinds_asked_for_are_swapped():
    objective = StackGANObjective(small(wrong=("swapped",), kinds=("boat", "boat", "white")))
    heard, captions = [], ["a red car in spring"] * 4
    objective.read = lambda told: heard.extend(told) or torch.zeros(len(told), 1024)
    for _ in range(30):
        objective.mismatched(captions, torch.zeros(4, 1024))
    assert all(told.endswith("in spring") for told in heard)
    assert 60 < sum("car" not in told for told in heard) < 100  # two of three


# --- The paper's size ---


@pytest.mark.parametrize(
    ("stage", "g", "d"), [(1, 26_664_809, 3_226_945), (2, 18_495_369, 3_265_841)]
)
@pytest.mark.parametrize("profile", ["gpu", "paper"])
def test_profiles_gpu_and_paper_train_the_published_networks_on_flowers(
    profile, stage, g, d, monkeypatch
):
    monkeypatch.setattr(objective_module, "trained", lambda config: (None, stage_one(config)))
    config = configure("stackgan", profile, {"stage": stage})
    assert (config.data, config.encoder, config.batch_size) == ("flowers102", "published", 64)
    with torch.device("meta"):  # sizes without numbers
        players = StackGANObjective(config).players
    for player, count in zip("GD", (g, d), strict=True):
        assert sum(p.numel() for p in players[player].module.parameters()) == count
    assert config.size == {1: 64, 2: 256}[stage] and config.sketch == 64


# --- Both stages, and published embeddings ---


@pytest.fixture(scope="module")
def first_stage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stage1")
    config = small()
    train(StackGANObjective(config), wing("stackgan").source(config), folder, show=False)
    return folder


def test_stage_two_learns_on_a_frozen_stage_one(first_stage, tmp_path):
    config = small(stage=2, stage_one=str(first_stage), faithful=1.0)
    objective = StackGANObjective(config)
    before = {k: v.clone() for k, v in objective.sketcher.state_dict().items()}
    train(objective, wing("stackgan").source(config), tmp_path, show=False)
    after = objective.sketcher.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not objective.sketcher.training  # its batch norms use what they learnt, not the batch
    assert {type(p) for p in objective.players.values()} == {Player}


def losses_of_a_round(objective):
    losses = []

    def step(player, loss, **figures):
        losses.append(loss.item())

    step.round = 0
    objective.round(scenes(64), step)
    return losses


def test_stage_two_is_asked_to_make_worn_pictures_good_again(first_stage):
    config = small(stage=2, stage_one=str(first_stage), mending=1.0, residual=True)
    objective = StackGANObjective(config)
    real, text = torch.full((2, 3, 64, 64), 0.4), torch.randn(2, 1024)
    assert objective.unmended(real, text) < 1e-6  # nothing to mend, and it begins with nothing
    real[..., ::2] = -0.4
    assert objective.unmended(real, text).item() == pytest.approx(0.4, abs=1e-3)


def test_what_stage_two_cannot_mend_counts_as_often_as_it_is_asked(first_stage):
    losses = {}
    for weight in (0.0, 1.0, 3.0):
        config = small(stage=2, stage_one=str(first_stage), mending=weight)
        torch.manual_seed(0)
        objective = StackGANObjective(config)
        objective.unmended = lambda real, text: real.new_tensor(2.0)
        losses[weight, "D"], losses[weight, "G"] = losses_of_a_round(objective)
    assert losses[3.0, "G"] - losses[1.0, "G"] == pytest.approx(4, rel=1e-4)
    assert losses[1.0, "G"] - losses[0.0, "G"] == pytest.approx(2, rel=1e-3)
    assert losses[3.0, "D"] == losses[0.0, "D"]


def test_stage_two_wants_the_stage_one_of_its_own_sizes(first_stage):
    with pytest.raises(CourseError) as error:
        StackGANObjective(small(stage=2, stage_one=str(first_stage), z_dim=7, width_1=64))
    assert "z_dim is 4 there and 7 here" in str(error.value)
    assert "width_1 is 32 there and 64 here" in str(error.value)


def test_published_embeddings_take_the_encoders_place():
    config = small(encoder="published", wrong=("shuffled", "nearest"))
    objective = StackGANObjective(config)
    assert objective.frozen == {}
    embeddings = torch.randn(4, 10, 1024)
    step = Recorder(objective)
    objective.round(SceneBatch(scenes().images, embeddings=embeddings), step)
    assert set(step.seen) == {"D", "G", "D.figures", "G.figures"}
    with pytest.raises(CourseError, match=r"(?s)without published embeddings.*encoder=shipped"):
        objective.round(scenes(), step)
