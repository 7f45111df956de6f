"""OP-GAN's game: the losses, a round of it, and what it refuses."""

from dataclasses import asdict, replace

import pytest
import torch
import torch.nn.functional as F

from course_lib.data.coco import COCO_CLASSES
from course_lib.data.storybook import CLASSES
from course_lib.errors import CourseError
from course_lib.opgan.discriminator import Discriminator
from course_lib.opgan.networks import Sizes
from course_lib.opgan.objective import (
    OPGANConfig,
    OPGANObjective,
    convinced,
    crop_distance,
    discriminator_loss,
    objects_of,
    things,
)
from course_lib.opgan.objects import Objects
from course_lib.registry import configure, wing
from course_lib.scene import SceneBatch

CAPTIONS = (("a red house",), ("a blue boat and a sun",), ("only grass by day",), ("a cat",))


def small(**values):
    return configure("opgan", "smoke", values)


def scenes():
    torch.manual_seed(1)
    boxes = torch.tensor([[0.1, 0.2, 0.6, 0.8], [0.5, 0.1, 0.7, 0.3], [0, 0, 0, 0]])
    house, boat, sun, cat = (CLASSES.id(name) for name in ("house", "boat", "sun", "cat"))
    return SceneBatch(
        torch.rand(4, 3, 64, 64) * 2 - 1,
        captions=CAPTIONS,
        objects=torch.tensor([[house, 0], [boat, sun], [0, 0], [cat, 0]]),
        boxes=boxes[torch.tensor([[0, 2], [0, 1], [2, 2], [1, 2]])],
        present=torch.tensor([[True, False], [True, True], [False, False], [True, False]]),
        classes=CLASSES,
    )


# --- the losses ---


class Scripted:
    """A discriminator that answers by what it is shown: the picture's first number."""

    def __init__(self):
        self.shown = []

    def __call__(self, pictures, objects):
        self.shown.append((pictures, objects))
        return pictures[:, :1, 0, 0] + objects.crop[:, 0, :1, 2]  # what is seen hangs on boxes

    def conditional(self, seen, sentence):
        return (seen + sentence)[:, 0]

    def unconditional(self, seen):
        return 2 * seen[:, 0]


@pytest.mark.parametrize("misplaced", ["fake", "real", "none"])
@pytest.mark.parametrize("exchanged", [False, True])
def test_the_loss_is_the_mean_of_what_is_right_and_of_what_is_wrong(misplaced, exchanged):
    real, fake = torch.randn(3, 1, 1, 1), torch.randn(3, 1, 1, 1)
    sentence = torch.randn(3, 1)
    told = Objects.of(torch.rand(3, 1, 4), torch.zeros(3, 1).long(), 2)
    d = Scripted()
    nearly = torch.randn(3, 1) if exchanged else None
    loss, figures = discriminator_loss(d, real, fake, sentence, told, misplaced, nearly)

    def no(logits):
        return F.binary_cross_entropy_with_logits(logits, torch.zeros_like(logits))

    def yes(logits):
        return F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))

    x, y = d(real, told), d(fake, told)
    wrong = [no(d.conditional(y, sentence)), no(d.unconditional(y))]
    wrong += [no(d.conditional(x[:-1], sentence[1:]))]
    if misplaced != "none":
        askew = d({"fake": fake, "real": real}[misplaced], told.misplaced())
        assert torch.equal(d.shown[2][1].crop, told.crop.flip(0))
        assert torch.equal(d.shown[2][1].labels, told.labels)
        wrong += [no(d.conditional(askew, sentence)), no(d.unconditional(askew))]
    wrong += [no(d.conditional(x, nearly))] if exchanged else []
    expected = (yes(d.conditional(x, sentence)) + yes(d.unconditional(x))) / 2
    torch.testing.assert_close(loss, expected + sum(wrong) / len(wrong))
    assert set(figures) == {"real", "fake", "accuracy"}
    convincing = yes(d.conditional(y, sentence)) + yes(d.unconditional(y))
    torch.testing.assert_close(convinced(d, fake, sentence, told), convincing)


def test_a_real_picture_may_be_shown_with_other_names():
    """Boxes stay, names change, and nothing stays nothing; every other name is equally likely."""
    told = Objects.of(torch.rand(500, 2, 4), torch.tensor([[2, -1]]).expand(500, 2), 5)
    other = told.renamed()
    assert torch.equal(other.crop, told.crop) and torch.equal(other.paste, told.paste)
    first, second = other.labels.argmax(2).T
    assert second.unique().tolist() == [4] and first.unique().tolist() == [0, 1, 3]
    assert (first.bincount()[[0, 1, 3]] / 500 - 1 / 3).abs().max() < 0.1
    d = Scripted()
    real, fake = torch.randn(500, 1, 1, 1), torch.randn(500, 1, 1, 1)
    discriminator_loss(d, real, fake, torch.zeros(500, 1), told, "renamed")
    assert d.shown[2][0] is real and not torch.equal(d.shown[2][1].labels, told.labels)


def test_a_real_picture_without_boxes_is_never_called_wrong():
    nothing, d = Objects.nothing(3, 5), Scripted()
    discriminator_loss(d, torch.ones(3, 1, 1, 1), torch.zeros(3, 1, 1, 1), torch.zeros(3, 1),
                       nothing, "renamed")  # fmt: skip
    assert len(d.shown) == 2  # real and fake, and no real one with boxes of another kind


def test_objects_are_compared_box_by_box():
    boxes = torch.tensor([[[0, 0, 0.25, 0.25], [0.5, 0.5, 0.5, 0.5]], [[0, 0, 1, 1], [-1.0] * 4]])
    told = Objects.of(boxes, torch.tensor([[0, 1], [1, -1]]), 3)
    real, fake = torch.zeros(2, 3, 64, 64), torch.zeros(2, 3, 64, 64)
    fake[0, :, :16, :16], fake[0, :, :16, 32:] = 1.5, 9  # the small object; where nothing is
    assert crop_distance(fake, real, told).item() == pytest.approx(0.5)  # one of three
    nothing = Objects.nothing(2, 3)
    assert crop_distance(fake, real, nothing) == 0


# --- layouts of scenes ---


def test_things_are_numbered_as_the_networks_were_trained():
    assert list(things(CLASSES).values()) == list(range(17))
    coco = things(COCO_CLASSES)
    assert len(coco) == 80 and coco[COCO_CLASSES.id("toothbrush")] == 79
    assert COCO_CLASSES.id("hat") not in coco


def test_scenes_become_objects_and_the_pathway_can_be_off():
    told = objects_of(scenes(), small())
    places = things(CLASSES)
    house, boat, sun, cat = (places[CLASSES.id(n)] for n in ("house", "boat", "sun", "cat"))
    assert told.labels.argmax(2).tolist() == [[house, 17], [boat, sun], [17, 17], [cat, 17]]
    off = objects_of(scenes(), small(pathway=False))
    assert all(map(torch.equal, off, Objects.nothing(4, 18)))


def test_there_are_as_many_places_as_the_fullest_scene_needs():
    some = scenes()
    fullest = [objects_of(replace(some, present=some.present & kept), small()).labels.shape[1]
               for kept in (torch.tensor(True), torch.tensor([[True, False]]))]  # fmt: skip
    assert fullest == [2, 1]


def test_scenes_that_do_not_fit_are_refused():
    with pytest.raises(CourseError, match="no boxes"):
        objects_of(SceneBatch(torch.zeros(2, 3, 8, 8)), small())
    with pytest.raises(CourseError, match=r"(?s)17 kinds of things.*classes=18"):
        objects_of(scenes(), small(classes=81))


# --- the configuration ---


def test_the_defaults_are_those_of_the_published_program():
    config = asdict(OPGANConfig())
    published = {
        "width": 48, "width_d": 96, "noise": 100, "local_noise": 32, "code": 100, "label": 100,
        "next_label": 128, "classes": 81, "residuals": 3, "size": 256, "stages": 3, "text": 256,
        "lr_g": 2e-4, "lr_d": 2e-4, "betas": (0.5, 0.999), "ema": 0.999, "damsm_weight": 50.0,
        "gammas": (4.0, 5.0, 10.0), "kl": 1.0, "words": 12, "max_objects": 10,
        "misplaced": "fake", "norm_d": "batch", "grouped": True,
        "high_pass": 0.0, "swapped": False, "crop": 0.0, "logvar": 0.0, "fullest": 0.0,
    }  # fmt: skip
    assert {name: config[name] for name in published} == published
    assert config["rounds"] * config["batch_size"] // 82_783 == 120  # epochs
    assert OPGANConfig().sides == [64, 128, 256] and not config["fault"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"size": 64, "stages": 3}, "the first must have 32 or 64"),
        ({"size": 96}, "the first must have 32 or 64"),
        ({"norm_d": "layer"}, "norm_d is 'layer', it must be batch, spectral"),
        ({"misplaced": "both"}, "misplaced is 'both'"),
        ({"width": 0}, "width is 0"),
        ({"batch_size": 1}, "wrong captions need 2"),
        ({"kl": -1.0}, "must not be negative"),
        ({"crop": -1.0}, "must not be negative"),
        ({"fullest": 2.0}, "fullest is 2.0"),
        ({"gammas": (1.0, 2.0)}, "three numbers above 0"),
        ({"lr_d": 0.0}, "lr_d is 0"),
    ],
)
def test_impossible_values_are_refused(values, words):
    with pytest.raises(CourseError) as error:
        OPGANConfig(**values)
    assert words in str(error.value)


def test_a_reader_of_other_codes_is_refused():
    with pytest.raises(CourseError, match="text is 16, the reader says 8"):
        OPGANObjective(small(text=16))


# --- a round ---


class Recorder:
    """A step that takes gradients and moves nobody."""

    def __init__(self, objective):
        self.objective, self.round, self.seen = objective, 0, {}

    def __call__(self, player, loss, **figures):
        module = self.objective.players[player].module
        names, parameters = zip(*module.named_parameters(), strict=True)
        gradients = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
        self.seen[player] = dict(zip(names, gradients, strict=True))
        self.seen[f"{player}.figures"] = {"loss": loss, **figures}


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"norm_d": "spectral"},
        {"misplaced": "real", "fault": True},
        {"norm_d": "none", "high_pass": 3.0, "crop": 1.0, "perceptual": 1.0, "swapped": True},
    ],
)
def test_a_round_moves_every_part_of_both(values):
    objective = OPGANObjective(small(**values))
    step = Recorder(objective)
    objective.round(scenes(), step)
    for player in ("D", "G"):
        still = [n for n, g in step.seen[player].items() if g is None or not g.any()]
        assert not still, still
    assert {"real", "fake", "accuracy"} <= step.seen["D.figures"].keys()
    assert {"damsm", "kl"} <= step.seen["G.figures"].keys()


def test_without_the_pathway_no_box_is_heard():
    objective = OPGANObjective(small(pathway=False))
    told = []
    for batch in (scenes(), replace(scenes(), boxes=scenes().boxes.flip(0))):
        torch.manual_seed(5)
        step = Recorder(objective)
        objective.round(batch, step)
        told.append(step.seen["G.figures"]["loss"].item())
    assert told[0] == pytest.approx(told[1], rel=1e-4)  # batch norm's averages aside


def test_scenes_without_things_have_nothing_to_be_alike():
    objective = OPGANObjective(small(crop=1.0, perceptual=1.0))
    step = Recorder(objective)
    objective.round(replace(scenes(), present=torch.zeros(4, 2, dtype=torch.bool)), step)
    figures = step.seen["G.figures"]
    assert figures["crop"] == 0 and figures["perceptual"] == 0 and figures["loss"].isfinite()


def test_each_stage_has_a_discriminator_of_its_side():
    objective = OPGANObjective(small())
    assert [type(d) for d in objective.discriminators] == [Discriminator] * 2
    shown = objective.preview({"G": objective.generator.eval()})
    assert shown.shape == (1, 3, 64, 64)  # before the scenes are known
    objective.prepare(wing("opgan").source(small()))
    assert objective.preview({"G": objective.generator.eval()}).shape == (32, 3, 64, 64)
    assert "house" in objective.tables()["classes"]
    assert isinstance(objective.config, Sizes)
