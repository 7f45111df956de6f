"""The command ``course``: verbs, help, exit codes, and how it speaks of mistakes."""

from __future__ import annotations

import subprocess
import sys
import types
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

import pytest
from PIL import Image

from course_lib import cli, paths, registry
from course_lib.cli import main
from course_lib.errors import CourseError
from course_lib.objective import TrainConfig
from course_lib.run.job import Result

ROOT = Path(__file__).parents[1]


def course(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "course_lib", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120)


def test_the_overview_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    overview = capsys.readouterr().out
    for name, function in cli.VERBS.items():
        assert f"  {name}  " in overview
        assert function.__doc__.splitlines()[0] in overview
    assert main([]) == 0


@pytest.mark.parametrize("name", list(cli.VERBS))
def test_every_verb_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    assert end.value.code == 0
    assert cli.VERBS[name].__doc__.splitlines()[0] in capsys.readouterr().out


def test_help_does_not_wait_for_torch() -> None:
    for verb in ([], ["doctor"], ["run"], ["sample"]):
        program = (
            "import sys; from course_lib.cli import main\n"
            f"try: main({[*verb, '--help']})\n"
            "except SystemExit: pass\n"
            "assert 'torch' not in sys.modules"
        )
        subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True)


def test_a_mistake_is_a_message_and_not_a_traceback() -> None:
    found = course("trian", "dcgan")
    assert found.returncode == 2
    assert found.stdout == ""
    assert found.stderr.startswith("course: there is no verb 'trian'; did you mean 'train'?")
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--jobs", "two"], "course run: argument -j/--jobs: invalid int value: 'two'"),
        (["run", "-p", "seed"], "expected 2 arguments"),
        (["doctor", "--fast"], "unrecognized arguments: --fast"),
        (["train"], "the following arguments are required: painter"),
        (["train", "dcgna"], "did you mean 'dcgan'"),
        (["train", "dcgan", "extra"], "'extra' was not understood"),
        (["train", "dcgan", "--profile", "fast"], "'fast' is no profile"),
        (["sample", "nobody"], "'nobody'"),
        (["sample", "dcgan", "--n", "0"], "'0' is not a whole number from 1"),
        (["sample", "dcgan", "--seed", "-1"], "--seed: -1 is not a seed"),
    ],
)
def test_mistakes(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert words in capsys.readouterr().err


def test_all_wrong_fields_come_in_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = ["--rounds", "1e3", "--learning_rate=3", "--batch_size", "many"]
    assert main(["train", "dcgan", *wrong]) == 2
    message = capsys.readouterr().err
    assert "3 problems" in message
    for name in ("rounds", "learning_rate", "batch_size"):
        assert name in message


def test_an_interrupt_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setitem(cli.VERBS, "doctor", interrupted)
    assert main(["doctor"]) == 130


def test_doctor_says_by_its_exit_code_whether_all_is_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from course_lib import doctor

    for status, code in (("fine", 0), ("note", 0), ("problem", 1)):
        check = doctor.Check("stars", status, "not aligned")
        monkeypatch.setattr(doctor, "CHECKS", (lambda check=check: check,))
        assert main(["doctor"]) == code
    assert "stars        not aligned" in capsys.readouterr().out


def test_run_fails_if_one_notebook_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict = {}

    def run_notebooks(**options: object) -> list[Result]:
        asked.update(options)
        return results

    monkeypatch.setattr("course_lib.run.runner.run_notebooks", run_notebooks)
    results = [Result("01"), Result("02", "failed")]
    words = ["01", "02", "--profile", "cpu", "-p", "seed", "3", "-p", "lr", "-0.5", "-j", "2"]
    assert main(["run", *words, "--timeout", "9"]) == 1
    assert asked == {
        "notebooks": ["01", "02"],
        "profile": "cpu",
        "parameters": {"seed": "3", "lr": "-0.5"},
        "jobs": 2,
        "timeout": 9.0,
        "out": None,
    }
    results = [Result("01")]
    assert main(["run"]) == 0


@dataclass(frozen=True)
class ToyConfig(TrainConfig):
    """A configuration as wings have them."""

    size: int = 64  # side of a picture in pixels: 100 % of it
    loss: Literal["hinge", "wasserstein"] = "hinge"  # how the game is scored
    betas: tuple[float, float] = (0.5, 0.9)


def test_the_help_of_train_is_made_from_the_fields_and_their_comments(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    toy = types.SimpleNamespace(kind="toy", config=ToyConfig)
    monkeypatch.setitem(registry.WINGS, "toy", toy)
    with pytest.raises(SystemExit):
        main(["train", "toy", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for field in fields(ToyConfig):
        assert f"--{field.name} " in text
    assert "--size int side of a picture in pixels: 100 % of it (default: 64)" in text
    assert "--loss hinge|wasserstein how the game is scored (default: hinge)" in text
    assert "--betas [float,float] (default: (0.5, 0.9))" in text
    assert "--batch_size int scenes a round (default: 128)" in text


@pytest.mark.parametrize(
    ("options", "resume"),
    [([], True), (["--fresh"], False), (["--resume", "a/b.safetensors"], Path("a/b.safetensors"))],
)
def test_train_goes_on_unless_told_to_begin_anew(
    monkeypatch: pytest.MonkeyPatch, options: list[str], resume: bool
) -> None:
    asked: dict = {}

    def play(objective: object, source: object, folder: Path, **how: object) -> list:
        asked.update(how, folder=folder)
        return []

    monkeypatch.setattr("course_lib.training.train", play)
    assert main(["train", "dcgan", "--profile", "smoke", *options]) == 0
    folder = paths.runs_dir() / "dcgan-smoke"
    assert asked == {"folder": folder, "resume": resume, "score": None}


def test_train_and_sample(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two rounds through the real loop, and pictures from what it wrote."""
    few = ["--rounds", "2", "--batch_size", "4", "--size", "16"]
    assert main(["train", "dcgan", "--profile", "smoke", *few, "--out", str(tmp_path / "a b")]) == 0
    assert f"2 rounds played; results: {tmp_path / 'a b'}" in capsys.readouterr().out
    weights, out = tmp_path / "a b" / "painter.safetensors", tmp_path / "grid.png"
    assert main(["sample", str(weights), "--n", "5", "--seed", "3", "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"seeds 3 to 7: {out}\n"
    assert Image.open(out).size == (3 * 18 + 2, 2 * 18 + 2)  # three columns, 2 px apart


def test_folders_do_not_depend_on_where_one_stands(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """B80: the checkout's folders from any cwd; the variables move them."""
    for name in ("COURSE_RUNS", "COURSE_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    assert paths.repository() == ROOT
    assert paths.runs_dir() == ROOT / "runs"
    assert paths.data_dir() == ROOT / "datasets"
    assert paths.notebooks_dir() == ROOT / "notebooks"
    monkeypatch.setenv("COURSE_RUNS", "here")
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "Übung 1"))
    assert paths.runs_dir() == tmp_path / "here"
    assert paths.data_dir() == tmp_path / "Übung 1"


def test_a_wheel_works_in_the_cwd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(paths, "__file__", str(tmp_path / "site-packages/course_lib/paths.py"))
    monkeypatch.delenv("COURSE_RUNS", raising=False)
    monkeypatch.chdir(tmp_path)
    assert paths.repository() is None
    assert paths.runs_dir() == tmp_path / "runs"


def test_the_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    from course_lib.profile import PROFILES, pick_profile

    assert PROFILES == ("smoke", "cpu", "gpu", "paper")
    assert (pick_profile(), pick_profile(default="smoke")) == ("cpu", "smoke")
    monkeypatch.setenv("COURSE_PROFILE", "gpu")
    assert (pick_profile(), pick_profile("paper")) == ("gpu", "paper")
    monkeypatch.setenv("COURSE_PROFILE", "gpus")
    with pytest.raises(CourseError, match="COURSE_PROFILE: 'gpus' is no profile; did you mean"):
        pick_profile()
