"""docs/commands.md: every line of ours is executed, and every option of the original is there."""

import os
import pickle
import re
import shlex
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from course_lib import cli
from course_lib.data.storybook import Storybook
from course_lib.stackgan.objective import StackGANConfig

PAGE = (Path(__file__).parents[1] / "docs" / "commands.md").read_text("utf-8")
STACKGAN = re.search(r"^## [^\n]*StackGAN.*?(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
ROWS = [row for row in (STACKGAN[0] if STACKGAN else "").splitlines() if row.startswith("|")]
BLOCKS = "\n".join(re.findall(r"^```\w*\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))
LINES = [
    re.sub(r"^(!|%run -m course_lib )", lambda m: "" if m[0] == "!" else "course ", line)
    for line in BLOCKS.splitlines()
    if re.match(r"!?course |%run -m course_lib ", line)
]
ORIGINAL = [
    "image_size1", "image_size2", "z_dim", "embed_dim", "D1_dim", "G2_dim", "data_dir",
    "image_dir", "epochs1", "epochs2", "batch_size", "lrG1", "lrG2", "lrD1", "lrD2", "beta1",
    "beta2", "help",
]  # fmt: skip


class Closed:
    """Where `course demo` would serve until Ctrl-C."""

    port = 8866

    def start(self):
        self.launch_browser()


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder to work in: runs go there, and there are eight flowers, and a layout."""
    place = tmp_path_factory.mktemp("desk")
    flowers, names = place / "data" / "flowers102", [f"jpg/image_{k:05}" for k in range(1, 9)]
    (flowers / "jpg").mkdir(parents=True)
    (flowers / "train").mkdir()
    dice = np.random.default_rng(0)
    for name in names:
        pixels = dice.integers(0, 256, (80, 80, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(flowers / f"{name}.jpg")
    embeddings = list(dice.standard_normal((8, 10, 1024)).astype(np.float32))
    for file, value in (("filenames", names), ("char-CNN-RNN-embeddings", embeddings)):
        (flowers / "train" / f"{file}.pickle").write_bytes(pickle.dumps(value, protocol=2))
    page = Storybook()[0]
    page.label_map.save(place / "map.png")
    page.picture.pil().convert("RGB").save(place / "photo.jpg")
    (place / "layout.json").write_text('[["tree", [0.1, 0.3, 0.4, 0.9]]]')
    return place


def test_there_are_lines_of_each_kind():
    assert len(LINES) >= 10 and any("sample" in line for line in LINES)


def test_every_line_is_understood_and_done(desk, monkeypatch, capsys):
    """In the order of the page, since later lines use what earlier ones made."""
    monkeypatch.chdir(desk)
    monkeypatch.setenv("COURSE_PROFILE", "smoke")
    monkeypatch.setenv("COURSE_RUNS", str(desk / "runs"))
    monkeypatch.setenv("COURSE_DATA", str(desk / "data"))
    for name in ("JUPYTER_PATH", "IPYTHONDIR", "PYTHONPATH"):  # as they were, afterwards
        monkeypatch.setenv(name, os.environ.get(name, ""))
    monkeypatch.setattr("course_lib.demo.serve._server", lambda *told: Closed())
    monkeypatch.setattr("webbrowser.open", lambda url: None)
    for line in LINES:
        program, *arguments = shlex.split(line)
        assert program == "course"
        assert cli.main(arguments) == 0, f"{line}\n{capsys.readouterr().err}"
    assert (desk / "grid.png").is_file() and (desk / "runs/flowers2/painter.safetensors").is_file()


@pytest.mark.parametrize("option", ORIGINAL)
def test_every_option_of_the_original_has_a_counterpart(option):
    rows = [row for row in ROWS if f"`--{option}`" in row]
    assert len(rows) == 1
    ours = re.findall(r"--(\w+)", rows[0].split("|")[2])
    assert ours or option == "help"
    known = {field.name for field in fields(StackGANConfig)} | {"help"}
    assert set(ours) <= known


@pytest.mark.parametrize(
    ("row", "config"),
    [
        ("--image_size1", StackGANConfig().size),
        ("--image_size2", StackGANConfig(stage=2).size),
        ("--z_dim", StackGANConfig().z_dim),
        ("--embed_dim", StackGANConfig().embed_dim),
        ("--D1_dim", StackGANConfig().width_d),
        ("--G2_dim", StackGANConfig(stage=2).width_2),
        ("--epochs1", StackGANConfig().rounds),
        ("--batch_size", StackGANConfig().batch_size),
        ("--lrG1", StackGANConfig().lr_g),
        ("--lrD1", StackGANConfig().lr_d),
    ],
)
def test_the_defaults_on_the_page_are_those_of_the_program(row, config):
    (line,) = [line for line in ROWS if f"`{row}`" in line]
    assert float(line.split("|")[3]) == config
