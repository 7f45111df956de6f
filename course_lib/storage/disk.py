"""Writing a file so that it is there whole or not at all, and knowing how much room there is."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

from course_lib.errors import CourseError

__all__ = ["as_size", "check_regular", "free_bytes", "require_space", "whole_file"]


@contextmanager
def whole_file(path: Path, *, keep: Path | None = None) -> Iterator[Path]:
    """Lends a temporary path to write to; at the end of the block it becomes ``path``.

    The bytes reach the disk before the name does, so that ``path`` is at every moment either as it
    was or as it shall be, whatever happens to the process or the machine. The file that was there
    before gets the name ``keep``, if that is given.

    Raises:
        CourseError: the disk is full, read-only or broken. ``path`` is then as it was.
    """
    workshop = path.with_name(f"{path.name}.{os.getpid()}.part")  # no other process's name
    temporary = workshop / path.name  # a folder of its own: safetensors leaves a mess when killed
    try:
        workshop.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.chmod(temporary, workshop.stat().st_mode & 0o666)  # safetensors hides it from others
        _flush(temporary)
        if keep is not None and path.exists():
            _give_second_name(path, keep, workshop / keep.name)
        os.replace(temporary, path)
        with suppress(OSError):  # some network folders cannot flush a folder
            _flush(path.parent)
    except (OSError, SafetensorError) as error:
        raise _not_written(path, error) from error
    finally:
        remove_workshop(workshop)


def remove_workshop(workshop: Path) -> None:
    """Clears away what was being written; also for a process that was killed."""
    with suppress(OSError):
        for rest in workshop.iterdir():
            rest.unlink()
        workshop.rmdir()


def _flush(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk itself."""
    folder = path.is_dir()
    if folder and os.name == "nt":  # Windows opens no folders, and flushes names by itself
        return
    descriptor = os.open(path, os.O_RDONLY if folder else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _give_second_name(path: Path, other: Path, link: Path) -> None:
    """``other`` becomes this file, too: by a link, so that there is no moment without ``path``."""
    try:
        os.link(path, link)
        os.replace(link, other)
    except OSError:  # a file system without links
        os.replace(path, other)


def _not_written(path: Path, error: Exception) -> CourseError:
    number, reason = getattr(error, "errno", None), str(error)
    full = number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or "os error 28" in reason
    closed = number in (errno.EACCES, errno.EPERM, errno.EROFS)
    if full:
        fix = "remove what is not needed there, or choose a folder on another disk"
    elif closed:
        fix = "choose a folder that you may write to"
    else:
        fix = "see whether the disk is whole and mounted, or choose a folder on another one"
    reason = os.strerror(number) if number else reason
    return CourseError(
        f"this could not be written ({reason}); {as_size(free_bytes(path))} are free there, and "
        "whatever was saved before is unchanged",
        where=str(path),
        fix=fix,
    )


def check_regular(path: Path) -> None:
    """What the course shall read or replace must be a plain file, or not be there yet.

    Raises:
        CourseError: it is a folder, a pipe, a device, or a link that leads nowhere.
    """
    if not os.path.lexists(path) or path.is_file():
        return
    if path.is_dir():
        kind = "a folder"
    elif path.is_symlink():
        kind = "a link that leads to no file"
    else:
        kind = "a pipe or a device"
    raise CourseError(f"this is {kind}, and should be a plain file", where=str(path))


def free_bytes(path: Path) -> int:
    """How much may still be written where ``path`` is, or will be; 0 if nobody can say."""
    for place in (path, *path.absolute().parents):
        with suppress(OSError):
            return shutil.disk_usage(place).free
    return 0


def require_space(path: Path, count: int) -> None:
    """Looks whether ``count`` bytes fit where ``path`` is, or will be.

    Raises:
        CourseError: they do not.
    """
    free = free_bytes(path)
    if count > free:
        raise CourseError(
            f"needs {as_size(count)}, {as_size(free)} are free there",
            where=str(path),
            fix="remove what is not needed there, or choose a folder on another disk",
        )


def as_size(count: int) -> str:
    """``1.2 GB`` for a number of bytes."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
