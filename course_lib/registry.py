"""Who is who: the wings by name, their configurations by profile, their scenes, and ``load``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module, resources
from pathlib import Path
from typing import Any

from course_lib.data.sources import open_source
from course_lib.errors import CourseError, Problems, suggestion
from course_lib.objective import Objective, TrainConfig
from course_lib.painter import Painter
from course_lib.profile import pick_profile
from course_lib.scene import Source

__all__ = ["WINGS", "Wing", "configure", "load", "wing"]


@dataclass(frozen=True)
class Wing:
    """One painter's package. Its classes are imported when they are asked for."""

    kind: str
    title: str  # begins the names of its classes: DCGANConfig, DCGANObjective, DCGANPainter

    @property
    def config(self) -> type[TrainConfig]:
        return self._class("objective", "Config")

    @property
    def objective(self) -> type[Objective]:
        return self._class("objective", "Objective")

    def source(self, config: TrainConfig) -> Source:
        """The scenes that ``config`` names."""
        return open_source(config.data, config.size)

    @property
    def painter(self) -> type[Painter]:
        return self._class("painter", "Painter")

    def _class(self, room: str, suffix: str) -> Any:
        return getattr(import_module(f"course_lib.{self.kind}.{room}"), f"{self.title}{suffix}")


WINGS = {"dcgan": Wing("dcgan", "DCGAN")}


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
    values = {**_profile_values(kind, pick_profile(profile)), **(overrides or {})}
    with Problems(f"{kind} configuration") as problems:
        known = {field.name for field in dataclasses.fields(config)}
        for name in sorted(values.keys() - known):
            problems.add(f"there is no {name!r}; {suggestion(name, known)}")
        typed = {n: _typed(config, n, values[n], problems) for n in values.keys() & known}
    return config(**typed)


def _profile_values(kind: str, profile: str) -> dict[str, Any]:
    """What the profile's YAML says; the paper's profile differs in nothing from the defaults."""
    import yaml

    file = resources.files("course_lib") / "configs" / kind / f"{profile}.yaml"
    return (yaml.safe_load(file.read_text("utf-8")) or {}) if file.is_file() else {}


def _typed(config: type[TrainConfig], name: str, value: Any, problems: Problems) -> Any:
    """``value`` as the type of that field, or a problem."""
    from jsonargparse import ArgumentError, ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(config)
    try:
        return parser.parse_object({name: value}, defaults=True)[name]
    except ArgumentError as error:
        field = next(f for f in dataclasses.fields(config) if f.name == name)
        reason = str(error).splitlines()[-1].strip()
        problems.add(f"{name} is {value!r}, it must be {field.type} ({reason})")
        return None


def load(which: str | Path) -> Painter:
    """A painter from its shipped weights (``"dcgan"``), a run's folder or a file that it wrote.

    Nothing else is needed: the configuration travels inside the file.

    Raises:
        CourseError: neither a painter's name nor a readable file.
    """
    from course_lib.storage.checkpoint import read_checkpoint

    path = Path(which)
    if str(which) in WINGS:
        path = Path(str(resources.files("course_lib") / "weights" / f"{which}.safetensors"))
    elif not path.exists():
        raise CourseError(
            f"{str(which)!r} is neither a file nor a painter; {suggestion(str(which), WINGS)}",
            where="load",
        )
    checkpoint = read_checkpoint(path / "painter.safetensors" if path.is_dir() else path)
    kind = checkpoint.header.get("kind")
    if kind not in WINGS or any(name.startswith("optimiser/") for name in checkpoint.tensors):
        raise CourseError(
            f"this is {'the state of a training' if kind in WINGS else kind}, not a painter",
            where=str(path),
            fix="the file painter.safetensors of a run",
        )
    return wing(kind).painter.from_weights(checkpoint.header["config"], checkpoint.tensors)
