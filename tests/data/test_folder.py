"""Your own folder: its four forms, and the catalogue of what people put into folders."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.data.folder import check_folder, open_folder
from course_lib.errors import CourseError

CLASSES = "sky, stuff, 120, 180, 240\ngrass, stuff, 90, 170, 70\ncat\n"


def paint(path: Path, size: tuple[int, int] = (12, 10), **options: object) -> Path:
    """A noisy picture of that width and height."""
    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = size
    pixels = np.random.default_rng(len(path.name)).integers(0, 255, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return path


def label(path: Path, size: tuple[int, int] = (12, 10), top: int = 0, foot: int = 2) -> Path:
    """A label map, its upper half ``top``, its lower half ``foot``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ids = np.full(size[::-1], top, np.uint8)
    ids[size[1] // 2 :] = foot
    Image.fromarray(ids).save(path)
    return path


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def pictures(folder: Path, *names: str) -> Path:
    for name in names or ("a.png", "b.jpg"):
        paint(folder / name)
    return folder


def mapped(folder: Path) -> Path:
    """Two pictures with label maps and a list of classes."""
    pictures(folder / "images")
    label(folder / "maps" / "a.png")
    label(folder / "maps" / "b.png")
    write(folder / "classes.txt", CLASSES)
    return folder


# --- the four forms


def test_pictures_alone_in_any_depth_and_spelling(tmp_path):
    pictures(tmp_path, "a.JPG", "deep/er/b.Png", "c.webp")
    source = open_folder(tmp_path, size=16)
    assert len(source) == 3 and source.found == ("3 pictures",)
    batch = source.batch(torch.tensor([0, 2]))
    assert batch.images.shape == (2, 3, 16, 16) and batch.captions is None


@pytest.mark.parametrize("ending", ["", "_mask"])
def test_pictures_with_label_maps_are_paired_by_name(tmp_path, ending):
    pictures(tmp_path / "images", "b.JPG", "a.png")
    folder = tmp_path / "images" if ending else tmp_path / "maps"
    label(folder / f"a{ending}.png", foot=2)
    label(folder / f"b{ending}.png", foot=1)
    write(tmp_path / "classes.txt", CLASSES)
    first, second = open_folder(tmp_path)
    assert first.label_map.names() == {"sky": 60, "cat": 60}
    assert second.label_map.names() == {"sky": 60, "grass": 60}
    assert first.label_map.classes["sky"].colour == (120, 180, 240)
    assert first.label_map.classes["cat"].kind == "thing"


CAPTIONS = {
    "csv": ("captions.csv", 'image,caption\na.png,"red, and round"\nb.jpg,blue\na.png,ripe\n'),
    "csv of a spreadsheet": (
        "captions.csv",
        b"\xef\xbb\xbfFile;Text\r\na;red, and round\r\nb.JPG;blue\r\na;ripe\r\n",
    ),
    "json lines": (
        "captions.jsonl",
        '{"image": "a.png", "captions": ["red, and round", "ripe"]}\n\n'
        '{"file_name": "b.jpg", "caption": "blue"}\n',
    ),
}


@pytest.mark.parametrize("name, content", CAPTIONS.values(), ids=CAPTIONS.keys())
def test_pictures_with_captions_in_a_table(tmp_path, name, content):
    pictures(tmp_path)
    write(tmp_path / name, content)
    first, second = open_folder(tmp_path)
    assert (first.captions, second.captions) == (("red, and round", "ripe"), ("blue",))


def test_captions_in_a_text_file_each(tmp_path):
    pictures(tmp_path)
    write(tmp_path / "a.txt", "red, and round\n\nripe\n")
    write(tmp_path / "b.txt", "blue")
    write(tmp_path / "readme.txt", "no caption")
    assert open_folder(tmp_path)[0].captions == ("red, and round", "ripe")


def test_maps_and_captions_together_and_one_folder_too_deep(tmp_path):
    inner = mapped(tmp_path / "download" / "my data")
    write(inner / "captions.csv", "image,caption\nimages/a.png,one\nb,two\n")
    source = open_folder(tmp_path)
    assert source.found == ("2 pictures + label maps of 3 classes + 2 captions",)
    assert source[1].captions == ("two",) and source[1].label_map is not None


def test_a_name_that_two_pictures_share_means_neither(tmp_path):
    pictures(tmp_path, "one/a.png", "two/a.png")
    path = write(tmp_path / "captions.csv", "image,caption\na.png,first\ntwo/a.png,second\n")
    with pytest.raises(CourseError, match=r"1 captions without a picture: 'a\.png' \(line 2\)"):
        open_folder(tmp_path)
    path.write_text("image,caption\none/a.png,first\ntwo/a,second\n")
    assert [scene.captions for scene in open_folder(tmp_path)] == [("first",), ("second",)]


def test_a_photo_lying_on_its_side_stands_up_before_it_meets_its_map(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by a quarter
    paint(tmp_path / "images" / "a.jpg", (12, 10), exif=exif)
    label(tmp_path / "maps" / "a.png", (10, 12))
    write(tmp_path / "classes.txt", CLASSES)
    assert open_folder(tmp_path)[0].canvas == (12, 10)
    label(tmp_path / "maps" / "a.png", (12, 10))
    with pytest.raises(CourseError, match=r"a\.jpg is 10x12, a\.png 12x10"):
        open_folder(tmp_path)[0]


def test_what_systems_leave_behind_is_passed_over(tmp_path):
    pictures(tmp_path)
    for name in ("Thumbs.db", ".DS_Store", "._a.png", "desktop.ini", "__MACOSX/a.png"):
        write(tmp_path / name, b"rubbish")
    assert len(open_folder(tmp_path)) == 2
    assert check_folder(tmp_path).problems == ()


def test_links_are_followed_once_and_never_in_circles(tmp_path):
    pictures(tmp_path / "elsewhere")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "images").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "loop").symlink_to(tmp_path / "own")
    assert len(open_folder(tmp_path / "own")) == 2


# --- what people put into folders: the row of the catalogue, the folder, words of the message

Make = Callable[[Path], Path]


def other_size(folder: Path) -> Path:
    mapped(folder)
    label(folder / "maps" / "b.png", (11, 10))
    return folder


def orphans(folder: Path) -> Path:
    mapped(folder)
    paint(folder / "images" / "c.png")
    label(folder / "maps" / "d.png")
    return folder


def case_differs(folder: Path) -> Path:
    mapped(folder)
    (folder / "maps" / "a.png").rename(folder / "maps" / "A.png")
    return folder


def unknown_id(folder: Path) -> Path:
    mapped(folder)
    label(folder / "maps" / "b.png", top=1, foot=255)
    return folder


def mapped_by(ids: np.ndarray, name: str = "b.png", **options: object) -> Make:
    """Two pictures with maps, the second of which is this one."""

    def make(folder: Path) -> Path:
        mapped(folder)
        (folder / "maps" / "b.png").unlink()
        Image.fromarray(ids).save(folder / "maps" / name, **options)
        return folder

    return make


def halves(top: int, foot: int) -> np.ndarray:
    return np.array([top] * 5 + [foot] * 5, np.uint8)[:, None].repeat(12, 1)


SHRUNK = np.array(Image.fromarray(halves(0, 90).repeat(2, 0)).resize((12, 9)).resize((12, 10), 2))
UNKNOWN_COLOUR = np.stack([halves(120, 9), halves(180, 8), halves(240, 7)], axis=2)


def pictured(name: str, picture: Image.Image) -> Make:
    def make(folder: Path) -> Path:
        picture.save(pictures(folder, "a.png") / name)
        return folder

    return make


def no_classes(folder: Path) -> Path:
    (mapped(folder) / "classes.txt").unlink()
    return folder


def captioned(content: str | bytes, name: str = "captions.csv") -> Make:
    def make(folder: Path) -> Path:
        write(folder / name, content)
        return pictures(folder)

    return make


def cut_short(folder: Path) -> Path:
    for name in ("b.jpg", "c.jpg", "d.jpg"):
        path = paint(folder / name, (64, 64))
        path.write_bytes(path.read_bytes()[:700])
    return pictures(folder, "a.png")


def web_page(folder: Path) -> Path:
    write(folder / "b.png", "<!DOCTYPE html><html><title>Please log in</title>")
    return pictures(folder, "a.png")


def not_a_picture(folder: Path) -> Path:
    write(folder / "b.png", b"no picture at all")
    return pictures(folder, "a.png")


def no_folder(folder: Path) -> Path:
    pictures(folder / "flowers")
    return folder / "flowres"


def a_file(folder: Path) -> Path:
    return paint(folder / "a.png")


def empty(folder: Path) -> Path:
    write(folder / "notes.doc", "")
    return folder


def folder_named_picture(folder: Path) -> Path:
    (folder / "c.png").mkdir(parents=True)
    return pictures(folder)


def pipe(folder: Path) -> Path:
    pictures(folder)
    os.mkfifo(folder / "c.png")
    return folder


def broken_link(folder: Path) -> Path:
    pictures(folder)
    (folder / "c.png").symlink_to(folder / "gone.png")
    return folder


def two_lists(folder: Path) -> Path:
    mapped(folder)
    write(folder / "old" / "classes.txt", CLASSES)
    return folder


def bad_list(folder: Path) -> Path:
    mapped(folder)
    write(folder / "classes.txt", "sky, gas\ngrass, stuff, 1, 2, 300\ncat")
    return folder


CATALOGUE: dict[str, tuple[Make, list[str]]] = {
    "B14 another size": (other_size, ["b.jpg is 12x10, b.png 11x10"]),
    "B15 orphans on both sides": (orphans, ["without a label map: c.png", "a picture: d.png"]),
    "B46 names differ in case": (case_differs, ["a.png and A.png differ", "rename"]),
    "B2 unknown id": (unknown_id, ["id 255 at 60 pixels", "(x=0, y=5)", "unlabeled=255"]),
    "B2 two at once": (mapped_by(halves(7, 9)), ["id 7 at 60", "id 9 at 60", "ids are 0..2"]),
    "B4 blended ids": (mapped_by(SHRUNK), ["appear only on borders", "nearest"]),
    "B5 a map as JPEG": (mapped_by(halves(0, 2), "b.jpg"), ["b.jpg", "JPEG blurs", "as PNG"]),
    "B7 unknown colours": (mapped_by(UNKNOWN_COLOUR), ["(9, 8, 7) at 60 pixels", "class table"]),
    "B8 black and white": (mapped_by(halves(0, 255)), ["{0, 255}", "binary=True", "classes.txt"]),
    "B12 CMYK": (pictured("b.jpg", Image.new("CMYK", (16, 16))), ["b.jpg", "CMYK", "PNG, JPEG"]),
    "B18 a bomb": (pictured("b.png", Image.new("1", (7000, 7000))), ["b.png", "limit is 40"]),
    "B19 tiny": (pictured("b.png", Image.new("RGB", (1, 1))), ["b.png", "1x1", "allowed is 8"]),
    "no list of classes": (no_classes, ["ids found: 0, 2", "classes.txt"]),
    "two lists of classes": (two_lists, ["old/classes.txt", "keep one"]),
    "a bad list of classes": (bad_list, ["'sky, gas'", "0 to 255"]),
    "B16 cut short": (cut_short, ["b.jpg, c.jpg, d.jpg (3 files)", "damaged or cut short"]),
    "B17 a web page": (web_page, ["b.png", "HTML page"]),
    "B17 no picture": (not_a_picture, ["b.png", "no picture"]),
    "B36 no such column": (captioned("a,b\nx,y\n"), ["line 1", "columns are a, b", "'caption'"]),
    "B36 comma without quotes": (
        captioned("image,caption\na.png,one\nb.jpg,red, and round\n"),
        ["line 3", "3 values for 2 columns", "double quotes"],
    ),
    "B36 latin-1": (
        captioned("image,caption\na.png,one\nb.jpg,caf\xe9\n".encode("latin-1")),
        ["captions.csv, line 3", "0xe9", "encoding='latin-1'"],
    ),
    "B36 no such picture": (
        captioned("image,caption\na.png,one\nb.jpg,two\nx.png,three\n"),
        ["1 captions without a picture: 'x.png' (line 4)"],
    ),
    "B36 an empty caption": (
        captioned("image,caption\na.png,one\nb.jpg,  \n"),
        ["line 3: the caption is empty", "1 pictures without a caption: b.jpg"],
    ),
    "B36 an empty file": (captioned(""), ["columns are none"]),
    "B36 broken JSON": (
        captioned('{"image": "a.png", "caption": "one"}\n{"image": "b', "captions.jsonl"),
        ["line 2", "no JSON"],
    ),
    "B36 JSON of another kind": (captioned('["a"]\n', "captions.jsonl"), ["line 1", "needed"]),
    "B37 no such folder": (no_folder, ["no such folder", "holds: flowers"]),
    "B37 a file": (a_file, ["this is a file, not a folder"]),
    "B38 no picture": (empty, ["no picture in it", "notes.doc"]),
    "B47 a folder named like a picture": (folder_named_picture, ["c.png is a folder"]),
    "B47 a pipe": (pipe, ["c.png is no regular file"]),
    "B47 a broken link": (broken_link, ["c.png is no regular file"]),
}


@pytest.mark.parametrize("make, words", CATALOGUE.values(), ids=CATALOGUE.keys())
def test_check_names_the_problem(tmp_path, make, words):
    folder = make(tmp_path / "own")
    try:
        said = str(check_folder(folder))
    except CourseError as error:
        said = str(error)
    assert "no problems" not in said
    assert all(word in said for word in words), said


ON_READING = "B2 |B4|B5|B7|B8|B12|B14|B16|B17|B18|B19"
AT_ONCE = [row for row in CATALOGUE if not re.match(ON_READING, row)]


@pytest.mark.parametrize("row", CATALOGUE)
def test_opening_or_reading_names_the_problem_too(tmp_path, row):
    make, words = CATALOGUE[row]
    folder = make(tmp_path / "own")
    with pytest.raises(CourseError) as caught:
        source = open_folder(folder)
        assert row not in AT_ONCE, "this should not have opened"
        list(source)
    named = [word for word in words if word in str(caught.value)]
    assert named or row.startswith("B16"), str(caught.value)


def test_all_problems_come_at_once_and_good_pictures_are_not_accused(tmp_path):
    orphans(tmp_path)
    write(tmp_path / "captions.csv", "image,caption\nb.jpg,two\n")
    write(tmp_path / "images" / "e.png", "<html>")
    report = check_folder(tmp_path)
    text = str(report)
    for words in ("c.png, e.png", "d.png", "e.png: this is an HTML page"):
        assert words in text, text
    assert text.startswith(f"{tmp_path}: {len(report.problems)} problems")


def test_captions_in_latin_1_are_read_if_one_says_so(tmp_path):
    captioned("image,caption\na.png,one\nb.jpg,caf\xe9\n".encode("latin-1"))(tmp_path)
    assert open_folder(tmp_path, encoding="latin-1")[1].captions == ("café",)


def test_unlabeled_pixels_are_read_if_one_says_so(tmp_path):
    source = open_folder(unknown_id(tmp_path), unlabeled=255)
    assert source[1].label_map.names() == {"grass": 60, "unlabeled": 60}


def test_odd_maps_are_shown_without_being_refused(tmp_path):
    mapped(tmp_path)
    label(tmp_path / "maps" / "b.png", foot=0)
    report = check_folder(tmp_path)
    assert report.problems == () and "holds one class only ('sky')" in report.oddities[0]
    assert report.oddities[0].startswith("b.jpg:")
