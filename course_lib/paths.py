"""Where the course reads and writes, whatever folder it was started from."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["data_dir", "notebooks_dir", "repository", "runs_dir"]


def repository() -> Path | None:
    """The checkout that this package lies in; ``None`` if it was installed from a wheel."""
    folder = Path(__file__).resolve().parents[1]
    return folder if (folder / "pyproject.toml").is_file() else None


def runs_dir() -> Path:
    """Where runs are written: ``COURSE_RUNS``, else ``runs`` in the checkout or in the cwd."""
    return _folder("COURSE_RUNS", "runs")


def data_dir() -> Path:
    """Where data sets lie: ``COURSE_DATA``, else ``datasets`` in the checkout or in the cwd."""
    return _folder("COURSE_DATA", "datasets")


def notebooks_dir() -> Path:
    """Where the chapters lie: ``notebooks`` in the checkout or in the cwd."""
    return (repository() or Path.cwd()) / "notebooks"


def _folder(variable: str, name: str) -> Path:
    chosen = os.environ.get(variable)
    return Path(chosen).expanduser().absolute() if chosen else (repository() or Path.cwd()) / name
