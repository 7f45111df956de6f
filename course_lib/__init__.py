"""One Scene, Five Painters: controllable image synthesis with GANs.

>>> import course_lib                                                     # doctest: +SKIP
>>> course_lib.load("dcgan").generate(seed=7)
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"
__all__ = ["CourseError", "configure", "load"]


def __getattr__(name: str) -> Any:
    # torch is imported when it is needed: `course doctor` must answer where torch is broken.
    if name in ("configure", "load"):
        from course_lib import registry

        return getattr(registry, name)
    if name == "CourseError":
        from course_lib.errors import CourseError

        return CourseError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
