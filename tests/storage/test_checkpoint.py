"""A checkpoint is what was saved, or it is refused; a save that fails changes nothing."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import pickle
import random
import resource
import shutil
import signal
import subprocess
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save, save_file

from course_lib.errors import CourseError
from course_lib.storage import checkpoint as module
from course_lib.storage.checkpoint import Checkpoint, read_checkpoint, write_checkpoint

GOOD = Checkpoint(
    {"kind": "toy", "round": 7, "words": ["a", "b"], "config": {"size": 4}},
    {"player/G/weight": torch.arange(300.0), "random/cpu": torch.arange(9, dtype=torch.uint8)},
)
FIXTURES = Path(__file__).parent / "schemas"


def equal(one: Checkpoint, other: Checkpoint) -> bool:
    return (
        one.header == other.header
        and one.tensors.keys() == other.tensors.keys()
        and all(torch.equal(value, other.tensors[name]) for name, value in one.tensors.items())
    )


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "run" / "a.safetensors", GOOD)


def test_what_was_saved_comes_back_with_versions(saved: Path) -> None:
    header = read_checkpoint(saved).header
    assert header.items() >= GOOD.header.items()
    assert header["schema"] == 2 and header["versions"].keys() == {"course", "torch", "python"}
    assert torch.equal(read_checkpoint(saved).tensors["player/G/weight"], torch.arange(300.0))


def test_tied_and_odd_tensors_are_saved(tmp_path: Path) -> None:
    """Weights that two layers share, views, empty tensors, halves and flags."""
    weight = torch.arange(6.0)
    odd = {
        "a": weight,
        "b": weight,
        "turned": weight.view(2, 3).T,
        "none": torch.zeros(0, 3),
        "scalar": torch.tensor(3),
        "flags": torch.tensor([True, False]),
        "half": torch.ones(3, dtype=torch.bfloat16),
    }
    back = read_checkpoint(write_checkpoint(tmp_path / "a.safetensors", Checkpoint({}, odd)))
    assert all(torch.equal(back.tensors[name], value) for name, value in odd.items())


# --- damage (R3, B70) ---


def outcome(path: Path, good: Checkpoint) -> str:
    """Two are allowed; anything else is a third one, and fails."""
    try:
        assert equal(read_checkpoint(path), good)
        return "the exact state"
    except CourseError as error:
        assert str(path) in str(error)
        return "refused"


def test_a_cut_at_every_sixteenth_is_refused(saved: Path) -> None:
    good, whole = read_checkpoint(saved), saved.read_bytes()
    for part in range(16):
        saved.write_bytes(whole[: len(whole) * part // 16])
        assert outcome(saved, good) == "refused"


def test_200_flipped_bits_are_seen_also_in_the_header(saved: Path) -> None:
    good, whole, chance = read_checkpoint(saved), saved.read_bytes(), random.Random(0)
    header_end = 8 + int.from_bytes(whole[:8], "little")
    places = [chance.randrange(header_end) for _ in range(100)]
    places += [chance.randrange(header_end, len(whole)) for _ in range(100)]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << chance.randrange(8)
        saved.write_bytes(damaged)
        assert outcome(saved, good) == "refused", place


def a_pth() -> bytes:
    file = io.BytesIO()
    torch.save({"a": torch.ones(2)}, file)
    return file.getvalue()


def a_zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "b")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (b"<!DOCTYPE html><title>Quota exceeded</title>", "it is a web page"),
        (b"\n  <html>", "it is a web page"),
        (a_pth(), "it is a zip file"),
        (a_zip(), "it is a zip file"),
        (pickle.dumps({"a": 1}), "it is a pickle"),
        (b"ustar" * 300, "cut off or damaged"),
        (save({"a": torch.ones(2)}), "a safetensors file of another program"),
        (save({"a": torch.ones(2)}, {"format": "pt"}), "a safetensors file of another program"),
    ],
    ids=["empty", "html", "page", "pth", "zip", "pickle", "noise", "safetensors", "format"],
)
def test_other_files_are_recognised(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(CourseError, match=words):
        read_checkpoint(path)


def test_no_file_a_folder_a_pipe_and_a_lost_link_are_told_apart(tmp_path: Path) -> None:
    """B47: none of them hangs, and none is opened."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name, words in [
        ("nothing", "no such file"),
        ("folder", "a folder"),
        ("pipe", "a pipe"),
        ("loop", "a link that leads to no file"),
    ]:
        with pytest.raises(CourseError, match=words):
            read_checkpoint(tmp_path / name)


def test_another_painters_checkpoint_is_named(saved: Path) -> None:
    """B68."""
    with pytest.raises(CourseError, match="a toy checkpoint of 4 px, you asked for spade"):
        read_checkpoint(saved, kind="spade")
    assert read_checkpoint(saved, kind="toy").header["round"] == 7


# --- schemas (R12, B73) ---


def test_a_checkpoint_of_a_later_course_says_so(saved: Path, monkeypatch) -> None:
    monkeypatch.setattr(module, "SCHEMA", 9)
    monkeypatch.setattr(module, "__version__", "7.5")
    write_checkpoint(saved, GOOD)
    monkeypatch.undo()
    with pytest.raises(CourseError, match=r"later course \(schema 9, version 7.5\)"):
        read_checkpoint(saved)


@pytest.mark.parametrize("schema", range(1, module.SCHEMA + 1))
def test_every_released_schema_is_read_as_the_present_one(schema: int) -> None:
    found = read_checkpoint(FIXTURES / f"{schema}.safetensors")
    assert found.header["schema"] == module.SCHEMA
    assert found.header["kind"] == "toy" and found.header["round"] == 3
    assert "torch" in found.header["versions"]
    assert found.tensors["history/rounds"].tolist() == [1, 2, 3]
    assert found.tensors["history/figures/G"].tolist() == [0.0, 1.0, 2.0]


def test_the_fixtures_are_of_the_schema_that_they_are_named_after() -> None:
    for schema in range(1, module.SCHEMA + 1):
        whole = (FIXTURES / f"{schema}.safetensors").read_bytes()
        header = json.loads(whole[8 : 8 + int.from_bytes(whole[:8], "little")])
        assert json.loads(header["__metadata__"]["course"])["schema"] == schema


# --- a save that fails (R2, R8, B48, B62) ---


def fails_with(number: int):
    def fail(*arguments: object, **keywords: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


NEW = Checkpoint({"kind": "toy", "round": 8}, {"a": torch.ones(3)})


def assert_nothing_happened(saved: Path, before: str) -> None:
    assert sha(saved) == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS])
@pytest.mark.parametrize("call", ["os.fsync", "os.replace", "os.open"])
def test_a_failed_save_names_path_and_room_and_changes_nothing(
    saved: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    before = sha(saved)
    with monkeypatch.context() as patch:
        patch.setattr(call, fails_with(number))
        with pytest.raises(CourseError) as caught:
            write_checkpoint(saved, NEW)
    assert caught.value.where == str(saved) and caught.value.fix
    assert os.strerror(number) in caught.value.what and "B are free there" in caught.value.what
    assert_nothing_happened(saved, before)


def test_a_real_limit_on_file_size_is_met_in_the_same_way(saved: Path) -> None:
    """The file grows until the system says no, as on a full disk."""
    before, limits = sha(saved), resource.getrlimit(resource.RLIMIT_FSIZE)
    large = Checkpoint({"kind": "toy"}, {"a": torch.zeros(100_000)})
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, limits[1]))
    try:
        with pytest.raises(CourseError, match="could not be written"):
            write_checkpoint(saved, large)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert_nothing_happened(saved, before)


def mounted(folder: Path, kilobytes: int) -> bool:
    """A small disk in memory, where this user may make one."""
    folder.mkdir()
    mount = shutil.which("mount")
    order = [mount or "", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    return bool(mount) and not subprocess.run(order, capture_output=True).returncode


def test_a_full_disk_keeps_the_old_file(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    if not mounted(disk, 512):
        pytest.skip("only root can mount a small disk")
    try:
        saved = write_checkpoint(disk / "a.safetensors", GOOD)
        before = sha(saved)
        with pytest.raises(CourseError, match="No space left") as caught:
            write_checkpoint(saved, Checkpoint({}, {"a": torch.zeros(200_000)}))
        assert "remove what is not needed" in caught.value.fix
        assert_nothing_happened(saved, before)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_folder_that_one_may_not_write_to(saved: Path) -> None:
    """In a child that gives up being root: root may write anywhere."""
    before = sha(saved)
    os.chmod(saved.parent, 0o555)
    for folder in (saved.parent, *saved.parents[1:4]):
        if folder.stat().st_uid == os.getuid() and folder != saved.parent:
            os.chmod(folder, folder.stat().st_mode | 0o011)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        if os.getuid() == 0:
            os.setuid(65534)
        try:
            write_checkpoint(saved, NEW)
        except CourseError as error:
            os.write(writer, str(error).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as said:
        words = said.read()
    os.waitpid(child, 0)
    os.chmod(saved.parent, 0o755)
    assert "Permission denied" in words and "choose a folder that you may write to" in words
    assert_nothing_happened(saved, before)


def test_an_interrupt_while_saving_changes_nothing(saved: Path, monkeypatch) -> None:
    """B62."""
    before = sha(saved)

    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_checkpoint(saved, NEW)
    assert_nothing_happened(saved, before)


def test_bytes_reach_the_disk_before_the_name_does(saved: Path, monkeypatch) -> None:
    calls = []
    flush, rename = os.fsync, os.replace

    def fsync(descriptor: int) -> None:
        calls.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name.partition(".")[0])
        flush(descriptor)

    def replace(source: Path, target: Path) -> None:
        calls.append("rename")
        rename(source, target)

    monkeypatch.setattr("os.fsync", fsync)
    monkeypatch.setattr("os.replace", replace)
    write_checkpoint(saved, NEW)
    assert calls == ["a", "rename", "run"]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["player/G/0.weight", "player/G/1.running_var", "optimiser/D/0/v"])
def test_what_is_not_finite_is_not_saved(saved: Path, name: str, bad: float) -> None:
    before = sha(saved)
    with pytest.raises(CourseError, match=f"{name} and 1 more holds NaN or infinity"):
        write_checkpoint(
            saved, Checkpoint({}, {name: torch.tensor([1, bad]), "z": torch.tensor([bad])})
        )
    assert_nothing_happened(saved, before)


def test_a_history_may_hold_infinite_figures(tmp_path: Path) -> None:
    figures = {"history/figures/G.gradient": torch.tensor([1.0, float("inf")])}
    write_checkpoint(tmp_path / "a.safetensors", Checkpoint({}, figures))


def test_a_header_holds_plain_values_only(tmp_path: Path) -> None:
    """B72: a path or a tensor in the header is a fault of the course, seen at once."""
    with pytest.raises(TypeError):
        write_checkpoint(tmp_path / "a.safetensors", Checkpoint({"out": tmp_path}, {}))
    save_file({"a": torch.ones(1)}, tmp_path / "b.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["b.safetensors"]
