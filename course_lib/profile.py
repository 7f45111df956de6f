"""How much work: a profile names the numbers in ``configs/<painter>/<profile>.yaml``."""

from __future__ import annotations

import os

from course_lib.errors import CourseError, suggestion

__all__ = ["PROFILES", "pick_profile"]

# A look at every step; a small painter on a laptop; the paper's size on its data; the paper itself.
PROFILES = ("smoke", "cpu", "gpu", "paper")


def pick_profile(profile: str | None = None, default: str = "cpu") -> str:
    """The profile that is given, else that of ``COURSE_PROFILE``, else ``default``.

    Raises:
        CourseError: there is no such profile.
    """
    chosen = profile or os.environ.get("COURSE_PROFILE") or default
    if chosen not in PROFILES:
        raise CourseError(
            f"{chosen!r} is no profile; {suggestion(chosen, PROFILES)}",
            where="profile" if profile else "COURSE_PROFILE",
        )
    return chosen
