"""Flowers, birds and faces in their published layouts: splits, sentences, embeddings, crops."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.data.known import open_data, splits_of
from course_lib.data.published import EMBEDDINGS
from course_lib.data.sources import open_source
from course_lib.data.verbs import prepare
from course_lib.errors import CourseError


@pytest.fixture(autouse=True)
def root(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    return tmp_path


def write(path: Path, content: object) -> Path:
    """A picture of that size, a text, or a pickle in a format that Python 2 wrote, too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".jpg":
        Image.new("RGB", content, "red").save(path)
    elif path.suffix == ".pickle":
        path.write_bytes(pickle.dumps(content, protocol=2))
    else:
        path.write_text(content, "utf-8")
    return path


def flowers(root: Path, here=(1, 2, 3, 4, 5)) -> Path:
    """Five flowers in torchvision's layout, with two sentences each."""
    from scipy.io import savemat

    place = root / "flowers102"
    for number in here:
        write(place / f"flowers-102/jpg/image_{number:05}.jpg", (20, 30))
        text = place / f"text_c10/class_00001/image_{number:05}.txt"
        write(text, f"flower {number}\nit is red\n")
    splits = {"trnid": [[2, 4, 5]], "valid": [[3]], "tstid": [[1]]}
    savemat(place / "flowers-102/setid.mat", splits)
    return place


def pickles(place: Path, split: str, numbers: list[int], rows: int | None = None) -> None:
    """What StackGAN's authors put beside: names, classes, embeddings."""
    embeddings = [np.full((10, 1024), n, np.float32) for n in numbers]
    write(place / split / "filenames.pickle", [f"jpg/image_{n:05}" for n in numbers])
    write(place / split / "class_info.pickle", [7 for _ in numbers])
    write(place / split / EMBEDDINGS, embeddings[:rows])


def test_the_official_splits_of_flowers(root):
    flowers(root)
    assert splits_of("flowers102") == ["train", "val", "test"]
    told = {split: open_data("flowers102", split) for split in ("train", "val", "test")}
    first = {split: [scene.captions[0] for scene in data] for split, data in told.items()}
    assert first["train"] == ["flower 2", "flower 4", "flower 5"]
    assert (first["val"], first["test"]) == (["flower 3"], ["flower 1"])
    assert told["train"].found == ("3 pictures + 6 captions",)
    assert told["train"][0].canvas == (30, 20)


def test_stackgans_splits_go_first_and_bring_embeddings(root):
    place = flowers(root)
    pickles(place, "train", [5, 1])
    pickles(place, "test", [3])
    assert splits_of("flowers102") == ["train", "test"]
    batch = open_source("flowers102", 16).batch(torch.arange(2))
    assert batch.embeddings.shape == (2, 10, 1024)
    assert batch.embeddings[:, 0, 0].tolist() == [5.0, 1.0]
    assert [captions[0] for captions in batch.captions] == ["flower 5", "flower 1"]
    assert open_data("flowers102", "test").found == ("1 pictures + 2 captions + 10 embeddings",)


def test_embeddings_stay_with_their_pictures_where_some_are_missing(root):
    place = flowers(root, here=(1, 3, 4))
    pickles(place, "train", [2, 1, 5, 4])
    data = open_data("flowers102", "train", 16)
    assert [(s.captions[0], s.embeddings[0, 0].item()) for s in data] == [
        ("flower 1", 1.0), ("flower 4", 4.0)
    ]  # fmt: skip
    assert data.found[1] == "2 pictures of this split are not here"


def test_a_prepared_copy_keeps_the_embeddings(root):
    pickles(flowers(root), "train", [5, 1])
    copy = prepare("flowers102", 16, "train")
    again = open_data("flowers102", "train", size=16)
    assert again.folder == copy.folder and again[0].image.shape == (3, 16, 16)
    assert again.batch(torch.arange(2)).embeddings[:, 9, 1023].tolist() == [5.0, 1.0]
    assert [scene.captions[0] for scene in again] == ["flower 5", "flower 1"]


def test_the_fingerprint_knows_the_embeddings(root):
    place = flowers(root)
    pickles(place, "train", [5, 1])
    before = open_data("flowers102", "train").fingerprint
    write(place / "train" / EMBEDDINGS, [np.ones((10, 1024), np.float32)] * 2)
    assert open_data("flowers102", "train").fingerprint != before


def test_pickles_that_do_not_fit_together_are_named(root):
    pickles(flowers(root), "train", [5, 1], rows=1)
    with pytest.raises(CourseError, match=r"embeddings of 1 pictures, not 2"):
        open_data("flowers102", "train")


def test_a_split_without_a_single_picture_is_no_split(root):
    place = flowers(root, here=(1,))
    (place / "flowers-102/setid.mat").unlink()
    pickles(place, "train", [8, 9])
    with pytest.raises(CourseError, match=r"none of the 2 pictures of 'train' is here, but 1"):
        open_data("flowers102", "train")


def test_birds_are_cut_out_of_their_official_layout(root):
    place = root / "cub200" / "CUB_200_2011"
    names = ["001.Gull/Gull_1", "001.Gull/Gull_2"]
    for name in names:
        write(place / "images" / f"{name}.jpg", (200, 100))
    write(place / "images.txt", "".join(f"{n} {name}.jpg\n" for n, name in enumerate(names, 1)))
    write(place / "train_test_split.txt", "1 0\n2 1\n")
    write(place / "bounding_boxes.txt", "1 0.0 0.0 20.0 10.0\n2 90.0 40.0 20.0 40.0\n")
    write(root / "cub200" / "text" / "001.Gull" / "Gull_2.txt", "a white gull\n")
    assert splits_of("cub200") == ["train", "test"]
    train, test = open_data("cub200", "train"), open_data("cub200", "test")
    assert train[0].captions == ("a white gull",)
    assert train[0].canvas == (60, 60)  # 1.5 times the longer side, around (100, 60)
    assert test[0].canvas == (20, 25)  # around (10, 5), clipped above and on the left


@pytest.mark.parametrize("variant", ["lfw", "lfw_funneled", "lfw-deepfunneled"])
def test_faces_are_read_from_where_their_owner_put_them(root, variant):
    with pytest.raises(CourseError, match="lfw is not on this machine"):
        open_source("lfw", 64)
    for person, number in (("Ada_L", 1), ("Ada_L", 2), ("Alan_T", 1)):
        write(root / f"lfw/lfw-py/{variant}/{person}/{person}_{number:04}.jpg", (250, 250))
    faces = open_source("lfw", 64)
    images = faces.batch(torch.arange(len(faces))).images
    assert images.shape == (3, 3, 64, 64)
    assert (images[:, 0] > 0.9).all() and (images[:, 1:] < -0.9).all()  # red, as they were written
    with pytest.raises(CourseError, match="it has one part only, train"):
        open_source("lfw", 64, "test")
