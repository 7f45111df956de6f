"""LR-GAN's public face: every layer can be seen, swapped and moved, and the rest stays."""

import pytest
import torch

from course_lib.cli import main
from course_lib.errors import CourseError
from course_lib.lrgan.networks import Generator, Sizes
from course_lib.lrgan.objective import LRGANConfig
from course_lib.lrgan.painter import LRGANPainter
from course_lib.nn.paste import pose_at
from course_lib.storage.checkpoint import Checkpoint, write_checkpoint

CONFIG = {"data": "digits-two", "size": 16, "z_dim": 6, "width_g": 4, "least_width": 6,
          "channels": 1, "layers": 3, "scale": [2.0, 3.0]}  # fmt: skip


def small_painter():
    torch.manual_seed(1)
    config = LRGANConfig.from_json(CONFIG)
    generator = Generator(config.sizes)
    torch.nn.init.normal_(generator.foreground.to_pose.weight)
    generator.train()(torch.randn(64, 3, 6))  # batch norm has seen something
    return LRGANPainter(generator, config)


@pytest.fixture(scope="module")
def painter():
    return small_painter()


def test_steps_are_all_there_and_add_up(painter):
    picture = painter.generate(seed=4)
    steps = picture.steps
    shapes = {name: list(value.shape) for name, value in steps.items()}
    assert shapes == {
        "background": [1, 16, 16],
        "foregrounds": [2, 1, 16, 16],
        "masks": [2, 1, 16, 16],
        "poses": [2, 2, 3],
        "appearances": [2, 1, 16, 16],
        "covers": [2, 1, 16, 16],
        "canvases": [3, 1, 16, 16],
        "z": [3, 6],
    }
    canvas = steps["background"]
    for cover, shown, after in zip(steps["covers"], steps["appearances"], steps["canvases"][1:],
                                   strict=True):  # fmt: skip
        canvas = cover * shown + (1 - cover) * canvas
        torch.testing.assert_close(after, canvas)
    assert torch.equal(picture.image, steps["canvases"][-1])


def test_one_seed_one_picture(painter):
    assert torch.equal(painter.generate(seed=7).image, painter.generate(seed=7).image)
    assert not torch.equal(painter.generate(seed=7).image, painter.generate(seed=8).image)
    z = painter.noise(7)
    assert torch.equal(painter.generate(z=z).image, painter.generate(seed=7).image)


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_a_swap_changes_one_layer_and_no_other(painter, layer):
    before, after = painter.generate(seed=4), painter.generate(seed=4, swap={layer: 9})
    same = {0: torch.equal(before.steps["background"], after.steps["background"])}
    for number in (1, 2):
        same[number] = all(
            torch.equal(before.steps[name][number - 1], after.steps[name][number - 1])
            for name in ("foregrounds", "masks", "poses")
        )
    assert same == {number: number != layer for number in range(3)}
    assert not torch.equal(before.image, after.image)


def test_a_pose_can_be_given(painter):
    pose = pose_at(torch.tensor([0.5, 0.5]), torch.tensor([0.5, 0.5]))
    picture = painter.generate(seed=4, pose={2: pose})
    assert torch.equal(picture.steps["poses"][1], pose)
    assert torch.equal(picture.steps["poses"][0], painter.generate(seed=4).steps["poses"][0])
    assert picture.steps["covers"][1, :, :7].abs().max() == 0  # it lies below the middle


def test_masks_and_boxes_are_a_segmentation(painter, tmp_path):
    picture = painter.generate(seed=4)
    picture.steps["covers"][:] = 0
    picture.steps["covers"][0, :, 2:10, 3:9] = 1
    picture.steps["covers"][1, :, 8:12, 5:15] = 0.9  # lies over the first
    masks = picture.masks()
    assert masks[1].sum() == 40 and masks[0].sum() == 48 - 8
    assert not (masks[0] & masks[1]).any()
    boxes = picture.boxes()
    assert boxes.tolist() == [[3, 2, 9, 10], [5, 8, 15, 12]] and boxes.canvas_size == (16, 16)
    names = [path.name for path in picture.export(tmp_path)]
    assert names == ["picture.png", "picture_mask_1.png", "picture_mask_2.png"]


def test_a_layer_that_shows_nothing_has_an_empty_box(painter):
    picture = painter.generate(seed=4)
    picture.steps["covers"][:] = 0
    assert picture.boxes().tolist() == [[0, 0, 0, 0]] * 2


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"z": torch.zeros(3)}, r"\[3\].*\[3, 6\]"),
        ({"swap": {3: 1}}, "no layer 3; there are 0 to 2"),
        ({"pose": {0: torch.eye(2, 3)}}, "no layer 0; there are 1 to 2"),
        ({"pose": {1: torch.eye(3)}}, r"\[3, 3\], not \[2, 3\]"),
        ({"pose": {1: torch.full((2, 3), torch.nan)}}, "finite"),
        ({"swap": {5: 1}, "pose": {9: torch.eye(2, 3)}}, "2 problems"),
        ({"swap": {1: -1}}, "is not a seed"),
        ({"seed": 1.5}, "is not a seed"),
    ],
)
def test_what_cannot_be_painted_is_refused(painter, how, words):
    with pytest.raises(CourseError, match=words):
        painter.generate(**how)


def test_the_command_writes_every_named_sheet(painter, tmp_path, capsys):
    weights = {f"G/{name}": value for name, value in painter.generator.state_dict().items()}
    file = write_checkpoint(
        tmp_path / "two.safetensors", Checkpoint({"kind": "lrgan", "config": CONFIG}, weights)
    )
    named = {"real", "background", "final"}
    named |= {f"{what}_{t}" for t in (1, 2) for what in ("foreground", "mask", "canvas")}
    assert main(["sample", str(file), "--n", "4", "--out", str(tmp_path / "sheets")]) == 0
    assert {path.stem for path in (tmp_path / "sheets").iterdir()} == named
    assert main(["sample", str(file), "--n", "4", "--evaluate"]) == 0
    assert capsys.readouterr().out.count("final.png") == 2
    assert main(["sample", str(file), "--n", "4", "--out", str(tmp_path / "one.png")]) == 0
    assert (tmp_path / "one.png").is_file()


def test_where_the_real_pictures_are_missing_it_says_so(painter, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    config = LRGANConfig.from_json(CONFIG | {"data": "cifar10"})
    with pytest.warns(UserWarning, match="no sheet of real pictures"):
        sheets = LRGANPainter(painter.generator, config).sheets(range(4))
    assert "real" not in sheets and "final" in sheets


def test_a_painter_of_one_layer_is_a_dcgan():
    generator = Generator(Sizes(z_dim=6, width=2, least_width=3, size=8, layers=1))
    picture = LRGANPainter(generator).generate(seed=1)
    assert torch.equal(picture.image, picture.steps["background"])
