"""The layer explorer: what is dragged moves, what is exchanged changes, and all else stays."""

from __future__ import annotations

import base64
import io
import re
import zipfile

import pytest
import torch
from PIL import Image

from course_lib.data.coco.read import Coco
from course_lib.errors import CourseError
from course_lib.lrgan.networks import Generator, Sizes
from course_lib.lrgan.painter import LRGANPainter
from course_lib.postcard import Postcard
from course_lib.widgets.layers import TILE, layers_panel, segmentation


@pytest.fixture(scope="module")
def painter():
    """An untrained one whose masks have patterns, so that each layer can be seen."""
    torch.manual_seed(0)
    generator = Generator(
        Sizes(6, 4, 6, size=16, channels=1, layers=3, scale=(2.0, 4.0), rotation=0.3)
    )
    torch.nn.init.normal_(generator.foreground.to_pose.weight)
    torch.nn.init.normal_(generator.foreground.to_mask[0].weight)
    torch.nn.init.constant_(generator.foreground.to_mask[0].bias, 1.0)
    return LRGANPainter(generator)


@pytest.fixture
def panel(painter):
    return layers_panel(painter, seed=5)


def changed(panel, **values):
    """The picture with these values, and then the panel as it was."""
    before = {name: panel.state[name] for name in values}
    picture = panel.set(**values).picture
    panel.set(**before)
    return picture


def levels(pixels):
    """What the 16 x 16 pixels of a grey picture are in bytes."""
    return ((pixels[0] + 1) * 127.5).round().int().flatten().tolist()


def small(tile):
    """The pixel in the middle of each of the 16 x 16 fields that a picture was enlarged to."""
    middle = [TILE * k // 16 + TILE // 32 for k in range(16)]
    return [tile.getpixel((x, y))[0] for y in middle for x in middle]


def test_it_begins_with_the_painters_own_picture(panel, painter):
    assert torch.equal(panel.picture.image, painter.generate(seed=5).image)


@pytest.mark.parametrize(("x", "y", "scale"), [(0.5, 0, 1), (0, -0.25, 1), (0.3, 0.2, 0.5)])
def test_a_hand_drags_and_resizes_the_foreground(panel, x, y, scale):
    own = panel.picture.steps["poses"]
    panel._pad.set_state({"value": [x, y, scale]})
    assert [panel.state[name] for name in ("x", "y", "scale")] == [x, y, scale]
    moved = panel.picture.steps["poses"]
    centre = torch.linalg.solve(own[0, :, :2], -own[0, :, 2])
    for away in torch.randn(5, 2):
        point, now = centre + away, centre + scale * away + torch.tensor([x, y])
        looked_at = own[0] @ torch.cat([point, torch.ones(1)])
        torch.testing.assert_close(moved[0] @ torch.cat([now, torch.ones(1)]), looked_at)
    assert torch.equal(moved[1], own[1])


def test_the_pad_follows_the_sliders_and_draws_once(panel, monkeypatch):
    drawn, draw = [], type(panel)._redraw
    monkeypatch.setattr(type(panel), "_redraw", lambda this: drawn.append(draw(this)))
    panel.set(x=0.25, y=-0.5, scale=1.5)
    assert panel._pad.value == (0.25, -0.5, 1.5) and len(drawn) == 1
    shown = Image.open(io.BytesIO(base64.b64decode(panel._pad.picture.partition(",")[2])))
    assert small(shown) == levels(panel.picture.steps["canvases"][1])


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_one_layers_noise_is_exchanged(panel, painter, layer):
    name = panel.names[layer + 1]
    picture = changed(panel, swap=name, noise=9)
    assert torch.equal(picture.image, painter.generate(seed=5, swap={layer: 9}).image)
    assert not torch.equal(picture.image, panel.picture.image)


def test_what_is_shown_are_the_pictures_of_this_step(panel):
    for step in (1, 2):
        shown = panel.set(step=step).shown()
        steps = panel.picture.steps
        wanted = {
            (0, 0): steps["canvases"][step - 1],
            (1, 0): steps["foregrounds"][step - 1],
            (2, 0): steps["masks"][step - 1] * 2 - 1,
            (1, 1): steps["canvases"][step],
        }
        for (column, row), pixels in wanted.items():
            left, top = column * TILE, row * (TILE + 18) + 18
            assert small(shown.crop((left, top, left + TILE, top + TILE))) == levels(pixels)


def test_the_frame_lies_around_the_foreground(panel):
    """The red frame's middle is where the mask's middle lies on the canvas."""
    shown = panel.set(x=0.2).shown().crop((0, TILE + 36, TILE, 2 * (TILE + 18)))
    red = torch.tensor([[x, y] for x in range(TILE) for y in range(TILE)
                        if shown.getpixel((x, y)) == (255, 0, 0)])  # fmt: skip
    cover = panel.picture.steps["covers"][0, 0]
    ys, xs = (cover > 0.5).nonzero().float().unbind(1)
    covered = torch.stack([xs, ys], 1).mean(0) * TILE / 16 + TILE / 32
    frame = (red.amin(0) + red.amax(0)) / 2
    assert (frame - covered).abs().max() < TILE / 16


def test_the_postcard_carries_swap_and_pose(panel, painter):
    panel.set(swap="foreground 2", noise=3, step=1, x=0.3, scale=1.2)
    card = panel.postcard()
    read = Postcard.from_json(card.to_json())
    assert read == card and set(card.inputs) == {"swap", "pose"}
    assert torch.equal(read.repaint(painter).image, panel.picture.image)


def test_the_segmentation_is_read_back_from_coco(panel, tmp_path):
    folder = panel.export(tmp_path / "mine")
    masks = panel.picture.masks()
    visible = [t for t in range(2) if masks[t].any()]
    scene = Coco(folder, split="layers")[0]
    assert scene.layout.names == tuple(f"foreground {t + 1}" for t in visible)
    assert torch.equal(scene.masks.bool(), masks[visible])
    torch.testing.assert_close(
        scene.layout.boxes.as_subclass(torch.Tensor),
        panel.picture.boxes()[visible].as_subclass(torch.Tensor),
    )
    written = Image.open(folder / "picture_mask_1.png")
    assert torch.equal(torch.tensor(list(written.getdata())).reshape(16, 16) == 255, masks[0])


def test_a_layer_that_nobody_sees_has_no_box(panel):
    panel.set(step=2, x=2.0, y=2.0, scale=0.5)
    assert not panel.picture.masks()[1].any()
    assert segmentation(panel.picture).layout.names == ("foreground 1",)


def test_a_click_offers_the_segmentation(panel):
    panel.view.children[0].children[-2].click()
    found = re.search(
        r'download="(.*?)" href="data:application/zip;base64,(.*?)"', panel._message.value
    )
    assert found[1] == "segmentation.zip"
    archive = zipfile.ZipFile(io.BytesIO(base64.b64decode(found[2])))
    assert {"picture.png", "picture_mask_1.png", "annotations/instances_layers.json"} <= set(
        archive.namelist()
    )


def test_a_picture_of_one_layer_has_nothing_to_explore():
    painter = LRGANPainter(Generator(Sizes(6, 4, 6, size=16, channels=1, layers=1)))
    with pytest.raises(CourseError, match="this lrgan has no layers to explore"):
        layers_panel(painter)
