"""The command ``course``: one function for each verb.

To add a verb, write a function that takes its arguments and returns the exit code, and decorate it
with ``@verb``: its name is the verb, its docstring's first line the help. A verb imports what it
needs itself, so that ``course --help`` and ``course doctor`` answer at once, torch or no torch.

Exit codes: 0 all is well, 1 something was found or failed, 2 the request cannot work, 130 Ctrl-C.
"""

from __future__ import annotations

import argparse
import inspect
import io
import json
import sys
import tokenize
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    NoReturn,
    get_type_hints,
)

from course_lib.errors import CourseError, check_seed, suggestion
from course_lib.paths import runs_dir
from course_lib.profile import pick_profile

if TYPE_CHECKING:
    from course_lib.objective import TrainConfig
    from course_lib.painter import Painter

__all__ = ["main", "verb"]

SEGMENTERS = (
    "ade20k-resnet50 (default) or ade20k-resnet18, which know things and stuff; voc-mobilenet or "
    "voc-resnet50, which know 20 kinds of things alone; storybook; hf:NAME; a file or folder"
)
Verb = Callable[[list[str]], int]
VERBS: dict[str, Verb] = {}


def verb(function: Verb) -> Verb:
    """Makes ``function`` the verb of that name."""
    VERBS[function.__name__] = function
    return function


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs ``course VERB ...`` and returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _dispatch(given)
    except CourseError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _dispatch(given: list[str]) -> int:
    if not given or given[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0
    name, *rest = given
    if name not in VERBS:
        raise CourseError(f"there is no verb {name!r}; {suggestion(name, VERBS)}", where="course")
    return VERBS[name](rest)


def _overview() -> str:
    lines = [f"  {name:<12} {_first_line(function)}" for name, function in VERBS.items()]
    return "\n".join(
        ["One Scene, Five Painters: usage: course VERB ...", *lines, "course VERB --help says more"]
    )


def _first_line(function: Verb) -> str:
    return (function.__doc__ or "").splitlines()[0]


class _Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are :class:`CourseError`."""

    def error(self, message: str) -> NoReturn:
        raise CourseError(message, where=self.prog, fix=f"{self.prog} --help")


def _parser(function: Verb) -> _Parser:
    """A parser named and described as its verb."""
    return _Parser(
        prog=f"course {function.__name__}",
        description=inspect.cleandoc(function.__doc__ or ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


@verb
def doctor(arguments: list[str]) -> int:
    """Looks at this machine, and says what to mend and how."""
    _parser(doctor).parse_args(arguments)
    from course_lib.doctor import doctor as examine

    report = examine()
    print(report)
    return 1 if report.problems else 0


@verb
def run(arguments: list[str]) -> int:
    """Runs chapters headless and writes a page with their results.

    Everything is checked before the first cell. A value given with -p must be known to one
    notebook at least, and goes to those that know it.
    """
    parser = _parser(run)
    parser.add_argument("notebooks", nargs="*", help="01 02, or paths; default: every chapter")
    parser.add_argument("--profile", help="smoke (default), cpu, gpu or paper: how much work")
    parser.add_argument(
        "-p",
        dest="parameters",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="a value for the notebook's parameters cell",
    )
    parser.add_argument("-j", "--jobs", type=int, default=1, help="notebooks side by side")
    parser.add_argument("--timeout", type=float, help="seconds that a cell may take")
    parser.add_argument("--out", type=Path, help="folder of results (default: a new one)")
    options = vars(parser.parse_args(arguments))
    from course_lib.run.runner import run_notebooks

    results = run_notebooks(**options | {"parameters": dict(options["parameters"])})
    return 0 if all(result.status == "done" for result in results) else 1


@verb
def train(arguments: list[str]) -> int:
    """Trains a painter, or goes on where its training stopped.

    `course train PAINTER --help` lists every number that can be set; the paper's is the default.
    """
    from course_lib.devices.outlive import behind_a_bang, outlive

    if behind_a_bang():
        return outlive(["train", *arguments])

    from course_lib import registry
    from course_lib.devices.launch import check_parts, launch
    from course_lib.devices.processes import started
    from course_lib.metrics.selection import closeness
    from course_lib.training import train as play

    parser = _parser(train)
    parser.add_argument("painter", help=", ".join(registry.WINGS))
    parser.add_argument("--profile", help="smoke, cpu (default), gpu or paper: how much work")
    parser.add_argument("--out", type=Path, help="folder (default: runs/PAINTER[-STAGE]-PROFILE)")
    again = "settings of another run: its config.json, or its folder; options beside it count more"
    parser.add_argument("--config", type=Path, help=again)
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument("--fresh", action="store_true", help="do not go on where it stopped")
    begin.add_argument("--resume", type=Path, help="go on from this checkpoint or run's folder")
    parser.add_argument("--devices", help="0,1,2,3: these GPUs together; cpu,cpu: to try that")
    parser.add_argument("--best", action="store_true", help="keep the painter closest to the data")
    painter = next((word for word in arguments if word in registry.WINGS), None)
    if painter:
        _add_fields(parser, registry.wing(painter).config)
    options, rest = parser.parse_known_args(arguments)
    wing = registry.wing(options.painter)
    values = _settings(options.config, wing.kind) | _overrides(vars(options), rest)
    devices = _devices(options.devices, values)
    config = registry.configure(wing.kind, options.profile, values)
    if len(devices) > 1 and started() == 1:
        check_parts(config.batch_size, len(devices))
        return launch(["train", *arguments], devices)
    name = "-".join(filter(None, (wing.kind, config.variant, pick_profile(options.profile))))
    folder = options.out or runs_dir() / name
    source = wing.source(config)
    resume = options.resume or not options.fresh
    objective = wing.objective(config)
    score = closeness(objective, source) if options.best else None
    history = play(objective, source, folder, resume=resume, score=score)
    print(f"{wing.kind}: {len(history)} rounds played; results: {folder}")
    if len(history) < config.rounds:
        print(f"stopped before round {config.rounds}; the same command goes on")
    return 0


def _devices(text: str | None, values: dict[str, object]) -> list[str]:
    """The devices that train together; ``values`` is told their kind."""
    from course_lib.devices.launch import check_devices

    if text is None:
        return []
    if "device" in values:
        raise CourseError("--device and --devices are both given", where="course train")
    devices = check_devices(text)
    alone = len(devices) == 1 and devices != ["cpu"]
    values["device"] = f"cuda:{devices[0]}" if alone else "cpu" if "cpu" in devices else "cuda"
    return devices


def _add_fields(parser: argparse.ArgumentParser, config: type[TrainConfig]) -> None:
    """An option for every field of a configuration, described by the comment beside the field."""
    from course_lib.registry import spoken

    group = parser.add_argument_group(f"{config.__name__} (defaults are the paper's)")
    notes, hints = dict(_comments(config)), get_type_hints(config)
    for field in fields(config):
        note = f"{notes.get(field.name, '')} (default: {field.default})".replace("%", "%%")
        kind = spoken(hints[field.name])
        group.add_argument(f"--{field.name}", metavar=kind, default=argparse.SUPPRESS, help=note)


def _comments(config: type[TrainConfig]) -> Iterator[tuple[str, str]]:
    """The comment at the end of each field's line, base classes first."""
    for cls in reversed([cls for cls in config.__mro__ if is_dataclass(cls)]):
        name = ""
        for token in tokenize.generate_tokens(io.StringIO(inspect.getsource(cls)).readline):
            if token.type == tokenize.NAME and token.line.lstrip().startswith(f"{token.string}:"):
                name = token.string
            elif token.type == tokenize.COMMENT and not token.line.lstrip().startswith("#"):
                yield name, token.string.lstrip("# ")


def _settings(path: Path | None, painter: str) -> dict[str, object]:
    """The fields of a run's ``config.json``; none without a path."""
    if path is None:
        return {}
    file = path / "config.json" if path.is_dir() else path
    found = _read_json(file)
    if not isinstance(found, dict) or found.pop("painter", None) != painter:
        raise CourseError(f"these are no settings of {painter}", where=str(file))
    return found


def _overrides(options: dict[str, object], rest: list[str]) -> dict[str, object]:
    """The fields that were set, as text; an unknown ``--name value`` too, to be complained of."""
    # The verb's own options.
    own = ("painter", "profile", "out", "config", "fresh", "resume", "devices", "best")
    chosen = {name: value for name, value in options.items() if name not in own}
    words = [word for item in rest for word in item.split("=", 1)]
    for name, value in zip(words[::2], words[1::2] or [""], strict=False):
        if not name.startswith("--"):
            raise CourseError(f"{name!r} was not understood", where="course train")
        chosen[name.removeprefix("--")] = value
    return chosen


@verb
def sample(arguments: list[str]) -> int:
    """Paints a grid of pictures with a trained painter.

    PAINTER is a name (its shipped weights) or a file that a run wrote.
    """
    parser = _parser(sample)
    parser.add_argument("painter", help="a painter's name, or a file of weights")
    _add_description(parser)
    parser.add_argument("--out", type=Path, help="a PNG, or a folder (default: in runs/samples)")
    every = "a folder with all that the pictures were made of, and real pictures beside"
    parser.add_argument("--evaluate", action="store_true", help=every)
    options = parser.parse_args(arguments)
    from course_lib.painter import Painter, Picture
    from course_lib.registry import load

    painter = load(options.painter)
    told = _description(options, painter)
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


@verb
def timelapse(arguments: list[str]) -> int:
    """Shows a run's milestones one after another, as a moving picture.

    RUN is the folder of a run. Each painter that it kept paints the same seeds.
    """
    parser = _parser(timelapse)
    parser.add_argument("run", type=Path, help="the folder of a run")
    _add_description(parser)
    parser.add_argument("--seconds", type=float, default=0.5, help="for a frame (default: 0.5)")
    parser.add_argument("--out", type=Path, help="a .gif, .png or .webp (default: in the run)")
    options = parser.parse_args(arguments)
    from course_lib.registry import load
    from course_lib.timelapse import milestones
    from course_lib.timelapse import timelapse as make

    kept = milestones(options.run)
    told = _description(options, load(next(iter(kept.values()))))
    seeds = range(options.seed, options.seed + options.n)
    out = options.out or options.run / "timelapse.gif"
    path = make(options.run, out, seeds, seconds=options.seconds, **told)
    print(f"rounds {min(kept)} to {max(kept)}: {path}")
    return 0


def _add_description(parser: _Parser) -> None:
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
    parser.add_argument("--n", type=_count, default=16, help="how many pictures (default: 16)")


def _description(options: argparse.Namespace, painter: Painter) -> dict[str, Any]:
    """What the painter is told: those of these options that were given."""
    check_seed(options.seed, where="--seed")
    given = {name: getattr(options, name) for name in ("caption", "label_map", "style")}
    told = given | {"layout": _read_json(options.layout)}
    told = {name: value for name, value in told.items() if value is not None}
    for name in sorted(told.keys() - inspect.signature(painter.generate).parameters.keys()):
        told_by = f"--{name.replace('_', '-')}"
        raise CourseError(f"{painter.kind} listens to no {name.replace('_', ' ')}", where=told_by)
    return told


def _read_json(path: Path | None) -> Any:
    if path is None:
        return None
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CourseError(f"this is no JSON: {error}", where=str(path)) from None


@verb
def evaluate(arguments: list[str]) -> int:
    """Scores a folder of pictures, or a painter of label maps.

    MEASURE is soa, semantic object accuracy: does a detector find what the captions name? What a
    picture was asked for is in captions.csv, or in names such as label_00_person/1.png. Or it is
    maps: are label maps read back, has stuff its texture, are styles different and true?
    """
    parser = _parser(evaluate)
    parser.add_argument("measure", choices=["soa", "maps"])
    of_what = "soa: a folder of pictures; maps: a painter's name, or a file of weights"
    parser.add_argument("what", help=of_what)
    kinds = ["coco", "yolo", "storybook"]
    parser.add_argument("--detector", choices=kinds, default="coco", help="soa: who looks")
    parser.add_argument("--cfg", type=Path, help="for yolo: yolov3.cfg")
    parser.add_argument("--weights", type=Path, help="for yolo: yolov3.weights")
    parser.add_argument("--batch_size", type=_count, default=16, help="soa: pictures at once")
    parser.add_argument("--n", type=_count, default=500, help="maps: how many (default: 500)")
    options = parser.parse_args(arguments)
    return _evaluate_maps(options) if options.measure == "maps" else _evaluate_soa(options)


def _evaluate_maps(options: argparse.Namespace) -> int:
    from course_lib.metrics.painted_maps import map_scores, report
    from course_lib.registry import load

    painter: Any = load(options.what)
    if "label_map" not in inspect.signature(painter.generate).parameters:
        raise CourseError(f"{painter.kind} takes no label maps", where="course evaluate maps")
    print(report(map_scores(painter, options.n)))
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


@verb
def data(arguments: list[str]) -> int:
    """Lists, fetches, prepares, checks and previews data sets and your own folders.

    NAME is one of `course data list`, or the path of a folder of pictures.
    """
    options = _data_parser().parse_args(arguments)
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


def _data_parser() -> _Parser:
    parser = _parser(data)
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
    preview.add_argument("--n", type=_count, default=6, help="how many scenes (default: 6)")
    preview.add_argument("--out", type=Path, help="a PNG (default: in runs/samples)")
    sides = "pixels a side, or 512x256 (default: as SPADE's loader has them)"
    prepare.add_argument("--size", type=_measure, help=sides)
    prepare.add_argument("--most", type=_count, help="stop after so many scenes")
    photos.add_argument("--out", type=Path, required=True, help="the folder to make")
    photos.add_argument("--segmenter", default="ade20k-resnet50", help="who looks: " + SEGMENTERS)
    least = "pixels that are less sure stay unlabeled (default: 0)"
    photos.add_argument("--confidence", type=float, default=0.0, help=least)
    photos.add_argument("--preview", action="store_true", help="also draw a sheet of them")
    for action in (preview, prepare):
        action.add_argument("--split", help="train2017, val, test, ... (default: the first)")
    return parser


@verb
def grade(arguments: list[str]) -> int:
    """Grades a folder of submissions: ada.ipynb, or ada/ with a notebook in it.

    Each question runs in a fenced process of its own. The marks are PASS, FAIL and NOT GRADED,
    which is a fault of the grader: the next run tries again, and keeps what has not changed.
    """
    parser = _parser(grade)
    parser.add_argument("folder", type=Path, help="a file or a folder for each student")
    parser.add_argument("assignment", help="01, a source, or a grader's part")
    parser.add_argument("--out", type=Path, help="folder of marks and pages (default: beside it)")
    parser.add_argument("-j", "--jobs", type=_count, default=2, help="submissions side by side")
    parser.add_argument("--outer", choices=["docker", "bubblewrap", "none"],
                        help="what submissions lie in (default: what is there)")  # fmt: skip
    parser.add_argument("--seconds", type=_count, default=20, help="a question may compute so long")
    parser.add_argument("--again", action="store_true", help="also what was graded before")
    options = parser.parse_args(arguments)
    from course_lib.grading.assignment import find_assignment
    from course_lib.grading.grade import grade_class
    from course_lib.grading.report import isolation
    from course_lib.grading.sandbox import Limits, pick_outer

    assignment, outer = find_assignment(options.assignment), pick_outer(options.outer)
    folder = options.folder.resolve()
    out = options.out or folder.with_name(f"{folder.name}-{assignment.name}")
    limits = Limits(options.seconds, 2 * options.seconds)
    graded = grade_class(folder, assignment, out, jobs=options.jobs, outer=outer, limits=limits,
                         again=options.again)  # fmt: skip
    faults = sum(not one.complete for one in graded)
    print(isolation(graded, outer))
    print(f"{len(graded)} submissions, {faults} NOT GRADED; results: {out / 'summary.html'}")
    return 1 if faults else 0


@verb
def assignments(arguments: list[str]) -> int:
    """Makes students' notebooks, solutions and hidden tests from the assignments' sources."""
    parser = _parser(assignments)
    parser.add_argument("action", choices=["build"])
    parser.add_argument("--folder", type=Path, help="where source/ lies (default: assignments)")
    options = parser.parse_args(arguments)
    from course_lib.grading.build import build_all

    print(*build_all(options.folder), sep="\n")
    return 0


def _measure(text: str) -> int | tuple[int, int]:
    """``64``, or height and width for ``128x96``."""
    width, by, height = text.partition("x")
    return (_count(height), _count(width)) if by else _count(width)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)
