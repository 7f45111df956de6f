"""One loop for every painter: rounds, averages, checkpoints, progress."""

from course_lib.training.history import History
from course_lib.training.loop import train

__all__ = ["History", "train"]
