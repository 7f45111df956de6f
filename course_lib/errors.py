"""The one error of the course: what happened, where, and how to mend it.

A learner meets an error at the worst moment. So every bad input ends in a :class:`CourseError` that
names the argument or file, the value found, the values allowed and the mend, and that lists *all*
problems at once. Anything else that is raised is a fault of the course.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from types import TracebackType

__all__ = ["CourseError", "Problems", "check_seed", "suggestion"]


class CourseError(Exception):
    """A problem that the reader of the message can mend.

    Args:
        what: what was found and what is allowed, in one sentence.
        where: the argument, file or cell it was found in.
        fix: what to do about it, if possible a line to type.
    """

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        self.what, self.where, self.fix = what, where, fix
        super().__init__(what)

    def __str__(self) -> str:
        parts = [f"{self.where}: {self.what}" if self.where else self.what]
        if self.fix:
            parts.append(f"  To mend it: {self.fix}")
        return "\n".join(parts)

    def __reduce__(self) -> tuple[object, ...]:
        # Worker processes pickle errors, and the default pickling loses keyword-only arguments.
        return _rebuild, (self.what, self.where, self.fix)

    def _render_traceback_(self) -> list[str]:
        """A notebook shows the message alone; the traceback stays in ``sys.last_traceback``."""
        return [f"CourseError: {self}"]


def _rebuild(what: str, where: str, fix: str) -> CourseError:
    return CourseError(what, where=where, fix=fix)


class Problems:
    """Collects problems and raises them together when its ``with`` block ends.

    >>> with Problems("DCGANConfig") as problems:                          # doctest: +SKIP
    ...     problems.check(size >= 8, f"size is {size}, the smallest is 8")
    ...     problems.check(lr > 0, f"lr is {lr}, it must be positive")
    """

    def __init__(self, where: str = "") -> None:
        self.where = where
        self.found: list[tuple[str, str]] = []

    def add(self, what: str, fix: str = "") -> None:
        if (what, fix) not in self.found:
            self.found.append((what, fix))

    def check(self, fine: bool, what: str, fix: str = "") -> None:
        """Notes the problem ``what`` unless all is ``fine``."""
        if not fine:
            self.add(what, fix)

    def __enter__(self) -> Problems:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None and self.found:
            raise self.as_error()

    def as_error(self) -> CourseError:
        if len(self.found) == 1:
            what, fix = self.found[0]
            return CourseError(what, where=self.where, fix=fix)
        lines = [f"{what}" + (f" ({fix})" if fix else "") for what, fix in self.found]
        listing = "".join(f"\n  {number}. {line}" for number, line in enumerate(lines, 1))
        return CourseError(f"{len(lines)} problems{listing}", where=self.where)


def suggestion(name: str, known: Iterable[str]) -> str:
    """``did you mean 'cat'? known: bird, cat, dog`` for an unknown ``name``."""
    names = sorted(known)
    near = difflib.get_close_matches(name.lower(), [n.lower() for n in names], n=1)
    guess = next((n for n in names if near and n.lower() == near[0]), None)
    return (f"did you mean {guess!r}? " if guess else "") + "known: " + ", ".join(names)


def check_seed(seed: object, where: str = "seed") -> int:
    """A seed is a whole number from 0 to 2**32 - 1, everywhere in the course.

    torch takes -1, 1.5 and '7', numpy refuses -1, ``random`` reads -5 as 5: one rule for all three.
    """
    whole = hasattr(seed, "__index__") and not isinstance(seed, bool)
    if not whole or not 0 <= int(seed) < 2**32:  # type: ignore[call-overload]
        raise CourseError(
            f"{seed!r} is not a seed; a seed is a whole number from 0 to {2**32 - 1}", where=where
        )
    return int(seed)  # type: ignore[call-overload]
