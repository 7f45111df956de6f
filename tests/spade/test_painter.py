"""SPADE's painter: maps of every kind in, styles of every kind, and one map in many of them."""

from dataclasses import asdict, replace

import pytest
import torch

from course_lib.data.storybook import Storybook
from course_lib.errors import CourseError
from course_lib.painter import noise
from course_lib.scene import ClassTable, LabelMap
from course_lib.spade.networks import SPADE
from course_lib.spade.objective import Artist
from course_lib.spade.painter import SPADEPainter
from tests.spade.test_objective import SMALL

BOOK = Storybook(size=32)


def trained(config=SMALL):
    """A painter as a checkpoint gives it; nobody has trained it."""
    torch.manual_seed(0)
    weights = {f"G/{name}": value for name, value in Artist(config).state_dict().items()}
    painter = SPADEPainter.from_weights(asdict(config), weights)
    painter.tables = {"classes": BOOK.classes.to_json()}
    return painter


@pytest.fixture(scope="module")
def painter():
    return trained(replace(SMALL, grain_g=True, init="none"))


@pytest.fixture(scope="module")
def plain():
    return trained(replace(SMALL, use_vae=False))


def test_a_seed_is_a_style(painter):
    scene = BOOK[0]
    picture = painter.generate(scene.label_map)
    assert picture.image.shape == (3, 32, 32) and picture.image.abs().max() <= 1
    assert torch.equal(picture.image, painter.generate(scene.label_map, seed=7).image)
    assert not torch.equal(picture.image, painter.generate(scene.label_map, seed=8).image)
    assert torch.equal(picture.steps["style"], noise(7, 4))
    assert torch.equal(picture.steps["label_map"][:, 0, 0] + 1,
                       scene.label_map.coloured()[:, 0, 0] / 127.5)  # fmt: skip


def test_maps_come_in_many_forms(painter, tmp_path):
    scene = BOOK[1]
    expected = painter.generate(scene.label_map).image
    path = scene.label_map.save(tmp_path / "map.png")
    for form in (scene, path, str(path), scene.label_map.ids, scene.label_map.ids.int()):
        assert torch.equal(painter.generate(form).image, expected)


def test_a_map_of_other_classes_is_read_by_their_names(painter):
    names = {"grass": (0, 200, 0), "sky": (0, 0, 200)}
    own = ClassTable.of(stuff=names)
    ids = torch.zeros(32, 32, dtype=torch.int64)
    ids[:16] = own.id("sky")
    expected = torch.where(ids == 1, BOOK.classes.id("sky"), BOOK.classes.id("grass"))
    assert torch.equal(painter.read(LabelMap.of(ids, own)).ids, expected)
    foreign = ClassTable.of(stuff={"gras": (0, 200, 0), "lava": (200, 0, 0)})
    with pytest.raises(CourseError, match=r"no class 'gras'; did you mean 'grass'.*nor lava"):
        painter.read(LabelMap.of(ids, foreign))


@pytest.mark.parametrize("wrong", [28, -1])
def test_an_id_that_the_painter_does_not_know_is_named(painter, wrong):
    with pytest.raises(CourseError, match=str(wrong)):
        painter.generate(torch.full((32, 32), wrong))


def test_a_map_of_another_shape_is_painted_and_spoken_of(painter):
    picture = painter.generate(Storybook(size=64)[0].label_map)
    assert picture.image.shape == (3, 32, 32) and not picture.notes
    with pytest.warns(UserWarning, match="the map is 32 x 16 pixels"):
        wide = painter.generate(torch.arange(2).repeat(16, 16))
    assert wide.notes == ("the map is 32 x 16 pixels, it is painted as 32 x 32",)


def test_the_style_of_a_picture(painter, tmp_path):
    picture, label_map = BOOK[2], BOOK[3].label_map
    style = painter.encode(picture.image)
    assert style.shape == (4,)
    by_picture = painter.generate(label_map, style=picture.image)
    assert torch.equal(by_picture.image, painter.generate(label_map, style=style).image)
    file = picture.picture.save(tmp_path / "photo.png")
    assert torch.equal(painter.encode(file), style)
    assert torch.equal(painter.encode(picture.image / 127.5 - 1), style)
    assert not torch.equal(painter.encode(BOOK[4].image), style)


def test_many_styles_of_one_map_are_those_of_each_alone(painter, monkeypatch):
    label_map, styles = BOOK[5].label_map, torch.randn(18, 4)  # more than one batch of them
    worked, original = [], SPADE.modulation
    monkeypatch.setattr(SPADE, "modulation", lambda s, m: worked.append(s) or original(s, m))
    together = painter.styles(label_map, styles, seed=3)
    again = replace(label_map, ids=label_map.ids.clone())  # equal, and not the same
    for image, style in zip(together[[0, 17]], styles[[0, 17]], strict=True):
        alone = painter.generate(again, style=style, seed=3).image
        torch.testing.assert_close(alone, image, rtol=1e-4, atol=1e-5)
    layers = sum(isinstance(m, SPADE) for m in painter.generator.modules())
    assert len(worked) == layers  # once for the map, whatever the styles
    painter.generate(BOOK[6].label_map)
    assert len(worked) == 2 * layers


def test_between_two_styles(painter):
    first, last = noise(0, 4), noise(1, 4)
    way = painter.between(BOOK[0].label_map, first, last, count=3)
    for place, style in ((0, first), (1, (first + last) / 2), (2, last)):
        expected = painter.generate(BOOK[0].label_map, style=style).image
        torch.testing.assert_close(way[place], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("what", ["generate", "styles", "encode"])
def test_a_painter_without_an_encoder_says_so(plain, what):
    asked = {
        "generate": lambda: plain.generate(BOOK[0].label_map, style=torch.zeros(4)),
        "styles": lambda: plain.styles(BOOK[0].label_map, torch.zeros(2, 4)),
        "encode": lambda: plain.encode(BOOK[0].image),
    }
    with pytest.raises(CourseError, match=r"without an encoder[\s\S]*use_vae=true"):
        asked[what]()
    first, other = (plain.generate(BOOK[0].label_map, seed=seed).image for seed in (1, 2))
    assert torch.equal(first, other)  # it has one way only


def test_a_style_of_another_length_is_refused(painter):
    with pytest.raises(CourseError, match="5 numbers, styles here have 4"):
        painter.generate(BOOK[0].label_map, style=torch.zeros(5))


def test_sheets_show_unseen_maps_with_the_real_pictures(painter):
    sheets = painter.sheets(range(4))
    assert set(sheets) == {"real", "maps", "final"}
    assert len({sheet.shape for sheet in sheets.values()}) == 1
    assert set(painter.sheets(range(4), label_map=BOOK[0].label_map)) == {"final"}
    pages = BOOK.split("test")
    chosen = painter.generate(seed=3).image
    assert torch.equal(chosen, painter.generate(BOOK[pages[3]].label_map, seed=3).image)
