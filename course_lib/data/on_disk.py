"""Scenes that lie in files: read one at a time, resized when asked, and checked all at once."""

from __future__ import annotations

import re
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from course_lib.data.fingerprint import fingerprint, of_files
from course_lib.errors import CourseError, Problems
from course_lib.scene import ClassTable, Scene, SceneBatch, collate

__all__ = ["OnDisk", "Size", "framed", "sides", "Report", "add_error", "first_few", "grouped"]


Size = int | tuple[int, int]  # the side of a square, or height and width, in pixels


def sides(size: Size) -> tuple[int, int]:
    """Height and width."""
    return (size, size) if isinstance(size, int) else size


def framed(width: int, aspect: float) -> Size:
    """The size of pictures that are ``width`` pixels wide, and so many times as wide as high."""
    height = round(width / aspect)
    return width if height == width else (height, width)


class Findings(NamedTuple):
    """What reading all scenes has shown, in lines; and the files of those that cannot be read."""

    problems: list[str]
    oddities: list[str]
    bad: list[Path]


class OnDisk(ABC):
    """Scenes in files. A kind of file fills in ``__len__``, :meth:`read` and :meth:`where`.

    Attributes:
        name: what messages call it.
        classes: the table of its layouts and label maps, if it has any.
        size: scenes are squashed to squares of this many pixels, or to this height and width; None
            keeps them as they are.
        found: what there is, in a few lines.
        groups: of which group each scene is, ``[N]``, where batches shall be of one group.
    """

    name: str
    classes: ClassTable | None = None
    size: Size | None = None
    groups: Tensor | None = None
    found: tuple[str, ...] = ()

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def read(self, index: int) -> Scene:
        """The scene as the files hold it."""

    @abstractmethod
    def where(self, index: int) -> Path:
        """The picture file of a scene."""

    def counts(self) -> Tensor:
        """How many objects each scene has, without reading its picture: ``[N]``."""
        raise CourseError("how many objects these scenes have is not known", fix="grouped=false")

    def files(self) -> Iterable[Path]:
        """All files that the scenes come from, in a fixed order."""
        return (self.where(index) for index in range(len(self)))

    def belongings(self, index: int) -> tuple[Path, ...]:
        """The files of one scene that may be moved away without harm to any other scene."""
        return ()

    @cached_property
    def fingerprint(self) -> str:
        """Of names and sizes of all files, and of the size of the scenes."""
        return fingerprint(self.size, of_files(self.files()))

    def __getitem__(self, index: int) -> Scene:
        if not 0 <= index < len(self):
            raise CourseError(f"scene {index}; there are 0 to {len(self) - 1}", where=self.name)
        try:
            scene = self.read(index)
        except CourseError as error:
            file = error.where or str(self.where(index))
            raise CourseError(f"scene {index}: {error.what}", where=file, fix=error.fix) from None
        except Exception as error:
            what = f"scene {index} could not be read: {type(error).__name__}: {error}"
            raise CourseError(what, where=str(self.where(index))) from error
        return scene if self.size is None else scene.resize(*sides(self.size))

    def __iter__(self) -> Iterator[Scene]:
        return (self[index] for index in range(len(self)))

    def batch(self, indices: Tensor) -> SceneBatch:
        """The scenes with these indices (``[B]``), padded to the most objects among them."""
        return collate([self[int(index)] for index in torch.as_tensor(indices)], self.classes)

    def problems(self) -> Findings:
        """Reads every scene. What fails, and what looks odd, with file names."""
        from tqdm import tqdm

        failed: list[tuple[str, CourseError]] = []
        odd: list[tuple[str, CourseError]] = []
        bad: list[Path] = []
        for index in tqdm(range(len(self)), desc=f"check {self.name}", disable=None):
            name = self.where(index).name
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", UserWarning)
                try:
                    self.read(index)
                except CourseError as error:
                    failed.append((name, error))
                    bad += self.belongings(index)
            odd += [(name, CourseError(_without_path(str(w.message)))) for w in caught]
        return Findings(grouped(failed), grouped(odd), bad)


def _without_path(message: str) -> str:
    """A warning that begins with a path, without it: the file is named beside."""
    return re.sub(r"^\S*/\S*\.\w+:? ", "", message)


@dataclass(frozen=True)
class Report:
    """What a check found.

    Attributes:
        where: what was looked at.
        found: what is there.
        problems: what must be mended, each with the files it concerns; empty if all is well.
        oddities: what may be right and should be looked at.
        bad: the files of scenes that cannot be read, where they can be put aside.
    """

    where: str
    found: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    oddities: tuple[str, ...] = ()
    bad: tuple[Path, ...] = ()

    def __str__(self) -> str:
        verdict = f"{len(self.problems)} problems" if self.problems else "no problems"
        lines = [f"{self.where}: {verdict}", *(f"  {line}" for line in self.found)]
        lines += [f"  {number}. {line}" for number, line in enumerate(self.problems, 1)]
        return "\n".join([*lines, *(f"  look at: {line}" for line in self.oddities)])


def first_few(names: Iterable[str], most: int = 5) -> str:
    """``a, b, c, d, e and 7 more``."""
    listing = list(names)
    more = f" and {len(listing) - most} more" if len(listing) > most else ""
    return ", ".join(listing[:most]) + more


def grouped(failures: Iterable[tuple[str, CourseError]]) -> list[str]:
    """A line for each kind of problem, with the number of files and the names of the first ones."""
    kinds: dict[str, list[tuple[str, CourseError]]] = {}
    for name, error in failures:
        kinds.setdefault(re.sub(r"[\d.,]+", "#", error.what), []).append((name, error))
    lines = []
    for members in kinds.values():
        names, (_, first) = first_few(name for name, _ in members), members[0]
        count = f" ({len(members)} files)" if len(members) > 1 else ""
        fix = f" (to mend it: {first.fix})" if first.fix else ""
        lines.append(f"{names}{count}: {first.what}{fix}")
    return lines


def add_error(problems: Problems, error: CourseError) -> None:
    """Adds what another check has raised, item by item, to the ``problems`` of this one."""
    items = re.split(r"\n  \d+\. ", error.what)
    items = items[1:] or items
    file = "" if error.where in ("", problems.where) else f"{Path(error.where).name}: "
    for item in items:
        problems.add(file + item, error.fix)
