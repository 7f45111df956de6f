"""Keeps badges, Colab links and set-up cells in step with the course's one public address.

``python -m scripts.badges owner/name`` moves the course there; without an argument it only makes
again what is made from the address: the list of chapters in the README, and every chapter's badge
(a new source says ``BADGE``) and set-up cell. ``make badges`` then makes the notebooks.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from course_lib import address
from course_lib.errors import CourseError

ROOT = Path(__file__).parents[1]
LIST = re.compile(r"(?<=<!-- chapters: made by `make badges` -->\n).*?(?=<!-- /chapters -->)", re.S)
BADGE = re.compile(r"(?<=\n)# (?:BADGE|\[!\[Open this chapter in Colab\][^\n]*)(?=\n)")
SETUP = re.compile(r'(?<=\n)(# %%[^\n]*"colab-setup"[^\n]*\n).*?(?=\n+# %%|\n*\Z)', re.S)


def main(arguments: list[str], root: Path = ROOT) -> None:
    old = address.REPOSITORY
    new = checked(arguments[0]) if arguments else old
    for path in texts(root):
        text = path.read_text("utf-8")
        renewed = renew(text, path, root).replace(old, new)
        if renewed != text:
            path.write_text(renewed, encoding="utf-8")
            print(f"changed: {path.relative_to(root)}")


def checked(repository: str) -> str:
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise CourseError(
            f"{repository!r} is no address", where="REPO", fix="make badges REPO=owner/name"
        )
    return repository


def texts(root: Path) -> Iterator[Path]:
    """Every file that may name the address. Notebooks are made from their sources."""
    yield root / "course_lib" / "address.py"
    yield root / "pyproject.toml"
    yield from (path for path in sorted(root.glob("*.*")) if path.suffix in (".cff", ".md"))
    yield from sorted(root.glob("docs/**/*.md"))
    yield from sorted(root.glob("notebooks/source/*.py"))


def renew(text: str, path: Path, root: Path) -> str:
    """The text of ``path`` with the parts that are made from the address made again."""
    if path == root / "README.md":
        return LIST.sub(lambda _: chapters(root), text)
    if path.parent == root / "notebooks" / "source":
        text = BADGE.sub(lambda _: f"# {address.colab_badge(path.stem)}", text)
        return SETUP.sub(lambda found: found[1] + address.setup_cell(), text)
    return text


def chapters(root: Path) -> str:
    """The README's list of chapters, each with its badge."""
    lines = []
    for source in sorted(root.glob("notebooks/source/*.py")):
        title = re.search(r"^# # (.+)$", source.read_text("utf-8"), re.M)
        link = f"[{title[1] if title else source.stem}](notebooks/{source.stem}.ipynb)"
        lines.append(f"- {link} {address.colab_badge(source.stem)}\n")
    return "".join(lines)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except CourseError as error:
        sys.exit(f"{error}")
