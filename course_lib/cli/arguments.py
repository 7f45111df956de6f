"""What all verbs share: a parser that complains in the course's way, and kinds of arguments."""

from __future__ import annotations

import argparse
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from course_lib.errors import CourseError

__all__ = ["Parser", "Verb", "count", "measure", "parser_of", "read_values", "size"]

Verb = Callable[[list[str]], int]


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are :class:`CourseError`."""

    def error(self, message: str) -> NoReturn:
        raise CourseError(message, where=self.prog, fix=f"{self.prog} --help")


def parser_of(function: Verb) -> Parser:
    """A parser named and described as its verb."""
    return Parser(
        prog=f"course {function.__name__}",
        description=inspect.cleandoc(function.__doc__ or ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def size(text: str) -> int:
    """``800MB`` or ``2GB`` in bytes."""
    from course_lib.objective import memory_bytes

    found = memory_bytes(text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; 800MB and 2GB are")
    return found


def measure(text: str) -> int | tuple[int, int]:
    """``64``, or height and width for ``128x96``."""
    width, by, height = text.partition("x")
    return (count(height), count(width)) if by else count(width)


def read_values(path: Path | None) -> Any:
    """What is in a JSON file, or in a YAML file."""
    import yaml

    if path is None:
        return None
    by_hand = path.suffix in (".yaml", ".yml")
    try:
        text = path.read_text("utf-8")
        return yaml.safe_load(text) if by_hand else json.loads(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        kind = "YAML" if by_hand else "JSON"
        raise CourseError(f"this is no {kind}: {error}", where=str(path)) from None
