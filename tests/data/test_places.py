"""Where data lies: wrong places, odd names, leftovers and copies, through what people call."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.cli.data import data
from course_lib.data.coco import write_coco
from course_lib.data.known import open_data
from course_lib.data.sources import open_source
from course_lib.data.storybook import Storybook
from course_lib.data.verbs import prepare
from course_lib.errors import CourseError

ODD = "Übung 1 (копия) #2 100%"


@pytest.fixture(autouse=True)
def root(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def paint(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (12, 16, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def pictures(folder: Path, *names: str) -> Path:
    for seed, name in enumerate(names or ("a.png", "b.jpg", "c.png")):
        paint(folder / name, seed)
    return folder


# --- the rows of the catalogue, through every call that takes a place -----------------------------


def said(call: Callable[[str], object], place: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What a call answers, printed or raised."""
    try:
        call(str(place))
    except CourseError as error:
        return str(error)
    return capsys.readouterr().out


CALLS: dict[str, Callable[[str], object]] = {
    "check": lambda place: data(["check", place]),
    "prepare": lambda place: data(["prepare", place, "--size", "16"]),
    "open_source": lambda place: open_source(place, 16).batch(torch.arange(2)),
}


def wrong_path(folder: Path) -> Path:
    pictures(folder / "flowers")
    return folder / "flowres" / "train"


def one_file(folder: Path) -> Path:
    return paint(folder / "a.png")


def empty(folder: Path) -> Path:
    (folder / "download").mkdir(parents=True)
    return folder


def half_downloaded(folder: Path) -> Path:
    write_coco([Storybook(size=32)[i] for i in range(3)], folder)
    (folder / "train2017" / "000000000002.png").unlink()
    return folder


def leftovers_alone(folder: Path) -> Path:
    for name in ("Thumbs.db", ".DS_Store", "._a.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"rubbish")
    return folder


ROWS: dict[str, tuple[Callable[[Path], Path], list[str]]] = {
    "B37 a wrong path": (wrong_path, ["there is no such folder", "holds: flowers"]),
    "B37 a file": (one_file, ["this is a file, not a folder"]),
    "B38 an empty folder": (empty, ["there is no picture in it", "it holds: download"]),
    "B38 half downloaded": (half_downloaded, ["2 of 3 pictures are there", "000000000002.png"]),
    "B46 leftovers of systems alone": (leftovers_alone, ["there is no picture in it"]),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("row", ROWS)
def test_a_wrong_place_is_named(tmp_path, capsys, row, call):
    make, words = ROWS[row]
    answer = said(CALLS[call], make(tmp_path / "own"), capsys)
    assert all(word in answer for word in words), answer


@pytest.mark.parametrize("name", ["coco", "cub200", "cifar10", "camvid"])
@pytest.mark.parametrize("call", CALLS)
def test_b38_what_was_never_fetched_says_how(capsys, call, name):
    assert f"course data fetch {name}" in said(CALLS[call], Path(name), capsys)


def test_an_unknown_name_or_split_is_answered_with_those_that_exist(tmp_path):
    with pytest.raises(CourseError, match="did you mean 'storybook'"):
        open_source("storybok", 32)
    with pytest.raises(CourseError, match="no split 'test'; it has one part only"):
        open_source(str(pictures(tmp_path / "own")), 16, "test")
    write_coco([Storybook(size=32)[0]], tmp_path / "coco", "val2017")
    with pytest.raises(CourseError, match="no split 'train'; it has val2017"):
        open_source(str(tmp_path / "coco"), 16)
    assert len(open_source(str(tmp_path / "coco"), 16, "val")) == 1


def test_storybook_keeps_its_pages_for_tests_out_of_training():
    train, test = open_source("storybook", 32), open_source("storybook", 32, "test")
    assert (len(train), len(test)) == (80_000, 10_000)
    page = Storybook(size=32).batch(torch.tensor([90_003])).images
    assert torch.equal(test.batch(torch.tensor([3])).images, page)
    assert train.fingerprint != test.fingerprint


# --- B44: nothing can be written ------------------------------------------------------------------


def read_only(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "mkdir", refuse)


def under_a_file(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    (root / "data").write_text("in the way")


@pytest.mark.parametrize(
    "fault, words",
    [(read_only, "Read-only file system"), (under_a_file, "Not a directory")],
    ids=["read-only", "under a file"],
)
@pytest.mark.parametrize("arguments", [["prepare", "OWN", "--size", "16"], ["fetch", "lrgan"]])
def test_b44_what_cannot_be_written_is_said_first(root, monkeypatch, arguments, fault, words):
    own = str(pictures(root / "own"))
    fault(monkeypatch, root)
    with pytest.raises(CourseError) as caught:
        data([*(own if word == "OWN" else word for word in arguments)])
    text = str(caught.value)
    assert words in text and str(root / "data") in text and "COURSE_DATA" in text


# --- B45: odd names -------------------------------------------------------------------------------

SPELLINGS: dict[str, Callable[[Path], str]] = {
    "plain": str,
    "slash at the end": lambda place: f"{place}/",
    "dots": lambda place: f"{place}/../{place.name}",
    "home": lambda place: f"~/{place.name}",
    "relative": lambda place: os.path.relpath(place),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_b45_a_place_may_have_any_name(root, monkeypatch, capsys, spelling):
    monkeypatch.setenv("COURSE_DATA", str(root / f"data of {ODD}"))
    monkeypatch.chdir(root)
    own = pictures(root / ODD, "Ä ö.PNG", "日本.jpg", "a#b%20c.png")
    (own / "captions.csv").write_text("image,caption\nÄ ö,one\n日本,two\na#b%20c,three\n", "utf-8")
    name = SPELLINGS[spelling](own)
    assert data(["check", name]) == 0
    assert "3 pictures + 3 captions" in capsys.readouterr().out
    assert data(["prepare", name, "--size", "16"]) == 0
    assert data(["preview", name, "--n", "1", "--out", str(root / f"{ODD}.png")]) == 0
    batch = open_source(name, 16).batch(torch.arange(3))
    assert sorted(captions[0] for captions in batch.captions or ()) == ["one", "three", "two"]


def test_b45_a_very_long_path(root):
    deep = root / "/".join(["ä" * 100] * 8)
    assert len(open_source(str(pictures(deep)), 16)) == 3


def test_b46_endings_in_any_case_and_no_leftovers(root):
    own = pictures(root / "own", "a.JPG", "b.PnG")
    leftovers_alone(own)
    assert len(open_source(str(own), 16)) == 2
    for folder in ("train", "trainannot"):
        place = root / "data" / "camvid" / folder
        place.mkdir(parents=True)
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(place / "a.png")
        leftovers_alone(place)
    assert len(open_source("camvid", 8)) == 1


# --- B16: bad pictures are put aside, never deleted -----------------------------------------------


def test_b16_bad_pictures_are_put_aside_with_what_belongs_to_them(root, capsys):
    own = pictures(root / "own" / "images", "a.png", "b.jpg", "c/b.jpg")
    for name in ("a", "b", "c/b"):
        (own / f"{name}.txt").write_text(f"a picture of {name}")
    for name in ("b.jpg", "c/b.jpg"):
        (own / name).write_bytes((own / name).read_bytes()[:200])
    kept = sorted(path.read_bytes() for path in own.rglob("*.*"))
    assert data(["check", str(root / "own")]) == 1
    assert "(2 files): damaged or cut short" in capsys.readouterr().out
    assert data(["check", str(root / "own"), "--remove-bad"]) == 0
    out = capsys.readouterr().out
    assert "no problems" in out and "1 pictures + 1 captions" in out and "moved to _bad/" in out
    aside = root / "own" / "_bad" / "images"
    moved = {str(path.relative_to(aside)) for path in aside.rglob("*.*")}
    assert moved == {"b.jpg", "b.txt", "c/b.jpg", "c/b.txt"}
    assert kept == sorted(path.read_bytes() for path in (root / "own").rglob("*.*"))
    assert len(open_source(str(root / "own"), 16)) == 1


def test_b16_an_earlier_bad_picture_of_that_name_stays(root):
    own = pictures(root / "own")
    for content in (b"first", b"second"):
        (own / "b.jpg").write_bytes(content)
        assert data(["check", str(own), "--remove-bad"]) == 0
    assert (own / "_bad" / "b.jpg").read_bytes() == b"first"
    assert (own / "_bad" / "b-2.jpg").read_bytes() == b"second"


def test_b16_data_sets_are_mended_by_fetching(root):
    (root / "data" / "coco").mkdir(parents=True)
    with pytest.raises(CourseError, match="course data fetch coco"):
        data(["check", "coco", "--remove-bad"])


# --- copies and fingerprints ----------------------------------------------------------------------


def touched(own: Path) -> None:
    paint(own / "a.png", seed=7)


def added(own: Path) -> None:
    paint(own / "d.png")


def removed(own: Path) -> None:
    (own / "a.png").unlink()


def renamed(own: Path) -> None:
    (own / "a.png").rename(own / "z.png")


@pytest.mark.parametrize("change", [touched, added, removed, renamed])
def test_a_prepared_copy_of_other_files_is_not_taken(root, change):
    own = pictures(root / "own")
    first = prepare(str(own), 8).folder
    written = (first / "prepared.json").stat().st_mtime_ns
    assert prepare(str(own), 8).folder == first == open_data(str(own), size=8).folder
    assert (first / "prepared.json").stat().st_mtime_ns == written  # taken, not made again
    change(own)
    with pytest.raises(CourseError, match=r"changed since its copy .*\n.*prepare .* --size 8"):
        open_source(str(own), 8)
    copy = prepare(str(own), 8)
    originals = open_data(str(own), size=8, copies=False)
    for one, other in zip(copy, originals, strict=True):
        assert torch.equal(one.image, other.image)


def test_a_copy_of_a_part_is_not_taken_for_the_whole(root):
    own = pictures(root / "own")
    assert [len(prepare(str(own), 8, most=most)) for most in (2, None, 1)] == [2, 3, 1]


def test_folders_of_the_same_name_have_copies_of_their_own(root):
    one, other = pictures(root / "one" / "pictures"), pictures(root / "two" / "pictures", "x.png")
    assert len(prepare(str(one), 8)) == 3 and len(prepare(str(other), 8)) == 1
    assert len(open_source(str(one), 8)) == 3


def test_preparing_that_was_stopped_leaves_the_old_copy(root, monkeypatch):
    own = pictures(root / "own")
    before = sorted(path.name for path in prepare(str(own), 8).folder.rglob("*"))
    added(own)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("course_lib.data.verbs.write_coco", interrupt)
        prepare(str(own), 8)
    places = sorted((root / "data" / "prepared").iterdir())
    assert sorted(path.name for path in places[0].rglob("*")) == before
    assert len(prepare(str(own), 8)) == 4 and len(list((root / "data" / "prepared").iterdir())) == 1


def interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_fingerprint_tells_scenes_apart_and_stays_with_a_copy(root):
    own = pictures(root / "own")
    shutil.copytree(own, root / "copy")
    same = open_source(str(own), 16).fingerprint
    assert open_source(str(root / "copy"), 16).fingerprint == same
    others = {
        open_source(str(own), 8).fingerprint,
        open_source(str(own), 16, flip=True).fingerprint,
        open_source(str(own), 16, crop_from=20).fingerprint,
        open_source("storybook", 16 * 2).fingerprint,
        open_source("digits", 16).fingerprint,
        open_source("digits", 16, "test").fingerprint,
        open_source("digits", 8).fingerprint,
        Storybook(seed=1).fingerprint,
        Storybook(things=(1, 1)).fingerprint,
        Storybook().fingerprint,
    }
    (own / "captions.csv").write_text("image,caption\na,x\nb,y\nc,z\n")
    others.add(open_source(str(own), 16).fingerprint)
    added(root / "copy")
    others.add(open_source(str(root / "copy"), 16).fingerprint)
    assert len(others) == 12 and same not in others
