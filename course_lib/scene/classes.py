"""The class table: the one place where names become numbers, and numbers names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor

from course_lib.errors import CourseError, Problems, suggestion

__all__ = ["ClassInfo", "ClassTable"]


@dataclass(frozen=True)
class ClassInfo:
    """One class.

    Attributes:
        id: its id in label maps, counted from 0 without holes.
        name: what people call it, in the singular.
        colour: red, green and blue (0 to 255) in pictures of label maps.
        kind: a ``"thing"`` can be counted, ``"stuff"`` cannot.
        source_ids: the number that a data set gives it, by the name of that numbering, for
            instance ``{"coco": 17, "cocostuff_png": 16}``.
    """

    id: int
    name: str
    colour: tuple[int, int, int]
    kind: Literal["thing", "stuff"]
    source_ids: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class ClassTable:
    """All classes of a data set, in the order of their ids.

    >>> table = ClassTable.of(stuff={"sky": (120, 180, 240)}, things={"tree": (40, 120, 40)})
    >>> table.id("tree"), table.name(0), table.unlabeled
    (1, 'sky', 2)

    Raises:
        CourseError: ids with holes, or a name, colour or source id that two classes share.
    """

    classes: tuple[ClassInfo, ...]

    def __post_init__(self) -> None:
        with Problems("class table") as problems:
            ids = [info.id for info in self.classes]
            problems.check(
                ids == list(range(len(ids))),
                f"ids are {ids}, they must count 0, 1, 2, ... in order",
            )
            names = [info.name for info in self.classes]
            problems.check(all(names), "a class has no name")
            for what, values in (
                ("name", names),
                ("colour", [str(c.colour) for c in self.classes]),
            ):
                shared = sorted({value for value in values if values.count(value) > 1})
                problems.check(not shared, f"two classes share the {what} {', '.join(shared)}")
            for numbering in {key for info in self.classes for key in info.source_ids}:
                used = [c.source_ids[numbering] for c in self.classes if numbering in c.source_ids]
                twice = sorted({number for number in used if used.count(number) > 1})
                problems.check(not twice, f"two classes share the {numbering} ids {twice}")

    @classmethod
    def of(
        cls,
        *,
        stuff: Mapping[str, tuple[int, int, int]] | None = None,
        things: Mapping[str, tuple[int, int, int]] | None = None,
    ) -> ClassTable:
        """A table from names and colours: stuff first, then things, in the order given."""
        rows: list[tuple[str, tuple[int, int, int], Literal["thing", "stuff"]]] = []
        rows += [(name, colour, "stuff") for name, colour in (stuff or {}).items()]
        rows += [(name, colour, "thing") for name, colour in (things or {}).items()]
        return cls(tuple(ClassInfo(i, *row) for i, row in enumerate(rows)))

    @property
    def unlabeled(self) -> int:
        """The id of pixels that nobody labelled: one past the last class (as in SPADE)."""
        return len(self.classes)

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(info.name for info in self.classes)

    @cached_property
    def things(self) -> tuple[str, ...]:
        return tuple(info.name for info in self.classes if info.kind == "thing")

    @cached_property
    def stuff(self) -> tuple[str, ...]:
        return tuple(info.name for info in self.classes if info.kind == "stuff")

    @cached_property
    def _by_name(self) -> dict[str, ClassInfo]:
        return {info.name: info for info in self.classes}

    def __len__(self) -> int:
        return len(self.classes)

    def __iter__(self) -> Iterator[ClassInfo]:
        return iter(self.classes)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> ClassInfo:
        self.check_name(name)
        return self._by_name[name]

    def check_name(self, name: object, where: str = "class name") -> None:
        """Raises a :class:`CourseError` that names the nearest class unless there is this one."""
        if not isinstance(name, str):
            raise CourseError(
                f"{name!r} is a {type(name).__name__}, classes go by their names", where=where
            )
        if name not in self._by_name:
            raise CourseError(
                f"unknown class {name!r}; {suggestion(name, self.names)}", where=where
            )

    def id(self, name: str) -> int:
        """The id that label maps use for the class ``name``."""
        return self[name].id

    def name(self, id: int) -> str:
        """The name of a class id; ``"unlabeled"`` for the id past the last."""
        if id == self.unlabeled:
            return "unlabeled"
        if not 0 <= id < len(self):
            raise CourseError(f"unknown class id {id}; ids are 0..{len(self) - 1}")
        return self.classes[id].name

    def palette(self) -> Tensor:
        """The classes' colours, black for unlabeled: ``[classes + 1, 3]``, uint8."""
        return torch.tensor([*(c.colour for c in self.classes), (0, 0, 0)], dtype=torch.uint8)

    def from_source(
        self, ids: Tensor, numbering: str, *, void: tuple[int, ...] = (), where: str = "ids"
    ) -> Tensor:
        """A data set's own numbers as ids of this table (int64, same shape).

        Args:
            ids: whole numbers of any dtype; they become int64 first, so that nothing wraps.
            numbering: which of the ``source_ids`` these are.
            void: numbers that mean "not labelled", for instance ``(255,)``.
        """
        known = self._source_ids(numbering)
        lookup = {number: id for id, number in known.items()}
        lookup |= dict.fromkeys(void, self.unlabeled)
        values, inverse = check_whole(ids, where).unique(return_inverse=True)
        unknown = [value for value in values.tolist() if value not in lookup]
        if unknown:
            raise CourseError(
                f"{numbering} ids {unknown} belong to no class; known are {sorted(lookup)}",
                where=where,
                fix=f"if they mean unlabeled, pass void={tuple(unknown)}",
            )
        mapped = torch.tensor([lookup[value] for value in values.tolist()], dtype=torch.int64)
        return mapped.to(inverse.device)[inverse]

    def to_source(self, ids: Tensor, numbering: str, *, void: int | None = None) -> Tensor:
        """Ids of this table as a data set's own numbers; unlabeled pixels become ``void``."""
        known = self._source_ids(numbering)
        if void is not None:
            known[self.unlabeled] = void
        values, inverse = check_whole(ids, "ids").unique(return_inverse=True)
        lost = [self.name(value) for value in values.tolist() if value not in known]
        if lost:
            raise CourseError(f"{lost} have no {numbering} id", where="ids")
        mapped = torch.tensor([known[value] for value in values.tolist()], dtype=torch.int64)
        return mapped.to(inverse.device)[inverse]

    def _source_ids(self, numbering: str) -> dict[int, int]:
        known = {c.id: c.source_ids[numbering] for c in self.classes if numbering in c.source_ids}
        if not known:
            offered = {key for info in self.classes for key in info.source_ids}
            raise CourseError(f"unknown numbering {numbering!r}; {suggestion(numbering, offered)}")
        return known

    def to_json(self) -> str:
        """The table as text, for a checkpoint; :meth:`from_json` reads it."""
        return json.dumps([asdict(info) for info in self.classes], sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> ClassTable:
        rows: list[dict[str, Any]] = json.loads(text)
        return cls(tuple(ClassInfo(**{**row, "colour": tuple(row["colour"])}) for row in rows))

    @cached_property
    def digest(self) -> str:
        """Sixteen hex digits that differ between any two tables."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]


def check_whole(values: Tensor, where: str) -> Tensor:
    """``values`` as int64, unless they are floats or booleans, which are no class ids."""
    if values.is_floating_point() or values.is_complex() or values.dtype == torch.bool:
        raise CourseError(f"class ids are whole numbers, these are {values.dtype}", where=where)
    return values.to(torch.int64)
