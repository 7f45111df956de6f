"""COCO-Stuff's layouts as LostGAN's authors filtered them: what goes, in which order; counts."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from course_lib.data.coco import write_coco
from course_lib.data.coco.layouts import CocoLayouts
from course_lib.data.sources import open_source
from course_lib.data.storybook import Storybook
from course_lib.data.visual_genome import VisualGenome
from course_lib.errors import CourseError
from course_lib.paths import data_dir


def coco(folder, pictures):
    """Files of 100 x 100 pixels; for each picture its things and stuff: (category, w, h, crowd)."""
    (folder / "annotations").mkdir(parents=True)
    (folder / "train2017").mkdir()
    images = [{"id": k, "file_name": f"{k}.png", "height": 100, "width": 100}
              for k in range(len(pictures))]  # fmt: skip
    names = {"instances": [(18, "dog"), (17, "cat")], "stuff": [(124, "grass"), (183, "other")]}
    for image in images:
        Image.fromarray(np.zeros((100, 100, 3), np.uint8)).save(
            folder / "train2017" / image["file_name"]
        )
    for which, kind in enumerate(("instances", "stuff")):
        rows = [
            {"image_id": k, "category_id": category, "bbox": [0, 0, w, h], "iscrowd": crowd}
            for k, picture in enumerate(pictures)
            for category, w, h, crowd in picture[which]
        ]
        rows = [{"id": number, **row} for number, row in enumerate(rows, 1)]
        content = {"images": images, "annotations": rows,
                   "categories": [{"id": i, "name": n} for i, n in names[kind]]}  # fmt: skip
        (folder / "annotations" / f"{kind}_train2017.json").write_text(json.dumps(content))
    return folder


DOG, SMALL, CROWD = (18, 40, 40, 0), (18, 20, 10, 0), (18, 50, 50, 1)  # 16 %, exactly 2 %, a crowd
GRASS, OTHER = (124, 100, 50, 0), (183, 100, 50, 0)


@pytest.mark.parametrize(
    ("things", "stuff", "kept"),
    [
        ([DOG, DOG], [GRASS], 3),
        ([DOG, DOG, DOG], [], None),  # no stuff at all
        ([DOG, DOG, DOG], [OTHER], 3),  # "other" is stuff, but no object
        ([DOG], [GRASS], None),  # too few
        ([DOG, SMALL], [GRASS], None),  # 2 % is not more than 2 %
        ([DOG, CROWD], [GRASS], None),
        ([DOG] * 7, [GRASS], 8),
        ([DOG] * 8, [GRASS], None),  # too many
        ([DOG] * 7 + [SMALL] * 5, [GRASS], 8),  # small ones go before the rest is counted
    ],
)
def test_what_the_published_filters_leave(tmp_path, things, stuff, kept):
    found = CocoLayouts(coco(tmp_path, [(things, stuff)]))
    assert len(found) == (kept is not None)
    if kept is not None:
        scene = found[0]
        assert len(scene.layout) == kept and scene.masks is None
        assert scene.layout.names[0] == "dog"
        assert list(scene.layout.names).index("grass") == len(things) - things.count(SMALL) if (
            GRASS in stuff) else "grass" not in scene.layout.names  # fmt: skip


def test_of_storybooks_first_pages_as_many_survive_as_ever(tmp_path):
    """A golden number: another order of the filters leaves another."""
    book = Storybook(seed=0, size=48)
    write_coco([book[index] for index in range(60)], tmp_path, "train2017")
    found = CocoLayouts(tmp_path)
    assert len(found) == GOLDEN
    assert f"{GOLDEN} of 60 pictures with stuff have 3 to 8 large objects" in found.found[-1]
    objects = [len(scene.layout) for scene in found]
    assert min(objects) == 3 and max(objects) <= 8


GOLDEN = 56


def test_without_stuff_files_there_are_no_layouts(tmp_path):
    folder = coco(tmp_path, [([DOG, DOG], [GRASS])])
    (folder / "annotations" / "stuff_train2017.json").unlink()
    with pytest.raises(CourseError, match="both instances_ and stuff_train2017.json"):
        CocoLayouts(folder)


def test_they_are_a_source_by_name(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    coco(tmp_path / "coco", [([DOG, DOG], [GRASS])] * 3)
    source = open_source("coco-layouts", 32, flip=True)
    assert len(source) == 3 and source.batch([0, 2]).objects.shape == (2, 3)


@pytest.mark.parametrize(
    ("split", "listed", "survive"), [("val2017", 202, 52), ("train2017", 203, 61)]
)
def test_of_a_sample_of_coco_as_many_survive_as_ever(split, listed, survive):
    """Counting before the small ones have gone would leave 28 and 40."""
    if not (data_dir() / "coco" / "annotations" / f"stuff_{split}.json").is_file():
        pytest.skip("COURSE_DATA holds no COCO with stuff")
    found = CocoLayouts(data_dir() / "coco", split)
    if len(found.parts["instances"].imgs) != listed:
        pytest.skip("COURSE_DATA holds another part of COCO")
    assert len(found) == survive, found.found


# --- Visual Genome in sg2im's layout ---


class Packed(dict):
    """Stands for an HDF5 file, whose package is not needed then: arrays by name."""

    def __init__(self, path, mode):
        super().__init__(np.load(path, allow_pickle=False))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


@pytest.fixture
def genome(tmp_path, monkeypatch):
    """One picture of 40 x 20 pixels: a dog, a tree, the picture itself, and a hat on the dog."""
    monkeypatch.setitem(sys.modules, "h5py", SimpleNamespace(File=Packed))
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    folder = tmp_path / "visual_genome"
    (folder / "vg").mkdir(parents=True)
    (folder / "images" / "VG_100K").mkdir(parents=True)
    Image.fromarray(np.zeros((20, 40, 3), np.uint8)).save(folder / "images" / "VG_100K" / "1.jpg")
    names = {"object_idx_to_name": ["__image__", "dog", "hat", "tree"]}
    (folder / "vg" / "vocab.json").write_text(json.dumps(names))
    arrays = {
        "image_paths": np.array([b"VG_100K/1.jpg"]),
        "object_names": np.array([[3, 0, 1, 2, -1]]),
        "object_boxes": np.array([[[0, 0, 10, 20], [0, 0, 40, 20], [10, 5, 20, 10], [12, 5, 4, 4],
                                   [-1] * 4]]),
        "relationship_subjects": np.array([[3, -1]]),
        "relationship_objects": np.array([[2, -1]]),
    }  # fmt: skip
    with open(folder / "vg" / "train.h5", "wb") as file:
        np.savez(file, **arrays)
    return folder


def test_visual_genome_is_read_with_related_objects_first(genome):
    scene = VisualGenome(genome)[0]
    assert list(scene.layout) == [
        ("dog", (0.25, 0.25, 0.75, 0.75)),
        ("hat", pytest.approx((0.3, 0.25, 0.4, 0.45))),
        ("tree", (0.0, 0.0, 0.25, 1.0)),
    ]
    few = VisualGenome(genome)
    few.most = 2
    assert few[0].layout.names == ("dog", "hat")
    batch = open_source("visual-genome", 16).batch([0])
    assert batch.images.shape == (1, 3, 16, 16) and batch.objects.tolist() == [[0, 1, 2]]


def test_what_is_missing_of_visual_genome_is_named(genome, monkeypatch):
    with pytest.raises(CourseError, match="no val.h5 with vocab.json"):
        VisualGenome(genome, "val")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(CourseError, match="h5py"):
        VisualGenome(genome)
