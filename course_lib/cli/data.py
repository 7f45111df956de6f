"""``course data``: data sets and folders of one's own."""

from __future__ import annotations

import argparse
from pathlib import Path

from course_lib.cli.arguments import Parser, count, measure, parser_of

SEGMENTERS = (
    "ade20k-resnet50 (default) or ade20k-resnet18, which know things and stuff; voc-mobilenet or "
    "voc-resnet50, which know 20 kinds of things alone; storybook; hf:NAME; a file or folder"
)


def data(arguments: list[str]) -> int:
    """Lists, fetches, prepares, checks and previews data sets and your own folders.

    NAME is one of `course data list`, or the path of a folder of pictures.
    """
    options = data_parser().parse_args(arguments)
    from course_lib.data import verbs

    if options.action == "list":
        print(*verbs.list_datasets(), sep="\n")
    elif options.action == "fetch":
        print(verbs.fetch(options.name, only=tuple(options.only)))
    elif options.action == "prepare":
        copy = verbs.prepare(options.name, options.size, options.split, most=options.most)
        print(f"{len(copy)} scenes: {copy.folder}")
    elif options.action == "photos-to-maps":
        return _photos_to_maps(options)
    elif options.action == "preview":
        print(verbs.preview(options.name, options.n, options.out, options.split))
    else:
        report = verbs.check(options.name, remove_bad=options.remove_bad)
        print(report)
        return 1 if report.problems else 0
    return 0


def _photos_to_maps(options: argparse.Namespace) -> int:
    from course_lib.devices.pick import pick_device
    from course_lib.segment.choose import open_segmenter
    from course_lib.segment.photos import photos_to_maps

    segmenter = open_segmenter(options.segmenter)
    segmenter.network.to(pick_device())
    told = {"least": options.confidence, "preview": options.preview}
    print(photos_to_maps(options.name, options.out, segmenter, **told))
    return 0


def data_parser() -> Parser:
    parser = parser_of(data)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="what there is, and what is on this machine")
    fetch = actions.add_parser("fetch", help="download and verify, or say what to do by hand")
    check = actions.add_parser("check", help="read everything, and list all problems at once")
    preview = actions.add_parser("preview", help="a sheet of scenes as PNG")
    prepare = actions.add_parser("prepare", help="resize once, so that training reads small files")
    photos = actions.add_parser("photos-to-maps", help="label maps for photographs")
    for action in (fetch, check, preview, prepare, photos):
        action.add_argument("name", metavar="NAME", help="a data set, or a path")
    tidy = "put what cannot be read into the folder _bad"
    check.add_argument("--remove-bad", action="store_true", help=tidy)
    fetch.add_argument("--only", nargs="+", default=[], metavar="FILE", help="these files alone")
    preview.add_argument("--n", type=count, default=6, help="how many scenes (default: 6)")
    preview.add_argument("--out", type=Path, help="a PNG (default: in runs/samples)")
    sides = "pixels a side, or 512x256 (default: as SPADE's loader has them)"
    prepare.add_argument("--size", type=measure, help=sides)
    prepare.add_argument("--most", type=count, help="stop after so many scenes")
    photos.add_argument("--out", type=Path, required=True, help="the folder to make")
    photos.add_argument("--segmenter", default="ade20k-resnet50", help="who looks: " + SEGMENTERS)
    least = "pixels that are less sure stay unlabeled (default: 0)"
    photos.add_argument("--confidence", type=float, default=0.0, help=least)
    photos.add_argument("--preview", action="store_true", help="also draw a sheet of them")
    for action in (preview, prepare):
        action.add_argument("--split", help="train2017, val, test, ... (default: the first)")
    return parser
