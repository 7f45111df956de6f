"""The data verbs: the manifest, downloads from a server of our own, check, prepare and preview."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.cli.data import data
from course_lib.data import fetch as fetching
from course_lib.data.coco import Coco, write_coco
from course_lib.data.fetch import fetch
from course_lib.data.known import open_data
from course_lib.data.manifest import DataSet, RemoteFile, manifest, readme
from course_lib.data.preview import sheet
from course_lib.data.storybook import Storybook
from course_lib.data.verbs import check, list_datasets, prepare, preview
from course_lib.errors import CourseError


@pytest.fixture(autouse=True)
def root(monkeypatch, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("COURSE_DATA", str(folder))
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path / "runs"))
    return folder


# --- the manifest


def test_the_manifest_is_complete_and_plausible():
    names = [data_set.name for data_set in manifest()]
    assert len(set(names)) == len(names) >= 18
    for data_set in manifest():
        assert data_set.licence and data_set.purpose
        assert data_set.page.startswith("http") or data_set.how == "built in"
        assert (data_set.how == "torchvision") == bool(data_set.torchvision)
        for file in data_set.files:
            assert file.md5 is None or re.fullmatch("[0-9a-f]{32}", file.md5), file.name
            assert all(url.endswith(file.name) for url in file.urls)
            wanted = file.put if data_set.how == "by hand" else file.urls
            assert wanted, f"{data_set.name}: nobody knows where {file.name} belongs or comes from"


def test_torchvision_agrees_with_the_manifest_about_checksums():
    from torchvision import datasets

    known = {
        data_set.name: {file.name: file.md5 for file in data_set.files} for data_set in manifest()
    }
    assert known["mnist"] == dict(datasets.MNIST.resources)
    assert known["cifar10"] == {datasets.CIFAR10.filename: datasets.CIFAR10.tgz_md5}
    flowers = dict(datasets.Flowers102._file_dict.values())
    assert known["flowers102"] == flowers


def test_the_readme_of_the_data_folder_is_made_from_the_manifest():
    path = Path(__file__).parents[2] / "datasets" / "README.md"
    hint = "run python -m course_lib.data.manifest"
    assert path.read_text("utf-8") == readme(), hint
    assert "| unknown |" in readme() and "size unknown" in readme()


def test_list_says_what_is_here(root):
    write_coco([Storybook(size=32)[0]], root / "coco")
    here = {row.data_set.name for row in list_datasets() if row.here}
    assert here == {"storybook", "digits", "coco"}


def test_list_begins_with_what_needs_no_fetching(root, capsys):
    data(["list"])
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first.split()[:3] == ["storybook", "built", "in"]
    assert second.split()[:3] == ["digits", "built", "in"]
    with pytest.raises(CourseError, match="storybook comes with the course"):
        fetch("storybook")


# --- downloads


def zipped(**files: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


@pytest.fixture
def offer(tmp_path, monkeypatch):
    """Offers files on a local server, and a manifest of them: ``offer(name, content, **facts)``."""
    folder = tmp_path / "server"
    folder.mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=folder)
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"

    def make(name: str, content: bytes, mirrors: tuple[str, ...] = ("",), **facts) -> None:
        (folder / name).write_bytes(content)
        urls = tuple(f"{address}{mirror}{name}" for mirror in mirrors)
        file = RemoteFile(name=name, urls=urls, page="http://page", **facts)
        row = DataSet(
            name="toy", title="Toy", purpose="tests", licence="none", how="download",
            page="http://page", files=(file,),
        )  # fmt: skip
        monkeypatch.setattr(fetching, "find", lambda _: row)

    yield make
    server.shutdown()
    server.server_close()


def test_fetch_downloads_verifies_unpacks_and_does_not_repeat_itself(offer, root):
    content = zipped(**{"pictures/a.txt": b"hello"})
    md5 = hashlib.md5(content).hexdigest()
    offer("toy.zip", content, bytes=len(content), md5=md5, into="unpacked")
    first = fetch("toy")
    assert (first.got, first.unverified) == (("toy.zip",), ())
    assert (root / "toy" / "unpacked" / "pictures" / "a.txt").read_bytes() == b"hello"
    assert not list((root / "toy").glob("*.zip*"))  # neither archive nor .part
    again = fetch("toy")
    assert (again.got, again.present) == ((), ("toy.zip",))


def test_fetch_notes_what_nobody_has_published(offer, root):
    offer("toy.txt", b"words")
    assert "no checksum is known, not verified: toy.txt" in str(fetch("toy"))
    notes = json.loads((root / "toy" / "fetched.json").read_text())["toy.txt"]
    assert notes["bytes"] == 5 and notes["sha256"] == hashlib.sha256(b"words").hexdigest()


def test_fetch_by_hand_says_what_to_put_where(root):
    text = str(fetch("cityscapes"))
    assert "https://www.cityscapes-dataset.com" in text
    assert str(root / "cityscapes" / "leftImg8bit") in text


def test_fetch_of_unknown_names_suggests():
    with pytest.raises(CourseError, match="did you mean 'coco'"):
        fetch("cocoo")
    with pytest.raises(CourseError, match=r"did you mean 'val2017\.zip'"):
        fetch("coco", only=("val.zip",))


# --- check, prepare, preview


def test_prepare_makes_a_small_copy_that_is_read_instead(root):
    scenes = [Storybook(size=64)[index] for index in range(3)]
    write_coco(scenes, root / "coco", "val2017")
    copy = prepare("coco", 32, "val2017")
    assert copy.folder == root / "prepared" / "coco-val2017-32"
    again = open_data("coco", "val2017", 32)
    assert isinstance(again, Coco) and again.folder == copy.folder
    for scene, small in zip(scenes, again, strict=True):
        wanted = scene.resize(32, 32)
        assert torch.equal(small.image, wanted.image) and small.captions == scene.captions
        assert torch.equal(small.label_map.ids, wanted.label_map.ids)
        assert torch.equal(small.layout.boxes, wanted.layout.boxes)
    again.batch(torch.tensor([0, 1, 2])).check()


def test_preview_draws_every_kind_of_scene(root, tmp_path):
    write_coco([Storybook(size=48)[index] for index in range(4)], root / "coco")
    for name in ("coco", "storybook", str(root / "coco" / "train2017")):
        path = preview(name, 3, tmp_path / "sheet.png")
        page = np.array(Image.open(path))
        assert page.shape[0] > 300 and len(np.unique(page.reshape(-1, 3), axis=0)) > 500
    scene = Storybook(size=48)[0]
    bare, explained = sheet([scene], None), sheet([scene], Storybook.classes)
    assert explained.height > bare.height  # the legend
    assert preview("storybook", 1).parent == tmp_path / "runs" / "samples"


def camvid(root: Path) -> Path:
    for split in ("train", "val"):
        for folder in (root / "camvid" / split, root / "camvid" / f"{split}annot"):
            folder.mkdir(parents=True)
        Image.new("RGB", (8, 8), (9, 90, 200)).save(root / "camvid" / split / "a.png")
        ids = np.array([[0, 3], [11, 11]], np.uint8).repeat(4, 0).repeat(4, 1)
        Image.fromarray(ids).save(root / "camvid" / f"{split}annot" / "a.png")
    return root / "camvid"


def test_a_data_set_in_paired_folders_is_opened_split_by_split(root):
    folder = camvid(root)
    scene = open_data("camvid", "val")[0]
    assert scene.label_map.names() == {"unlabeled": 32, "Sky": 16, "Road": 16}
    assert check("camvid").problems == ()
    (folder / "valannot" / "b.png").write_bytes(b"")
    report = check("camvid")
    assert len(report.problems) == 1 and "val: " in report.problems[0]
    assert "b.png" in report.problems[0]
    with pytest.raises(CourseError, match="did you mean 'val'"):
        open_data("camvid", "vall")


def test_what_is_not_here_says_how_to_get_it():
    with pytest.raises(CourseError, match="course data fetch coco"):
        check("coco")
    with pytest.raises(CourseError, match="did you mean 'storybook'"):
        preview("storybok")


# --- the command


def test_the_command_lists_checks_and_previews(root, tmp_path, capsys):
    assert data(["list"]) == 0
    assert "COCO 2017" in capsys.readouterr().out
    write_coco([Storybook(size=32)[0]], root / "coco")
    assert data(["check", "coco"]) == 0
    assert "no problems" in capsys.readouterr().out
    assert data(["prepare", "storybook", "--size", "32", "--most", "2"]) == 0
    assert "2 scenes" in capsys.readouterr().out
    assert data(["preview", "coco", "--n", "1", "--out", str(tmp_path / "p.png")]) == 0
    next((root / "coco" / "train2017").iterdir()).write_bytes(b"<html>")
    assert data(["check", "coco"]) == 1
    assert "HTML" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], "ACTION"),
        (["chek", "coco"], "chek"),
        (["prepare", "coco", "--size", "128x"], "--size"),
        (["preview", "coco", "--n", "0"], "whole number from 1"),
    ],
)
def test_the_command_explains_what_it_does_not_understand(arguments, words):
    with pytest.raises(CourseError, match=words):
        data(arguments)
