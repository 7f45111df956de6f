"""Scores, each with its interval, floor, ceiling and protocol. They need the extra ``metrics``."""

from course_lib.metrics.captions import caption_accuracy
from course_lib.metrics.diversity import diversity, diversity_score
from course_lib.metrics.frechet import fid, inception_score, kid
from course_lib.metrics.locality import locality
from course_lib.metrics.maps import map_iou, pixel_accuracy
from course_lib.metrics.objects import classification_accuracy, scene_fid
from course_lib.metrics.saving import saved
from course_lib.metrics.score import Score
from course_lib.metrics.texture import spectrum_distance, variance_ratio
from course_lib.metrics.things import box_recall, thing_recall

__all__ = [
    "Score",
    "box_recall",
    "caption_accuracy",
    "classification_accuracy",
    "diversity",
    "diversity_score",
    "fid",
    "inception_score",
    "kid",
    "locality",
    "map_iou",
    "pixel_accuracy",
    "saved",
    "scene_fid",
    "spectrum_distance",
    "thing_recall",
    "variance_ratio",
]
