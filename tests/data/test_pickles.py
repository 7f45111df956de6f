"""COCO as OP-GAN's authors prepared it: captions as numbers, boxes in pickles, Obj-GAN's boxes."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.data.sources import open_source
from course_lib.errors import CourseError

WORDS = {0: "<end>", 1: "a", 2: "dog", 3: "two", 4: "cats"}
BOXES = np.array([[0.25, 0.5, 0.5, 0.25], [0.9, 0.0, 0.2, 0.5], [-1, -1, -1, -1]])
LABELS = np.array([[16], [15], [-1]])  # dog, cat, nothing


class Runs:
    def __reduce__(self):
        return print, ("it ran",)


def written(folder, name, what):
    path = folder / f"{name}.pickle"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(what, protocol=2))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two pictures to train with, one to test with."""
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    place = tmp_path / "coco_pickles"
    train, test = ([[1, 2]] * 5 + [[3, 4]] * 5), [[1, 2]] * 4 + [[3, 4]]
    written(place, "captions", [train, test, WORDS, {w: n for n, w in WORDS.items()}])
    for split, names, pictures in (("train", ["a", "b"], "train2014"), ("test", ["c"], "val2014")):
        written(place / split, "filenames", names)
        written(place / split, "bboxes", np.stack([BOXES] * len(names)))
        written(place / split, "labels", np.stack([LABELS] * len(names)))
        for name in names:
            path = place / split / pictures / f"{name}.jpg"
            path.parent.mkdir(exist_ok=True)
            Image.new("RGB", (40, 20), (200, 10, 10)).save(path)
    sets = np.stack([np.roll(BOXES, k, axis=0) for k in range(5)])[None]
    written(place / "test", "bboxes_generated", sets)
    numbers = np.stack([np.roll(LABELS[:, 0], k) for k in range(5)])[None]
    written(place / "test", "labels_generated", numbers)
    return place


def test_pictures_come_with_their_five_captions_and_boxes(folder):
    source = open_source("coco-pickles", 32, groups=1)
    assert len(source) == 2 and source.groups.tolist() == [1, 1]
    scene = source[1]
    assert scene.captions == ("two cats",) * 5 and scene.layout.names == ("dog", "cat")
    expected = torch.tensor([[0.25, 0.5, 0.75, 0.75], [0.9, 0.0, 1.0, 0.5]])
    torch.testing.assert_close(scene.layout.fractions(), expected)
    assert source.batch(torch.tensor([0, 1])).present.sum(dim=1).tolist() == [2, 2]


def test_the_ten_largest_boxes_go_first_if_they_are_there(folder):
    written(folder / "train", "bboxes_large", np.full((2, 10, 4), 0.1))
    written(folder / "train", "labels_large", np.tile(np.arange(10)[:, None], (2, 1, 1)))
    assert len(open_source("coco-pickles", 32)[0].layout) == 10


def test_proposed_boxes_stay_with_their_caption(folder):
    source = open_source("coco-proposed", 32)
    assert len(source) == 5 and source.counts().tolist() == [2] * 5
    assert [scene.captions for scene in source] == [("a dog",)] * 4 + [("two cats",)]
    assert [scene.layout.names for scene in source][:2] == [("dog", "cat")] * 2
    assert source[2].layout.names == ("cat", "dog")


def test_files_that_do_not_fit_are_listed_at_once(folder):
    written(folder / "train", "filenames", ["a", "b", "c"])
    with pytest.raises(CourseError) as error:
        open_source("coco-pickles", 32)
    assert all(word in str(error.value) for word in ("captions: 10", "boxes: [2, 3, 4]", "labels"))


def test_what_could_run_is_refused_and_what_is_missing_is_named(folder, capsys):
    written(folder / "train", "bboxes", [Runs()])
    with pytest.raises(CourseError, match="it contains code"):
        open_source("coco-pickles", 32)
    assert "it ran" not in capsys.readouterr().out
    (folder / "captions.pickle").unlink()
    with pytest.raises(CourseError, match="no such file"):
        open_source("coco-pickles", 32)
