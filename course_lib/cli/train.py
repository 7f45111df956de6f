"""``course train``: an option for each field of a painter's configuration, made from the field."""

from __future__ import annotations

import argparse
import inspect
import io
import tokenize
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_type_hints

from course_lib.cli.arguments import parser_of, read_values
from course_lib.errors import CourseError
from course_lib.paths import runs_dir
from course_lib.profile import pick_profile

if TYPE_CHECKING:
    from course_lib.objective import TrainConfig


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

    parser = parser_of(train)
    parser.add_argument("painter", help=", ".join(registry.WINGS))
    parser.add_argument("--profile", help="smoke, cpu (default), gpu or paper: how much work")
    parser.add_argument("--out", type=Path, help="folder (default: runs/PAINTER[-STAGE]-PROFILE)")
    again = (
        "settings: a YAML file, another run's config.json or its folder; options beside it go first"
    )
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
    """The fields of a run's ``config.json``, or of a YAML file by hand; none without a path."""
    if path is None:
        return {}
    file = path / "config.json" if path.is_dir() else path
    found = read_values(file)
    if not isinstance(found, dict) or found.pop("painter", painter) != painter:
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
