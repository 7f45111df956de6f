"""A run as a moving picture of its milestones."""

from __future__ import annotations

import pytest
from PIL import Image, ImageSequence

from course_lib import cli
from course_lib.data.digits import Digits
from course_lib.dcgan.objective import DCGANConfig, DCGANObjective
from course_lib.errors import CourseError
from course_lib.painter import Picture
from course_lib.registry import load
from course_lib.timelapse import STRIP, milestones, timelapse
from course_lib.training import train


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Three rounds of a tiny painter, each of them kept."""
    folder = tmp_path_factory.mktemp("run")
    small = {"size": 8, "z_dim": 4, "width_g": 4, "width_d": 4, "batch_size": 4, "rounds": 3}
    every = {"milestone_every": 1, "save_every": 1, "sample_every": 3}
    train(DCGANObjective(DCGANConfig(**small, **every)), Digits(8), folder, show=False)
    return folder


@pytest.mark.parametrize("ending", [".gif", ".png", ".webp"])
def test_each_milestone_is_a_frame(run, tmp_path, ending):
    path = timelapse(run, tmp_path / f"new/lapse{ending}", range(4), seconds=0.2)
    with Image.open(path) as lapse:
        assert lapse.n_frames == len(milestones(run)) == 3
        lapse.seek(2)
        shown = lapse.convert("RGB")
    final = Picture(load(milestones(run)[3]).sheets(range(4))["final"]).pil().convert("RGB")
    assert shown.size == (final.width, final.height + STRIP)
    if ending == ".png":  # the other two keep fewer colours
        assert shown.crop((0, 0, *final.size)).tobytes() == final.tobytes()


@pytest.mark.parametrize(
    "folder, out, words",
    [
        (".", "lapse.jpg", "'.jpg' is no moving picture"),
        ("milestones", "lapse.gif", "no milestones here"),
        ("gone", "lapse.gif", "no such folder"),
    ],
)
def test_what_cannot_be_shown_is_named(run, tmp_path, folder, out, words):
    with pytest.raises(CourseError, match=words):
        timelapse(run / folder, tmp_path / out, [7])


@pytest.mark.parametrize("seconds", [-1, 0, 61, float("nan")])
def test_a_time_that_cannot_be_is_refused_before_anything_is_painted(run, tmp_path, seconds):
    with pytest.raises(CourseError) as caught:
        timelapse(run, tmp_path / "lapse.jpg", [7], seconds=seconds)
    assert "from 0.02 to 60" in str(caught.value) and "'.jpg'" in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_other_files_among_milestones_are_passed_over(run):
    stray = run / "milestones" / "my own.safetensors"
    stray.touch()
    assert list(milestones(run)) == [1, 2, 3]
    stray.unlink()


def test_the_command_says_where_it_is(run, tmp_path, capsys):
    out = tmp_path / "lapse.gif"
    assert cli.main(["timelapse", str(run), "--n", "4", "--out", str(out)]) == 0
    assert out.is_file() and "rounds 1 to 3" in capsys.readouterr().out


def test_whole_states_are_shown_as_the_painters_in_them(run, tmp_path):
    """As keep=full keeps them."""
    whole = tmp_path / "whole" / "milestones"
    whole.mkdir(parents=True)
    (whole / "0000003.safetensors").symlink_to(run / "last.safetensors")
    (whole / "0000002.safetensors").symlink_to(run / "milestones/0000003.safetensors")
    path = timelapse(whole.parent, tmp_path / "lapse.png", range(4))
    with Image.open(path) as lapse:
        frames = [lapse.convert("RGB").crop((0, 0, lapse.width, lapse.height - STRIP)).tobytes()
                  for lapse in ImageSequence.Iterator(lapse)]  # fmt: skip
    assert len(frames) == 2 and frames[0] == frames[1]


def test_each_milestone_is_read_once(run, tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr("course_lib.timelapse.load", lambda path: read.append(path) or load(path))
    monkeypatch.setattr("course_lib.registry.load", lambda path: read.append(path) or load(path))
    assert cli.main(["timelapse", str(run), "--n", "1", "--out", str(tmp_path / "a.gif")]) == 0
    assert read == list(milestones(run).values())


def test_what_the_painter_does_not_listen_to_is_refused(run, capsys):
    assert cli.main(["timelapse", str(run), "--caption", "a red house"]) == 2
    assert "dcgan listens to no caption" in capsys.readouterr().err
