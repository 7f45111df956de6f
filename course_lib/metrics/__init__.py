"""Scores, each with its interval, floor, ceiling and protocol. They need the extra ``metrics``."""

from course_lib.metrics.captions import caption_accuracy
from course_lib.metrics.diversity import diversity, diversity_score
from course_lib.metrics.frechet import fid, inception_score, kid
from course_lib.metrics.locality import change, edits, locality
from course_lib.metrics.maps import map_iou, pixel_accuracy
from course_lib.metrics.objects import classification_accuracy, scene_fid
from course_lib.metrics.saving import saved
from course_lib.metrics.score import Score
from course_lib.metrics.styles import own_palette, style_spread
from course_lib.metrics.texture import band_ratios, spectrum_distance, variance_ratio
from course_lib.metrics.things import box_recall, thing_recall

__all__ = [
    "Score",
    "band_ratios",
    "box_recall",
    "caption_accuracy",
    "change",
    "classification_accuracy",
    "diversity",
    "diversity_score",
    "edits",
    "fid",
    "inception_score",
    "kid",
    "locality",
    "map_iou",
    "own_palette",
    "pixel_accuracy",
    "saved",
    "scene_fid",
    "spectrum_distance",
    "style_spread",
    "thing_recall",
    "variance_ratio",
]
