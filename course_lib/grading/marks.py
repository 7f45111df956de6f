"""What came of a question and of a submission: three outcomes, and never a pass without proof."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["FAIL", "NOT_GRADED", "PASS", "Graded", "Mark"]

PASS, FAIL, NOT_GRADED = "PASS", "FAIL", "NOT GRADED"


@dataclass
class Mark:
    """What came of one question."""

    question: str
    function: str
    of: float  # points that there are
    outcome: str = FAIL
    tests: list[tuple[str, str, str]] = field(
        default_factory=list
    )  # name, must hold, what is wrong
    why: str = ""  # in a sentence, unless it passed

    @property
    def points(self) -> float:
        return self.of if self.outcome == PASS else 0.0


@dataclass
class Graded:
    """What came of one submission."""

    student: str
    file: str = ""
    key: str = ""  # changes with the submission, the tests and the grader
    marks: list[Mark] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    seed: int = 0
    cpu: float = 0.0  # seconds of the submission's own processes
    fences: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        return all(mark.outcome != NOT_GRADED for mark in self.marks)

    @property
    def points(self) -> float:
        return sum(mark.points for mark in self.marks)
