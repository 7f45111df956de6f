"""One sandbox for all tests of a process: to load torch takes longer than all they ask."""

from __future__ import annotations

from pathlib import Path

import pytest

from course_lib.grading.sandbox import Limits, Sandbox

ROOT = Path(__file__).parents[2]
SHORT = Limits(seconds=1, wall=5, memory=2**30, file=2**20)


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory):
    """A place with a file that must stay, ``home/thesis.txt``, and hidden tests, ``secret``."""
    home = tmp_path_factory.mktemp("home")
    (home / "thesis.txt").write_text("three years")
    (home / "tests.py").write_text("ANSWER = 42")
    with Sandbox(hidden=[ROOT / "assignments", home]) as place:
        place.home = home
        yield place
