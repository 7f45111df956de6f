"""Data sets of the manifest: downloaded, verified, unpacked, and known to be complete.

What nobody has published a checksum for cannot be verified. Its size and SHA-256 are noted beside
it at the first download, so that a later one can be compared.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from course_lib.data.archive import BadArchive, is_archive, unpack
from course_lib.data.download import Patience, differences, download, facts_of
from course_lib.data.manifest import DataSet, RemoteFile, find
from course_lib.data.on_disk import first_few
from course_lib.errors import CourseError, suggestion
from course_lib.storage.disk import whole_file

__all__ = ["Fetched", "Patience", "fetch", "fetched", "incomplete", "make_folder"]

NOTES = "fetched.json"
Note = dict[str, object]


@dataclass(frozen=True)
class Fetched:
    """What :func:`fetch` did.

    Attributes:
        place: the folder of the data set.
        got: files that were downloaded and verified.
        present: files that were there already.
        unverified: files of which nobody has published a checksum.
        by_hand: what a person has to do, a line for each file.
    """

    place: Path
    got: tuple[str, ...] = ()
    present: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()
    by_hand: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"{self.place}:"]
        lines += [f"  there already: {', '.join(self.present)}"] if self.present else []
        lines += [f"  downloaded: {', '.join(self.got)}"] if self.got else []
        if self.unverified:
            names = ", ".join(self.unverified)
            lines.append(f"  no checksum is known, not verified: {names} (see {NOTES})")
        lines += [f"  by hand: {line}" for line in self.by_hand]
        return "\n".join(lines)


def fetch(name: str, *, only: tuple[str, ...] = (), patience: Patience | None = None) -> Fetched:
    """Gets a data set of the manifest, or what is missing of it.

    A download that was cut or interrupted is gone on with; a file that somebody has put into the
    folder by hand is verified and taken.

    Args:
        only: names of single files, by default all of them.
        patience: how long to try where a server is busy or a line breaks.

    Raises:
        CourseError: an unknown name, no connection, or a file that is not what it should be.
    """
    data_set = find(name)
    names = [file.name for file in data_set.files]
    for wanted in only:
        if wanted not in names:
            raise CourseError(f"{name} has no file {wanted!r}; {suggestion(wanted, names)}")
    files = tuple(file for file in data_set.files if not only or file.name in only)
    if data_set.how == "by hand":
        return Fetched(data_set.place, by_hand=tuple(_instruction(data_set, f) for f in files))
    make_folder(data_set.place)
    if data_set.how == "torchvision":
        return _through_torchvision(data_set)
    return _download_all(data_set, files, patience or Patience())


def make_folder(path: Path) -> None:
    """Makes a folder for data; what cannot be written is said before anything long begins."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise CourseError(
            f"nothing can be written there: {error.strerror or error}",
            where=str(path),
            fix="the environment variable COURSE_DATA names another folder for data",
        ) from None


def _instruction(data_set: DataSet, file: RemoteFile) -> str:
    md5 = f"; its md5 is {file.md5}" if file.md5 else ""
    target = data_set.place / file.put
    return f"get {file.name} ({file.size}) from {file.page}, and put it at {target}{md5}"


def _through_torchvision(data_set: DataSet) -> Fetched:
    from torchvision import datasets

    options = {"split": "val", "small": True} if data_set.torchvision == "Places365" else {}
    try:
        getattr(datasets, data_set.torchvision)(data_set.place, download=True, **options)
    except (OSError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CourseError(
            f"torchvision could not download {data_set.title}: {reason}",
            where=str(data_set.place),
            fix=f"is there a connection? otherwise get the files from {data_set.page}",
        ) from None
    return Fetched(data_set.place, got=tuple(file.name for file in data_set.files))


def _download_all(data_set: DataSet, files: tuple[RemoteFile, ...], patience: Patience) -> Fetched:
    place, notes = data_set.place, fetched(data_set.place)
    present, got, unverified = [], [], []
    for file in files:
        if file.name in notes and not incomplete(place, file.name):
            present.append(file.name)
            continue
        target = place / file.name
        notes[file.name] = _by_hand(file, target) or download(file, target, patience)
        notes[file.name] |= {"files": _put_in_place(file, target, place)}
        with whole_file(place / NOTES) as path:
            path.write_text(json.dumps(notes, indent=1), "utf-8")
        got.append(file.name)
        unverified += [] if file.md5 or file.sha256 else [file.name]
    return Fetched(place, tuple(got), tuple(present), tuple(unverified))


def _by_hand(file: RemoteFile, target: Path) -> Note:
    """What to note about a file that somebody has put there, once it is verified."""
    if not target.is_file():
        return {}
    facts = facts_of(target)
    if wrong := differences(facts, file):
        raise CourseError(wrong, where=str(target), fix="delete it, and fetch again")
    return {"url": "by hand", **facts}


def _put_in_place(file: RemoteFile, target: Path, place: Path) -> int:
    """Unpacks what is an archive, and lists its files; returns how many there are."""
    if not is_archive(target):
        return 1
    folder = place / file.into
    try:
        names = unpack(target, folder)
    except BadArchive as error:
        bad = target.with_name(target.name + ".bad")
        os.replace(target, bad)
        raise CourseError(f"{error.what}; kept as {bad.name}", where=str(target)) from None
    with whole_file(_listing(place, file.name)) as path:
        path.write_text("\n".join(str(Path(file.into, name)) for name in names), "utf-8")
    return len(names)


def _listing(place: Path, name: str) -> Path:
    return place / ".fetched" / f"{name}.txt"


def incomplete(place: Path, name: str) -> str:
    """``1,203 of 8,855 files of a.zip are there; missing: ...``, or nothing if all of them are."""
    listing, alone = _listing(place, name), not is_archive(Path(name))
    names = listing.read_text("utf-8").splitlines() if listing.is_file() else [name] * alone
    missing = [one for one in names if not (place / one).is_file()]
    if not missing:
        return ""
    there = f"{len(names) - len(missing):,} of {len(names):,}"
    return f"{there} files of {name} are there; missing: {first_few(missing)}"


def fetched(place: Path) -> dict[str, Note]:
    """What was noted about the files that were downloaded into this folder."""
    path = place / NOTES
    return json.loads(path.read_text("utf-8")) if path.exists() else {}
