"""SPADE's game: losses against their closed forms, whose turn it is, and what data must be."""

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from course_lib.data.storybook import Storybook
from course_lib.errors import CourseError
from course_lib.nn.perceptual import PerceptualNet
from course_lib.objective import TrainConfig
from course_lib.spade import objective as game
from course_lib.spade.discriminator import Seen
from course_lib.spade.objective import SPADEConfig, SPADEObjective, adversarial, borders

SMALL = SPADEConfig(
    data="storybook", labels=27, void=False, edges=False, size=32, crop=1.0, flip=False,
    batch_size=2, upsampling="less", width_g=2, hidden=4, use_vae=True, z_dim=4, norm_e="none",
    width_d=4, scales_d=2, layers_d=2, perceptual=0.0, rounds=10,
)  # fmt: skip


@pytest.fixture(scope="module")
def scenes():
    return Storybook(size=32).batch(torch.arange(2))


class Noted:
    """A ``step`` that moves nobody and notes what it was told."""

    def __init__(self, round=0):
        self.round, self.turns = round, {}

    def __call__(self, player, loss, **figures):
        assert loss.ndim == 0 and loss.requires_grad
        self.turns[player] = (loss.detach(), {k: v.detach() for k, v in figures.items()})


# --- the losses ---


@pytest.mark.parametrize(
    ("kind", "g", "d_real", "d_fake"),
    [
        ("hinge", lambda x: -x, lambda x: (1 - x).clamp(min=0), lambda x: (1 + x).clamp(min=0)),
        ("least_squares", lambda x: (x - 1) ** 2, lambda x: (x - 1) ** 2, lambda x: x**2),
        ("original", lambda x: -x.sigmoid().log(), lambda x: -x.sigmoid().log(),
         lambda x: -(1 - x.sigmoid()).log()),
        ("wasserstein", lambda x: -x, lambda x: -x, lambda x: x),
    ],
)  # fmt: skip
def test_every_game_has_its_losses_the_mean_over_scales(kind, g, d_real, d_fake):
    torch.manual_seed(0)
    scales = [2 * torch.randn(2, 1, 5, 5), 2 * torch.randn(2, 1, 3, 3)]
    for loss, real, of_d in ((g, True, False), (d_real, True, True), (d_fake, False, True)):
        expected = sum(loss(x).mean() for x in scales) / 2
        torch.testing.assert_close(adversarial(kind, scales, real, of_d=of_d), expected)


def test_the_divergence_is_a_sum_over_a_styles_numbers():
    torch.manual_seed(0)
    mu, logvar = torch.randn(3, 8), torch.randn(3, 8)
    expected = kl_divergence(Normal(mu, (logvar / 2).exp()), Normal(0.0, 1.0)).sum(dim=1)
    torch.testing.assert_close(game.divergence(mu, logvar), expected)


def test_features_of_real_pictures_are_targets_and_logits_are_left_out():
    fake = Seen([[torch.ones(1, 2, 3, 3, requires_grad=True), torch.zeros(1, 1, 3, 3)]], None)
    real = Seen([[torch.zeros(1, 2, 3, 3, requires_grad=True), torch.ones(1, 1, 3, 3)]], None)
    distance = game.feature_distance(fake, real)
    assert distance == 1.0
    distance.backward()
    assert fake.scales[0][0].grad is not None and real.scales[0][0].grad is None


def test_borders_are_marked_on_both_sides():
    ids = torch.zeros(1, 4, 5, dtype=torch.int64)
    ids[0, :, 3:] = 7
    objects = torch.zeros_like(ids)
    objects[0, 0, 0] = 1
    of_classes = [[0, 0, 1, 1, 0]] * 4
    assert borders(ids, None)[0, 0].tolist() == of_classes
    of_both = [[1, 1, 1, 1, 0], [1, 0, 1, 1, 0], *of_classes[2:]]
    assert borders(ids, objects)[0, 0].tolist() == of_both


# --- the round ---


def test_a_round_hands_over_both_players_with_the_terms_of_gs_loss(scenes):
    objective, step = (
        SPADEObjective(replace(SMALL, colours=5.0, grain_d=8.0, grain_g=True)),
        Noted(),
    )
    objective.round(scenes, step)
    assert list(step.turns) == ["G", "D"]
    loss, terms = step.turns["G"]
    assert set(terms) == {"believed", "features", "colours", "kl"}
    torch.testing.assert_close(loss, sum(terms.values()))
    assert 0 <= step.turns["D"][1]["accuracy"] <= 1


def test_d_may_play_more_often(scenes):
    objective = SPADEObjective(replace(SMALL, d_steps=3, repaint=False))
    turns = []
    for round in range(4):
        objective.round(scenes, step := Noted(round))
        turns.append("".join(step.turns))
    assert turns == ["GD", "D", "D", "GD"]


@pytest.mark.parametrize(("repaint", "times"), [(True, 2), (False, 1)])
def test_fakes_are_painted_anew_for_d_or_kept(scenes, repaint, times):
    objective, painted = SPADEObjective(replace(SMALL, repaint=repaint)), []
    objective.artist.generator.register_forward_hook(lambda *_: painted.append(1))
    objective.round(scenes, Noted())
    assert len(painted) == times


def test_each_players_loss_moves_that_player_alone(scenes):
    objective = SPADEObjective(SMALL)
    moved = {}

    def step(player, loss, **figures):
        parameters = [*objective.players[player].module.parameters()]
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        moved[player] = [g is not None and bool(g.any()) for g in gradients]

    step.round = 0
    objective.round(scenes, step)
    assert all(sum(found) > 0.7 * len(found) for found in moved.values())
    encoder = [n.startswith("encoder") for n, _ in objective.artist.named_parameters()]
    assert any(g for g, inside in zip(moved["G"], encoder, strict=True) if inside)


@pytest.mark.parametrize(("round", "share"), [(0, 0.25), (3, 1.0), (9, 1.0)])
def test_the_weight_of_the_divergence_rises_over_the_ramp(scenes, round, share):
    def kl(ramp):
        objective = SPADEObjective(replace(SMALL, kl_ramp=ramp))
        objective.round(scenes, step := Noted(round))
        return step.turns["G"][1]["kl"]

    torch.testing.assert_close(kl(0.4), share * kl(0.0))


def test_the_divergence_weighs_the_same_in_parts_of_a_batch(scenes):
    objective = SPADEObjective(SMALL)
    style = torch.ones(1, 4), torch.zeros(1, 4)
    seen = Seen([[torch.zeros(1, 1, 2, 2)]], None)
    none = torch.zeros(1, 3, 8, 8)
    objective.config = replace(SMALL, features=0.0)
    terms = objective.g_losses(seen, seen, none, none, style, round=0)
    assert terms["kl"] == pytest.approx(0.05 * 2 * 4 * 0.5)  # of two pictures, though one is played


def test_without_vggs_file_the_courses_small_network_compares(scenes, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    objective, step = SPADEObjective(replace(SMALL, perceptual=10.0)), Noted()
    assert isinstance(objective.perceptual, PerceptualNet)
    objective.round(scenes, step)
    assert step.turns["G"][1]["perceptual"] > 0
    assert not objective.frozen  # it does not travel with the painter


def test_previews_show_the_real_picture_and_three_styles_the_same_each_time(scenes):
    objective = SPADEObjective(SMALL)
    objective.prepare(Storybook(size=32))
    players = {name: player.module.eval() for name, player in objective.players.items()}
    shown = objective.preview(players)
    assert shown.shape == (4 * 8, 3, 32, 32)
    assert torch.equal(shown, objective.preview(players))
    assert objective.tables()["classes"] == Storybook.classes.to_json()


# --- what it is told ---


def test_data_of_other_kinds_are_named_all_at_once(scenes):
    wrong = replace(SMALL, labels=11, edges=True, aspect=2.0)
    odd = replace(scenes, instances=None)
    with pytest.raises(CourseError) as caught:
        game.check_scenes(odd, wrong)
    message = str(caught.value)
    for part in ("there are 27 classes", "labels=27", "pictures are 32 x 32", "32 x 16", "aspect=1",
                 "some pixels", "edges=false"):  # fmt: skip
        assert part in message


def test_pixels_that_nobody_labelled_need_a_class(scenes):
    ids = scenes.label_maps.clone()
    ids[0, 0, 0] = 27
    with pytest.raises(CourseError, match=r"not labelled[\s\S]*void=true"):
        game.check_scenes(replace(scenes, label_maps=ids), SMALL)
    game.check_scenes(replace(scenes, label_maps=ids), replace(SMALL, void=True))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 48}, "size is 48.*multiples of 32"),
        ({"upsampling": "most", "size": 64}, "multiples of 128"),
        ({"aspect": 0.0}, "aspect is 0.0"),
        ({"norm_g": "none"}, "norm_g is 'none'"),
        ({"loss": "hing"}, "loss is 'hing'"),
        ({"kernel": 4}, "kernel is 4"),
        ({"d_steps": 0}, "d_steps is 0"),
        ({"kl": -1.0}, "kl is -1"),
        ({"betas": (0.0, 1.0)}, "betas"),
    ],
)
def test_impossible_configurations_are_refused(values, message):
    with pytest.raises(CourseError, match=message):
        replace(SPADEConfig(), **values)


def test_the_defaults_are_the_authors_for_coco_stuff():
    config = SPADEConfig()
    assert (
        config.sizes.planes == 184
        and config.crop_from == 286
        and config.sizes.picture == (256, 256)
    )
    assert (config.lr_g, config.lr_d, config.betas) == (1e-4, 4e-4, (0.0, 0.9))
    assert not (config.relief or config.grain_d or config.grain_g or config.colours)


# Every option of theirs that changes a training, by the stage of their program that adds it.
THEIRS = """dataset_mode dataroot label_nc contain_dontcare_label no_instance preprocess_mode
load_size crop_size aspect_ratio no_flip batchSize serial_batches max_dataset_size nThreads
output_nc netG ngf init_type init_variance z_dim use_vae norm_G norm_D norm_E nef niter
niter_decay optimizer beta1 beta2 no_TTUR lr D_steps_per_G ndf lambda_feat lambda_vgg
no_ganFeat_loss no_vgg_loss gan_mode netD lambda_kld num_upsampling_layers netD_subarch num_D
n_layers_D continue_train which_epoch load_from_opt_file gpu_ids name checkpoints_dir
save_latest_freq save_epoch_freq display_freq print_freq no_html tf_log debug how_many
results_dir no_pairing_check coco_no_portraits label_dir image_dir instance_dir
cache_filelist_read cache_filelist_write display_winsize phase model"""


def test_the_table_of_options_knows_theirs_and_ours():
    table = Path(__file__).parents[2].joinpath("docs/spade_options.md").read_text("utf-8")
    assert not [name for name in THEIRS.split() if not re.search(rf"`--{name}\b", table)]
    own = {field.name for field in fields(SPADEConfig)} - {
        field.name for field in fields(TrainConfig)
    }
    assert not [name for name in own if not re.search(rf"`{name}\b", table)]
