"""One public address: whatever names it is made from it, and the set-up cell does its work."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest

from course_lib import address
from course_lib.errors import CourseError
from scripts import badges

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "notebooks" / "source").glob("*.py"))


def test_badges_and_setup_cells_are_in_step() -> None:
    stale = [
        str(path.relative_to(ROOT))
        for path in badges.texts(ROOT)
        if badges.renew(path.read_text("utf-8"), path, ROOT) != path.read_text("utf-8")
    ]
    assert not stale, "run `make badges`"


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_every_chapter_has_its_badge_and_setup_cell(source: Path) -> None:
    text = source.read_text("utf-8")
    assert address.colab_badge(source.stem) in text
    assert len(badges.SETUP.findall(text)) == 1


def test_no_link_names_another_repository() -> None:
    for path in badges.texts(ROOT):
        for name in re.findall(
            r"colab\.research\.google\.com/github/([\w.-]+/[\w.-]+)", path.read_text("utf-8")
        ):
            assert name == address.REPOSITORY, path


@pytest.fixture
def small_tree(tmp_path: Path) -> Path:
    """README, pyproject and address of the course, and one chapter with an outdated set-up cell."""
    for name in ("README.md", "pyproject.toml", "CITATION.cff", "course_lib/address.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    source = tmp_path / "notebooks" / "source" / "07_studio.py"
    source.parent.mkdir(parents=True)
    source.write_text(
        "# %% [markdown]\n# # 07 The studio\n#\n# BADGE\n\n"
        '# %% tags=["colab-setup"]\nimport old\n\n# %%\nx = 1\n'
    )
    return tmp_path


def test_a_new_address_goes_everywhere(small_tree: Path) -> None:
    badges.main(["ada/painters"], small_tree)
    texts = {path.name: path.read_text("utf-8") for path in badges.texts(small_tree)}
    assert not [name for name, text in texts.items() if address.REPOSITORY in text]
    assert 'REPOSITORY = "ada/painters"' in texts["address.py"]
    assert "[07 The studio](notebooks/07_studio.ipynb)" in texts["README.md"]
    assert "github/ada/painters/blob/main/notebooks/07_studio.ipynb" in texts["README.md"]
    chapter = texts["07_studio.py"]
    assert "# BADGE" not in chapter
    assert "/github/ada/painters/blob/main/notebooks/07_studio.ipynb)\n" in chapter
    assert 'url = "https://github.com/ada/painters"' in chapter
    assert "import old" not in chapter
    assert chapter.endswith(")\n\n# %%\nx = 1\n")


def test_making_badges_twice_changes_nothing(small_tree: Path) -> None:
    badges.main([], small_tree)
    assert address.colab_badge("07_studio") in (small_tree / "README.md").read_text("utf-8")
    before = [path.read_text("utf-8") for path in badges.texts(small_tree)]
    badges.main([], small_tree)
    assert before == [path.read_text("utf-8") for path in badges.texts(small_tree)]


@pytest.mark.parametrize("wrong", ["painters", "https://x.org/a/b", "a/b/c", "a b/c"])
def test_a_wrong_address_is_refused(small_tree: Path, wrong: str) -> None:
    with pytest.raises(CourseError, match="is no address"):
        badges.main([wrong], small_tree)


def test_the_wrong_kernel_is_told_what_to_type(tmp_path: Path) -> None:
    """B79: an interpreter without the course, reached through a link as a venv's is."""
    program = ["-I", "-S", "-c", address.setup_cell()]
    found = subprocess.run([sys.executable, *program], capture_output=True, text=True, cwd=tmp_path)
    assert found.returncode == 1
    last = found.stderr.splitlines()[-1]
    assert last.startswith(f"ModuleNotFoundError: This notebook runs in {sys.executable}, which")
    assert last.endswith(f'"{sys.executable}" -m pip install -r requirements.txt -e .')


def test_where_the_course_is_there_the_cell_does_nothing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    calls = record_calls(monkeypatch)
    exec(address.setup_cell(), {})
    assert not calls
    assert capfd.readouterr().out == ""


def test_colab_gets_the_course_and_what_it_lacks_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls = record_calls(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    found = iter([None, *2 * [object()]])  # the course is missing, then it is there
    monkeypatch.setattr("importlib.util.find_spec", lambda name: next(found))
    exec(address.setup_cell(), {})
    clone, install = calls
    course = tmp_path / "five-painters"
    assert clone == ["git", "clone", "-q", "--depth=1", address.URL, course]
    assert install[:6] == [sys.executable, "-m", "pip", "install", "-q", "--no-deps"]
    assert install[6:] == [*address.COLAB_LACKS, "--editable", course]
    assert sys.path[0] == str(course)


def record_calls(monkeypatch: pytest.MonkeyPatch) -> list[list]:
    calls: list[list] = []
    monkeypatch.setattr(subprocess, "run", lambda command, check: calls.append(command))
    return calls
