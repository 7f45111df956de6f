"""The grader's side of the wall: begins fenced processes, asks them, and ends them.

Nothing but a value that answers *this* call, marked with the call's own random number, counts as an
answer. Exit codes, printed words and silence are never evidence.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from course_lib.errors import CourseError
from course_lib.grading.asking import Asked, Wrong
from course_lib.grading.values import Closed, Foreign, Garbled, TooLate, receive, send

__all__ = ["OUTER", "GraderFault", "Limits", "Sandbox", "Usage"]

COURSE = Path(__file__).parents[1]  # holds the right answers
START = 120.0  # seconds that loading torch may take
IMAGE = "five-painters-grader"  # of Docker, if the instructor has made one
TORCH = 4 * 2**30  # bytes that Python and torch may take in a container


class GraderFault(Exception):
    """Something on our side went wrong: no mark may come of it."""


@dataclass(frozen=True)
class Limits:
    """What the functions of one question may use."""

    seconds: float = 20.0  # of processor time
    wall: float = 40.0  # seconds by the clock
    memory: int = 2 * 2**30  # bytes beyond what Python and torch take
    file: int = 16 * 2**20  # bytes on disk


@dataclass
class Usage:
    """What a question has used, and which fences stood around it."""

    cpu: float = 0.0  # seconds
    fences: tuple[str, ...] = ()


class Remote(Asked):
    """The student's function, on the other side of the wall."""

    def __init__(self, channel: socket.socket, limits: Limits) -> None:
        self.channel, self.limits = channel, limits
        self.deadline = time.monotonic() + limits.wall

    def ask(self, arguments: Sequence[Any], slope_of: int | None, along: Any) -> Any:
        nonce = secrets.token_hex(16)
        order = {"nonce": nonce, "arguments": list(arguments), "slope_of": slope_of, "along": along}
        try:
            self.channel.settimeout(max(0.1, self.deadline - time.monotonic()))
            send(self.channel, order)
            reply = receive(self.channel, self.deadline)
        except (TooLate, TimeoutError):
            raise Wrong(f"it ran longer than {self.limits.wall:g} s") from None
        except (Closed, OSError):
            limit = f"{self.limits.seconds:g} s of processor time"
            raise Wrong(f"its process ended before it answered (or used up {limit})") from None
        except Garbled as error:
            raise Wrong(f"what came back is no answer: {error}") from None
        if not isinstance(reply, dict) or reply.get("nonce") != nonce:
            raise Wrong("what came back does not answer this call")
        if "error" in reply:
            raise Wrong(str(reply["error"]))
        return reply.get("value", Foreign("nothing"))


class Sandbox:
    """A place where submissions' functions can be called; ``with Sandbox() as sandbox``.

    Args:
        outer: ``bubblewrap``, ``docker`` or ``none``: what the whole place lies in.
        hidden: folders that no submission may read.
        memory: bytes of a question, which a container must leave it.
    """

    def __init__(
        self, outer: str = "none", hidden: Sequence[Path] = (), memory: int = Limits.memory
    ) -> None:
        self.outer, self.memory = outer, memory
        self.hidden = [str(folder) for folder in (COURSE, *hidden) if not _is_needed(folder)]
        self.turn = threading.Lock()
        self.process: subprocess.Popen[bytes] | None = None
        self.control: socket.socket | None = None

    def __enter__(self) -> Sandbox:
        if not hasattr(os, "fork"):
            what = "grading needs processes that split, which Windows has not"
            raise CourseError(what, where="course grade", fix="run it in WSL")
        self.folder = Path(tempfile.mkdtemp(prefix="grade-"))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def question(
        self, source: str, function: str, limits: Limits, usage: Usage
    ) -> Iterator[Remote]:
        """A fresh fenced process with this source, whose ``function`` can be asked.

        Raises:
            GraderFault: no process could be begun.
        """
        ours, theirs = socket.socketpair()
        order = {"do": "begin", "source": source, "function": function, "hidden": self.hidden}
        order |= asdict(limits)
        with ours, theirs:
            child = self._order(order, theirs)["child"]
            theirs.close()
            try:
                usage.fences = _fences(ours)
                yield Remote(ours, limits)
            finally:
                usage.cpu += self._order({"do": "end", "child": child})["cpu"]

    def _order(self, order: dict[str, Any], handed: socket.socket | None = None) -> Any:
        with self.turn:
            try:
                control = self._started()
                send(control, order)
                if handed is not None:
                    socket.send_fds(control, [b"."], [handed.fileno()])
                return receive(control, time.monotonic() + START)
            except (OSError, Closed, TooLate, Garbled) as error:
                self._stop()
                raise GraderFault(f"the sandbox has failed ({type(error).__name__})") from error

    def _started(self) -> socket.socket:
        if self.control is None:
            address = self.folder / "control"
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(address))
                listener.listen(1)
                own = self.folder / "tmp"
                own.mkdir(exist_ok=True)
                command = [*OUTER[self.outer](self.folder, self.memory), "-P", "-s", "-m"]
                command += ["course_lib.grading.zygote", str(address)]
                # Docker's own command must find its service; the container inherits nothing of it
                given = dict(os.environ) if self.outer == "docker" else _environment(own)
                self.process = subprocess.Popen(
                    command, env=given, stdin=subprocess.DEVNULL, start_new_session=True
                )
                self.control = self._answered(listener, self.process)
            address.unlink()  # nobody else may call
        return self.control

    @staticmethod
    def _answered(listener: socket.socket, process: subprocess.Popen[bytes]) -> socket.socket:
        """The connection, once the process has torch loaded."""
        listener.settimeout(0.2)
        deadline = time.monotonic() + START
        while process.poll() is None and time.monotonic() < deadline:
            try:
                return listener.accept()[0]
            except TimeoutError:
                continue
        raise OSError("the process that calls functions did not begin")

    def _stop(self) -> None:
        if self.control is not None:
            self.control.close()
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.process = self.control = None


def _is_needed(folder: Path) -> bool:
    """Whether Python itself, or what it writes, lies in it: that cannot be hidden."""
    needed = (sys.prefix, sys.base_prefix, tempfile.gettempdir())
    return any(Path(place).resolve().is_relative_to(folder.resolve()) for place in needed)


def _fences(channel: socket.socket) -> tuple[str, ...]:
    try:
        return tuple(receive(channel, time.monotonic() + START)["fences"])
    except (Closed, TooLate, Garbled, TypeError, KeyError) as error:
        raise GraderFault("a question's process did not begin") from error


def _environment(own: Path) -> dict[str, str]:
    """Nothing of the instructor's: no token, no address, no name."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH")
            if name in os.environ}  # fmt: skip
    course = str(COURSE.parent)
    return kept | {
        "PYTHONPATH": course,
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "HOME": str(own),
        "TMPDIR": str(own),
    }


# --- what the whole place may lie in --------------------------------------------------------------


def _bubblewrap(folder: Path, memory: int = 0) -> list[str]:
    place = str(folder)
    return [
        *("bwrap", "--die-with-parent", "--unshare-net", "--unshare-ipc", "--new-session"),
        *("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--bind", place, place),
        sys.executable,
    ]


def _docker(folder: Path, memory: int) -> list[str]:
    course, place = str(COURSE.parent), str(folder)
    return [
        *("docker", "run", "--rm", "--network=none", "--cap-drop=ALL", "--read-only"),
        *("--security-opt=no-new-privileges", "--pids-limit=256"),
        f"--memory={memory + TORCH}",
        *("--user", f"{os.getuid()}:{os.getgid()}", "--volume", f"{place}:{place}"),
        *("--volume", f"{course}/course_lib:{course}/course_lib:ro", "--env", f"TMPDIR={place}"),
        *("--env", f"PYTHONPATH={course}", "--env", "OMP_NUM_THREADS=1", IMAGE, "python"),
    ]


def _alone(folder: Path, memory: int) -> list[str]:
    return [sys.executable]


OUTER = {"none": _alone, "bubblewrap": _bubblewrap, "docker": _docker}


def pick_outer(asked: str | None = None) -> str:
    """What is there: Docker with the grader's image, else bubblewrap, else nothing.

    Raises:
        CourseError: what was asked for does not work here.
    """
    trials = {
        "docker": ["docker", "image", "inspect", IMAGE],
        "bubblewrap": [*_bubblewrap(Path(tempfile.gettempdir())), "-c", ""],
    }
    for name, trial in trials.items():
        if asked in (name, None) and shutil.which(trial[0]):
            done = subprocess.run(trial, capture_output=True, check=False)
            if done.returncode == 0:
                return name
    if asked in (None, "none"):
        return "none"
    raise CourseError(f"{asked} does not work on this machine", where="--outer")
