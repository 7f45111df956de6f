"""Photographs to label maps: both steps, faults, going on, and the data set that comes of it."""

from __future__ import annotations

import re
import shlex
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from course_lib.cli.data import data, data_parser
from course_lib.data.folder import check_folder, open_folder
from course_lib.data.known import framing_of
from course_lib.data.paired import PAIRED
from course_lib.data.sources import open_source
from course_lib.data.storybook import Storybook
from course_lib.errors import CourseError
from course_lib.scene import ClassTable, LabelMap
from course_lib.segment import choose
from course_lib.segment.photos import photos_to_maps
from course_lib.segment.segmenter import Segmenter
from course_lib.segment.small import SmallNet, learn, save_small

CLASSES = ClassTable.of(
    stuff={"sky": (90, 160, 240), "grass": (60, 200, 60)}, things={"red house": (220, 40, 40)}
)


class Nearest(nn.Module):
    """Scores by the distance to the classes' colours; fails at one call, if asked."""

    def __init__(self, fail_at: int = 0) -> None:
        super().__init__()
        self.colours = nn.Parameter(torch.tensor([info.colour for info in CLASSES]) / 255)
        self.calls, self.fail_at = 0, fail_at

    def forward(self, pictures: Tensor) -> Tensor:
        self.calls += 1
        if self.calls == self.fail_at:
            raise KeyboardInterrupt
        distance = (pictures[:, None] - self.colours[None, :, :, None, None]).square().sum(2)
        return -30 * distance


def nearest(fail_at: int = 0, name: str = "nearest") -> Segmenter:
    return Segmenter(name, CLASSES, Nearest(fail_at), (16,), ((0.0,) * 3, (1.0,) * 3))


def paint(path: Path, top: str, foot: str) -> Path:
    """A photograph of two colours, with a little noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((16, 24, 3)) + CLASSES[top].colour
    pixels[8:] = CLASSES[foot].colour
    noisy = pixels + np.random.default_rng(0).normal(0, 4, pixels.shape)
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(path)
    return path


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "data"))
    folder = tmp_path / "photos"
    paint(folder / "a.png", "sky", "grass")
    paint(folder / "b.PNG", "sky", "red house")
    paint(folder / "deep" / "a.png", "grass", "grass")
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_both_steps_are_on_disk_and_are_a_data_set(photos, tmp_path):
    out = tmp_path / "out"
    account = photos_to_maps(photos, out, nearest(), preview=True)
    coloured = np.array(Image.open(out / "_steps/segmentations/b.png"))
    assert coloured[0, 0].tolist() == [90, 160, 240] and coloured[15, 0].tolist() == [220, 40, 40]
    ids = np.array(Image.open(out / "maps/b.png"))
    assert ids[0, 0] == CLASSES.id("sky") and ids[15, 0] == CLASSES.id("red house")
    assert Image.open(out / "_steps/confidence/b.png").getextrema()[0] > 200
    assert (out / "images/b.PNG").read_bytes() == (photos / "b.PNG").read_bytes()
    assert {path.stem for path in (out / "maps").iterdir()} == {"a", "b", "deep-a"}
    made = open_folder(out)
    assert made.classes == CLASSES and len(made) == 3
    assert made[1].label_map.names() == {"sky": 192, "red house": 192}
    assert check_folder(out).problems == ()
    assert account.preview is not None and Image.open(account.preview).size[0] > 300
    open_source(str(out), 16).batch(torch.arange(3)).check()


def test_the_account_counts_classes_and_says_how_sure(photos, tmp_path):
    account = photos_to_maps(photos, tmp_path / "out", nearest())
    shares = {name: (round(share, 3), n) for name, (share, n, _) in account.histogram().items()}
    assert shares == {"grass": (0.5, 2), "sky": (0.333, 2), "red house": (0.167, 1)}
    assert all(0.9 < sure <= 1 for _, _, sure in account.histogram().values())
    text = str(account)
    assert "3 photographs with label maps, 3 of them new" in text and "red house" in text
    strict = photos_to_maps(photos, tmp_path / "strict", nearest(), least=0.9999999)
    assert strict.histogram()["unlabeled"][0] > 0.1
    assert "unlabeled" in open_folder(tmp_path / "strict")[0].label_map.names()


def test_an_interrupted_call_is_gone_on_with(photos, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        photos_to_maps(photos, out, nearest(fail_at=3))
    with (out / "_steps/photos.jsonl").open("a") as notes:
        notes.write('{"name": "dee')  # killed while it wrote
    again = nearest()
    account = photos_to_maps(photos, out, again)
    assert (again.network.calls, account.new, len(account.rows)) == (1, 1, 3)
    straight = photos_to_maps(photos, tmp_path / "straight", nearest())
    assert sorted(map(str, straight.rows)) == sorted(map(str, account.rows))
    paint(photos / "a.png", "red house", "red house")
    (out / "maps" / "b.png").unlink()
    account = photos_to_maps(photos, out, nearest())
    assert account.new == 2 and account.histogram()["red house"][1] == 2
    with pytest.raises(CourseError, match=r"(?s)made with .*nearest.*--out"):
        photos_to_maps(photos, out, nearest(name="another"))
    with pytest.raises(CourseError, match="0.5"):
        photos_to_maps(photos, out, nearest(), least=0.5)


def test_all_faults_come_at_once_and_before_the_first_look(photos, tmp_path):
    (photos / "c.png").write_text("<html>")
    (photos / "d.jpg").write_bytes((photos / "a.png").read_bytes()[:60])
    looking = nearest()
    with pytest.raises(CourseError) as caught:
        photos_to_maps(photos, tmp_path / "out", looking)
    assert looking.network.calls == 0
    for words in ("c.png", "HTML", "d.jpg", "damaged", "--remove-bad"):
        assert words in str(caught.value)
    paint(photos / "deep-a.jpg", "sky", "grass")
    with pytest.raises(CourseError) as caught:
        photos_to_maps(photos, photos / "out", looking)
    assert "two photographs are named 'deep-a'" in str(caught.value)
    assert "among the photographs" in str(caught.value)


@pytest.mark.parametrize(
    ("place", "options", "words"),
    [
        ("photo", {}, "there is no such folder; .* holds: .*photos"),
        ("empty", {}, "there is no picture in it"),
        ("photos", {"least": 1.5}, "1.5 is no confidence"),
    ],
)
def test_what_cannot_be_done_is_refused(photos, tmp_path, place, options, words):
    (tmp_path / "empty").mkdir()
    with pytest.raises(CourseError, match=words):
        photos_to_maps(tmp_path / place, tmp_path / "out", nearest(), **options)


def test_the_command(photos, tmp_path, capsys):
    torch.manual_seed(0)
    kept = tmp_path / "small.safetensors"
    save_small(Segmenter("", CLASSES, SmallNet(len(CLASSES)).eval(), (16,)), kept)
    line = ["photos-to-maps", str(photos), "--out", str(tmp_path / "out"), "--preview"]
    assert data([*line, "--segmenter", str(kept), "--confidence", "0.1"]) == 0
    said = capsys.readouterr().out
    assert "3 photographs with label maps" in said and "preview.png" in said
    assert data([*line, "--segmenter", str(kept), "--confidence", "0.1"]) == 0
    assert "0 of them new" in capsys.readouterr().out
    with pytest.raises(CourseError, match="course data fetch ade20k-resnet50"):
        data(line)


def test_places365_is_found_by_its_name(photos, tmp_path):
    place = tmp_path / "data" / "places365" / "val_256"
    paint(place / "Places365_val_00000001.jpg", "sky", "grass")
    account = photos_to_maps("places365", tmp_path / "out", nearest())
    assert [row["name"] for row in account.rows] == ["val_256-Places365_val_00000001"]


def test_what_has_no_maps_teaches_nothing(photos):
    with pytest.raises(CourseError, match="no label maps to learn from"):
        learn(open_source(str(photos), 16), CLASSES, steps=1, pages=1)


def test_the_small_segmenter_of_storybook_is_trained_once(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(choose, "PAGES", 2)
    monkeypatch.setattr(choose, "STEPS", 2)
    monkeypatch.setattr(choose, "Storybook", small_book)
    first = choose.open_segmenter("storybook")
    monkeypatch.setattr(choose, "learn", None)
    assert choose.open_segmenter("storybook").name == first.name
    assert first.classes == Storybook.classes and first.sides == (32,)


def small_book() -> Storybook:
    return Storybook(size=32)


small_book.classes = Storybook.classes  # type: ignore[attr-defined]


@pytest.mark.slow
def test_a_segmenter_trained_on_storybook_reads_its_pictures(tmp_path):
    """The whole way: pictures of pages nobody has seen, their maps, and the true ones."""
    book = Storybook(size=32)
    segmenter = learn(book, book.classes, steps=240, pages=400)
    pages = range(90_000, 90_040)
    (tmp_path / "photos").mkdir()
    for number in pages:
        book[number].picture.save(tmp_path / "photos" / f"{number}.png")
    account = photos_to_maps(tmp_path / "photos", tmp_path / "out", segmenter)
    right = [
        (
            LabelMap.load(tmp_path / "out/maps" / f"{n}.png", book.classes).ids
            == book[n].label_map.ids
        )
        for n in pages
    ]
    share = torch.stack(right).float().mean().item()
    sure = sum(row["confidence"] for row in account.rows) / len(account.rows)
    print(f"pixels read right {share:.3f}, confidence {sure:.3f}")
    assert share > 0.6 and abs(share - sure) < 0.15  # of 27 classes, after half a minute


PAGE = (Path(__file__).parents[2] / "docs" / "commands.md").read_text("utf-8")
LINES = [line[2:] for line in PAGE.splitlines() if line.startswith("$ course data ")]


@pytest.mark.parametrize("line", LINES)
def test_the_lines_about_data_that_need_a_download_are_understood(line):
    assert data_parser().parse_args(shlex.split(line)[2:]).name


ROWS = [row.split("|") for row in PAGE.splitlines() if re.match(r"\| `\w+` \|.*\+ 1 \|", row)]


@pytest.mark.parametrize("cells", ROWS, ids=lambda cells: cells[1].strip())
def test_the_page_tells_sizes_and_classes_of_the_data_sets(cells):
    name, framing = cells[1].strip(" `"), framing_of(cells[1].strip(" `"))
    labels, edges = int(cells[4].split("+")[0]), cells[5].strip() == "true"
    assert labels == len(PAIRED[name].legend().classes) and edges == bool(PAIRED[name].instances)
    assert cells[6].strip() == f"{framing.size}, {framing.crop_from}"
    assert Fraction(cells[7].strip()) == Fraction(framing.aspect).limit_denominator(9)
    train = next(line for line in PAGE.splitlines() if f"--data {name}" in line)
    assert f"--labels {labels}" in train or name == "coco_stuff_spade"
