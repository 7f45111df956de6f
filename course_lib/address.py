"""The one place that knows where the course is published.

Badges, Colab links and the notebooks' set-up cells are made from :data:`REPOSITORY`. Until the
course has a public home the name below is a placeholder, and Colab cannot clone it. After
publishing, ``make badges REPO=owner/name`` puts the real name here and everywhere.
"""

from __future__ import annotations

__all__ = ["COLAB_LACKS", "REPOSITORY", "URL", "colab_badge", "colab_url", "setup_cell"]

REPOSITORY = "one-scene/five-painters"
URL = f"https://github.com/{REPOSITORY}"

# What the notebooks import and Colab does not have, and what that leans on; a test resolves this
# against Colab's own list.
COLAB_LACKS = ("jsonargparse", "lightning-utilities", "torchinfo", "torchmetrics")


def colab_url(notebook: str, folder: str = "notebooks") -> str:
    """The link that opens ``<folder>/<notebook>.ipynb`` in Google Colab."""
    return (
        f"https://colab.research.google.com/github/{REPOSITORY}/blob/main/{folder}/{notebook}.ipynb"
    )


def colab_badge(notebook: str, folder: str = "notebooks") -> str:
    """The Markdown of the badge under a notebook's title."""
    picture = "https://colab.research.google.com/assets/colab-badge.svg"
    what = "chapter" if folder == "notebooks" else "assignment"
    return f"[![Open this {what} in Colab]({picture})]({colab_url(notebook, folder)})"


def setup_cell() -> str:
    """The code of every notebook's first code cell, tagged ``colab-setup``.

    It needs the standard library only, so that it can speak in any kernel. On Colab it fetches the
    course and the few packages that Colab lacks, and never touches one that Colab has.
    """
    return _SETUP.format(url=URL, lacks=", ".join(f'"{name}"' for name in COLAB_LACKS))


_SETUP = """\
# Set-up, the same in every chapter: fetches the course on Colab, checks the kernel elsewhere.
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

if "google.colab" in sys.modules and find_spec("course_lib") is None:
    url = "{url}"
    course = Path.cwd() / "five-painters"
    if not course.exists():
        subprocess.run(["git", "clone", "-q", "--depth=1", url, course], check=True)
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps"]
    lacks = [{lacks}]
    subprocess.run([*install, *lacks, "--editable", course], check=True)
    sys.path.insert(0, str(course))  # for this kernel, which started before the installation

if find_spec("course_lib") is None or find_spec("torch") is None:
    raise ModuleNotFoundError(
        f"This notebook runs in {{sys.executable}}, which does not have the course. "
        "Choose the kernel of the course's .venv (`make lab` does), or type in the course's "
        f'folder:  "{{sys.executable}}" -m pip install -r requirements.txt -e .'
    )"""
