"""``course evaluate``: pictures and painters are scored."""

from __future__ import annotations

import argparse
import inspect
from pathlib import Path
from typing import Any

from course_lib.cli.arguments import count, parser_of
from course_lib.errors import CourseError


def evaluate(arguments: list[str]) -> int:
    """Scores a folder of pictures, or a painter.

    MEASURE is soa, semantic object accuracy: does a detector find what the captions name? What a
    picture was asked for is in captions.csv, or in names such as label_00_person/1.png. Or it is
    maps: are label maps read back, has stuff its texture, are styles different and true? Or it is
    control: what of a scene can be found again in a picture, whatever the painter hears of it?
    """
    parser = parser_of(evaluate)
    parser.add_argument("measure", choices=["soa", "maps", "control"])
    of_what = "soa: a folder of pictures; maps, control: a painter's name, or a file of weights"
    parser.add_argument("what", help=of_what)
    kinds = ["coco", "yolo", "storybook"]
    parser.add_argument("--detector", choices=kinds, default="coco", help="soa: who looks")
    parser.add_argument("--cfg", type=Path, help="for yolo: yolov3.cfg")
    parser.add_argument("--weights", type=Path, help="for yolo: yolov3.weights")
    parser.add_argument("--batch_size", type=count, default=16, help="soa: pictures at once")
    parser.add_argument(
        "--n", type=count, default=500, help="maps, control: how many (default: 500)"
    )
    options = parser.parse_args(arguments)
    verbs = {"soa": _evaluate_soa, "maps": _evaluate_maps, "control": _evaluate_control}
    return verbs[options.measure](options)


def _evaluate_maps(options: argparse.Namespace) -> int:
    from course_lib.metrics.painted_maps import map_scores, report
    from course_lib.registry import load

    painter: Any = load(options.what)
    if "label_map" not in inspect.signature(painter.generate).parameters:
        raise CourseError(f"{painter.kind} takes no label maps", where="course evaluate maps")
    print(report(map_scores(painter, options.n)))
    return 0


def _evaluate_control(options: argparse.Namespace) -> int:
    from course_lib.ensemble import Told
    from course_lib.metrics.control import control_scenes, control_scores
    from course_lib.registry import load

    painter, scenes = load(options.what), control_scenes(options.n)
    for name, score in control_scores(
        lambda scene, seed: Told(scene, seed).paint(painter).image, scenes
    ).items():
        print(f"{name}: {score}")
    return 0


def _evaluate_soa(options: argparse.Namespace) -> int:
    from course_lib.metrics import soa

    looker: soa.Detector
    if options.detector == "yolo":
        if not (options.cfg and options.weights):
            raise CourseError("yolo needs --cfg and --weights", where="course evaluate")
        from course_lib.metrics.yolo import YoloDetector

        looker = YoloDetector(options.cfg, options.weights)
    else:
        looker = soa.CocoDetector() if options.detector == "coco" else soa.StorybookDetector()
    print(soa.evaluate_folder(Path(options.what), looker, options.batch_size))
    print(soa.comparison())
    return 0
