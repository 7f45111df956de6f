"""Sources by name, as configurations and the command line ask for them."""

from __future__ import annotations

from course_lib.data.digits import Digits, Mnist, Split, find_mnist
from course_lib.errors import CourseError, suggestion
from course_lib.paths import data_dir
from course_lib.scene import Source

__all__ = ["SOURCES", "open_source"]

SOURCES = ("digits", "mnist")


def open_source(name: str, size: int, split: Split = "train") -> Source:
    """The scenes of that name at ``size`` pixels.

    Raises:
        CourseError: an unknown name, or data that is not there yet.
    """
    if name == "digits":
        return Digits(size, split)
    if name == "mnist":
        root = data_dir()
        return Mnist(find_mnist(root) or root / "mnist", size, split)
    raise CourseError(f"{name!r} is no source of scenes; {suggestion(name, SOURCES)}", where="data")
