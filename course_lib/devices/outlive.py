"""A command behind ``!`` in a notebook, which must outlive its cell.

The stop button of a notebook is Ctrl-C. For a command behind ``!`` it is more: a third of a second
after Ctrl-C, IPython kills it, whatever it may still want to save. So such a command lets a second
process do the work, which gets Ctrl-C as well, and is not killed.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence

__all__ = ["behind_a_bang", "outlive"]

OUTLIVING = "COURSE_OUTLIVES_ITS_CELL"


def behind_a_bang() -> bool:
    """Whether this command is a notebook's ``!`` line, and not yet the process that outlives it."""
    in_a_kernel = "JPY_PARENT_PID" in os.environ and OUTLIVING not in os.environ
    return in_a_kernel and sys.stdout.isatty()


def outlive(arguments: Sequence[str]) -> int:
    """Runs ``course ...`` in a process that lives on until it has saved; returns its exit code."""
    command = [sys.executable, "-m", "course_lib", *arguments]
    with subprocess.Popen(command, env=os.environ | {OUTLIVING: "1"}) as process:
        while True:
            with contextlib.suppress(KeyboardInterrupt):  # the process has got it, too
                return process.wait()
