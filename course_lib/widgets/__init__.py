"""What notebooks show and let people touch."""

from course_lib.widgets.guard import need
from course_lib.widgets.quiz import your_turn

__all__ = ["need", "your_turn"]
