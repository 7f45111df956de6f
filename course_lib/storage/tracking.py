"""The figures of a run while it goes on: a file of its own, and TensorBoard or MLflow if asked.

``figures.jsonl`` in the run's folder has a line for every round,

    {"round": 250, "D": 1.31, "G": 0.84, "scenes_per_second": 412.0, "memory_gb": 0.61}

and further lines where there is something to read or to see:

    {"round": 250, "samples": "samples/0000250.png"}
    {"round": 250, "health": "D tells every picture: G learns little from it"}

``pandas.read_json(path, lines=True)`` opens it. A run that goes on from round 200 forgets what was
written after it, since it plays those rounds again: no round is there twice.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from course_lib.errors import CourseError
from course_lib.storage.disk import whole_file
from course_lib.storage.folder import FIGURES

__all__ = ["Tracking"]

Value = float | str | Path  # a figure, words, or a picture


class Tracking:
    """Every :meth:`note` is written to the file, and sent where asked, until :meth:`close`.

    Args:
        folder: the run's.
        kind: what is trained, ``dcgan``.
        config: its configuration, as plain values.
        done: how many rounds have been played; what is noted of later ones is forgotten.
        writes: False where another process writes this run's files.

    Raises:
        CourseError: the tracker's package is not installed; or the disk is full, at any time.
    """

    def __init__(
        self, folder: Path, kind: str, config: Mapping[str, Any], done: int, *, writes: bool = True
    ) -> None:
        check_tracker(config["track"])
        self.folder, self.path = folder, folder / FIGURES if writes else Path(os.devnull)
        if writes:
            forget_after(self.path, done)
        tracker = TRACKERS.get(config["track"]) if writes else None
        self.tracker = tracker and tracker(folder, kind, config, done)

    def note(self, round: int, values: Mapping[str, Value]) -> None:
        """Writes what is known of a round: figures, words, and pictures by their paths."""
        plain = {name: self._plain(value) for name, value in values.items()}
        try:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps({"round": round, **plain}) + "\n")
        except OSError as error:
            raise CourseError(
                f"this could not be written ({error.strerror}); the last checkpoint is unchanged",
                where=str(self.path),
                fix="remove what is not needed there, and go on from the checkpoint",
            ) from error
        if self.tracker:
            self.tracker.note(round, values)

    def _plain(self, value: Value) -> float | str:
        return value.relative_to(self.folder).as_posix() if isinstance(value, Path) else value

    def close(self) -> None:
        """Sends what is left."""
        if self.tracker:
            self.tracker.close()


def forget_after(path: Path, done: int) -> None:
    """Keeps the lines of the first ``done`` rounds; drops later ones, and a line that was torn."""
    if not path.exists():
        return
    lines = path.read_text("utf-8", errors="replace").splitlines(keepends=True)
    kept = [line for line in lines if 0 <= _round_of(line) <= done]
    if kept != lines:
        with whole_file(path) as temporary:
            temporary.write_text("".join(kept), "utf-8")


def _round_of(line: str) -> int:
    try:
        return int(json.loads(line)["round"]) if line.endswith("\n") else -1
    except (ValueError, KeyError, TypeError):
        return -1


def check_tracker(name: str) -> None:
    """Raises a ``CourseError`` if the package of that tracker is not installed."""
    if name in TRACKERS and find_spec(name) is None:
        raise CourseError(f"{name} is not installed", where="track", fix=f"pip install {name}")


# --- what shows figures ---


class Tracker(Protocol):
    """It is sent every note, and told the end."""

    def note(self, round: int, values: Mapping[str, Value]) -> None: ...

    def close(self) -> None: ...


class TensorBoard:
    """Curves, words and pictures in ``logs/tensorboard``: ``tensorboard --logdir runs``."""

    def __init__(self, folder: Path, kind: str, config: Mapping[str, Any], done: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(folder / "logs" / "tensorboard"), purge_step=done + 1)

    def note(self, round: int, values: Mapping[str, Value]) -> None:
        from torchvision.io import ImageReadMode, decode_image

        for name, value in values.items():
            if isinstance(value, Path):
                picture = decode_image(str(value), ImageReadMode.RGB)  # [3, H, W], uint8
                self.writer.add_image(name, picture, round)
            elif isinstance(value, str):
                self.writer.add_text(name, value, round)
            else:
                self.writer.add_scalar(name, value, round)

    def close(self) -> None:
        self.writer.close()


class MLflow:
    """An experiment for each painter, a run for each folder, all in one file beside the folders.

    ``mlflow ui --backend-store-uri sqlite:///runs/mlflow.db`` shows them; no account, no server.
    ``MLFLOW_TRACKING_URI`` sends them elsewhere. Figures go out every few seconds, in one message;
    ``mlflow.json`` says which run this is and what it has, so that no round is sent twice.
    """

    EVERY = 10.0  # seconds between two messages
    MOST = 900  # figures that wait; MLflow takes 1000 in one message

    def __init__(self, folder: Path, kind: str, config: Mapping[str, Any], done: int) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        from mlflow import MlflowClient
        from mlflow.entities import Metric, Param

        home = folder.absolute().parent
        store = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home / 'mlflow.db'}"
        self.client, self.memory = MlflowClient(store), folder / "mlflow.json"
        self.waiting: list[Metric] = []
        self.spoken = time.monotonic()
        known = json.loads(self.memory.read_text("utf-8")) if done and self.memory.exists() else {}
        self.seen = known.get("round", 0)
        self.run = known.get("run") or self._new_run(kind, folder.name, (home / "mlflow").as_uri())
        if not known:
            self.client.log_batch(self.run, params=[Param(k, str(v)) for k, v in config.items()])

    def _new_run(self, kind: str, name: str, place: str) -> str:
        experiment = self.client.get_experiment_by_name(kind)
        number = experiment and experiment.experiment_id
        number = number or self.client.create_experiment(kind, artifact_location=place)
        return self.client.create_run(number, run_name=name).info.run_id

    def note(self, round: int, values: Mapping[str, Value]) -> None:
        from mlflow.entities import Metric

        if round <= self.seen:
            return
        now = int(time.time() * 1000)
        for name, value in values.items():
            if isinstance(value, Path):
                self.client.log_artifact(self.run, str(value), name)
            elif isinstance(value, str):
                self.client.set_tag(self.run, name, value)
            else:
                self.waiting.append(Metric(name, value, now, round))
        if len(self.waiting) > self.MOST or time.monotonic() - self.spoken > self.EVERY:
            self._send()

    def _send(self) -> None:
        self.client.log_batch(self.run, metrics=self.waiting)
        if self.waiting:
            sent = {"run": self.run, "round": self.waiting[-1].step}
            self.memory.write_text(json.dumps(sent), "utf-8")
        self.waiting, self.spoken = [], time.monotonic()

    def close(self) -> None:
        self._send()
        self.client.set_terminated(self.run)


TRACKERS: dict[str, Callable[[Path, str, Mapping[str, Any], int], Tracker]] = {
    "tensorboard": TensorBoard,
    "mlflow": MLflow,
}
