"""One run folder, one writer: who holds it is written in ``run.lock``."""

from __future__ import annotations

import json
import os
import platform
import time
from contextlib import suppress
from pathlib import Path

from course_lib.errors import CourseError
from course_lib.storage.disk import as_size, free_bytes

__all__ = ["RunLock"]

SILENCE = 30 * 60  # seconds without a save after which a holder on another machine counts as dead
_held_here: set[Path] = set()  # by this process, which may have the number of one that died


class RunLock:
    """Held while a run writes its folder. Taking it is also the proof that one can write there."""

    def __init__(self, folder: Path) -> None:
        self.path = folder.resolve() / "run.lock"
        self.held = False

    def take(self) -> None:
        """Writes the lock, or takes over that of a process that is no more.

        Raises:
            CourseError: another process holds it, or nothing can be written there.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._write()
        except FileExistsError as error:
            if not self.path.exists():  # it is the folder that exists, as a file
                raise _no_writing(self.path.parent, error) from error
            self._take_over()
        except OSError as error:
            raise _no_writing(self.path.parent, error) from error
        self.held = True
        _held_here.add(self.path)

    def _take_over(self) -> None:
        holder = self._holder()
        if self._is_alive(holder):
            raise CourseError(
                f"process {holder.get('pid')} on {holder.get('host')} is writing this run",
                where=str(self.path.parent),
                fix=f"another folder, or stop it; if it is long dead, delete {self.path.name}",
            )
        print(f"{self.path.parent}: the last run ended without a goodbye; taking over", flush=True)
        with suppress(FileNotFoundError):
            self.path.unlink()
        try:
            self._write()
        except FileExistsError:  # somebody was faster
            self._take_over()

    def _write(self) -> None:
        """Creates the file and writes who we are; fails if the file is there."""
        descriptor = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        try:
            os.write(descriptor, json.dumps({"pid": os.getpid(), "host": platform.node()}).encode())
            os.fsync(descriptor)
        except OSError:
            self.path.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)

    def _holder(self) -> dict[str, object]:
        try:
            holder = json.loads(self.path.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return holder if isinstance(holder, dict) else {}

    def _is_alive(self, holder: dict[str, object]) -> bool:
        """On this machine the process is looked up; on another one, a run that saves is alive."""
        pid = holder.get("pid")
        if holder.get("host") == platform.node() and isinstance(pid, int):
            return self.path in _held_here if pid == os.getpid() else _runs(pid)
        with suppress(OSError):
            return time.time() - self.path.stat().st_mtime < SILENCE
        return False

    def beat(self) -> None:
        """Tells other machines that this run is alive: call it at every save."""
        with suppress(OSError):
            os.utime(self.path)

    def release(self) -> None:
        """Removes the lock, if it is ours."""
        if self.held:
            self.held = False
            _held_here.discard(self.path)
            with suppress(OSError):
                self.path.unlink()


def _runs(pid: int) -> bool:
    """Whether there is a process of that number on this machine."""
    if os.name == "nt":  # there, os.kill ends the process that it should ask
        import psutil

        return psutil.pid_exists(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's process
        return True
    return True


def _no_writing(folder: Path, error: OSError) -> CourseError:
    return CourseError(
        f"a run cannot write here ({error.strerror}); {as_size(free_bytes(folder))} are free",
        where=str(folder),
        fix="another folder: --out on the command line",
    )
