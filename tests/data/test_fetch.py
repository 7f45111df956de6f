"""Downloads against a server that misbehaves, and archives from strangers."""

from __future__ import annotations

import hashlib
import io
import json
import re
import ssl
import stat
import tarfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from course_lib.data import archive as archives
from course_lib.data import download as downloading
from course_lib.data import fetch as fetching
from course_lib.data.archive import BadArchive, Limits, unpack
from course_lib.data.fetch import Patience, fetch
from course_lib.data.manifest import DataSet, RemoteFile
from course_lib.data.verbs import check
from course_lib.errors import CourseError

SOON = Patience(tries=3, pause=0.001, longest=0.01, silence=5.0)
BODY = bytes(range(256)) * 40
HOST = "http://127.0.0.1"


@pytest.fixture(autouse=True)
def root(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / "toy"


@dataclass
class Request:
    """One request, and the ways to answer it."""

    handler: BaseHTTPRequestHandler

    @property
    def first(self) -> int:
        """The byte that is asked for."""
        found = re.match(r"bytes=(\d+)-", self.handler.headers.get("Range") or "")
        return int(found[1]) if found else 0

    def send(self, content: bytes, status: int = 200, length: int | None = None, **headers) -> None:
        self.handler.send_response(status)
        headers = {"Content-Length": len(content) if length is None else length, **headers}
        for name, value in headers.items():
            self.handler.send_header(name.replace("_", "-"), str(value))
        self.handler.end_headers()
        self.handler.wfile.write(content)

    def honest(self, body: bytes = BODY, most: int | None = None, **headers) -> None:
        """As a good server answers; with ``most`` the line breaks after so many bytes."""
        begin, headers = self.first, {"ETag": '"one"', **headers}
        unchanged = self.handler.headers.get("If-Range") in (None, headers["ETag"])
        if not begin or not unchanged:
            return self.send(body[:most], length=len(body), **headers)
        if begin >= len(body):
            return self.send(b"", 416, Content_Range=f"bytes */{len(body)}")
        part = body[begin:]
        where = f"bytes {begin}-{len(body) - 1}/{len(body)}"
        self.send(part[:most], 206, length=len(part), Content_Range=where, **headers)


Behaviour = Callable[[Request, int], None]  # the request, and how many came before it


@dataclass
class Server:
    """Answers each path as it was told; notes where the transfers began."""

    address: str
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    begins: list[int] = field(default_factory=list)


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            request = Request(self)
            told.begins.append(request.first)
            told.behaviours[self.path](request, len(told.begins) - 1)

        def log_message(self, *_):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told = Server(f"{HOST}:{http.server_port}")
    Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    for proxy in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(proxy, raising=False)
        monkeypatch.delenv(proxy.upper(), raising=False)
    yield told
    http.shutdown()
    http.server_close()


@pytest.fixture
def offer(server, monkeypatch):
    """``offer(behaviour, ...)``: a manifest with one file, a mirror for each behaviour."""

    def make(*behaviours: Behaviour, name: str = "toy.bin", body: bytes = BODY, **facts) -> None:
        urls = tuple(f"{server.address}/{number}/{name}" for number in range(len(behaviours)))
        server.behaviours |= {
            f"/{number}/{name}": behaviour for number, behaviour in enumerate(behaviours)
        }
        known = {"bytes": len(body), "md5": hashlib.md5(body).hexdigest(), **facts}
        row = DataSet(
            name="toy", title="Toy", purpose="tests", licence="none", how="download",
            page="http://page",
            files=(RemoteFile(name=name, urls=urls, page="http://page", **known),),
        )  # fmt: skip
        monkeypatch.setattr(fetching, "find", lambda _: row)

    return make


def get(**options) -> object:
    return fetch("toy", patience=SOON, **options)


def refusal() -> str:
    with pytest.raises(CourseError) as caught:
        get()
    return str(caught.value)


# --- what a server may do, and the file arrives all the same --------------------------------------


def once(fault: Behaviour) -> Behaviour:
    """The first answer is faulty, the others are good."""
    return lambda request, before: request.honest() if before else fault(request, before)


def status(code: int, **headers) -> Behaviour:
    return lambda request, before: request.send(b"<html>sorry</html>", code, **headers)


def deaf(request: Request, before: int) -> None:
    """Knows nothing of ranges."""
    request.send(BODY[: 4000 if not before else None], length=len(BODY))


def elsewhere(request: Request, before: int) -> None:
    """Goes on at another byte than it was asked for."""
    if request.first:
        where = f"bytes 7-{len(BODY) - 1}/{len(BODY)}"
        request.send(BODY[7:], 206, Content_Range=where)
    else:
        request.honest(most=4000 if not before else None)


def chunked(request: Request, before: int) -> None:
    """Says no length, and cuts the first transfer."""
    request.handler.protocol_version = "HTTP/1.1"
    if request.first:
        return request.honest()
    request.handler.send_response(200)
    request.handler.send_header("Transfer-Encoding", "chunked")
    request.handler.send_header("ETag", '"one"')
    request.handler.end_headers()
    request.handler.wfile.write(b"1f40\r\n" + BODY[:6000])
    request.handler.close_connection = True


def cut_everywhere(request: Request, before: int) -> None:
    request.honest(most=1000)


MENDED: dict[str, tuple[Behaviour, list[int]]] = {
    "good": (lambda request, before: request.honest(), [0]),
    "cut once": (once(lambda request, before: request.honest(most=4000)), [0, 4000]),
    "cut every 1000 bytes": (cut_everywhere, list(range(0, len(BODY), 1000))),
    "no ranges": (deaf, [0, 4000]),
    "another range": (elsewhere, [0, 4000, 0]),
    "chunks, cut": (chunked, [0, 6000]),
    "503": (once(status(503)), [0, 0]),
    "503, wait": (once(status(503, Retry_After="0")), [0, 0]),
    "429, wait until a date that is over": (
        once(status(429, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT")),
        [0, 0],
    ),
    "no answer at all": (once(lambda request, before: None), [0, 0]),
}  # fmt: skip


@pytest.mark.parametrize("behaviour, begins", MENDED.values(), ids=MENDED.keys())
def test_a_file_arrives_whole_over_a_bad_line(offer, server, root, behaviour, begins):
    offer(behaviour)
    get()
    assert (root / "toy.bin").read_bytes() == BODY
    assert server.begins == begins
    assert sorted(path.name for path in root.iterdir()) == ["fetched.json", "toy.bin"]


def test_an_interrupted_download_goes_on_where_it_was(offer, server, root, monkeypatch):
    offer(lambda request, before: request.honest())

    def interrupted(answer):
        yield BODY[:5000]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(downloading, "_chunks", interrupted)
        with pytest.raises(KeyboardInterrupt):
            get()
    assert (root / "toy.bin.part").read_bytes() == BODY[:5000]
    get()
    assert server.begins == [0, 5000] and (root / "toy.bin").read_bytes() == BODY


@pytest.mark.parametrize("facts", [{}, {"md5": None}], ids=["checksum", "tag alone"])
def test_a_file_that_changed_on_the_server_begins_anew(offer, server, root, facts):
    new = BODY[::-1]

    def changing(request, before):
        if before:
            request.honest(new, ETag='"two"')
        else:
            request.honest(most=4000)

    offer(changing, body=new, **facts)
    get()
    assert (root / "toy.bin").read_bytes() == new and server.begins == [0, 4000]


def test_pieces_of_two_versions_without_tags_are_noticed_by_the_checksum(offer, server, root):
    new = BODY[::-1]
    offer(lambda request, before: request.honest(new, ETag="W/weak"), body=new)
    root.mkdir(parents=True)
    (root / "toy.bin.part").write_bytes(BODY[:4000])
    get()
    assert (root / "toy.bin").read_bytes() == new and server.begins == [4000, 0]


def test_without_tag_and_checksum_nobody_could_know_so_it_begins_anew(offer, server, root):
    offer(lambda request, before: request.honest(), md5=None, bytes=None)
    root.mkdir(parents=True)
    (root / "toy.bin.part").write_bytes(b"who knows")
    get()
    assert (root / "toy.bin").read_bytes() == BODY and server.begins == [0]


def test_a_part_that_was_complete_is_not_fetched_again(offer, server, root):
    offer(lambda request, before: request.honest())
    root.mkdir(parents=True)
    (root / "toy.bin.part").write_bytes(BODY)
    get()
    assert (root / "toy.bin").read_bytes() == BODY and server.begins == []


# --- what cannot be mended, and what is said then -------------------------------------------------

LOGIN = b"<!DOCTYPE html>\n<html><head><title>Drive &amp; Co -\n Quota exceeded</title>"


def to_login(request: Request, before: int) -> None:
    request.send(b"", 302, Location="/login?next=toy")


REFUSED: dict[str, tuple[Behaviour, dict[str, object], list[str]]] = {
    "403": (status(403), {}, ["403 Forbidden"]),
    "404": (status(404), {}, ["404 Not Found"]),
    "429 for an hour": (
        status(429, Retry_After="3600"),
        {},
        ["429 Too Many Requests", "asks to wait 3600 seconds"],
    ),
    "503 for ever": (status(503), {}, ["503 Service Unavailable", "3 tries in vain"]),
    "cut for ever": (
        lambda request, before: request.send(BODY[:10], length=len(BODY)),
        {},
        ["cut after 10 of 10,240 bytes", "3 tries in vain"],
    ),
    "B40 a web page": (
        lambda request, before: request.send(LOGIN),
        {},
        ["a web page titled 'Drive & Co - Quota exceeded'", "not kept"],
    ),
    "B40 a web page, size and checksum unknown": (
        lambda request, before: request.send(LOGIN, Content_Type="application/zip"),
        {"md5": None, "bytes": None},
        ["a web page titled 'Drive & Co - Quota exceeded'"],
    ),
    "B40 a redirect to a login page": (
        to_login,
        {},
        [
            "a web page titled 'Drive & Co - Quota exceeded', after a redirect to 127.0.0.1",
            "/login",
        ],
    ),
    "another size": (
        lambda request, before: request.send(b"words"),
        {},
        ["the server has 5 bytes, expected 10,240"],
    ),
    "B41 another checksum": (
        lambda request, before: request.honest(BODY[::-1]),
        {},
        [hashlib.md5(BODY).hexdigest(), hashlib.md5(BODY[::-1]).hexdigest(), "kept as toy.bin.bad"],
    ),
}


@pytest.mark.parametrize("behaviour, facts, words", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_the_file_is_not_taken_for_it(offer, server, root, behaviour, facts, words):
    offer(behaviour, **facts)
    server.behaviours["/login?next=toy"] = lambda request, before: request.send(LOGIN)
    said = refusal()
    assert all(word in said for word in words), said
    assert f"{server.address}/0/toy.bin" in said
    assert "by hand from http://page" in said and str(root / "toy.bin") in said
    left = {path.name for path in root.iterdir()}
    assert not left - {"toy.bin.bad", "toy.bin.part", "toy.bin.part-version"}
    assert ("toy.bin.part" in left) == ("cut" in said)


@pytest.mark.parametrize("fault", ["404", "503 for ever", "B40 a web page", "B41 another checksum"])
def test_the_next_mirror_is_tried(offer, root, fault):
    offer(REFUSED[fault][0], lambda request, before: request.honest())
    get()
    assert (root / "toy.bin").read_bytes() == BODY
    assert "/1/toy.bin" in json.loads((root / "fetched.json").read_text())["toy.bin"]["url"]


def test_the_next_mirror_goes_on_with_the_part_of_the_first(offer, server, root):
    def dying(request, before):
        request.honest(most=4000) if not before else request.send(b"", 404)

    offer(dying, lambda request, before: request.honest())
    get()
    assert (root / "toy.bin").read_bytes() == BODY and server.begins == [0, 4000, 4000]


CONNECTIONS: dict[str, tuple[Exception, str]] = {
    "B42 offline": (
        urllib.error.URLError(downloading.socket.gaierror(-2, "Name or service not known")),
        "no connection: [Errno -2] Name or service not known",
    ),
    "B42 proxy": (
        urllib.error.URLError(OSError("Tunnel connection failed: 407 Proxy Authentication")),
        "no connection: Tunnel connection failed: 407",
    ),
    "B42 TLS": (
        urllib.error.URLError(ssl.SSLCertVerificationError(1, "self-signed certificate")),
        "its certificate is not trusted",
    ),
    "B42 silence": (TimeoutError("timed out"), "no answer: timed out; 3 tries in vain"),
}  # fmt: skip


@pytest.mark.parametrize("error, words", CONNECTIONS.values(), ids=CONNECTIONS.keys())
def test_without_a_line_it_says_what_to_get_by_hand(offer, root, monkeypatch, error, words):
    offer(lambda request, before: request.honest())

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(urllib.request, "urlopen", fail)
    said = refusal()
    assert words in said and "by hand from http://page" in said and str(root / "toy.bin") in said


def test_a_file_put_there_by_hand_is_verified_and_taken(offer, server, root):
    offer(status(404))
    root.mkdir(parents=True)
    (root / "toy.bin").write_bytes(BODY[:-1])
    assert "expected 10,240 bytes" in refusal()
    (root / "toy.bin").write_bytes(BODY)
    get()
    assert server.begins == [] and "by hand" in (root / "fetched.json").read_text()


@pytest.mark.parametrize("module", [downloading, archives], ids=["to download", "to unpack"])
def test_room_on_the_disk_is_looked_for_first(offer, server, root, monkeypatch, module):
    packed = zipped(a=BODY)
    offer(lambda request, before: request.honest(packed), name="toy.zip", body=packed)

    def full(path, count):
        raise CourseError(f"needs {count} bytes", where=str(path))

    monkeypatch.setattr(module, "require_space", full)
    said = refusal()
    needed = len(packed) if module is downloading else len(BODY)
    assert f"needs {needed} bytes" in said
    assert not (root / "a").exists() and not list(root.glob(".toy*"))


def test_a_disk_that_fills_up_keeps_the_part(offer, server, root, monkeypatch):
    offer(lambda request, before: request.honest())

    def full(answer):
        yield BODY[:5000]
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(downloading, "_chunks", full)
        said = refusal()
    assert "No space left on device" in said and "goes on with what has come" in said
    assert (root / "toy.bin.part").stat().st_size == 5000


# --- archives -------------------------------------------------------------------------------------


def zipped(**files: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/"), content)
    return stream.getvalue()


def zip_of(name: str, content: bytes = b"x", mode: int = 0) -> bytes:
    info, stream = zipfile.ZipInfo(name), io.BytesIO()
    info.external_attr = mode << 16
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("good.txt", b"good")
        archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def tar_of(name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"x") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for member, data in (("good.txt", b"good"), (name, content)):
            info = tarfile.TarInfo(member)
            info.type = kind if member == name else tarfile.REGTYPE
            info.linkname, info.size = "/etc/passwd", len(data) if info.isreg() else 0
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def flipped(content: bytes) -> bytes:
    return content[:120] + bytes([content[120] ^ 16]) + content[121:]


BOMB = bytes(300_000)
HOSTILE: dict[str, tuple[str, bytes, str]] = {
    "above": ("a.zip", zip_of("../evil.txt"), "'../evil.txt' would be written outside"),
    "above, deeper": ("a.zip", zip_of("x/../../evil"), "would be written outside"),
    "above, Windows": ("a.zip", zip_of("..\\evil.txt"), "would be written outside"),
    "absolute": ("a.zip", zip_of("/tmp/evil.txt"), "would be written outside"),
    "drive": ("a.zip", zip_of("C:/evil.txt"), "would be written outside"),
    "link": ("a.zip", zip_of("evil", b"/etc/passwd", stat.S_IFLNK | 0o777), "'evil' is a link"),
    "bomb": ("a.zip", zip_of("evil.txt", BOMB), "times as much: this is a bomb"),
    "many files": ("a.zip", zipped(**{f"f{n}": b"" for n in range(9)}), "more than 8 entries"),
    "cut": ("a.zip", zip_of("a.txt", BODY)[:-30], "damaged or cut short"),
    "flipped bit": ("a.zip", flipped(zip_of("a.txt", BODY)), "damaged or cut short"),
    "no archive": ("a.zip", b"words", "damaged or cut short"),
    "tar above": ("a.tgz", tar_of("../evil.txt"), "would be written outside"),
    "tar absolute": ("a.tgz", tar_of("/tmp/evil.txt"), "would be written outside"),
    "tar link": ("a.tgz", tar_of("evil", tarfile.SYMTYPE), "'evil' is a link"),
    "tar hard link": ("a.tgz", tar_of("evil", tarfile.LNKTYPE), "'evil' is a link"),
    "tar pipe": ("a.tgz", tar_of("evil", tarfile.FIFOTYPE), "'evil' is a link or a device"),
    "tar bomb": ("a.tgz", tar_of("evil", content=BOMB), "this is a bomb"),
    "tar cut": ("a.tgz", tar_of("a.txt", content=BODY)[:-30], "damaged or cut short"),
    "tar of words": ("a.tar.gz", b"words", "damaged or cut short"),
}


@pytest.mark.parametrize("name, content, words", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_archive_writes_nothing(tmp_path, name, content, words):
    folder = tmp_path / "deep" / "folder"
    folder.mkdir(parents=True)
    (tmp_path / name).write_bytes(content)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(BadArchive, match=re.escape(words)):
        unpack(tmp_path / name, folder, Limits(files=8, ratio=100, small=100_000))
    assert sorted(tmp_path.rglob("*")) == before and not Path("/tmp/evil.txt").exists()


def test_a_hostile_archive_is_put_aside_and_named(offer, root):
    packed = zip_of("../evil.txt")
    offer(lambda request, before: request.honest(packed), name="toy.zip", body=packed)
    assert "'../evil.txt' would be written outside" in (said := refusal())
    assert "kept as toy.zip.bad" in said
    assert [path.name for path in root.iterdir()] == ["toy.zip.bad"]


@pytest.mark.parametrize("name, pack", [("toy.zip", zip_of), ("toy.tgz", tar_of)])
def test_an_archive_joins_what_is_there(offer, root, name, pack):
    packed = pack("pictures/a.txt")
    offer(lambda request, before: request.honest(packed), name=name, body=packed, into="in")
    (root / "in" / "pictures").mkdir(parents=True)
    (root / "in" / "pictures" / "b.txt").write_text("mine")
    get()
    names = {str(path.relative_to(root / "in")) for path in (root / "in").rglob("*.txt")}
    assert names == {"good.txt", "pictures/a.txt", "pictures/b.txt"}


def test_unpacking_that_was_stopped_is_begun_again(offer, server, root, monkeypatch):
    packed = zipped(a=b"one", b=b"two")
    offer(lambda request, before: request.honest(packed), name="toy.zip", body=packed)

    replace = archives.os.replace

    def stop(source, target):
        if target == root / "b":
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(archives.os, "replace", stop)
        with pytest.raises(KeyboardInterrupt):
            get()
    assert sorted(path.name for path in root.iterdir()) == ["a", "toy.zip"]
    get()
    assert server.begins == [0] and not (root / "toy.zip").exists()
    assert (root / "a").read_bytes() == b"one" and (root / "b").read_bytes() == b"two"


def test_b38_missing_files_are_counted_and_fetched_again(offer, server, root, monkeypatch):
    packed = zipped(a=b"one", b=b"two", c=b"three")
    offer(lambda request, before: request.honest(packed), name="toy.zip", body=packed)
    get()
    (root / "b").unlink()
    assert fetching.incomplete(root, "toy.zip") == ("2 of 3 files of toy.zip are there; missing: b")
    assert "2 of 3 files of toy.zip are there; missing: b" in str(check(str(root)))
    assert get().got == ("toy.zip",) and (root / "b").read_bytes() == b"two"
    assert get().present == ("toy.zip",)
