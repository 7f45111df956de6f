"""Unpacks archives from strangers: nothing outside the folder, no links, no bombs, all or none."""

from __future__ import annotations

import lzma
import os
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course_lib.errors import CourseError
from course_lib.storage.disk import as_size, require_space

__all__ = ["BadArchive", "Limits", "is_archive", "unpack"]

ENDINGS = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
DAMAGED = (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError)


class BadArchive(CourseError):
    """The archive itself is at fault, not this machine."""


@dataclass(frozen=True)
class Limits:
    """What an honest archive stays within. COCO's largest has 118,288 files."""

    files: int = 400_000
    ratio: int = 200  # unpacked to packed bytes; text comes to 20
    small: int = 50_000_000  # bytes that may be unpacked whatever the ratio


@dataclass(frozen=True)
class Entry:
    name: str
    bytes: int
    folder: bool
    plain: bool  # a file or a folder, no link and no device
    locked: bool = False


def is_archive(path: Path) -> bool:
    """By its name: weights are zip files, too, and stay as they are."""
    return path.name.lower().endswith(ENDINGS)


def unpack(archive: Path, folder: Path, limits: Limits = Limits()) -> list[str]:  # noqa: B008
    """Unpacks a zip or tar file, and removes it; returns the names of its files.

    Everything is looked at before the first byte is written, and written to a folder of its own
    before the first file gets its place. A call that was cut short can be repeated.

    Raises:
        BadArchive: it is damaged, or holds what an honest archive does not.
        CourseError: the disk is full.
    """
    passing = folder / f".{archive.name}.unpacking"
    shutil.rmtree(passing, ignore_errors=True)
    try:
        names = _extract(archive, passing, limits)
        for name in names:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(passing / name, target)
    except DAMAGED as error:
        raise BadArchive(f"damaged or cut short: {error}", where=str(archive)) from None
    except OSError as error:
        gzip = type(error).__name__ == "BadGzipFile"
        kind = BadArchive if gzip else CourseError
        raise kind(f"could not be unpacked: {error}", where=str(archive)) from None
    finally:
        shutil.rmtree(passing, ignore_errors=True)
    archive.unlink()
    return names


def _extract(archive: Path, folder: Path, limits: Limits) -> list[str]:
    """All entries below ``folder``, if all of them may be there."""
    from tqdm import tqdm

    zipped = archive.name.lower().endswith(".zip")
    packed: Any  # the two modules name the same things differently
    with zipfile.ZipFile(archive) if zipped else tarfile.open(archive) as packed:
        entries = _zip_entries(packed) if zipped else _tar_entries(packed)
        files = _checked(entries, archive, limits)
        require_space(folder, sum(entry.bytes for entry in files))
        members = packed.infolist() if zipped else packed.getmembers()
        for member in tqdm(members, desc=f"unpack {archive.name}", disable=None):
            packed.extract(member, folder, **({} if zipped else {"filter": "data"}))
    return [entry.name for entry in files]


def _zip_entries(packed: zipfile.ZipFile) -> Iterator[Entry]:
    for info in packed.infolist():
        link, locked = stat.S_ISLNK(info.external_attr >> 16), bool(info.flag_bits & 1)
        yield Entry(info.filename, info.file_size, info.is_dir(), not link, locked)


def _tar_entries(packed: tarfile.TarFile) -> Iterator[Entry]:
    for member in packed:
        plain = member.isreg() or member.isdir()
        yield Entry(member.name, member.size, member.isdir(), plain)


def _checked(entries: Iterable[Entry], archive: Path, limits: Limits) -> list[Entry]:
    """The files among the entries; stops at the first that is not as it should be."""
    files, total, packed = [], 0, archive.stat().st_size
    for number, entry in enumerate(entries, 1):
        total += entry.bytes
        for fault, found in {
            f"{entry.name!r} would be written outside its folder": _leads_outside(entry.name),
            f"{entry.name!r} is a link or a device": not entry.plain,
            f"{entry.name!r} is encrypted": entry.locked,
            f"more than {limits.files:,} entries": number > limits.files,
            f"{as_size(packed)} would become more than {as_size(total)}, {limits.ratio} times as "
            "much: this is a bomb": total > max(limits.small, limits.ratio * packed),
        }.items():
            if found:
                raise BadArchive(f"{fault}; nothing was unpacked", where=str(archive))
        if not entry.folder:
            files.append(entry)
    return files


def _leads_outside(name: str) -> bool:
    parts = re.split(r"[/\\]", name)
    return ".." in parts or not parts[0] or ":" in parts[0]
