"""The guard at the head of a section: is what it builds upon there, and still what it was?

Cells are run out of order, kernels are restarted, and ``list = [...]`` is typed by everybody once.
Without a guard the learner meets ``NameError: name 'G' is not defined`` far from the cause.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from course_lib.errors import Problems

__all__ = ["need"]

# Names that every section relies on. A learner's variable of that name breaks cells far below it.
MODULES = {
    "torch": "import torch",
    "nn": "from torch import nn",
    "np": "import numpy as np",
    "plt": "import matplotlib.pyplot as plt",
    "course_lib": "import course_lib",
}
# fmt: off
BUILTINS = (
    "abs", "all", "any", "bool", "dict", "enumerate", "float", "int", "isinstance", "len", "list",
    "map", "max", "min", "next", "print", "range", "reversed", "round", "set", "slice", "sorted",
    "str", "sum", "tuple", "type", "zip",
)
# fmt: on

RUN_ABOVE = (
    "or all cells above it "
    "(JupyterLab: Run > Run All Above Selected Cell; Colab: Runtime > Run before)"
)


def need(**sections: str) -> None:
    """Checks that a section may begin: ``need(trainer="3 Training", G="2 The generator")``.

    Args:
        sections: a name that the section uses, and the heading of the section that makes it.

    Raises:
        CourseError: names that are not there yet, with the section to run first, and names of
            modules or built-in functions that were overwritten, with the line that mends them.
    """
    names = sys._getframe(1).f_globals  # in a notebook, these are the learner's own variables
    with Problems("before this section") as problems:
        for name, section in sections.items():
            problems.check(
                name in names,
                f"`{name}` is not there yet",
                f"run section “{section}” first, {RUN_ABOVE}",
            )
        for what, mend in overwritten(names):
            problems.add(what, mend)


def overwritten(names: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The well-known names among ``names`` that no longer mean what they did, with their mends."""
    found = []
    for name, mend in MODULES.items():
        if name in names and not isinstance(names[name], ModuleType):
            kind = type(names[name]).__name__
            found.append((f"`{name}` is no longer the module but your {kind}", f"`{mend}`"))
    for name in BUILTINS:
        if name in names and names[name] is not getattr(builtins, name):
            found.append((f"`{name}` is no longer Python's own `{name}`", f"`del {name}`"))
    return found
