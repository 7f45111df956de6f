"""The authors' released checkpoints: sizes, names, old files, and what becomes of them."""

import json
from pathlib import Path

import pytest
import torch

import course_lib
from course_lib.errors import CourseError
from course_lib.stackgan import official
from course_lib.stackgan.official_networks import (
    OfficialDiscriminator,
    OfficialStageOne,
    OfficialStageTwo,
)
from tests.parity.cases import FOLDER, NO_CASES

TEXT = torch.randn(12, generator=torch.Generator().manual_seed(3))


def stage_one():
    torch.manual_seed(5)
    return OfficialStageOne(4, 12, 3, 5)


def stage_two():
    return OfficialStageTwo(stage_one(), 4, 12, 3, blocks=2)


def discriminator():
    return OfficialDiscriminator(4, 3, 64)


def released(network, *, prefix="", drop="num_batches_tracked"):
    """The network's tensors as an old torch wrote them."""
    return {
        prefix + name.replace("ca_net.linear", "ca_net.fc"): tensor
        for name, tensor in network.state_dict().items()
        if drop not in name
    }


# --- sizes ---


@pytest.mark.parametrize(
    ("make", "params", "moved"),
    [
        (lambda: OfficialStageOne(192), 20_020_832, 20_020_832),
        (lambda: OfficialDiscriminator(96), 12_407_425, 12_407_425),
        (lambda: OfficialStageTwo(OfficialStageOne(192), 192, blocks=2), 57_151_312, 37_130_480),
        (lambda: OfficialDiscriminator(96, size=256), 159_889_538, 159_889_538),
        (lambda: OfficialStageOne(), 10_301_248, 10_301_248),
        (lambda: OfficialDiscriminator(), 5_715_713, 5_715_713),
        (lambda: OfficialStageTwo(OfficialStageOne()), 36_591_328, 26_290_080),
        (lambda: OfficialDiscriminator(size=256), 71_269_122, 71_269_122),
    ],
    ids=[f"{who} {net}" for who in ("coco", "default") for net in ("G1", "D1", "G2", "D2")],
)
def test_parameters_at_the_authors_two_settings(make, params, moved):
    with torch.device("meta"):  # sizes without numbers
        network = make()
    assert sum(p.numel() for p in network.parameters()) == params
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == moved


MANIFEST = Path(FOLDER) / "stackgan" / "official_manifest.json"


@pytest.mark.skipif(not FOLDER or not MANIFEST.exists(), reason=NO_CASES)
@pytest.mark.parametrize("net", ["STAGE1_G", "STAGE1_D", "STAGE2_G", "STAGE2_D"])
@pytest.mark.parametrize("setting", ["coco_yml", "config_py_defaults"])
def test_every_tensor_of_the_released_files_has_its_place(setting, net):
    shapes = {
        name: said["shape"]
        for name, said in json.loads(MANIFEST.read_text("utf-8"))[setting][net].items()
    }
    with torch.device("meta"):
        built = official.network({name: torch.empty(shape) for name, shape in shapes.items()})
    assert {name: list(x.shape) for name, x in released(built, drop="no such").items()} == shapes


# --- files ---


@pytest.mark.parametrize("make", [stage_one, stage_two])
@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_of_old_becomes_a_painter(tmp_path, make, prefix, zipped):
    network = make()
    for name, buffer in network.named_buffers():  # batch norm as after some training
        if "running" in name:
            buffer.copy_(torch.rand_like(buffer) + 0.5)
    path = tmp_path / "netG_epoch_120.pth"
    torch.save(released(network, prefix=prefix), path, _use_new_zipfile_serialization=zipped)
    painter = course_lib.load(path)
    assert painter.kind == "stackgan"
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, painter.generator.state_dict()[name]), name


def test_the_same_seed_gives_the_same_picture_and_both_stages_the_same_sketch():
    one, two = official.painter(released(stage_one())), official.painter(released(stage_two()))
    picture = two.generate(embedding=TEXT, seed=7)
    assert picture.image.shape == (3, 256, 256)
    assert torch.equal(picture.image, two.generate(embedding=TEXT, seed=7).image)
    assert not torch.equal(picture.image, two.generate(embedding=TEXT, seed=8).image)
    assert torch.equal(picture.steps["stage_1"], one.generate(embedding=TEXT, seed=7).image)


# --- what cannot be loaded, or painted ---


def test_a_discriminator_is_no_painter(tmp_path):
    torch.save(released(discriminator()), tmp_path / "netD_epoch_last.pth")
    with pytest.raises(CourseError, match=r"discriminator.*netG"):
        course_lib.load(tmp_path / "netD_epoch_last.pth")


def test_somebody_elses_tensors_are_named(tmp_path):
    torch.save({"layer.weight": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(CourseError, match=r"other\.pth.*layer\.weight"):
        course_lib.load(tmp_path / "other.pth")


def test_all_tensors_that_do_not_fit_are_listed_at_once():
    weights = released(stage_one())
    del weights["upsample2.1.weight"], weights["fc.1.running_mean"]
    weights["upsample3.2.bias"] = torch.zeros(7)
    weights["extra"] = torch.zeros(1)
    with pytest.raises(CourseError) as caught:
        official.network(weights)
    message = str(caught.value)
    assert "4 problems" in message and "upsample2.1.weight is missing" in message
    assert "fc.1.running_mean is missing" in message and "extra" in message
    assert "upsample3.2.bias is [7], the network has [4]" in message


@pytest.mark.parametrize("lost", ["fc.0.weight", "STAGE1_G.fc.0.weight"])
def test_a_tensor_that_says_a_size_is_missed_by_name(lost):
    weights = released(stage_two() if "STAGE1_G" in lost else stage_one())
    del weights[lost]
    with pytest.raises(CourseError, match=r"fc\.0\.weight.*missing"):
        official.network(weights)


@pytest.mark.parametrize(
    "given",
    [
        {"caption": "a red flower"},
        {"embedding": torch.zeros(13)},
        {"embedding": torch.zeros(1, 12)},
        {},
    ],
    ids=str,
)
def test_only_an_embedding_is_painted(given):
    with pytest.raises(CourseError, match=r"embedding.*\[12\]"):
        official.painter(released(stage_one())).generate(**given)
