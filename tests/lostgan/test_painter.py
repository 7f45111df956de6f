"""LostGAN's public face: every object can be restyled and moved, and all else stays."""

import json
from dataclasses import replace

import pytest
import torch

from course_lib.cli import main
from course_lib.data.storybook import Storybook
from course_lib.errors import CourseError
from course_lib.lostgan.networks import Generator
from course_lib.lostgan.objective import COLOURS, LostGANConfig
from course_lib.lostgan.painter import LostGANPainter
from course_lib.postcard import Postcard
from course_lib.storage.checkpoint import Checkpoint, write_checkpoint
from tests.lostgan.small import CLASSES, SMALL, scenes

LAYOUT = [("boat", (0.1, 0.1, 0.4, 0.4)), ("sun", (0.6, 0.6, 0.9, 0.9))]


def painter_of(**other):
    torch.manual_seed(1)
    config = LostGANConfig(**SMALL | other)
    generator = Generator(config.sizes).train()
    with torch.no_grad():
        for _ in range(3):  # batch and spectral norm have seen something
            boxes = torch.tensor([[box for _, box in LAYOUT]] * 4)
            z = torch.randn(4, 3, config.z_dim)
            generator(z[:, 1:], z[:, 0], boxes, torch.tensor([[3, 4]] * 4))
    painter = LostGANPainter(generator, config)
    painter.tables = {"classes": CLASSES.to_json()}
    return painter


@pytest.fixture(scope="module")
def painter():
    return painter_of()


def test_one_seed_one_picture_and_its_masks_are_steps(painter):
    picture = painter.generate(LAYOUT, seed=7)
    assert torch.equal(picture.image, painter.generate(LAYOUT, seed=7).image)
    assert not torch.equal(picture.image, painter.generate(LAYOUT, seed=8).image)
    shapes = {name: list(step.shape) for name, step in picture.steps.items()}
    assert shapes == {"masks": [2, 64, 64], "refined": [2, 32, 32], "styles": [2, 5], "z": [5]}
    boat = picture.steps["masks"][0]
    assert boat[8:24, 8:24].min() > 0 and boat.sum() == boat[6:27, 6:27].sum()
    assert picture.layout.names == ("boat", "sun") and picture.styles.abs().max() <= 2


def test_a_style_depends_on_seed_and_number_alone(painter):
    few = painter.generate(LAYOUT[:1], seed=7).styles
    more = painter.generate([LAYOUT[0], ("sun", (0, 0, 0.2, 0.2)), LAYOUT[1]], seed=7).styles
    assert torch.equal(few[0], more[0]) and not torch.equal(more[0], more[1])


def test_a_new_style_changes_that_object_alone(painter):
    before = painter.generate(LAYOUT, seed=7)
    for after in (
        painter.generate(LAYOUT, {1: 99}, seed=7),
        painter.repaint(before, styles={1: 99}),
    ):
        assert torch.equal(after.styles[0], before.styles[0])
        assert not torch.equal(after.styles[1], before.styles[1])
        assert torch.equal(after.steps["z"], before.steps["z"])
        assert torch.equal(after.steps["masks"][0], before.steps["masks"][0])
        assert not torch.equal(after.image, before.image)


def test_the_style_of_a_seed_is_that_of_the_class_whichever_number_it_has(painter):
    first = painter.generate(LAYOUT, {0: 99, 1: 5}).styles
    second = painter.generate(LAYOUT[::-1], {1: 99, 0: 5}).styles
    assert torch.equal(first, second.flip(0)) and not torch.equal(*first)


def test_a_painter_that_has_learnt_so_sees_the_picture_as_an_object_too():
    heard, painters = [], [painter_of(everywhere=everywhere) for everywhere in (True, False)]
    for painter in painters:
        painter.generator.register_forward_pre_hook(lambda _, given: heard.append(given))
        painter.generate(LAYOUT, seed=7)
        painter.paint_scenes(scenes())
    (z, whole, boxes, labels), many, (_, _, none, _), fewer = heard
    assert boxes[0, 2].tolist() == [0, 0, 1, 1] and labels[0].tolist() == [3, 4, 0]
    assert torch.equal(z[0, 2], whole[0]) and torch.equal(many[0][:, -1], many[1])
    assert none[0, 2].max() < 0 and many[2].shape[1] == fewer[2].shape[1] + 1


def test_styles_can_be_locked_and_borrowed(painter):
    before = painter.generate(LAYOUT, seed=7)
    locked = painter.generate(LAYOUT, dict(enumerate(before.styles)), seed=8, z=before.steps["z"])
    assert torch.equal(locked.image, before.image)
    borrowed = painter.repaint(before, styles={0: before.styles[1]})
    assert torch.equal(borrowed.styles[0], before.styles[1])


def test_a_moved_box_takes_its_mask_along_and_all_else_stays(painter):
    before = painter.generate(LAYOUT, seed=7)
    after = painter.repaint(before, move={0: (0.6, 0.1, 0.9, 0.4)})
    assert torch.equal(after.styles, before.styles)
    assert torch.equal(after.steps["masks"][1], before.steps["masks"][1])
    assert not after.steps["masks"][0][:, :36].any() and after.steps["masks"][0].any()
    assert after.layout.names == before.layout.names and before.steps["masks"][0][:, :30].any()


def test_an_empty_layout_is_background_alone(painter):
    picture = painter.generate([], seed=7)
    assert picture.image.isfinite().all() and picture.steps["masks"].shape == (0, 64, 64)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "a layout is needed"),
        ({"layout": 3}, "3 is no list of names and boxes"),
        ({"layout": {"boat": (0, 0, 1, 1)}}, "no list of names and boxes"),
        ({"layout": [("boot", (0, 0, 1, 1))]}, "unknown class 'boot'.*'boat'"),
        ({"layout": [("boat", (0.5, 0, 0.2, 1))]}, "object 0"),
        ({"layout": [("boat", (0, 0, float("nan"), 1))]}, "object 0"),
        ({"layout": [("boat", (0, 0, 1, 1))] * 32}, "32 objects.*31"),
        ({"layout": LAYOUT, "styles": {2: 1}}, "no object 2; there are 0 to 1"),
        ({"layout": LAYOUT, "styles": {0: torch.zeros(3)}}, "object 0 is no seed"),
        ({"layout": LAYOUT, "z": torch.zeros(2)}, "z is \\[2\\], not \\[5\\]"),
        ({"layout": LAYOUT, "z": torch.zeros(2), "styles": {7: 1}}, "2 problems"),
        ({"layout": LAYOUT, "seed": -1}, "-1 is not a seed"),
        ({"layout": LAYOUT, "styles": {0: -1}}, "-1 is not a seed"),
    ],
)
def test_what_cannot_be_painted_is_refused(painter, given, words):
    with pytest.raises(CourseError, match=words):
        painter.generate(**given)


def test_only_boxes_that_there_are_can_be_moved(painter):
    with pytest.raises(CourseError, match="no object 5; there are 0 to 1"):
        painter.repaint(painter.generate(LAYOUT), move={5: (0, 0, 1, 1)})


def test_a_postcard_carries_layout_and_styles(painter):
    style = painter.generate(LAYOUT, seed=3).styles[0]
    asked = {"layout": LAYOUT, "styles": {0: 5, 1: style}}
    card = Postcard.from_json(Postcard.of(painter, seed=7, **asked).to_json())
    assert torch.equal(card.repaint(painter).image, painter.generate(**asked, seed=7).image)


def test_many_scenes_are_painted_at_once():
    painter, batch = painter_of(stuff=1.0), scenes()
    painting = painter.paint_scenes(batch, seed=2)
    assert painting.pictures.shape == (3, 3, 64, 64) and painting.masks.shape[1] == 4
    assert painting.masks[1].flatten(1).any(1).tolist() == [True, True, True, False]
    assert torch.equal(painting.pictures, painter.paint_scenes(batch, seed=2).pictures)
    assert painter_of().paint_scenes(batch).masks.shape[1] == 2  # it has not learnt stuff


def test_where_styles_begin_with_colours_they_are_some_that_the_class_has_had():
    painter = painter_of(colour_styles=True, z_dim=14)
    known = torch.randn(5, COLOURS, 12)
    painter.tables |= {"colours": known.tolist()}
    picture = painter.generate(LAYOUT, seed=7)
    for label, style in zip((3, 4), picture.styles, strict=True):
        assert (style[:12] == known[label]).all(dim=1).any()
    assert (picture.steps["z"][:12] == known[0]).all(dim=1).any()
    colours = {tuple(painter.generate(LAYOUT, {0: k}).styles[0, :12].tolist()) for k in range(9)}
    assert len(colours) > 4  # dice roll colours, too
    batch = scenes()
    red = replace(batch, images=torch.ones_like(batch.images))
    painted = [painter.paint_scenes(shown, seed=1).pictures for shown in (batch, red)]
    assert not torch.equal(*painted)  # it takes the scenes' own colours


def test_a_scenes_stuff_is_part_of_its_layout_where_it_was_learnt():
    scene, painter = Storybook(size=64)[3], painter_of(stuff=1.0)
    painter.tables = {"classes": scene.label_map.classes.to_json()}
    layout = painter.layout_of(scene)
    things = len(scene.layout)
    assert layout.names[len(layout) - things :] == scene.layout.names
    assert set(layout.names[: len(layout) - things]) <= set(scene.label_map.classes.stuff)
    assert len(layout) > things and painter_of().layout_of(scene) is scene.layout


def test_the_command_paints_a_layout_from_a_json_file(painter, tmp_path, capsys):
    header = {"kind": "lostgan", "config": {**SMALL, "device": "cpu"}, "tables": painter.tables}
    weights = {f"G/{name}": value for name, value in painter.generator.state_dict().items()}
    file = write_checkpoint(tmp_path / "boats.safetensors", Checkpoint(header, weights))
    asked = tmp_path / "layout.json"
    asked.write_text(json.dumps(LAYOUT))
    command = ["sample", str(file), "--layout", str(asked), "--n", "4"]
    assert main([*command, "--out", str(tmp_path / "sheets")]) == 0
    assert {path.stem for path in (tmp_path / "sheets").iterdir()} == {"final", "masks"}
    asked.write_text('[["boot", [0, 0, 1, 1]]]')
    assert main(command) == 2 and "did you mean 'boat'" in capsys.readouterr().err
    asked.write_text("boat")
    assert main(command) == 2 and "this is no JSON" in capsys.readouterr().err
    asked.unlink()
    assert main(command) == 2 and "this is no JSON" in capsys.readouterr().err
    assert main(["sample", str(file)]) == 2 and "a layout is needed" in capsys.readouterr().err
