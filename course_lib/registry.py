"""Who is who: the wings by name, their configurations by profile, their scenes, and ``load``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from importlib import import_module, resources
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from course_lib.data.sources import open_source
from course_lib.errors import CourseError, Problems, suggestion
from course_lib.foreign import read_weights
from course_lib.objective import Objective, TrainConfig
from course_lib.painter import Painter
from course_lib.profile import pick_profile
from course_lib.scene import Source

__all__ = ["WINGS", "Wing", "configure", "load", "shipped_weights", "spoken", "wing"]


@dataclass(frozen=True)
class Wing:
    """One painter's package. Its classes are imported when they are asked for."""

    kind: str
    title: str  # begins the names of its classes: DCGANConfig, DCGANObjective, DCGANPainter
    inside: str = ""  # the wing that it belongs to, if it is learnt for that wing's sake

    @property
    def config(self) -> type[TrainConfig]:
        return self._class("objective", "Config")

    @property
    def objective(self) -> type[Objective]:
        return self._class("objective", "Objective")

    def source(self, config: TrainConfig) -> Source:
        """The scenes that ``config`` names."""
        told = ("flip", "crop_from", "aspect", "groups")
        varied = {name: getattr(config, name) for name in told if hasattr(config, name)}
        return open_source(config.data, config.size, **varied)

    @property
    def painter(self) -> type[Painter]:
        if not find_spec(f"{self._package}.painter"):
            raise CourseError(f"{self.kind} paints nothing: it reads captions for painters")
        return self._class("painter", "Painter")

    @property
    def official(self) -> ModuleType | None:
        """What reads the authors' released files, where the wing has such a room."""
        name = f"{self._package}.official"
        return import_module(name) if find_spec(name) else None

    @property
    def _package(self) -> str:
        return ".".join(filter(None, ("course_lib", self.inside, self.kind)))

    def _class(self, room: str, suffix: str) -> Any:
        return getattr(import_module(f"{self._package}.{room}"), f"{self.title}{suffix}")


WINGS = {
    "dcgan": Wing("dcgan", "DCGAN"),
    "stackgan": Wing("stackgan", "StackGAN"),
    "lrgan": Wing("lrgan", "LRGAN"),
    "spade": Wing("spade", "SPADE"),
    "lostgan": Wing("lostgan", "LostGAN"),
    "opgan": Wing("opgan", "OPGAN"),
    "text": Wing("text", "Text"),  # reads, and does not paint
    "damsm": Wing("damsm", "DAMSM", inside="opgan"),  # reads and looks
}
MORE = ("lrgan-two",)  # ships besides those that have their wing's name


def wing(kind: str) -> Wing:
    """The wing of that name.

    Raises:
        CourseError: an unknown name, with the nearest known one.
    """
    if kind not in WINGS:
        raise CourseError(f"{kind!r} is no painter; {suggestion(kind, WINGS)}", where="painter")
    return WINGS[kind]


def configure(
    kind: str, profile: str | None = None, overrides: Mapping[str, Any] | None = None
) -> TrainConfig:
    """A painter's configuration: the paper's defaults, then the profile's, then ``overrides``.

    Args:
        kind: the painter, ``dcgan``.
        profile: ``smoke``, ``cpu``, ``gpu`` or ``paper``; None asks ``profile.pick_profile``.
        overrides: fields by name. Text is read as on a command line: ``"3"`` for a whole number.

    Raises:
        CourseError: unknown names, wrong types and impossible values, all at once.
    """
    config = wing(kind).config
    given = overrides or {}
    values = {**_profile_values(kind, pick_profile(profile), given), **given}
    with Problems(f"{kind} configuration") as problems:
        known = {field.name for field in dataclasses.fields(config)}
        for name in sorted(values.keys() - known):
            problems.add(f"there is no {name!r}; {suggestion(name, known)}")
        typed = {n: _typed(config, n, values[n], problems) for n in values.keys() & known}
        _check_values(config, typed, problems)
    return config(**typed)


def _profile_values(kind: str, profile: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """What the profile's YAML says; the paper's profile differs in nothing from the defaults.

    What stands under ``stage=2:`` holds if the stage was ``given`` as 2.
    """
    import yaml

    file = resources.files("course_lib") / "configs" / kind / f"{profile}.yaml"
    values = (yaml.safe_load(file.read_text("utf-8")) or {}) if file.is_file() else {}
    for condition in [name for name in values if "=" in name]:
        name, value = condition.split("=")
        special = values.pop(condition)
        values |= special if str(given.get(name)) == value else {}
    return values


def _typed(config: type[TrainConfig], name: str, value: Any, problems: Problems) -> Any:
    """``value`` as the type of that field, or a problem."""
    from jsonargparse import ArgumentError, ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(config)
    try:
        return parser.parse_object({name: value}, defaults=True)[name]
    except ArgumentError:
        problems.add(f"{name} is {value!r}, it must be {spoken(get_type_hints(config)[name])}")
        return dataclasses.MISSING


def _check_values(config: type[TrainConfig], typed: Mapping[str, Any], problems: Problems) -> None:
    """Notes impossible values, too, unless they are judged by a field whose type is wrong."""
    wrong = [name for name, value in typed.items() if value is dataclasses.MISSING]
    draft = copy(config())
    for name in typed.keys() - set(wrong):
        object.__setattr__(draft, name, typed[name])
    found = Problems()
    draft.check(found)
    problems.found += [p for p in found.found if not any(name in " ".join(p) for name in wrong)]


def spoken(hint: Any) -> str:
    """A type as the help shows it: ``int``, ``batch|spectral|none``, ``[float,float]``."""
    if get_origin(hint) is Literal:
        return "|".join(str(choice) for choice in get_args(hint))
    if get_origin(hint) in (Union, UnionType):
        return "|".join(spoken(part) for part in get_args(hint))
    if get_origin(hint) is tuple:
        return "[" + ",".join("..." if a is ... else spoken(a) for a in get_args(hint)) + "]"
    return getattr(hint, "__name__", str(hint))


def load(which: str | Path) -> Painter:
    """A painter from its shipped weights (``"dcgan"``), a run's folder or a file that it wrote.

    Nothing else is needed: the configuration travels inside the file. Of a training's whole state
    the painter in it is taken. The ``.pth`` files that a paper's authors released load, too: their
    tensors' names and shapes say what they are.

    Raises:
        CourseError: neither a painter's name nor a readable file.
    """
    from course_lib.storage.checkpoint import painter_in, read_checkpoint

    path, shipped = Path(which), {*WINGS, *MORE}
    if str(which) in shipped:
        path = shipped_weights(str(which))
        if not path.is_file():
            raise CourseError(
                f"no trained painter of {which} ships with the course",
                where="load",
                fix=f"course train {which}, then load its folder; or load its authors' file",
            )
    elif not path.exists():
        raise CourseError(
            f"{str(which)!r} is neither a file nor a painter; {suggestion(str(which), shipped)}",
            where="load",
        )
    if path.suffix in (".pth", ".pt"):
        return _load_official(path)
    checkpoint = read_checkpoint(path / "painter.safetensors" if path.is_dir() else path)
    kind = checkpoint.header.get("kind")
    if kind not in WINGS:
        fix = "the file painter.safetensors of a run"
        raise CourseError(f"this is {kind}, not a painter", where=str(path), fix=fix)
    weights = painter_in(checkpoint.tensors)
    painter = wing(kind).painter.from_weights(checkpoint.header["config"], weights)
    painter.tables = checkpoint.header.get("tables", {})
    return painter


def shipped_weights(name: str) -> Path:
    """Where the weights of that name lie, if any ship with the course."""
    return Path(str(resources.files("course_lib") / "weights" / f"{name}.safetensors"))


def _load_official(path: Path) -> Painter:
    """A painter from its authors' file."""
    weights = read_weights(path)
    for wing in WINGS.values():
        if wing.official is not None and wing.official.recognises(weights):
            return wing.painter.from_official(weights)
    names = ", ".join(list(weights)[:4])
    raise CourseError(f"no painter has tensors of these names ({names}, ...)", where=str(path))
