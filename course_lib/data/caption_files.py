"""Captions that people wrote into files: a CSV, JSON lines, or a text file beside each picture."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from course_lib.data.on_disk import first_few
from course_lib.errors import Problems

__all__ = ["CAPTION_FILES", "read_captions"]

CAPTION_FILES = ("captions.csv", "captions.jsonl")
IMAGE_COLUMNS = ("image", "file", "file_name", "filename")
CAPTION_COLUMNS = ("caption", "captions", "text")

Entry = tuple[int, str, str]  # line number, name of the picture, caption


def read_captions(
    files: Sequence[Path], pictures: Sequence[Path], root: Path, encoding: str, problems: Problems
) -> dict[Path, tuple[str, ...]]:
    """The captions of each picture, in the order of the files.

    Args:
        files: ``captions.csv`` or ``captions.jsonl``, with a column ``image`` (the name of a
            picture, with or without folder and extension) and a column ``caption``; or text files
            named like the pictures, with a caption a line.
        root: the folder that all of them lie in.
        encoding: ``"utf-8-sig"``, or what the files were saved in.
        problems: collects lines that cannot be used, and pictures without a caption.
    """
    known = _by_name(pictures, root)
    captions: dict[Path, list[str]] = {picture: [] for picture in pictures}
    for path in files:
        lost = []
        for line, name, caption in _entries(path, encoding, problems):
            picture = known.get(name.replace("\\", "/").lower())
            if picture is None:
                lost.append(f"{name!r} (line {line})")
            elif not caption.strip():
                problems.add(f"{path.name}, line {line}: the caption is empty")
            else:
                captions[picture].append(caption.strip())
        if lost:
            problems.add(f"{path.name}: {len(lost)} captions without a picture: {first_few(lost)}")
    mute = [picture.name for picture, sentences in captions.items() if not sentences]
    if mute:
        problems.add(f"{len(mute)} pictures without a caption: {first_few(mute)}")
    return {picture: tuple(sentences) for picture, sentences in captions.items()}


def _by_name(pictures: Sequence[Path], root: Path) -> Mapping[str, Path | None]:
    """Pictures by every end of their path, with and without extension, in lower case.

    What two pictures share means neither.
    """
    known: dict[str, Path | None] = {}
    for picture in pictures:
        parts = picture.relative_to(root).parts
        names = {"/".join(parts[start:]).lower() for start in range(len(parts))}
        for name in names | {name.removesuffix(picture.suffix.lower()) for name in names}:
            known[name] = None if name in known else picture
    return known


def _entries(path: Path, encoding: str, problems: Problems) -> Iterator[Entry]:
    content = path.read_bytes()
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problems.add(
            f"{path.name}, line {line}: byte 0x{content[error.start]:02x} is not {encoding}",
            "save the file as UTF-8, or pass encoding='latin-1'",
        )
        return iter(())
    if path.suffix == ".csv":
        return _csv_entries(path, text, problems)
    if path.suffix == ".jsonl":
        return _json_entries(path, text, problems)
    lines = enumerate(text.splitlines(), 1)
    return ((number, path.stem, line) for number, line in lines if line.strip())


def _csv_entries(path: Path, text: str, problems: Problems) -> Iterator[Entry]:
    header = text.partition("\n")[0]
    separator = max(",;\t", key=header.count)  # spreadsheets of half of Europe write semicolons
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    columns = [column.strip().lower() for column in next(rows, [])]
    image = next((columns.index(name) for name in IMAGE_COLUMNS if name in columns), None)
    caption = next((columns.index(name) for name in CAPTION_COLUMNS if name in columns), None)
    if image is None or caption is None:
        problems.add(
            f"{path.name}, line 1: the columns are {', '.join(columns) or 'none'}; "
            "'image' and 'caption' are needed"
        )
        return
    for row in rows:
        if len(row) == len(columns):
            yield rows.line_num, row[image].strip(), row[caption]
        elif row:
            problems.add(
                f"{path.name}, line {rows.line_num}: {len(row)} values for {len(columns)} columns",
                f"a caption with {separator!r} in it must stand in double quotes",
            )


def _json_entries(path: Path, text: str, problems: Problems) -> Iterator[Entry]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            problems.add(f"{path.name}, line {number}: this is no JSON: {error}")
            continue
        keys = row.keys() if isinstance(row, dict) else set()
        image = next((row[key] for key in IMAGE_COLUMNS if key in keys), None)
        spoken = next((row[key] for key in CAPTION_COLUMNS if key in keys), None)
        sentences = [spoken] if isinstance(spoken, str) else spoken
        if not isinstance(image, str) or not isinstance(sentences, list):
            problems.add(f'{path.name}, line {number}: {{"image": ..., "caption": ...}} is needed')
            continue
        yield from ((number, image, str(sentence)) for sentence in sentences)
