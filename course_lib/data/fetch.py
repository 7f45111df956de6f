"""Downloads: to a ``.part`` file, checked for size and checksum, renamed, unpacked.

What nobody has published a checksum for cannot be verified. Its size and SHA-256 are noted beside
it at the first download, so that a later one can be compared.
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
import urllib.error
import urllib.request
import zipfile
from dataclasses import dataclass
from pathlib import Path

from course_lib.data.manifest import DataSet, RemoteFile, find
from course_lib.errors import CourseError, suggestion

__all__ = ["Fetched", "fetch", "fetched"]

NOTES = "fetched.json"
CHUNK = 1 << 20  # bytes
SECONDS = 30  # until a silent server counts as gone


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


def fetch(name: str, *, only: tuple[str, ...] = ()) -> Fetched:
    """Gets a data set of the manifest.

    Args:
        only: names of single files, by default all of them.

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
    data_set.place.mkdir(parents=True, exist_ok=True)
    if data_set.how == "torchvision":
        return _through_torchvision(data_set)
    return _download_all(data_set, files)


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


def _download_all(data_set: DataSet, files: tuple[RemoteFile, ...]) -> Fetched:
    notes = fetched(data_set.place)
    present = [file.name for file in files if file.name in notes]
    got, unverified = [], []
    for file in files:
        if file.name in present:
            continue
        archive = data_set.place / file.name
        notes[file.name] = download(file, archive)
        unpack(archive, data_set.place / file.into)
        (data_set.place / NOTES).write_text(json.dumps(notes, indent=1), "utf-8")
        got.append(file.name)
        unverified += [] if file.md5 else [file.name]
    return Fetched(data_set.place, tuple(got), tuple(present), tuple(unverified))


def fetched(place: Path) -> dict[str, object]:
    """What was noted about the files that were downloaded into this folder."""
    path = place / NOTES
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def download(file: RemoteFile, target: Path) -> dict[str, object]:
    """One file, from the first of its mirrors that has it; returns what to note about it."""
    failures = []
    for url in file.urls:
        try:
            return _download_from(url, file, target)
        except (OSError, CourseError) as error:
            failures.append(f"{url}: {error}")
    raise CourseError(
        f"{file.name} could not be downloaded" + "".join(f"\n  {line}" for line in failures),
        where=str(target.parent),
        fix=f"try again later, or get it from {file.page} and put it there",
    )


def _download_from(url: str, file: RemoteFile, target: Path) -> dict[str, object]:
    from tqdm import tqdm

    part = target.with_name(target.name + ".part")
    md5, sha256, size = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
    with urllib.request.urlopen(url, timeout=SECONDS) as answer, part.open("wb") as stream:
        due = int(answer.headers.get("Content-Length") or 0)
        bar = tqdm(total=due or file.bytes, desc=file.name, unit="B", unit_scale=True, disable=None)
        with bar:
            while chunk := answer.read(CHUNK):
                stream.write(chunk)
                md5.update(chunk)
                sha256.update(chunk)
                size += len(chunk)
                bar.update(len(chunk))
    due = file.bytes if file.bytes is not None else due or size
    if size != due or (file.md5 and md5.hexdigest() != file.md5):
        part.unlink()
        raise CourseError(
            f"{size:,} bytes with md5 {md5.hexdigest()}, "
            f"expected {due:,} with {file.md5 or 'an unknown one'}; not kept"
        )
    os.replace(part, target)
    return {"url": url, "bytes": size, "md5": md5.hexdigest(), "sha256": sha256.hexdigest()}


def unpack(archive: Path, folder: Path) -> None:
    """Unpacks a zip or tar file, and removes it; other files stay as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as packed_tar:
            packed_tar.extractall(folder, filter="data")
    else:
        return
    archive.unlink()
