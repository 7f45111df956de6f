"""OP-GAN's painter: its own and released weights, sentences, layouts, and what it refuses."""

import json
import pickle
import re
from pathlib import Path

import pytest
import torch

import course_lib
from course_lib.data.storybook import CLASSES
from course_lib.errors import CourseError
from course_lib.opgan import official
from course_lib.opgan.damsm.networks import InceptionEye
from course_lib.opgan.discriminator import Discriminator
from course_lib.opgan.networks import Generator, Sizes
from course_lib.opgan.objective import OPGANObjective
from course_lib.registry import configure, wing
from course_lib.scene import Layout
from course_lib.text.recurrent import RecurrentEncoder
from course_lib.training import train
from tests.opgan.test_damsm import light
from tests.parity.cases import FOLDER, NO_CASES

HOUSE = [("house", (0.1, 0.2, 0.5, 0.9))]
SIZES = Sizes(size=128, stages=2, width=2, width_d=2, text=6, code=4, noise=4, local_noise=2,
              label=8, next_label=4, residuals=1)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """What two rounds of both trainings leave behind."""
    folder = tmp_path_factory.mktemp("runs")
    for kind, more in (("damsm", {}), ("opgan", {"damsm": str(folder / "damsm"), "words": 4})):
        config = configure(kind, "smoke", more)
        train(wing(kind).objective(config), wing(kind).source(config), folder / kind, show=False)
    return folder / "opgan"


# --- its own weights ---


def test_a_run_becomes_a_painter_that_reads_and_shows_its_steps(run):
    painter = course_lib.load(run)
    picture = painter.generate("a red house", HOUSE, seed=3)
    assert {name: list(x.shape[1:]) for name, x in picture.steps.items()} == {
        "stage_1": [32, 32], "stage_2": [64, 64], "objects_1": [16, 16], "objects_2": [32, 32],
        "attention_2": [32, 32],
    }  # fmt: skip
    assert torch.equal(picture.image, picture.steps["stage_2"])
    assert picture.steps["attention_2"].shape[0] == 3  # words
    assert torch.equal(picture.image, painter.generate("a red house", HOUSE, seed=3).image)
    assert not torch.equal(picture.image, painter.generate("a red house", HOUSE, seed=4).image)
    assert painter.classes.names == CLASSES.names


def test_n_captions_are_n_pictures(run):
    painter = course_lib.load(run)
    pictures = [
        painter.generate(text, HOUSE).image
        for text in ("a red house", "a blue house", "a green house by day")
    ]
    assert len({bytes(p.numpy().tobytes()) for p in pictures}) == 3


def test_what_is_not_read_is_said(run):
    with pytest.warns(UserWarning) as warned:
        notes = course_lib.load(run).generate("a reed house by day", []).notes
    assert [str(w.message) for w in warned] == list(notes)
    assert notes == (
        "1 of 4 words unknown: reed (nearest known: red)", "5 words, 4 used; cut: 'day'",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        ([("hous", (0.1, 0.1, 0.5, 0.5))], "did you mean 'house'"),
        ([("grass", (0.1, 0.1, 0.5, 0.5))], "'grass' is stuff"),
        (HOUSE * 3, "3 objects, at most 2"),
        ([("house", (0.1, 0.1, 50, 50))], "units='pixel'"),
    ],
)
def test_layouts_that_cannot_be_painted_are_refused(run, layout, words):
    with pytest.raises(CourseError) as error:
        course_lib.load(run).generate("a house", layout)
    assert words in str(error.value)


@pytest.mark.parametrize("caption", [None, "", "?!", 7])
def test_a_caption_is_needed(run, caption):
    with pytest.raises(CourseError, match="caption"):
        course_lib.load(run).generate(caption, HOUSE)


def test_a_layout_object_and_its_numbers_are_one_layout(run):
    painter = course_lib.load(run)
    layout = Layout.of(*HOUSE, units="fraction", format="xyxy")
    one, other, none = (painter.generate("a house", told).image for told in (HOUSE, layout, []))
    assert torch.equal(one, other) and not torch.equal(one, none)


def test_without_a_layout_one_is_proposed_and_told(run):
    painter = course_lib.load(run)
    picture = painter.generate("house and cat", seed=2)
    proposed = painter.propose("house and cat")
    assert sorted(proposed.names) == ["cat", "house"]
    assert picture.notes[-1] == f"proposed: {proposed}"
    same = painter.generate("house and cat", proposed, seed=2)
    assert torch.equal(picture.image, same.image) and same.notes == picture.notes[:-1]
    assert len(painter.propose("three birds")) == 2  # as many as it takes


def test_scenes_are_repainted_each_by_itself(run):
    """What is painted for a scene does not hang on the others of its batch."""
    painter = course_lib.load(run)
    scenes = wing("opgan").source(configure("opgan", "smoke")).batch(torch.arange(5))
    pictures = painter.repaint(scenes, range(5), batch_size=3)
    assert pictures.shape == (5, 3, 64, 64)
    torch.testing.assert_close(pictures[4:], painter.repaint(scenes[4:], [4]))


# --- released weights ---


def theirs(network):
    """The network's tensors under the authors' names."""
    found = {}
    for name, value in network.state_dict().items():
        up = re.match(r"(h_net\d\.(?:upsample\d?|local\d))\.(\d)(.*)", name)
        layer = f"{up[1]}.{int(up[2]) + 1}{up[3]}" if up else name
        found[re.sub(r"^(img_net\d)\.", r"\1.img.", layer)] = value
    return found


@pytest.mark.parametrize("prefix", ["", "module."])
def test_op_gan_pth_loads_with_no_flags_and_paints_with_attngans_reader(tmp_path, prefix):
    """A whole training's state, whose generator is under netG."""
    torch.manual_seed(0)
    g = Generator(SIZES)
    weights = {prefix + name: value for name, value in theirs(g).items()}
    adam = torch.optim.Adam([torch.zeros(2, requires_grad=True)]).state_dict()
    state = {"epoch": 120, "netG": weights, "optimG": adam, "netD": [{"w": torch.ones(1)}]}
    torch.save(state, tmp_path / "op-gan.pth")
    painter = course_lib.load(tmp_path / "op-gan.pth")
    assert painter.generator.sizes == Sizes(**{**vars(SIZES), "width_d": 96})
    assert painter.generator.h_net2.att.fault  # as they were trained
    for name, value in g.state_dict().items():
        assert torch.equal(value, painter.generator.state_dict()[name]), name
    with pytest.raises(CourseError, match="read_with"):
        painter.generate("a dog")
    folder = tmp_path / "coco"
    folder.mkdir()
    words = RecurrentEncoder(3, 4, 6).state_dict()
    del words["_extra_state"]
    torch.save(words, folder / "text_encoder100.pth")
    torch.save(light(6), folder / "image_encoder100.pth")
    held = [[], [], {0: "<end>", 1: "a", 2: "dog"}, {}]
    (folder / "captions.pickle").write_bytes(pickle.dumps(held, protocol=2))
    picture = painter.read_with(folder).generate("a dog", [("dog", (0.2, 0.2, 0.8, 0.8))])
    assert picture.image.shape == (3, 128, 128) and not picture.notes


def test_weights_with_holes_are_refused_with_all_of_them(tmp_path):
    weights = theirs(Generator(SIZES))
    del weights["h_net2.residual.0.block.0.weight"], weights["h_net1.fc.1.bias"]
    torch.save(weights, tmp_path / "op-gan.pth")
    with pytest.raises(CourseError) as error:
        course_lib.load(tmp_path / "op-gan.pth")
    assert "h_net2.residual.0.block.0.weight is missing" in str(error.value)
    assert "h_net1.fc.1.bias is missing" in str(error.value)


MANIFEST = Path(FOLDER) / "opgan" / "official_manifest.json"


@pytest.mark.skipif(not FOLDER or not MANIFEST.exists(), reason=NO_CASES)
def test_every_tensor_of_the_released_files_has_its_place():
    told = json.loads(MANIFEST.read_text("utf-8"))
    with torch.device("meta"):
        held = {
            net: {name: torch.empty(said["shape"]) for name, said in told[net].items()}
            for net in ("netG", "netD0", "netD1", "netD2", "text_encoder", "image_encoder")
        }
        g = official.generator(held["netG"])
        found = [official.discriminator(held[f"netD{number}"]) for number in range(3)]
        eye, text = InceptionEye(), RecurrentEncoder.of(held["text_encoder"])
    assert g.sizes == Sizes() and all(isinstance(d, Discriminator) for d in found)
    assert eye.state_dict().keys() == held["image_encoder"].keys()
    assert text.state_dict().keys() - held["text_encoder"].keys() == {"_extra_state"}


def test_the_objective_keeps_the_reader_with_the_painter():
    objective = OPGANObjective(configure("opgan", "smoke"))
    assert set(objective.frozen) == {"text", "eye"}
