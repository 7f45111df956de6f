"""LostGAN's game: losses in closed form, one round, layouts as the networks take them."""

from dataclasses import replace

import pytest
import torch

import course_lib
from course_lib.data.storybook import Storybook
from course_lib.errors import CourseError
from course_lib.lostgan import objective as game
from course_lib.lostgan.networks import NOWHERE
from course_lib.lostgan.objective import LostGANConfig, LostGANObjective
from course_lib.memory.spare import in_precision, squeezed
from course_lib.nn.vgg import VGG19
from course_lib.training import train
from tests.lostgan.small import CLASSES, SMALL, scenes
from tests.nn.test_vgg import weights  # noqa: F401  (a fixture)


class Recorder:
    """A `step` that takes gradients but moves nothing."""

    round = 0

    def __init__(self, objective):
        self.objective, self.calls, self.figures = objective, [], {}

    def __call__(self, player, loss, **figures):
        parameters = dict(self.objective.players[player].module.named_parameters())
        gradients = torch.autograd.grad(
            loss, list(parameters.values()), retain_graph=True, allow_unused=True
        )
        unused = [n for n, g in zip(parameters, gradients, strict=True) if g is None]
        self.calls.append((player, loss, unused))
        self.figures |= figures


# --- losses ---


def test_hinge_is_silent_beyond_1_on_the_right_side():
    real, fake = torch.tensor([1.5, 0.5]), torch.tensor([-2.0, 0.0, 1.0])
    assert game.hinge(real, fake).item() == pytest.approx(0.25 + (0 + 1 + 2) / 3)


def test_the_mean_of_no_scores_is_0_and_not_nan():
    scores = torch.zeros(0, requires_grad=True)
    assert game.mean(scores) == 0
    game.mean(scores).backward()
    assert game.mean(torch.tensor([1.0, 3.0], dtype=torch.bfloat16)).dtype == torch.float32


def test_in_crops_a_small_object_counts_as_much_as_a_large_one():
    real = torch.zeros(2, 3, 64, 64)
    boxes = torch.tensor([[[0.0, 0.0, 1.0, 1.0]], [[0.25, 0.25, 0.375, 0.375]]])
    labels = torch.tensor([[1], [2]])
    painted = real.clone()
    painted[1, :, 16:24, 16:24] = 0.5  # the small object alone
    assert game.crop_distance(painted, real, boxes, labels).item() == pytest.approx(0.25, abs=0.02)
    labels[1] = 0
    assert game.crop_distance(painted, real, boxes, labels) == 0


# --- layouts ---


def test_padding_is_nowhere_and_objects_keep_their_order():
    batch = scenes()
    boxes, labels = game.padded(batch.boxes, batch.objects, batch.present, 3)
    assert labels.tolist() == [[3, 4, 0], [3, 0, 0], [0, 0, 0]]
    assert torch.equal(boxes[0, :2], batch.boxes[0])
    assert torch.equal(boxes[labels == 0], torch.tensor(NOWHERE).expand(6, 4))
    gap = torch.tensor([[False, True]])
    boxes, labels = game.padded(batch.boxes[:1], batch.objects[:1], gap, 1)
    assert labels.tolist() == [[4]] and torch.equal(boxes[0, 0], batch.boxes[0, 1])


def test_too_many_objects_are_never_cut_silently():
    batch = scenes()
    with pytest.raises(CourseError, match="has 2 objects, max_objects is 1"):
        game.padded(batch.boxes, batch.objects, batch.present, 1)


def test_stuff_is_an_object_with_a_box_around_its_pixels():
    maps = torch.full((1, 10, 20), 3)
    maps[0, 6:, 5:] = 1
    maps[0, 0, 0] = 0  # one pixel of 200: too little
    boxes, enough = game.stuff_boxes(maps, torch.tensor([0, 1, 2]))
    assert enough.tolist() == [[False, True, False]]
    assert boxes[0, 1].tolist() == pytest.approx([0.25, 0.6, 1.0, 1.0])


@pytest.mark.parametrize(
    ("share", "labels"),
    [(0.0, [3, 4, 0, 0, 0]), (1.0, [1, 2, 3, 4, 0])],
)
def test_stuff_is_asked_for_in_a_share_of_scenes(share, labels):
    objective = LostGANObjective(LostGANConfig(**SMALL, stuff=share))
    boxes, found = objective.layout(scenes())
    assert found[0].tolist() == labels
    if share:
        assert boxes[0, 0].tolist() == [0, 0, 1, 0.5] and boxes[2, 1].tolist() == [0, 0.5, 1, 1]


# --- the round ---


@pytest.mark.parametrize(
    "variant",
    [
        {"version": 1},
        {"stuff": 0.5, "crop": 5.0, "perceptual": 1.0},
        {"high_pass": 3.0, "plan_d": 64},
        {"size": 128, "plan_d": 0, "batch_size": 2},
        {"version": 1, "parts": 3, "in_front": True, "grain": True},
    ],
)
def test_a_round_moves_d_then_g_and_nothing_is_left_out(variant):
    objective = LostGANObjective(LostGANConfig(**SMALL | variant))
    batch = scenes()
    size = objective.config.size
    batch = replace(batch, images=torch.rand(3, 3, size, size))
    step = Recorder(objective)
    objective.round(batch, step)
    assert [call[0] for call in step.calls] == ["D", "G"]
    assert not [name for call in step.calls for name in call[2]]
    assert 0 <= step.figures["accuracy"] <= 1


def test_g_may_begin_alone_with_likeness():
    objective = LostGANObjective(LostGANConfig(**SMALL | {"rounds": 10}, alone=0.3, crop=5.0))
    players = []
    for number in (0, 2, 3):
        step = Recorder(objective)
        step.round = number
        objective.round(scenes(), step)
        players.append([call[0] for call in step.calls])
    assert players == [["G"], ["G"], ["D", "G"]]


def test_d_and_g_play_the_published_game():
    objective, seen = LostGANObjective(LostGANConfig(**SMALL)), []

    def discriminator(pictures, boxes, labels):
        seen.append(pictures)
        return torch.full((3,), 0.5), torch.full((3,), -0.25)

    objective.discriminator = discriminator
    losses = {}

    class Note:
        round = 0

        def __call__(self, player, loss, **figures):
            losses[player] = loss.item()

    batch = scenes()
    objective.round(batch, Note())
    assert torch.equal(seen[0], batch.images) and torch.equal(seen[1], seen[2])
    assert not seen[1].requires_grad and seen[2].requires_grad  # the same fakes, for D and for G
    assert losses["D"] == pytest.approx((1.25 + 0.75) + 0.1 * (0.5 + 1.5))
    pixel = (seen[2] - batch.images).abs().mean().item()
    assert losses["G"] == pytest.approx(0.25 - 0.1 * 0.5 + pixel, rel=1e-5)


def test_scenes_without_objects_can_be_played():
    batch = scenes()[2:].to("cpu")
    objective = LostGANObjective(LostGANConfig(**SMALL, crop=1.0, stuff=0.0))
    step = Recorder(objective)
    objective.round(replace(batch, images=torch.rand(1, 3, 64, 64)), step)
    assert all(call[1].isfinite() for call in step.calls)


def test_a_box_that_is_not_finite_is_an_error_and_not_the_end_of_the_process():
    batch = scenes()
    batch.boxes[0, 0, 2] = torch.nan
    with pytest.raises(CourseError, match="NaN or infinite"):
        objective = LostGANObjective(LostGANConfig(**SMALL))
        objective.round(batch, Recorder(objective))


def test_mixed_precision_is_active_and_losses_are_float32():
    objective = LostGANObjective(LostGANConfig(**SMALL, crop=1.0))
    kinds = {}
    layers = {
        "G": objective.generator.blocks[1].conv2,
        "masks": objective.generator.masks.conv1[0],
        "D": objective.discriminator.trunk[1].conv2,
        "objects": objective.discriminator.head.conv2,
    }
    for name, layer in layers.items():
        layer.register_forward_hook(lambda _, i, out, name=name: kinds.__setitem__(name, out.dtype))
    step = Recorder(objective)
    with in_precision(torch.device("cpu"), "bf16"):
        objective.round(scenes(), step)
    assert set(kinds.values()) == {torch.bfloat16} and kinds.keys() == layers.keys()
    assert all(call[1].dtype == torch.float32 for call in step.calls)
    assert all(p.dtype == torch.float32 for p in objective.generator.parameters())


def test_activations_computed_twice_give_the_same_gradients():
    found = []
    for twice in (False, True):
        objective = LostGANObjective(LostGANConfig(**SMALL, crop=1.0))
        step = Gradients(objective)
        torch.manual_seed(7)
        with squeezed(objective, replace(objective.config, checkpointing=twice)):
            objective.round(scenes(), step)
        found.append(step.gradients | dict(objective.generator.named_buffers()))
    assert len(found[0]) > 100
    for name, gradient in found[0].items():
        torch.testing.assert_close(found[1][name], gradient, msg=name)


class Gradients:
    """A `step` that keeps gradients."""

    round = 0

    def __init__(self, objective):
        self.players, self.gradients = objective.players, {}

    def __call__(self, player, loss, **figures):
        named = dict(self.players[player].module.named_parameters())
        loss.backward(inputs=list(named.values()))
        self.gradients |= {f"{player}.{name}": p.grad.clone() for name, p in named.items()}


def test_vgg_looks_where_its_file_is_and_the_courses_own_network_elsewhere(
    monkeypatch, tmp_path, weights  # noqa: F811
):  # fmt: skip
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    assert type(game.eyes()).__name__ == "PerceptualNet"
    (tmp_path / "vgg19").mkdir()
    torch.save(weights, tmp_path / "vgg19" / "vgg19-dcbb9e9d.pth")
    assert isinstance(game.eyes(), VGG19)


# --- before and after ---


class Few:
    """A source of the same three scenes."""

    def __init__(self, **changes):
        self.changes = changes

    def __len__(self):
        return 3

    def batch(self, indices):
        return replace(scenes(), **self.changes)


def test_the_class_table_travels_and_previews_show_real_scenes_first():
    objective = LostGANObjective(LostGANConfig(**SMALL))
    objective.prepare(Few())
    assert objective.tables() == {"classes": CLASSES.to_json()}
    shown = objective.preview({"G": objective.generator})
    assert shown.shape == (12, 3, 64, 64) and torch.equal(shown[:3], scenes().images)
    assert not torch.equal(shown[3:6], shown[6:9])


def test_a_preview_takes_no_chances():
    """Else it would look different each time, and change what comes after it."""
    config = LostGANConfig(**SMALL | {"z_dim": 14}, stuff=0.5, colour_styles=True)
    objective = LostGANObjective(config)
    objective.generator.eval()
    objective.prepare(Few())
    before = torch.random.get_rng_state()
    shown = [objective.preview({"G": objective.generator}) for _ in range(3)]
    assert torch.equal(shown[0], shown[1]) and torch.equal(shown[0], shown[2])
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(
    ("changes", "config", "words"),
    [
        ({"boxes": None}, {}, "no boxes"),
        ({"classes": None}, {}, "no class table"),
        ({}, {"labels": 4}, "4 classes, too many for labels=4"),
    ],
)
def test_scenes_that_do_not_fit_are_refused_before_the_first_round(changes, config, words):
    with pytest.raises(CourseError, match=words):
        LostGANObjective(LostGANConfig(**SMALL | config)).prepare(Few(**changes))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"version": 3}, ["version", "1 and 2"]),
        ({"size": 96}, ["size is 96", "64, 128, 256"]),
        ({"plan_d": 32}, ["plan_d"]),
        ({"labels": 0}, ["labels", "at least 1"]),
        ({"mask_labels": 3}, ["mask_labels", "fewer than the 5"]),
        ({"crop": -1.0}, ["crop", "negative"]),
        ({"stuff": 1.5}, ["stuff", "share"]),
        ({"alone": -0.1}, ["alone", "share"]),
        ({"parts": 2}, ["parts is 2", "version 2"]),
        ({"batch_size": 1}, ["batch norm needs 2"]),
        ({"lr_g": 0.0, "z_dim": 0}, ["2 problems", "lr_g", "z_dim"]),
    ],
)
def test_bad_configurations_say_what_is_wrong(values, words):
    with pytest.raises(CourseError) as caught:
        LostGANConfig(**SMALL | values)
    assert all(word in str(caught.value) for word in words)


def test_a_run_writes_a_painter_that_loads(tmp_path):
    settings = {"rounds": 2, "device": "cpu", "stuff": 1.0, "perceptual": 0.0}
    config = course_lib.configure("lostgan", "smoke", settings)
    train(LostGANObjective(config), Storybook(size=64), tmp_path, show=False)
    painter = course_lib.load(tmp_path)
    assert painter.config == config and "tree" in painter.classes
    picture = painter.generate([("tree", (0.1, 0.4, 0.3, 0.9))], seed=3)
    assert picture.image.shape == (3, 64, 64)


# --- styles that begin with colours ---

RED, BLUE, WHITE, GROUND = [0.9, -0.5, -0.5], [-0.5, -0.5, 0.7], [0.9, 0.9, 0.9], [0.0, 0.8, 0.0]


def painted_scene():
    """A red boat with a white hull on a green ground; in the second scene a blue one."""
    pictures = torch.tensor(GROUND)[:, None, None].repeat(2, 1, 64, 64)
    boxes = torch.tensor([[[0.2, 0.2, 0.45, 0.45], NOWHERE]] * 2)
    for picture, colour in zip(pictures, (RED, BLUE), strict=True):
        picture[:, 13:21, 13:28] = torch.tensor(colour)[:, None, None]
        picture[:, 21:28, 13:28] = torch.tensor(WHITE)[:, None, None]
    return pictures, boxes, torch.tensor([[3, 0]] * 2)


def style_of(upper, lower):
    """Four quarters of three channels, each channel its four: twice as large, as noise is."""
    return 2 * torch.tensor([upper, upper, lower, lower]).T.flatten()


def test_a_style_begins_with_the_objects_colours_and_goes_on_with_noise():
    pictures, boxes, labels = painted_scene()
    z, z_image = torch.randn(2, 2, 14), torch.randn(2, 14)
    styles, whole = game.with_colours(z, z_image, pictures, boxes, labels)
    for style, colour in zip(styles[:, 0, :12], (RED, BLUE), strict=True):
        torch.testing.assert_close(style, style_of(colour, WHITE))
    assert not styles[:, 1, :12].any()  # nobody is there
    ground = style_of(GROUND, GROUND).view(3, 4)[:, 1:]  # beside the boat
    torch.testing.assert_close(whole[0, :12].view(3, 4)[:, 1:], ground)
    assert torch.equal(styles[..., 12:], z[..., 12:])
    assert torch.equal(whole[:, 12:], z_image[:, 12:])


def test_a_palette_remembers_which_colours_a_class_has_had():
    found = game.palette(*painted_scene(), classes=5)
    assert found.shape == (5, game.COLOURS, 12) and not found[[1, 2, 4]].any()
    assert {tuple(c) for c in found[3].tolist()} == {
        tuple(style_of(colour, WHITE).tolist()) for colour in (RED, BLUE)
    }
    beside = found[0].view(-1, 3, 4)[..., 1:]  # of the pictures: three quarters have no boat
    assert (beside == style_of(GROUND, GROUND).view(3, 4)[:, 1:]).all()


def test_g_is_given_the_colours_of_the_real_objects():
    objective = LostGANObjective(LostGANConfig(**SMALL | {"z_dim": 14}, colour_styles=True))
    objective.prepare(Few())
    assert len(objective.tables()["colours"]) == 5
    heard = []
    objective.generator.register_forward_pre_hook(lambda _, given: heard.append(given))
    objective.round(scenes(), Recorder(objective))
    z, z_image, boxes, labels = heard[0]
    expected = game.colours_of(scenes().images, boxes, labels)
    assert torch.equal(z[..., :12], expected) and expected[0, 0].any()
    with pytest.raises(CourseError, match="the colours alone take 12"):
        LostGANConfig(**SMALL | {"z_dim": 12, "colour_styles": True})


def test_a_quick_start_has_no_pattern_for_the_first_block_and_loud_classes():
    """Only `fc`'s biases, which begin at zero, and its weights can tell the 16 places apart."""
    z = torch.randn(2, SMALL["z_dim"])
    for quick in (True, False):
        config = LostGANConfig(**SMALL | {"label_dim": 64}, quick_start=quick)
        generator = LostGANObjective(config).generator
        first = generator.fc(z).view(2, -1, 16)
        assert torch.allclose(first, first[:, :, :1].expand_as(first), atol=1e-6) == quick
        assert first.std(dim=1).min() > 0.01  # it still hears of the picture's noise
        loudness = generator.embedding.weight.norm(dim=1).mean().item()
        assert loudness == pytest.approx(8 if quick else 1, rel=0.2)


def test_the_picture_itself_can_be_an_object_that_d_never_sees():
    objective = LostGANObjective(LostGANConfig(**SMALL, everywhere=True))
    objective.prepare(Few())
    boxes, labels = objective.layout(scenes())
    assert boxes.shape == (3, 6, 4) and not labels[:, -1].any()
    assert (boxes[:, -1] == torch.tensor([0.0, 0.0, 1.0, 1.0])).all()
    styles, whole = objective.styles(scenes().images, boxes, labels)
    assert torch.equal(styles[:, -1], whole) and not torch.equal(styles[:, 0], whole)
    masks = objective.generator(styles, whole, boxes, labels).masks
    assert masks[:, -1].min() > 0
    assert len(objective.discriminator(scenes().images, boxes, labels)[1]) == 3  # things alone
    objective.round(scenes(), Recorder(objective))
    assert objective.preview({"G": objective.generator}).shape == (12, 3, 64, 64)


def test_only_the_scenes_asked_for_have_stuff():
    _, kinds, present = game.objects_of(scenes(), torch.tensor([True, False, False]))
    assert kinds[0].tolist() == [0, 1, 2, 3]
    assert present[:, :2].tolist() == [[True, True], [False, False], [False, False]]
    assert torch.equal(present[:, 2:], scenes().present)
