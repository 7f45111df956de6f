"""The one error of the course: it says what, where and how to mend it, all at once."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from course_lib.errors import CourseError, Problems, check_seed, suggestion


def test_the_message_has_place_finding_and_mend() -> None:
    error = CourseError("id 255 at 3 pixels", where="a.png", fix="pass unlabeled=255")
    assert str(error) == "a.png: id 255 at 3 pixels\n  To mend it: pass unlabeled=255"
    assert str(CourseError("id 255")) == "id 255"


def test_it_survives_the_way_out_of_a_worker_process() -> None:
    error = pickle.loads(pickle.dumps(CourseError("what", where="where", fix="fix")))
    assert (error.what, error.where, error.fix) == ("what", "where", "fix")


def test_a_notebook_shows_the_message_and_no_traceback() -> None:
    interactive = pytest.importorskip("IPython.core.interactiveshell")
    shell = interactive.InteractiveShell.instance()
    shown: list[str] = []
    shell._showtraceback = lambda kind, value, lines: shown.extend(lines)
    shell.run_cell("from course_lib.errors import CourseError\nraise CourseError('no such cat')")
    assert shown == ["CourseError: no such cat"]


def test_all_problems_come_together() -> None:
    with pytest.raises(CourseError) as caught, Problems("config") as problems:
        problems.check(True, "fine")
        problems.check(False, "size is 3", "take 8")
        problems.add("lr is -1")
    assert str(caught.value) == "config: 2 problems\n  1. size is 3 (take 8)\n  2. lr is -1"


def test_one_problem_is_told_as_one() -> None:
    with pytest.raises(CourseError) as caught, Problems("config") as problems:
        problems.add("size is 3", "take 8")
    assert str(caught.value) == "config: size is 3\n  To mend it: take 8"


def test_no_problem_raises_nothing_and_another_error_is_not_hidden() -> None:
    with Problems() as problems:
        problems.check(True, "fine")
    with pytest.raises(ZeroDivisionError), Problems() as problems:
        problems.add("size is 3")
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("name", "start"),
    [("cats", "did you mean 'cat'? known: "), ("CAT", "did you mean 'cat'?"), ("xyz", "known: ")],
)
def test_a_suggestion_is_the_nearest_known_name(name: str, start: str) -> None:
    assert suggestion(name, ["dog", "cat"]).startswith(start)
    assert suggestion(name, ["dog", "cat"]).endswith("known: cat, dog")


@pytest.mark.parametrize("seed", [0, 7, 2**32 - 1, np.int64(3)])
def test_seeds(seed: object) -> None:
    assert check_seed(seed) == seed
    assert type(check_seed(seed)) is int


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, 7.0, "7", None, True, np.float32(1)])
def test_what_is_no_seed(seed: object) -> None:
    with pytest.raises(CourseError, match="from 0 to 4294967295"):
        check_seed(seed, where="seed")
