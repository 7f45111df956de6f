"""Pictures and label maps in two folders: SPADE's data sets, their numbers, and your own.

Every data set is made up here in its official layout, some pixels large; the last tests read real
ones, where ``COURSE_DATA`` holds them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.cli.data import data
from course_lib.data.class_lists import ADE20K, CAMVID, FACADES, cityscapes
from course_lib.data.coco import COCO_CLASSES
from course_lib.data.known import framing_of, open_data
from course_lib.data.sources import open_source
from course_lib.data.tables import Legend, read_legend
from course_lib.data.verbs import check, prepare, preview
from course_lib.errors import CourseError
from course_lib.paths import data_dir

REAL = data_dir()  # before the tests set a place of their own
STREETS = (
    "leftImg8bit/train/ulm/ulm_000000_000019_leftImg8bit.png",
    "gtFine/train/ulm/ulm_000000_",
)


@pytest.fixture
def root(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path / "runs"))
    return tmp_path / "data"


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def fields(*numbers: int, dtype: type = np.uint8) -> np.ndarray:
    """A column of 8 x 8 pixels for each number, from left to right."""
    return np.array([numbers], dtype).repeat(8, 0).repeat(8, 1)


def photo(path: Path, columns: int) -> Path:
    noise = np.random.default_rng(0).integers(0, 255, (8, 8 * columns, 3), np.uint8)
    return save(path, noise)


# the data set, its picture, its map, the numbers in it; what they mean; how much stuff and things
LAYOUTS = {
    "coco_stuff_spade": (
        "train_img/000000000009.jpg", "train_label/000000000009.png", (0, 17, 156, 181, 255),
        ["person", "dog", "sky-other", "wood", "unlabeled"], (91, 91),
    ),
    "ade20k": (
        "ADEChallengeData2016/images/training/ADE_train_00000001.jpg",
        "ADEChallengeData2016/annotations/training/ADE_train_00000001.png", (1, 3, 13, 150, 0),
        ["wall", "sky", "person", "flag", "unlabeled"], (35, 115),
    ),
    "cityscapes": (
        STREETS[0], STREETS[1] + "000019_gtFine_labelIds.png", (0, 7, 23, 26, 33),
        ["void", "road", "sky", "car", "bicycle"], (24, 10),
    ),
    "facades": (
        "train_img/cmp_b0001.jpg", "train_label/cmp_b0001.png", (1, 3, 12, 0),
        ["background", "window", "shop", "unlabeled"], (2, 10),
    ),
    "camvid": (
        "train/0001TP_006690.png", "trainannot/0001TP_006690.png", (0, 3, 10, 11),
        ["Sky", "Road", "Bicyclist", "unlabeled"], (8, 3),
    ),
}  # fmt: skip


def build(place: Path, name: str) -> Path:
    image, label_map, numbers, *_ = LAYOUTS[name]
    photo(place / image, len(numbers))
    save(place / label_map, fields(*numbers))
    if name == "cityscapes":
        ids = fields(*numbers, dtype=np.uint16)
        save(place / label_map.replace("labelIds", "instanceIds"), ids)
    return place


@pytest.mark.parametrize("name", LAYOUTS)
def test_numbers_of_the_official_maps_become_the_right_names(root, name):
    build(root / name, name)
    *_, means, kinds = LAYOUTS[name]
    scene = open_data(name)[0]
    table = scene.label_map.classes
    assert [table.name(int(scene.label_map.ids[4, 8 * k + 4])) for k in range(len(means))] == means
    assert (len(table.stuff), len(table.things)) == kinds
    assert check(name).problems == ()
    assert preview(name, 1).is_file()


@pytest.mark.parametrize(
    ("classes", "channels"),
    [(COCO_CLASSES, 183), (ADE20K.classes, 151), (cityscapes().classes, 35), (FACADES.classes, 13)],
    ids=["coco", "ade20k", "cityscapes", "facades"],
)
def test_classes_and_unlabeled_are_as_many_as_spades_channels(classes, channels):
    assert classes.unlabeled + 1 == channels


def test_numbers_as_the_originals_have_them_come_back():
    ids = torch.tensor([0, 149, 150])
    assert ADE20K.classes.to_source(ids, "ade20k", void=0).tolist() == [1, 150, 0]
    streets = cityscapes().classes
    assert streets.to_source(torch.tensor([7, 26]), "cityscapes_train").tolist() == [0, 13]
    with pytest.raises(CourseError, match="'void'.* no cityscapes_train id"):
        streets.to_source(torch.tensor([0]), "cityscapes_train")
    assert len({info.colour for info in streets}) == 34 and streets["road"].colour == (128, 64, 128)


def test_a_number_that_ade20k_does_not_have_is_named(root):
    build(root / "ade20k", "ade20k")
    save(root / "ade20k" / LAYOUTS["ade20k"][1], fields(1, 151, 3, 4, 5))
    (problem,) = check("ade20k").problems
    assert "[151]" in problem and "ADE_train_00000001" in problem


# --- instances ------------------------------------------------------------------------------------


def test_things_of_one_class_are_told_apart_and_have_an_edge_between_them(root):
    place = build(root / "coco_stuff_spade", "coco_stuff_spade")
    save(place / "train_label/000000000009.png", fields(0, 0, 156, 156, 255))
    save(place / "train_inst/000000000009.png", fields(0, 1, 156, 156, 255))
    source = open_data("coco_stuff_spade")
    label_map = source[0].label_map
    assert label_map.instances[4, 4::8].tolist() == [1, 2, 0, 0, 0]
    assert label_map.edge()[0, 4].nonzero().flatten().tolist() == [7, 8, 15, 16, 31, 32]
    batch = source.batch(torch.tensor([0]))
    batch.check()
    assert batch.instances[0].equal(label_map.instances) and batch.objects is None


def test_cityscapes_numbers_instances_by_class_and_count(root):
    place = build(root / "cityscapes", "cityscapes")
    numbers = fields(0, 7, 26001, 26002, 26, dtype=np.uint16)
    save(place / (STREETS[1] + "000019_gtFine_labelIds.png"), fields(0, 7, 26, 26, 26))
    save(place / (STREETS[1] + "000019_gtFine_instanceIds.png"), numbers)
    save(place / (STREETS[1] + "000019_gtFine_color.png"), np.zeros((8, 40, 4), np.uint8))
    label_map = open_data("cityscapes")[0].label_map
    assert label_map.instances[4, 4::8].tolist() == [0, 0, 26002, 26003, 27]


@pytest.mark.parametrize("name", ["camvid", "coco_stuff_spade", "ade20k"])
def test_a_prepared_copy_has_the_same_table_and_the_same_maps(root, name):
    place = build(root / name, name)
    if name == "coco_stuff_spade":
        save(place / "train_inst/000000000009.png", fields(0, 1, 156, 181, 255))
    (original,) = open_data(name, size=8)
    (copy,) = prepare(name, 8)
    assert copy.label_map.classes.digest == original.label_map.classes.digest
    assert copy.label_map.ids.equal(original.label_map.ids)
    one, other = original.label_map.instances, copy.label_map.instances
    assert (other is None) if one is None else one.equal(other)
    assert torch.equal(copy.image, original.image)


# --- sizes ----------------------------------------------------------------------------------------


def test_pictures_are_framed_as_spades_loader_does(root, capsys):
    widths = {"size": 256, "crop_from": 286}
    assert vars(framing_of("ade20k")) == {**widths, "aspect": 1.0, "flip": True}
    assert framing_of("cityscapes").whole == (256, 512) and framing_of("storybook").whole == 286
    build(root / "camvid", "camvid")
    source = open_source("camvid", **vars(framing_of("camvid")))
    images = source.varied(torch.tensor([0, 0]), [torch.Generator().manual_seed(s) for s in (0, 1)])
    assert images.images.shape == (2, 3, 96, 128) and images.label_maps.shape == (2, 96, 128)
    cut = open_source("camvid", 32, crop_from=64, aspect=2.0)
    assert cut.batch(torch.tensor([0])).label_maps.shape == (1, 16, 32)
    assert data(["prepare", "camvid", "--size", "32x16"]) == 0
    assert "prepared/camvid-train-32x16" in capsys.readouterr().out
    assert open_data("camvid", "train", (16, 32))[0].canvas == (16, 32)
    assert data(["prepare", "camvid"]) == 0
    assert "camvid-train-128x96" in capsys.readouterr().out
    with pytest.raises(CourseError, match="squares"):
        open_data("storybook", size=(16, 32))


# --- your own folder ------------------------------------------------------------------------------

CLASSES = "7 road, stuff, 128, 64, 128\n26: car, thing, 0, 0, 142\n\n# the rest\n255 unlabeled\n"


def own(folder: Path, classes: str = CLASSES) -> Path:
    photo(folder / "train_img" / "a.jpg", 3)
    save(folder / "train_label" / "a.png", fields(7, 26, 255))
    (folder / "classes.txt").write_text(classes)
    return folder


def test_your_own_folder_may_have_spades_layout_and_numbers_of_its_own(root, tmp_path, capsys):
    folder = own(tmp_path / "mine")
    save(folder / "train_inst" / "a.png", fields(7, 3, 255))
    scene = open_data(str(folder), "train")[0]
    assert scene.label_map.names() == {"road": 64, "car": 64, "unlabeled": 64}
    assert scene.label_map.instances[4, 4::8].tolist() == [0, 4, 0]
    assert data(["check", str(folder)]) == 0
    assert "train: 1 pictures + label maps of 2 classes" in capsys.readouterr().out
    save(folder / "train_label" / "b.png", fields(7, 26, 255))
    assert data(["check", str(folder)]) == 1
    assert "label maps without a picture: b.png" in capsys.readouterr().out


def test_colours_are_read_where_numbers_are_given_too_and_black_is_unlabeled(root, tmp_path):
    folder = own(tmp_path / "mine")
    colours = np.array([[(128, 64, 128), (0, 0, 142), (0, 0, 0)]], np.uint8)
    save(folder / "train_label" / "a.png", colours.repeat(8, 0).repeat(8, 1))
    names = open_data(str(folder), "train")[0].label_map.names()
    assert names == {"road": 64, "car": 64, "unlabeled": 64}


def test_instances_lie_in_a_folder_of_their_own(tmp_path):
    for name in ("a", "b"):
        photo(tmp_path / "images" / f"{name}.jpg", 2)
        save(tmp_path / "maps" / f"{name}.png", fields(0, 1))
        save(tmp_path / "instances" / f"{name}.png", fields(5, 1))
    (tmp_path / "classes.txt").write_text("road, stuff\ncar\n")
    assert open_data(str(tmp_path))[1].label_map.instances[4, 4::8].tolist() == [0, 2]
    (tmp_path / "instances" / "b.png").unlink()
    with pytest.raises(CourseError, match="pictures without a instance map: b.jpg"):
        open_data(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "legend"),
    [
        ("0 sky\n1 sea\n", ({}, None, None)),
        ("sky\nsea\n", ({}, None, None)),
        ("1 sky\n2 sea\n", ({"sky": 1, "sea": 2}, "file", None)),
        ("0 unlabeled\n1 sky\n2 sea\n", ({"sky": 1, "sea": 2}, "file", 0)),
        ("0 sky\n255 sea\n", ({"sky": 0, "sea": 255}, "file", None)),
    ],
)
def test_numbers_in_a_list_of_classes(tmp_path, text, legend):
    (tmp_path / "classes.txt").write_text(text)
    read = read_legend(tmp_path / "classes.txt")
    numbers = {c.name: c.source_ids["file"] for c in read.classes if c.source_ids}
    assert (numbers, read.numbering, read.unlabeled) == legend
    assert read.classes.names == ("sky", "sea")


def test_numbers_on_some_lines_only_are_refused(tmp_path):
    (tmp_path / "classes.txt").write_text("1 sky\nsea\n")
    with pytest.raises(CourseError, match="some lines begin with a number, others do not: sea"):
        read_legend(tmp_path / "classes.txt")


# --- real ones ------------------------------------------------------------------------------------


def real(name: str, inside: str) -> pytest.MarkDecorator:
    there = (REAL / name / inside).exists()
    return pytest.mark.skipif(not there, reason=f"COURSE_DATA holds no {name}")


def at(scene, x: int, y: int) -> str:
    return scene.label_map.classes.name(int(scene.label_map.ids[y, x]))


@real("ade20k", "ADEChallengeData2016/objectInfo150.txt")
def test_ade20k_names_are_its_own_in_its_order():
    lines = (REAL / "ade20k/ADEChallengeData2016/objectInfo150.txt").read_text().splitlines()[1:]
    firsts = [line.split("\t")[-1].split(",")[0].strip() for line in lines]
    assert list(ADE20K.classes.names) == firsts
    table = (REAL / "ade20k/ADEChallengeData2016/objectInfo150.csv").read_text().splitlines()[1:]
    stuff = [name for name, line in zip(firsts, table, strict=True) if line.split(",")[4] == "1"]
    assert list(ADE20K.classes.stuff) == stuff


@real("ade20k", "ADEChallengeData2016/images/validation")
def test_known_pixels_of_known_rooms_and_streets():
    val = open_data("ade20k", "validation")
    house = val[0]
    assert [at(house, *place) for place in ((340, 60), (340, 330), (340, 480), (200, 420))] == [
        "sky", "building", "grass", "wall",
    ]  # fmt: skip
    counts = house.label_map.names()
    assert (counts["sky"], counts["plant"], counts["unlabeled"]) == (134492, 10009, 3613)
    raw = [np.array(Image.open(page.label_map)) for page in val.pages]
    for scene, numbers in zip(val, raw, strict=True):
        ids = torch.from_numpy(numbers.astype(np.int64))
        assert scene.label_map.classes.to_source(scene.label_map.ids, "ade20k", void=0).equal(ids)


@real("camvid", "train")
def test_known_pixels_of_a_known_street():
    val = open_data("camvid", "val")
    assert [len(open_data("camvid", split)) for split in ("train", "val", "test")] == [367, 101, 97]
    street = val[0]
    places = {(128, 170): "Road", (128, 5): "Sky", (20, 60): "Building", (230, 60): "Tree"}
    places |= {(200, 120): "Car"}
    assert {place: at(street, *place) for place in places} == places
    counts = street.label_map.names()
    assert (counts["Road"], counts["Bicyclist"], counts["unlabeled"]) == (13957, 651, 190)


@real("camvid", "classes.txt")
def test_camvid_names_are_its_own_in_its_order():
    lines = (REAL / "camvid/classes.txt").read_text().splitlines()
    assert [*CAMVID.classes.names, "Void"] == [line.split(" ", 1)[1] for line in lines]
    assert isinstance(CAMVID, Legend) and CAMVID.numbering is None
