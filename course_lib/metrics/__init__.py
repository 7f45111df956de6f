"""Scores, each with its interval, floor, ceiling and protocol."""

from course_lib.metrics.locality import locality
from course_lib.metrics.maps import map_iou, pixel_accuracy
from course_lib.metrics.score import Score
from course_lib.metrics.texture import spectrum_distance, variance_ratio
from course_lib.metrics.things import box_recall, thing_recall

__all__ = [
    "Score",
    "box_recall",
    "locality",
    "map_iou",
    "pixel_accuracy",
    "spectrum_distance",
    "thing_recall",
    "variance_ratio",
]
