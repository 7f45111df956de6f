"""One file from the net: gone on with where it was cut, verified, and never half there.

The HTTP is urllib's. What is added here is patience: servers that are busy are asked again, a cut
transfer goes on from the last byte, a version that has changed meanwhile begins anew, and a web
page that arrives instead of an archive is recognised.
"""

from __future__ import annotations

import hashlib
import html
import http.client
import itertools
import os
import re
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from course_lib.data.manifest import RemoteFile
from course_lib.errors import CourseError
from course_lib.storage.disk import as_size, free_bytes, require_space

__all__ = ["Patience", "differences", "download", "facts_of"]

CHUNK = 1 << 18  # bytes
BUSY = {408, 425, 429, 500, 502, 503, 504}  # answers that mean: later, perhaps


@dataclass(frozen=True)
class Patience:
    """How long to try; all times in seconds."""

    tries: int = 5  # in a row that bring not a single new byte
    pause: float = 1.0  # before the second try; twice as long before each further one
    longest: float = 60.0  # nobody is waited for longer than this
    silence: float = 30.0  # after which a mute server counts as gone


class Refused(Exception):
    """This mirror will not give the file, however often it is asked."""


class TryAgain(Exception):
    """The transfer was cut or put off; ``wait`` is what the server asks for, in seconds."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


def download(
    file: RemoteFile,
    target: Path,
    patience: Patience = Patience(),  # noqa: B008  (it is frozen)
) -> dict[str, object]:
    """Gets ``file`` from the first of its mirrors that has it; returns what to note about it.

    Until it is complete and right it is called ``NAME.part``, and the next call goes on with it.
    What came with a wrong checksum is kept as ``NAME.bad``.

    Raises:
        CourseError: no mirror has the right file, with the reason of each; or the disk is full.
    """
    failures = []
    for url in file.urls:
        try:
            return _from_mirror(url, file, target, patience)
        except Refused as error:
            failures.append(f"\n  {url}: {error}")
    raise CourseError(
        f"{file.name} could not be downloaded{''.join(failures)}",
        where=str(target.parent),
        fix=f"try again later; or get {file.name} ({file.size}) by hand from {file.page}, put it "
        f"at {target}, and fetch again, which then verifies it and goes on",
    )


def _from_mirror(url: str, file: RemoteFile, target: Path, patience: Patience) -> dict[str, object]:
    part = Part(target)
    _transfer(url, file, part, patience)
    wrong = differences(facts := facts_of(part.path), file)
    if wrong and part.joined:  # perhaps the pieces of two versions
        part.forget()
        _transfer(url, file, part, patience)
        wrong = differences(facts := facts_of(part.path), file)
    if wrong:
        bad = target.with_name(target.name + ".bad")
        os.replace(part.path, bad)
        part.forget()
        raise Refused(f"{wrong}; kept as {bad.name}")
    os.replace(part.path, target)
    part.forget()
    return {"url": url, **facts}


def facts_of(path: Path) -> dict[str, object]:
    """Size and checksums of a file."""
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            md5.update(chunk)
            sha256.update(chunk)
    size = path.stat().st_size
    return {"bytes": size, "md5": md5.hexdigest(), "sha256": sha256.hexdigest()}


def differences(facts: dict[str, object], file: RemoteFile) -> str:
    """In which known facts this is another file than it should be; empty if in none."""
    expected = {"bytes": file.bytes, "md5": file.md5}
    same = all(facts[name] == value for name, value in expected.items() if value is not None)
    if same and str(facts["sha256"]).startswith(file.sha256 or ""):
        return ""
    size = "of any size" if file.bytes is None else f"{file.bytes:,} bytes"
    kind = "sha256" if file.sha256 else "md5"
    return (
        f"{facts['bytes']:,} bytes with {kind} {facts[kind]}, "
        f"expected {size} with {kind} {getattr(file, kind) or 'unknown'}"
    )


class Part:
    """The bytes that have come so far, and the version of the file that they are of."""

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(target.name + ".part")
        self.note = target.with_name(target.name + ".part-version")
        self.joined = self.size > 0  # whether it came in several pieces

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def version(self) -> str:
        return self.note.read_text("utf-8") if self.note.exists() else ""

    def begin(self, version: str) -> None:
        self.path.write_bytes(b"")
        self.note.write_text(version, "utf-8")
        self.joined = False

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)
        self.joined = False


def _transfer(url: str, file: RemoteFile, part: Part, patience: Patience) -> None:
    """Asks again and again, as long as bytes come, and ``patience.tries`` times without any."""
    most, idle = part.size, 0
    while file.bytes is None or part.size != file.bytes:
        try:
            return _ask(url, file, part, patience)
        except TryAgain as error:
            idle = 0 if part.size > most else idle + 1
            most = max(most, part.size)
            if idle >= patience.tries:
                raise Refused(f"{error}; {patience.tries} tries in vain") from None
            wait = max(error.wait, patience.pause * 2 ** max(0, idle - 1))
            if error.wait > patience.longest:
                raise Refused(f"{error}; it asks to wait {error.wait:.0f} seconds") from None
            time.sleep(min(wait, patience.longest))


def _ask(url: str, file: RemoteFile, part: Part, patience: Patience) -> None:
    """One request, for what is missing."""
    headers = {"User-Agent": "course-data/1", "Accept-Encoding": "identity"}
    if part.size and (part.version or file.md5):
        headers["Range"] = f"bytes={part.size}-"
        headers |= {"If-Range": part.version} if part.version else {}
    request = urllib.request.Request(url, headers=headers)
    try:
        answer = urllib.request.urlopen(request, timeout=patience.silence)
    except urllib.error.HTTPError as error:
        with error:
            return _not_given(error, part)
    except (OSError, http.client.HTTPException) as error:
        raise _no_connection(error) from None
    with answer:
        _receive(answer, url, file, part)


def _receive(answer: Any, url: str, file: RemoteFile, part: Part) -> None:
    """Writes what arrives behind what is there, if that is what arrives."""
    chunks = _chunks(answer)
    first, there = _first(chunks), 0
    if answer.status == 206:
        begin, _, total = _content_range(answer)
        if begin != (there := part.size):
            part.forget()
            raise TryAgain(f"the server went on at byte {begin}, not at {there}")
    else:
        _check_no_page(first, answer, url, file)
        total = _number(answer.headers.get("Content-Length"))
    if None not in (total, file.bytes) and total != file.bytes:
        raise Refused(f"the server has {total:,} bytes, expected {file.bytes:,}")
    require_space(part.path, (total or 0) - there)
    try:
        if not there:
            part.begin(_version(answer))
        part.joined = part.joined or there > 0
        _write(first, chunks, part, file.name, total)
    except OSError as error:  # of the disk: the net's are TryAgain
        raise CourseError(
            f"{error.strerror or error}; {as_size(free_bytes(part.path))} are free there",
            where=str(part.path),
            fix="make room and fetch again, which goes on with what has come; or delete the file",
        ) from None
    if total is not None and part.size < total:
        raise TryAgain(f"cut after {part.size:,} of {total:,} bytes")


def _write(first: bytes, chunks: Iterator[bytes], part: Part, name: str, total: int | None) -> None:
    from tqdm import tqdm

    bar = tqdm(total=total, initial=part.size, desc=name, unit="B", unit_scale=True, disable=None)
    with bar, part.path.open("ab") as stream:
        for chunk in itertools.chain([first], chunks):
            stream.write(chunk)
            bar.update(len(chunk))


def _first(chunks: Iterator[bytes]) -> bytes:
    """Enough bytes to tell what they are."""
    first = b""
    while len(first) < 4096 and (chunk := next(chunks, b"")):
        first += chunk
    return first


def _chunks(answer: Any) -> Iterator[bytes]:
    """What comes, as soon as it comes: little is lost when the line breaks."""
    try:
        while chunk := answer.read1(CHUNK):
            yield chunk
    except (OSError, http.client.HTTPException) as error:
        raise TryAgain(f"cut: {error or type(error).__name__}") from None


def _check_no_page(first: bytes, answer: Any, url: str, file: RemoteFile) -> None:
    """A login or quota page is HTML, whatever its address and its status say."""
    head = first[:512].lstrip().lower()
    page = head.startswith((b"<!doctype html", b"<html", b"<head"))
    if not page or file.name.endswith((".html", ".htm")):
        return
    found = re.search(rb"<title[^>]*>(.*?)</title>", first, re.IGNORECASE | re.DOTALL)
    title = html.unescape(found[1].decode("utf-8", "replace")) if found else ""
    final = urlsplit(answer.geturl())
    moved = f", after a redirect to {final.netloc}{final.path}" * (answer.geturl() != url)
    named = f" titled '{' '.join(title.split())[:80]}'" if title.strip() else " without a title"
    raise Refused(f"the server sent a web page{named}{moved}; not kept")


def _not_given(error: urllib.error.HTTPError, part: Part) -> None:
    if error.code == 416:  # nothing behind the last byte: complete, or of another version
        if _content_range(error)[2] == part.size:
            return
        part.forget()
        raise TryAgain("the server has fewer bytes than came before")
    reason = f"{error.code} {error.reason}"
    if error.code in BUSY:
        raise TryAgain(reason, _seconds(error.headers.get("Retry-After")))
    raise Refused(reason)


def _no_connection(error: Exception) -> Refused | TryAgain:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        return Refused(
            f"its certificate is not trusted: {reason} (behind a proxy that reads "
            "along, SSL_CERT_FILE must name the proxy's certificate)"
        )
    if isinstance(reason, (socket.gaierror, ConnectionRefusedError)) or "Tunnel" in str(reason):
        return Refused(f"no connection: {reason}")
    return TryAgain(f"no answer: {reason or type(reason).__name__}")


def _seconds(text: str | None) -> float:
    """``Retry-After``: a number of seconds, or a date."""
    if text is None or text.strip().isdigit():
        return float(text or 0)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return 0.0


def _content_range(answer: Any) -> tuple[int | None, int | None, int | None]:
    """``bytes 5-9/10`` -> ``(5, 9, 10)``; None for what is not said."""
    text = answer.headers.get("Content-Range") or ""
    found = re.match(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", text)
    first, last, total = found.groups() if found else (None, None, None)
    return _number(first), _number(last), _number(total)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None


def _version(answer: Any) -> str:
    """What ``If-Range`` may be asked with: a strong tag or a date."""
    tag = answer.headers.get("ETag") or "W/"
    return str(answer.headers.get("Last-Modified") or "") if tag.startswith("W/") else str(tag)
