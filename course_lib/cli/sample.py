"""``course sample`` and ``course timelapse``: pictures of a trained painter, told what to paint."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from course_lib.cli.arguments import Parser, count, parser_of, read_values
from course_lib.errors import check_seed
from course_lib.paths import runs_dir


def sample(arguments: list[str]) -> int:
    """Paints a grid of pictures with a trained painter.

    PAINTER is a name (its shipped weights) or a file that a run wrote.
    """
    parser = parser_of(sample)
    parser.add_argument("painter", help="a painter's name, or a file of weights")
    _add_description(parser)
    parser.add_argument("--out", type=Path, help="a PNG, or a folder (default: in runs/samples)")
    every = "a folder with all that the pictures were made of, and real pictures beside"
    parser.add_argument("--evaluate", action="store_true", help=every)
    options = parser.parse_args(arguments)
    from course_lib.painter import Painter, Picture, check_listens
    from course_lib.registry import load

    told, painter = _told(options), load(options.painter)
    check_listens(painter, told)
    seeds = range(options.seed, options.seed + options.n)
    name = f"{Path(options.painter).stem}-seed{options.seed}"
    out = options.out or runs_dir() / "samples" / (name if options.evaluate else f"{name}.png")
    alone = bool(out.suffix) and not options.evaluate
    sheets = Painter.sheets(painter, seeds, **told) if alone else painter.sheets(seeds, **told)
    for sheet_name, sheet in sheets.items():
        file = out if alone else out / sheet_name
        file.parent.mkdir(parents=True, exist_ok=True)
        print(f"seeds {seeds.start} to {seeds.stop - 1}: {Picture(sheet).save(file)}")
    return 0


def timelapse(arguments: list[str]) -> int:
    """Shows a run's milestones one after another, as a moving picture.

    RUN is the folder of a run. Each painter that it kept paints the same seeds.
    """
    parser = parser_of(timelapse)
    parser.add_argument("run", type=Path, help="the folder of a run")
    _add_description(parser)
    parser.add_argument("--seconds", type=float, default=0.5, help="for a frame (default: 0.5)")
    parser.add_argument("--out", type=Path, help="a .gif, .png or .webp (default: in the run)")
    options = parser.parse_args(arguments)
    from course_lib.timelapse import milestones
    from course_lib.timelapse import timelapse as make

    kept, told = milestones(options.run), _told(options)
    seeds = range(options.seed, options.seed + options.n)
    out = options.out or options.run / "timelapse.gif"
    path = make(options.run, out, seeds, seconds=options.seconds, **told)
    print(f"rounds {min(kept)} to {max(kept)}: {path}")
    return 0


def _add_description(parser: Parser) -> None:
    """The options that say what is to be painted, and how often."""
    parser.add_argument("--caption", help="what to paint, for a painter that listens to captions")
    where = 'what stands where, for a painter that listens to layouts: a JSON file like [["tree", '
    where += "[0.1, 0.4, 0.3, 0.9]]], two corners as fractions"
    parser.add_argument("--layout", type=Path, help=where)
    drawn = "what is where, for a painter that listens to label maps: a PNG of ids or of colours"
    parser.add_argument("--label-map", type=Path, help=drawn)
    looks = "a picture whose style the painted ones are to have; without it, each seed is a style"
    parser.add_argument("--style", type=Path, help=looks)
    parser.add_argument("--seed", type=int, default=7, help="of the first picture (default: 7)")
    parser.add_argument("--n", type=count, default=16, help="how many pictures (default: 16)")


def _told(options: argparse.Namespace) -> dict[str, Any]:
    """What the painter is told: those of these options that were given."""
    check_seed(options.seed, where="--seed")
    given = {name: getattr(options, name) for name in ("caption", "label_map", "style")}
    told = given | {"layout": read_values(options.layout)}
    return {name: value for name, value in told.items() if value is not None}
