"""Runs notebooks: everything is checked first, then each notebook gets a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from course_lib.errors import CourseError, Problems, suggestion
from course_lib.paths import notebooks_dir, runs_dir
from course_lib.profile import pick_profile
from course_lib.run.chapter import Chapter, read_chapter
from course_lib.run.job import Image, Job, Result, in_words
from course_lib.run.kernel import own_kernel
from course_lib.run.report import write_report

__all__ = ["CELL_TIMEOUT", "run_notebooks"]

TOOLS = ("ipykernel", "nbconvert", "papermill")

# Seconds a cell may take. No execution is without a limit: a hanging cell is named, not waited for.
CELL_TIMEOUT = {"smoke": 600, "cpu": 3600, "gpu": 24 * 3600, "paper": 14 * 24 * 3600}


def run_notebooks(
    notebooks: Sequence[str] = (),
    *,
    profile: str | None = None,
    parameters: Mapping[str, str] | None = None,
    jobs: int = 1,
    timeout: float | None = None,
    out: Path | None = None,
) -> list[Result]:
    """Executes notebooks headless and writes their results under ``out``.

    Args:
        notebooks: paths, or the beginnings of chapters' names (``01``); none means every chapter.
        profile: how much work: smoke, cpu, gpu or paper. Default: ``COURSE_PROFILE``, else smoke.
        parameters: values as one types them. Each must be known to one notebook at least, and
            goes to those that know it.
        jobs: how many notebooks run side by side; with more than one, each computes on one thread.
        timeout: seconds a cell may take. Default: the notebook's own word, else the profile's.
        out: where results go, the notebooks' own runs too. Default: a new folder under
            ``runs/course``; naming an earlier one goes on with its trainings.

    Raises:
        CourseError: all that is wrong with notebooks, parameters and options; nothing was executed.
    """
    _check_tools()
    profile = pick_profile(profile, default="smoke")
    with Problems("course run") as problems:
        chapters = _chapters(notebooks, problems)
        values = _values(chapters, dict(parameters or {}), profile, problems)
        problems.check("profile" not in (parameters or {}), "`profile` is chosen with --profile")
        problems.check(jobs >= 1, f"{jobs} notebooks side by side, it must be 1 or more")
        problems.check(timeout is None or timeout > 0, f"time-out {timeout} s, it must be above 0")
    folder = out or runs_dir() / "course" / f"{datetime.now():%Y-%m-%d_%H-%M-%S}-{profile}"
    folder.mkdir(parents=True, exist_ok=True)
    limit = CELL_TIMEOUT[profile]
    work = [
        _job(chapter, folder, values[chapter.name], timeout or chapter.timeout or limit)
        for chapter in chapters
    ]
    results = _run_all(work, profile, folder, jobs)
    index = write_report(results, folder, f"Course run, profile {profile}")
    print(f"results: {index}")
    return results


def _check_tools() -> None:
    missing = [name for name in TOOLS if find_spec(name) is None]
    if missing:
        raise CourseError(
            f"running notebooks needs {', '.join(missing)}",
            where="course run",
            fix=f'"{sys.executable}" -m pip install {" ".join(missing)}',
        )


def _job(chapter: Chapter, folder: Path, values: dict[str, Any], timeout: float) -> Job:
    return Job(
        name=chapter.name,
        notebook=str(chapter.path.resolve()),
        folder=str(folder.resolve()),
        parameters=values,
        timeout=timeout,
        cells=chapter.code_cells + bool(values),  # papermill adds a cell that sets the values
    )


def _chapters(names: Sequence[str], problems: Problems) -> list[Chapter]:
    """Finds and reads the notebooks."""
    chapters: dict[Path, Chapter] = {}
    for path in _find(names, problems):
        try:
            chapters[path.resolve()] = read_chapter(path)
        except CourseError as error:
            problems.add(f"{error.where}: {error.what}", error.fix)
    stems = [chapter.name for chapter in chapters.values()]
    for name in sorted({stem for stem in stems if stems.count(stem) > 1}):
        problems.add(f"two notebooks are called {name}; their results would get mixed up")
    return list(chapters.values())


def _find(names: Sequence[str], problems: Problems) -> Iterator[Path]:
    known = sorted(notebooks_dir().glob("*.ipynb"))
    if not names and not known:
        problems.add(f"there are no notebooks in {notebooks_dir()}", "give paths of notebooks")
    if not names:
        yield from known
    for name in names:
        matches = [path for path in known if path.stem.startswith(name)]
        if name.endswith(".ipynb") or not matches:
            matches = [Path(name)]
        if not matches[0].suffix:
            listing = suggestion(name, [path.stem for path in known])
            problems.add(f"{name!r} is neither a chapter nor an .ipynb file; {listing}")
        else:
            yield from matches


def _values(
    chapters: Sequence[Chapter], given: dict[str, str], profile: str, problems: Problems
) -> dict[str, dict[str, Any]]:
    """The typed values for each notebook; a value goes to the notebooks that know its name."""
    known = {name for chapter in chapters for name in chapter.parameters}
    if not problems.found:  # a notebook that could not be read may be the one that knows it
        for name in sorted(set(given) - known):
            problems.add(f"no notebook has a parameter {name!r}; {suggestion(name, known)}")
    values: dict[str, dict[str, Any]] = {}
    for chapter in chapters:
        values[chapter.name] = {}
        for name, text in {**given, "profile": profile}.items():
            if name in chapter.parameters:
                try:
                    values[chapter.name][name] = chapter.parameters[name].value(text)
                except CourseError as error:
                    problems.add(f"{chapter.path}: {error.where}: {error.what}")
    return values


def _run_all(work: Sequence[Job], profile: str, folder: Path, jobs: int) -> list[Result]:
    running: set[subprocess.Popen[bytes]] = set()
    with (
        _environment(profile, folder, one_thread=min(jobs, len(work)) > 1) as environment,
        ThreadPoolExecutor(jobs) as pool,
    ):
        try:
            return list(pool.map(lambda job: _run(job, environment, running), work))
        finally:  # after an interrupt `map` has cancelled what had not begun; this ends the rest
            for process in list(running):
                process.terminate()


def _run(job: Job, environment: dict[str, str], running: set[subprocess.Popen[bytes]]) -> Result:
    with tempfile.TemporaryDirectory() as folder:
        slip = Path(folder) / "job.json"  # goes out with the job, comes back with the result
        slip.write_text(json.dumps(vars(job)), encoding="utf-8")
        command = [sys.executable, "-m", "course_lib.run.process", str(slip)]
        for _ in range(2):  # two kernels that start at once may pick one port, and one dies of it
            began = time.monotonic()
            process = subprocess.Popen(command, env=environment)
            running.add(process)
            code = process.wait()
            running.discard(process)
            if code != 1 or time.monotonic() - began > 30:
                break
        content = json.loads(slip.read_text(encoding="utf-8"))
    if code != 0:
        result = Result(job.name, "failed", message=f"the notebook's runner ended with code {code}")
    else:
        content["images"] = [Image(**image) for image in content["images"]]
        result = Result(**content)
    memory = f"peak memory {in_words(result.peak_memory)}"
    print(f"{job.name}  {result.status} in {result.seconds:.1f} s, {memory}", flush=True)
    if result.message:
        print(f"{job.name}  {result.place}{result.message}", flush=True)
    return result


@contextmanager
def _environment(profile: str, folder: Path, *, one_thread: bool) -> Iterator[dict[str, str]]:
    """The environment of the notebooks' processes, in which `python3` is this interpreter."""
    with tempfile.TemporaryDirectory() as own:
        environment = os.environ | own_kernel(own)
        environment |= {
            "COURSE_PROFILE": profile,
            "COURSE_RUNS": str(folder.resolve() / "runs"),  # not to go on with an earlier training
        }
        if one_thread:
            environment.setdefault("OMP_NUM_THREADS", "1")
        yield environment
