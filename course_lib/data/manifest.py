"""The manifest: every remote file, with its address, size, checksum, licence and purpose."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from course_lib.errors import CourseError, suggestion
from course_lib.paths import data_dir, repository

__all__ = ["DataSet", "RemoteFile", "find", "manifest", "readme"]


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """One file. ``bytes`` and checksums are None where nobody has published them."""

    name: str
    urls: tuple[str, ...] = ()  # the same file at several places, the best first
    page: str = ""  # where a person can get it
    bytes: int | None = None
    about: str = ""  # a rough size, if the exact one is unknown
    md5: str | None = None
    sha256: str | None = None  # or its first digits
    into: str = "."  # the folder, within that of the data set, to unpack into
    put: str = ""  # where a person has to put it

    @property
    def size(self) -> str:
        if self.bytes is not None:
            return f"{self.bytes:,} bytes"
        return f"about {self.about}" if self.about else "size unknown"


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """Files that belong together, and come the same way."""

    name: str
    title: str
    purpose: str
    licence: str
    how: Literal["torchvision", "download", "by hand", "built in"]
    page: str = ""
    files: tuple[RemoteFile, ...]
    torchvision: str = ""  # the class that downloads and verifies it
    folder: str = ""  # where it lies below the data folder, if not under its own name

    @property
    def place(self) -> Path:
        """The folder of the data set on this machine."""
        return data_dir() / (self.folder or self.name)


@cache
def manifest() -> tuple[DataSet, ...]:
    """What comes with the course, and all data sets, in the order of the chapters."""
    import yaml

    text = resources.files("course_lib.data").joinpath("manifest.yaml").read_text("utf-8")
    return tuple(_data_set(dict(row)) for row in yaml.safe_load(text))


def find(name: str) -> DataSet:
    """The data set of that name.

    Raises:
        CourseError: an unknown name, with the nearest known one; or one that is built in.
    """
    known = {data_set.name: data_set for data_set in manifest()}
    if name not in known:
        raise CourseError(f"{name!r} is no data set; {suggestion(name, known)}", where="data")
    if known[name].how == "built in":
        raise CourseError(f"{name} comes with the course: there is nothing to get", where="data")
    return known[name]


def _data_set(row: dict[str, Any]) -> DataSet:
    mirrors, files = row.pop("mirrors", ()), row.pop("files", ())
    remote = tuple(_remote_file(dict(file), mirrors, row["page"]) for file in files)
    return DataSet(**row, files=remote)


def _remote_file(row: dict[str, Any], mirrors: list[str], page: str) -> RemoteFile:
    path, url = row.pop("path", ""), row.pop("url", "")
    urls = (url,) if url else tuple(f"{mirror}{path}{row['name']}" for mirror in mirrors)
    return RemoteFile(**{"page": page, **row}, urls=urls)


def readme() -> str:
    """The text of ``datasets/README.md``."""
    return INTRODUCTION + "\n".join(_section(one) for one in manifest() if one.files)


INTRODUCTION = """\
# Data sets

The course needs none of these: its Storybook scenes and the digits of scikit-learn come with it.
Real data sets lie in this folder (or where `COURSE_DATA` points to), one folder each, not in git.

```
course data list              what there is, and what is on this machine
course data fetch NAME        download and verify, or say what to get by hand and where to put it
course data check NAME        read everything, and list all problems at once
course data preview NAME      a sheet of pictures with their boxes, maps and captions
course data prepare NAME      resize once, so that training reads small files
course data photos-to-maps NAME --out FOLDER    label maps for photographs, by a segmenter
```

`check`, `preview` and `prepare` also take the path of a folder of your own; there, `check
--remove-bad` puts pictures that cannot be read aside, into `_bad`. A download that was cut goes on
where it was; a file that you put into the folder of its data set yourself is verified and taken.
This page is made from `course_lib/data/manifest.yaml`: `python -m course_lib.data.manifest`.
A checksum that is unknown cannot be verified; `fetch` says so, and notes what it got.

"""


def _section(data_set: DataSet) -> str:
    ways = {
        "torchvision": f"`course data fetch {data_set.name}`, through torchvision",
        "download": f"`course data fetch {data_set.name}`",
        "by hand": f"by hand, from <{data_set.page}>",
    }
    lines = [
        f"## {data_set.title}\n",
        f"For {data_set.purpose}. Licence: {data_set.licence}.\n",
        f"Get it: {ways[data_set.how]}. It lies in `{data_set.folder or data_set.name}/`.\n",
        "| file | size | checksum | from |\n| --- | --- | --- | --- |",
    ]
    for file in data_set.files:
        origin = " or ".join(f"<{url}>" for url in file.urls or (file.page,))
        name = f"{file.name}, as `{file.put}`" if file.put else file.name
        lines.append(f"| {name} | {file.size} | {_checksum(file)} | {origin} |")
    return "\n".join(lines) + "\n"


def _checksum(file: RemoteFile) -> str:
    known = f"md5 {file.md5}" if file.md5 else f"sha256 {file.sha256}..." if file.sha256 else ""
    return known or "unknown"


if __name__ == "__main__":
    ((repository() or Path.cwd()) / "datasets" / "README.md").write_text(readme(), "utf-8")
