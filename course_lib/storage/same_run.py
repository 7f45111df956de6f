"""Is a run that goes on still the run that was stopped? Its game and its data must be the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from course_lib.errors import CourseError
from course_lib.objective import Objective, TrainConfig
from course_lib.scene import Source

__all__ = ["check_same_run", "describe"]


def describe(source: Source) -> dict[str, Any]:
    """What tells data from other data; a source from a notebook's cell has no fingerprint."""
    mark = getattr(source, "fingerprint", "")
    return {"name": source.name, "scenes": len(source), "fingerprint": mark}


def check_same_run(
    header: Mapping[str, Any], objective: Objective, data: Mapping[str, Any] | None
) -> None:
    """Compares a checkpoint's header with what shall go on from it.

    Raises:
        CourseError: another painter, or a list of what has changed and may not, and what may.
    """
    if header["kind"] != objective.kind:
        raise CourseError(
            f"this is a {header['kind']} checkpoint, you asked for {objective.kind}",
            where="resume",
            fix="another folder, or another file",
        )
    fixed, free = _changed_settings(header, objective)
    fixed += _changed_data(header.get("data"), data)
    tables = json.loads(json.dumps(objective.tables()))
    if tables != header.get("tables", tables):  # schema 1 had none
        fixed.append("the tables (classes or words) are others")
    if fixed:
        lines = [f"\n  cannot change: {line}" for line in fixed]
        lines += [f"\n  may change:    {line}" for line in free]
        raise CourseError(
            "the run was begun otherwise, and would not be the same run:" + "".join(lines),
            where="resume",
            fix="the same values, another folder (--out), or begin anew (resume=False, --fresh)",
        )
    _note_prolonged(header, objective.config)


def _note_prolonged(header: Mapping[str, Any], config: TrainConfig) -> None:
    """Learning rates that have begun to fall for an end which is now put off leap up again."""
    planned, turn = header["config"]["rounds"], 1 - config.lr_decay
    if config.rounds > planned and header["round"] > turn * planned:
        print(
            f"{config.rounds} rounds instead of {planned}: the learning rates had begun to fall at "
            f"round {turn * planned:.0f} (lr_decay={config.lr_decay}) and now leap up again. It is "
            "not the run that would have been planned longer from the start",
            flush=True,
        )


def _changed_settings(
    header: Mapping[str, Any], objective: Objective
) -> tuple[list[str], list[str]]:
    """The settings that differ: those that make it another run, and those that do not."""
    before = asdict(type(objective.config).from_json(header["config"]))  # with today's new fields
    now = asdict(objective.config)
    changed = [name for name in now if now[name] != before[name]]
    lines = {name: f"{name}: {before[name]!r} -> {now[name]!r}" for name in changed}
    may = objective.config.MAY_CHANGE
    return [lines[n] for n in changed if n not in may], [lines[n] for n in changed if n in may]


def _changed_data(before: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> list[str]:
    if before is None or now is None:  # a checkpoint of schema 1 says nothing of its data
        return []
    marks = {before["fingerprint"], now["fingerprint"]} - {""}
    if before["scenes"] == now["scenes"] and len(marks) < 2:
        return []
    was, are = (f"{d['scenes']} scenes of {d['name']}" for d in (before, now))
    more = " with another content" if was == are else ""
    return [f"the data: {was} -> {are}{more}"]
