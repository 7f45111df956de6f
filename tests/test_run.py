"""Running notebooks headless: typed parameters, limits, and what is left when one fails."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course_lib.cli import main
from course_lib.errors import CourseError
from course_lib.profile import PROFILES
from course_lib.run import process
from course_lib.run.chapter import read_chapter
from course_lib.run.job import Job
from course_lib.run.runner import CELL_TIMEOUT, run_notebooks

ROOT = Path(__file__).parents[1]
PARAMETERS = """\
profile: str | None = None  # how much work
rounds: int = 3
lr: float = 1e-3
quick: bool = False
seed: int | None = None
title = "grid"
size: str | int = 64
"""


def write_notebook(path: Path, *code: str, parameters: str = PARAMETERS, **metadata: object) -> str:
    """A notebook with a heading, a parameters cell and the given code cells."""
    cells = [
        new_markdown_cell("# A chapter"),
        new_code_cell(parameters, metadata={"tags": ["parameters"]}),
        *(new_code_cell(source) for source in code),
    ]
    nbformat.write(new_notebook(cells=cells, metadata=metadata), path)
    return str(path)


@pytest.fixture
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails the test if a notebook is executed: bad input must be found before."""

    def refuse(*_: object) -> None:
        raise AssertionError("a notebook was executed")

    monkeypatch.setattr("course_lib.run.runner._run_all", refuse)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("rounds", "1000", 1000),
        ("rounds", "-3", -3),
        ("lr", "1e3", 1000.0),
        ("lr", "2", 2.0),
        ("quick", "true", True),
        ("quick", "False", False),
        ("seed", "none", None),
        ("seed", "7", 7),
        ("profile", "None", None),
        ("title", "no", "no"),
        ("size", "32", 32),
        ("size", "large", "large"),
        ("title", "12", "12"),
    ],
)
def test_a_value_gets_the_type_of_the_parameter(
    tmp_path: Path, name: str, text: str, value: object
) -> None:
    chapter = read_chapter(Path(write_notebook(tmp_path / "a.ipynb")))
    found = chapter.parameters[name].value(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rounds", "abc"),
        ("rounds", "1e3"),
        ("rounds", "2.0"),
        ("rounds", "true"),
        ("rounds", "none"),
        ("rounds", ""),
        ("quick", "no"),
        ("quick", "1"),
        ("lr", "fast"),
        ("lr", "nan"),
        ("lr", "inf"),
        ("seed", "1.5"),
    ],
)
@pytest.mark.usefixtures("nothing_runs")
def test_a_value_of_the_wrong_type_stops_before_the_first_cell(
    tmp_path: Path, name: str, text: str
) -> None:
    notebook = write_notebook(tmp_path / "a.ipynb")
    with pytest.raises(CourseError, match=f"a.ipynb: parameter {name}: '{text}' is not"):
        run_notebooks([notebook], parameters={name: text})


@pytest.mark.usefixtures("nothing_runs")
def test_all_problems_come_in_one_message(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    notebook = write_notebook(tmp_path / "a.ipynb")
    wrong = ["-p", "rounds", "1e3", "-p", "quick", "no", "-p", "round", "3", "-j", "0"]
    assert main(["run", notebook, *wrong]) == 2
    message = capfd.readouterr().err
    assert "4 problems" in message
    assert "did you mean 'rounds'?" in message
    assert "digits alone: 1000, not 1e3" in message
    assert "true or false" in message
    assert not list(tmp_path.glob("runs/**/*.ipynb"))


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"profile": "fast"}, "'fast' is no profile; known: cpu, gpu, paper, smoke"),
        ({"parameters": {"profile": "cpu"}}, "chosen with --profile"),
        ({"timeout": 0.0}, "must be above 0"),
    ],
)
def test_options_are_checked(tmp_path: Path, arguments: dict, words: str) -> None:
    with pytest.raises(CourseError, match=words):
        run_notebooks([write_notebook(tmp_path / "a.ipynb")], **arguments)


def truncate(path: Path) -> None:
    path.write_text(path.read_text()[:-40])


def leave_conflict(path: Path) -> None:
    path.write_text(path.read_text().replace("{\n", "{\n<<<<<<< HEAD\n", 1))


def make_old(path: Path) -> None:
    path.write_text(json.dumps({"nbformat": 3, "nbformat_minor": 0, "worksheets": []}))


def remove_tag(path: Path) -> None:
    path.write_text(path.read_text().replace('"parameters"', '"other"'))


def tag_twice(path: Path) -> None:
    write_notebook(path)
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(new_code_cell("", metadata={"tags": ["parameters"]}))
    nbformat.write(notebook, path)


def break_structure(path: Path) -> None:
    path.write_text(path.read_text().replace('"code"', '"coda"'))


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (truncate, "damaged .*line [0-9]+"),
        (leave_conflict, "line 2 is left from a merge conflict"),
        (make_old, "format 3"),
        (remove_tag, "0 code cells are tagged `parameters`"),
        (tag_twice, "2 code cells are tagged `parameters`"),
        (break_structure, "not a valid notebook"),
        (lambda path: path.unlink(), "no such notebook"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "damaged"),
        (lambda path: write_notebook(path, parameters="sizes: list[int] = []"), r"list\[int\]"),
        (lambda path: write_notebook(path, parameters="size = 2 * 3"), "needs an annotation"),
        (lambda path: write_notebook(path, parameters="size: int = "), "parameters cell"),
        (lambda path: write_notebook(path, course={"timeout": "long"}), "course.timeout"),
    ],
)
def test_a_broken_notebook_is_named(tmp_path: Path, damage, words: str) -> None:
    fine, broken = tmp_path / "fine.ipynb", tmp_path / "broken.ipynb"
    write_notebook(fine)
    write_notebook(broken)
    damage(broken)
    with pytest.raises(CourseError, match=f"(?s)broken.ipynb: .*{words}"):
        run_notebooks([str(fine), str(broken)])


@pytest.mark.usefixtures("nothing_runs")
def test_an_unknown_chapter_gets_a_suggestion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_notebook(tmp_path / "01_zero.ipynb")
    monkeypatch.setattr("course_lib.run.runner.notebooks_dir", lambda: tmp_path)
    with pytest.raises(CourseError, match="did you mean '01_zero'"):
        run_notebooks(["02_zero"])


@pytest.mark.usefixtures("nothing_runs")
def test_a_folder_without_notebooks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("course_lib.run.runner.notebooks_dir", lambda: tmp_path)
    with pytest.raises(CourseError, match="no notebooks in"):
        run_notebooks()


@pytest.mark.usefixtures("nothing_runs")
def test_two_notebooks_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    paths = [write_notebook(folder / "a.ipynb") for folder in (tmp_path, tmp_path / "other")]
    with pytest.raises(CourseError, match="two notebooks are called a"):
        run_notebooks(paths)


def test_every_profile_has_a_time_limit() -> None:
    assert set(CELL_TIMEOUT) == set(PROFILES)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list, str]:
    """Four chapters, run once: a good one, one that raises, one that hangs, one that dies.

    They lie in a folder with spaces and accents, and another python3 kernel is registered (B79).
    """
    folder = tmp_path_factory.mktemp("Übung 1 (копия)")
    write_notebook(
        folder / "01_good.ipynb",
        "import json, os, sys, course_lib.paths\n"
        "print(json.dumps([profile, rounds, lr, quick, title]))\n"
        "print(sys.executable, os.getcwd(), course_lib.paths.runs_dir(), sep='\\n')\n"
        "print(os.environ['COURSE_PROFILE'], os.environ['OMP_NUM_THREADS'])",
        "import matplotlib.pyplot as plt\nplt.plot([1, 2]);",
    )
    write_notebook(folder / "02_raises.ipynb", "x = 1", "raise ValueError('{odd} text')", "x = 2")
    hang = "import time\nwhile True:\n    try: time.sleep(9)\n    except BaseException: pass"
    write_notebook(folder / "03_hangs.ipynb", "x = 1", hang, course={"timeout": 3})
    die = "import os, signal\nfull = bytearray(300_000_000)\nos.kill(os.getpid(), signal.SIGKILL)"
    write_notebook(folder / "04_dies.ipynb", "print('kept')", die)
    other = folder / "share" / "kernels" / "python3"
    other.mkdir(parents=True)
    spec = {"argv": ["/no/such/python", "{connection_file}"], "display_name": "x", "language": "x"}
    (other / "kernel.json").write_text(json.dumps(spec))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(other.parents[1]))
        results = run_notebooks(
            sorted(map(str, folder.glob("*.ipynb"))),
            parameters={"rounds": "5", "quick": "true"},
            jobs=2,
            out=folder / "out",
        )
    return folder, results, (folder / "out" / "index.html").read_text("utf-8")


def outputs(path: Path) -> str:
    cells = nbformat.read(path, as_version=4).cells
    return "".join(output.get("text", "") for cell in cells for output in cell.get("outputs", []))


def test_values_profile_kernel_and_folder_reach_the_notebook(course) -> None:
    folder, results, _ = course
    said = outputs(folder / "out" / "01_good.ipynb").splitlines()
    values, executable, cwd, runs, profile_and_threads = said
    assert results[0].status == "done", results[0].message
    assert json.loads(values) == ["smoke", 5, 1e-3, True, "grid"]
    assert executable == sys.executable
    assert cwd == str(folder)
    assert runs == str(folder / "out" / "runs")
    assert profile_and_threads == "smoke 1"


def test_pictures_pages_and_figures_are_left(course) -> None:
    folder, results, index = course
    image = folder / "out" / results[0].images[0].file
    assert image.read_bytes().startswith(b"\x89PNG")
    assert f'src="{results[0].images[0].file}"' in index
    for name in ("01_good", "02_raises", "03_hangs", "04_dies"):
        assert (folder / "out" / f"{name}.html").stat().st_size > 10_000
        assert f'href="{name}.html"' in index
    report = json.loads((folder / "out" / "report.json").read_text("utf-8"))
    assert [row["status"] for row in report["notebooks"]] == ["done"] + 3 * ["failed"]


def test_a_failing_notebook_stops_itself_only(course) -> None:
    _, results, index = course
    raised = results[1]
    assert (raised.failed_cell, raised.message) == (4, "ValueError: {odd} text")
    assert "1 of 4 notebooks ran to their end" in index


def test_a_hanging_cell_is_named(course) -> None:
    hung = course[1][2]
    assert (hung.failed_cell, hung.status) == (4, "failed")
    assert "the cell ran longer than 3 s" in hung.message


@pytest.mark.skipif(sys.platform == "win32", reason="no resource usage of children on Windows")
def test_a_dead_kernel_gives_its_cell_its_memory_and_keeps_the_output(course) -> None:
    folder, results, _ = course
    died = results[3]
    assert died.failed_cell == 4
    assert 300_000_000 < died.peak_memory < 1_000_000_000
    assert "out of memory?" in died.message
    assert "kept" in outputs(folder / "out" / "04_dies.ipynb")


def kernels(folder: Path) -> list[int]:
    """The processes that work in ``folder``."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.readlink(entry / "cwd") == str(folder):
                found.append(int(entry.name))
    return found


needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc")


@needs_proc
def test_no_kernel_is_left(course) -> None:
    assert not kernels(course[0])


@needs_proc
def test_an_interrupt_stops_every_notebook(tmp_path: Path) -> None:
    folder = tmp_path / "hanging"
    folder.mkdir()
    hang = "import time\nprint('here', flush=True)\ntime.sleep(300)"
    paths = [write_notebook(folder / f"{name}.ipynb", "x = 1", hang) for name in "abc"]
    command = [sys.executable, "-m", "course_lib", "run", *paths, "-j", "2"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert running.stdout
    for line in running.stdout:  # until both have reached their second cell
        if line.startswith("b  [3/4]"):
            break
    began = len(kernels(folder))
    running.send_signal(signal.SIGINT)
    rest = running.communicate(timeout=60)[0]
    assert running.returncode == 130
    assert began >= 1
    assert "c  [" not in rest
    wait_until(lambda: not kernels(folder))


def wait_until(fine: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not fine():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_long_cell_says_that_it_is_running(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(process, "HEARTBEAT", 0.01)
    watch = process.Watch(Job("01", "01.ipynb", ".", {}, timeout=9, cells=5))
    watch.on_cell_start(new_markdown_cell("Prose\n## 3 Training"), 0)
    watch.on_cell_execute(new_code_cell("train()"), 1)
    said: list[str] = []
    wait_until(lambda: said.append(capsys.readouterr().out) or "still running" in said[-1])
    watch.on_cell_executed(new_code_cell("# now\n\ntrain()\nplot()"), 1, {})
    assert "01  [1/5]" in said[-1]
    assert "3 Training: still running" in said[-1]
    assert capsys.readouterr().out.endswith("s  3 Training: train()\n")


def test_missing_tools_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("course_lib.run.runner.TOOLS", ("papermill", "no_such_tool"))
    with pytest.raises(CourseError, match="needs no_such_tool(?s:.)*pip install no_such_tool"):
        run_notebooks()
