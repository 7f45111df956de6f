"""A class is graded: hostile submissions, missing parts, faults of our own, and being run again."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import resource
import shutil
import socket
import sys
import zipfile

import pytest

from course_lib import cli
from course_lib.errors import CourseError
from course_lib.grading import grade
from course_lib.grading import sandbox as sandbox_module
from course_lib.grading.assignment import find_assignment, grader_part
from course_lib.grading.grade import grade_class, grade_one
from course_lib.grading.marks import FAIL, NOT_GRADED, PASS, Graded
from course_lib.grading.sandbox import GraderFault, Limits, Sandbox, Usage
from course_lib.grading.submission import read_submission
from tests.grading.conftest import ROOT, SHORT
from tests.grading.corpus import HOSTILE, IMPORTS, MORE, RIGHT, body
from tests.grading.mutants import solution

FIRST = find_assignment("01")
SOLVED = ROOT / "assignments" / "source" / "01_spectral_norm.py"


@pytest.fixture(scope="module")
def listener():
    """Somebody who would answer, were there a network."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def handed_in(folder, text, student="eve"):
    """A submission whose first function is ``text``, and whose others are right."""
    path = folder / f"{student}.py"
    rest = solution("01_spectral_norm")
    path.write_text("\n".join([IMPORTS, text, rest.source("sigma")]))
    return read_submission(path, student)


def fingerprint(folder):
    """Every file's name and content."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(str(path), hashlib.sha256(path.read_bytes()).hexdigest()) for path in files]


def marks(graded):
    return {mark.question: mark.outcome for mark in graded.marks}


# --- what was meant to harm -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [*HOSTILE, *(pytest.param(name, marks=pytest.mark.slow) for name in MORE)]
)
def test_a_hostile_function_fails_alone(name, sandbox, tmp_path, listener):
    text = (HOSTILE | MORE)[name].replace("{home}", str(sandbox.home))
    submission = handed_in(tmp_path, body(text.replace("{port}", str(listener))))
    before = fingerprint(sandbox.home), fingerprint(ROOT / "assignments")
    graded = grade_one(submission, FIRST, sandbox, SHORT)
    assert (fingerprint(sandbox.home), fingerprint(ROOT / "assignments")) == before
    assert marks(graded)["01.1"] == FAIL
    assert marks(graded)["01.2"] == PASS  # its neighbour
    assert graded.points == 3


def test_what_is_right_passes_among_them(sandbox, tmp_path):
    graded = grade_one(handed_in(tmp_path, body(RIGHT)), FIRST, sandbox, SHORT)
    assert marks(graded)["01.1"] == PASS


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("while True: pass", "processor time"),
        ("time.sleep(60)", "longer than 2 s"),
        ("os._exit(0)", "ended before"),
        ("return weight.T @ nothing, u", "NameError"),
        ("return weight @ torch.ones(99), u", "the tensors given are ["),
        ("raise NotImplementedError", ": it is not written yet"),
        ("return torch.stack([u, u])", "one tensor [2, "),
        ("return {'v': u, 'u': u}", "a dict with v, u came"),
        ("return u", "it should return v and u"),
        ("return None", "is there a `return`?"),
        ("weight.zero_()\nreturn u, u", ": it changes its argument number 1 in place"),
        ("from course_lib.nn.spectral import SpectralNorm", "course_lib, which is not there"),
    ],
)
def test_it_is_said_what_was_wrong(text, said, sandbox, tmp_path):
    limits = Limits(1, 2 if "sleep" in text else 60, 2**30, 2**20)
    graded = grade_one(handed_in(tmp_path, body(text)), FIRST, sandbox, limits)
    assert said in graded.marks[0].why


def test_an_answer_to_another_call_is_none(sandbox, tmp_path):
    """A function that has found its channel writes an answer of its own, without the number."""
    forged = """
        import gc
        from socket import socket as kind
        (channel,) = [o for o in gc.get_objects() if isinstance(o, kind) and o.fileno() > 2]
        text = b'["dict", {"nonce": ["plain", "0"], "value": ["plain", 1]}]'
        channel.sendall(struct.pack(">QQ", len(text), 0) + text)"""
    graded = grade_one(handed_in(tmp_path, body(forged)), FIRST, sandbox, SHORT)
    assert marks(graded)["01.1"] == FAIL
    assert "does not answer this call" in graded.marks[0].why


# --- what was meant well --------------------------------------------------------------------------


def notebook(*cells):
    """A notebook whose metadata are all gone."""
    return json.dumps({"cells": [{"cell_type": kind, "source": text} for kind, text in cells]})


def test_cells_may_be_lost_doubled_broken_and_without_metadata(sandbox, tmp_path):
    cells = [
        ("code", "%matplotlib inline\n!pip list\nthis is no python"),
        ("code", "def power_step(weight, u):\n    return 'an early try'"),
        ("code", solution("01_spectral_norm").source("normalise")),
        ("markdown", "## Your answer 01.4\n\nBecause it turns slowly."),
        ("code", "weight = 'a name that functions use, too'\nraise RuntimeError('a cell')"),
        ("code", "while training: never_ends()"),
        ("code", "x = 1\n" * 100_000),
        ("code", "x = " + "(" * 5_000),
    ]
    (tmp_path / "ada.ipynb").write_text(notebook(*cells))
    submission = read_submission(tmp_path / "ada.ipynb", "ada")
    graded = grade_one(submission, FIRST, sandbox, SHORT)
    assert graded.points == FIRST.points
    assert graded.answers == {"01.4": "Because it turns slowly."}
    assert graded.notes[0] == "cell 1, line 3: invalid syntax"
    assert graded.notes[1].startswith("cell 7: 600000 letters are not read")
    assert graded.notes[2].startswith("cell 8")
    assert graded.notes[3:] == ["`power_step` is there more than once; the last one counts"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.ipynb", "", "format 4"),
        ("a.ipynb", '{"worksheets": []}', "format 4"),
        ("a.ipynb", '{"cells": [\n<<<<<<< HEAD\n', "line 2 is left from a merge conflict"),
        ("a.ipynb", "[" * 100_000, "format 4"),
        ("a.py", b"\xff\xfe", "cannot be read"),
        ("a.zip", b"PK", "cannot be read"),
        ("a.zip", {"x.ipynb": "{}", "y.ipynb": "{}"}, "2 notebooks"),
        ("a.py", "x" * 51 * 2**20, "MB are the most"),
    ],
)
def test_files_that_cannot_be_read_say_why(name, content, said, tmp_path):
    path = tmp_path / name
    if isinstance(content, dict):
        with zipfile.ZipFile(path, "w") as archive:
            for inner, text in content.items():
                archive.writestr(inner, text)
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(CourseError, match=said):
        read_submission(path, "ada")


@pytest.fixture
def classroom(tmp_path):
    """Five students: solved, in a zip, blank, nothing, nonsense."""
    folder = tmp_path / "class"
    (folder / "bob").mkdir(parents=True)
    (folder / "empty").mkdir()
    shutil.copy(SOLVED, folder / "ada <b>.py")
    with zipfile.ZipFile(folder / "bob" / "work.zip", "w") as archive:
        archive.write(SOLVED, "my work/final (2).py")
    shutil.copy(ROOT / "assignments" / "01_spectral_norm.ipynb", folder / "=cmd.ipynb")
    (folder / "eve.ipynb").write_text("nonsense")
    return folder


def table(out):
    with (out / "grades.csv").open() as file:
        return {row["student"]: row for row in csv.DictReader(file)}


def test_a_class_gets_marks_pages_and_statistics_and_keeps_them(
    classroom, tmp_path, sandbox, monkeypatch, capsys
):
    monkeypatch.setattr(grade, "Sandbox", lambda *a: sandbox)
    monkeypatch.setattr(Sandbox, "__enter__", lambda self: self)
    monkeypatch.setattr(Sandbox, "__exit__", lambda *a: None)
    out = tmp_path / "marks"
    assert cli.main(["grade", str(classroom), "01", "--out", str(out), "--outer", "none"]) == 0
    assert "Isolation:" in capsys.readouterr().out
    rows = table(out)
    points = {name: row["points"] for name, row in rows.items()}
    assert points == {"ada <b>": "8", "bob": "8", "'=cmd": "0", "empty": "0", "eve": "0"}
    summary = (out / "summary.html").read_text()
    assert "ada &lt;b&gt;" in summary and "2 of 5 (40%)" in summary and "<b>" not in summary[:200]
    pages = {page.stem[:3]: page.read_text() for page in (out / "students").iterdir()}
    assert "not written yet" in pages["_cm"] and "the kept `u`" in pages["bob"]
    before = fingerprint(out)
    assert cli.main(["grade", str(classroom), "01", "--out", str(out), "--outer", "none"]) == 0
    assert fingerprint(out) == before  # nothing was graded again
    (classroom / "eve.ipynb").unlink()
    shutil.copy(SOLVED, classroom / "eve.py")
    assert cli.main(["grade", str(classroom), "01", "--out", str(out), "--outer", "none"]) == 0
    assert table(out)["eve"]["points"] == "8"
    assert len((out / "log.jsonl").read_text().splitlines()) == 6


def test_limits_are_the_instructors_and_marks_depend_on_them(tmp_path, sandbox, monkeypatch):
    monkeypatch.setattr(Sandbox, "__enter__", lambda self: self)
    monkeypatch.setattr(Sandbox, "__exit__", lambda *a: None)
    monkeypatch.setattr(grade, "Sandbox", lambda *a: sandbox)
    asked = []
    monkeypatch.setattr(grade, "grade_one", lambda *a: asked.append(a[3]) or Graded("ada"))
    monkeypatch.setattr(grade, "write_reports", lambda *a: None)
    folder = tmp_path / "class"
    folder.mkdir()
    shutil.copy(SOLVED, folder / "ada.py")
    line = ["grade", str(folder), "01", "--outer", "none", "--out", str(tmp_path / "marks")]
    more = ["--seconds", "3", "--wall", "9", "--memory", "800MB", "--file-size", "1MB"]
    for options in (line, line, [*line, *more]):
        assert cli.main(options) == 0
    assert asked == [Limits(20, 40, 2 * 10**9, 16 * 10**6), Limits(3, 9, 8 * 10**8, 10**6)]


def test_our_own_fault_is_no_mark_and_is_tried_again(classroom, tmp_path, sandbox, monkeypatch):
    monkeypatch.setattr(Sandbox, "__enter__", lambda self: self)
    monkeypatch.setattr(Sandbox, "__exit__", lambda *a: None)
    monkeypatch.setattr(grade, "Sandbox", lambda *a: sandbox)
    out = tmp_path / "marks"
    with monkeypatch.context() as broken:
        broken.setattr(sandbox_module, "_fences", lambda channel: {}["fences"])
        assert cli.main(["grade", str(classroom), "01", "--out", str(out), "--outer", "none"]) == 1
    row = table(out)["bob"]
    assert (row["status"], row["points"], row["01.1"]) == (NOT_GRADED, "", "")
    assert "NOT GRADED" in (out / "summary.html").read_text()
    grade_class(classroom, FIRST, out)
    assert table(out)["bob"]["points"] == "8"


def test_a_sandbox_that_died_is_begun_again(tmp_path, sandbox):
    submission = handed_in(tmp_path, body(RIGHT))
    grade_one(submission, FIRST, sandbox, SHORT)
    sandbox.process.kill()
    sandbox.process.wait()
    found = marks(grade_one(submission, FIRST, sandbox, SHORT))
    assert (found["01.1"], found["01.2"]) == (NOT_GRADED, PASS)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere", "01"], "there is no such folder"),
        ([".", "99"], "no assignment '99'"),
        (["{empty}", "01"], "nothing to grade"),
        (["{empty}", "01", "--outer", "docker"], "docker does not work"),
        (["{empty}", "01", "--memory", "much"], "'much' is no size; 800MB and 2GB are"),
        (["{empty}", "01", "--file-size", "0MB"], "'0MB' is no size"),
        (["{empty}", "01", "--wall", "0"], "'0' is not a whole number from 1"),
    ],
)
def test_what_cannot_be_graded_is_said_at_once(arguments, said, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sandbox_module.shutil, "which", lambda name: None)
    assert cli.main(["grade", *(a.replace("{empty}", str(tmp_path)) for a in arguments)]) == 2
    assert said in capsys.readouterr().err


def test_points_without_tests_are_a_fault_of_the_source():
    text = SOLVED.read_text()
    with pytest.raises(CourseError, match="belong together"):
        grader_part(text.replace('@hidden("01.1"', '@other("01.1"'))


@pytest.mark.slow
def test_a_class_of_thirty(tmp_path, capsys):
    folder = tmp_path / "class"
    folder.mkdir()
    for number in range(30):
        shutil.copy(SOLVED, folder / f"student {number}.py")
    before = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    graded = grade_class(folder, FIRST, tmp_path / "marks")
    after = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = sum(u.ru_utime + u.ru_stime for u in after)
    seconds -= sum(u.ru_utime + u.ru_stime for u in before)
    assert all(one.points == FIRST.points and one.cpu > 0 for one in graded)
    assert seconds / len(graded) < 20
    with capsys.disabled():
        print(f"\n{seconds / len(graded):.2f} CPU seconds a submission, everything included")


def begun_as(outer, tmp_path, monkeypatch, **more):
    """What a sandbox would begin, and with which environment, were it there."""
    asked = {}

    def record(command, env, **rest):
        asked.update(command=command, env=env)
        raise OSError("nothing is begun in this test")

    monkeypatch.setattr(sandbox_module.subprocess, "Popen", record)
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/user/1000/docker.sock")
    with Sandbox(outer, **more) as place, pytest.raises(GraderFault), \
         place.question("", "f", SHORT, Usage()):  # fmt: skip
        pass
    return place.folder, asked["command"], asked["env"]


def test_docker_is_asked_for_a_container_without_network_rights_or_disk(tmp_path, monkeypatch):
    folder, command, env = begun_as("docker", tmp_path, monkeypatch, memory=2**30)
    image = command.index("five-painters-grader")
    assert command[:2] == ["docker", "run"] and set(command[2:image]) == {
        "--rm", "--network=none", "--cap-drop=ALL", "--read-only", "--pids-limit=256",
        "--security-opt=no-new-privileges", f"--memory={5 * 2**30}",
        "--user", f"{os.getuid()}:{os.getgid()}",
        "--volume", f"{folder}:{folder}", f"{ROOT}/course_lib:{ROOT}/course_lib:ro",
        "--env", f"TMPDIR={folder}", f"PYTHONPATH={ROOT}", "OMP_NUM_THREADS=1",
    }  # fmt: skip
    zygote = ["course_lib.grading.zygote", str(folder / "control")]
    assert command[image + 1 :] == ["python", "-P", "-s", "-m", *zygote]
    assert env["DOCKER_HOST"]  # or the command would not find its service


@pytest.mark.parametrize("outer", ["bubblewrap", "none"])
def test_nothing_of_the_instructors_reaches_what_is_not_in_a_container(
    outer, tmp_path, monkeypatch
):
    folder, command, env = begun_as(outer, tmp_path, monkeypatch)
    assert "DOCKER_HOST" not in env and env["HOME"] == str(folder / "tmp")
    assert ("--unshare-net" in command) == (command[0] == "bwrap") == (outer == "bubblewrap")


DOCKER = """#!/bin/sh
[ "$1" = image ] && exit 0
echo "$@" > {log}
while [ "$1" != five-painters-grader ]; do shift; done
shift 2  # the image, and `python`
PYTHONPATH={root} exec {python} "$@"
"""


@pytest.mark.slow
@pytest.mark.parametrize("outer", ["bubblewrap", "docker"])
def test_a_class_within_something_that_is_there(outer, classroom, tmp_path, monkeypatch, capsys):
    if outer == "docker":  # a stand-in, which runs what would run in the container
        script, log = tmp_path / "bin" / "docker", tmp_path / "log"
        script.parent.mkdir()
        script.write_text(DOCKER.format(log=log, root=ROOT, python=sys.executable))
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
    elif not shutil.which("bwrap"):
        pytest.skip("there is no bubblewrap on this machine")
    out = tmp_path / "marks"
    assert cli.main(["grade", str(classroom), "01", "--out", str(out), "--outer", outer]) == 0
    assert f"inside {outer}" in capsys.readouterr().out
    assert table(out)["bob"]["points"] == "8"
    if outer == "docker":
        said = log.read_text()
        assert "--network=none" in said and "--cap-drop=ALL" in said and "--read-only" in said
