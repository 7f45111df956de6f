"""Other people's files: plain contents come in, code does not, and damage is named."""

from __future__ import annotations

import builtins
import codecs
import io
import os
import pickle
import struct
import subprocess
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from course_lib.errors import CourseError
from course_lib.foreign import fill, read_pickle, read_weights
from course_lib.storage.checkpoint import read_checkpoint

# --- what comes in ---


def python_2(text: str) -> bytes:
    """A pickle as Python 2 wrote it: byte strings, and numpy under its old name."""
    return text.encode("latin1")


def test_plain_values_come_in(tmp_path: Path) -> None:
    wanted = {"a": [1, 2.5, "ö", None, True, (3,)], "b": b"raw", "c": {1, 2}, "d": OrderedDict(x=1)}
    for protocol in range(2, 6):
        (tmp_path / "a.pickle").write_bytes(pickle.dumps(wanted, protocol))
        assert read_pickle(tmp_path / "a.pickle") == wanted


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool", "U5", "object"])
def test_arrays_come_in(tmp_path: Path, dtype: str) -> None:
    array = np.array([[0, 1], [1, 0]]).astype(dtype)
    for protocol in (2, 3, 4):
        (tmp_path / "a.pickle").write_bytes(pickle.dumps([array, np.float32(3)], protocol))
        back, number = read_pickle(tmp_path / "a.pickle")
        assert back.dtype == array.dtype and (back == array).all() and number == 3


def test_a_pickle_of_python_2_comes_in(tmp_path: Path) -> None:
    """File names, class ids and an embedding, as the published data sets hold them."""
    numbers = struct.pack("<3f", 1, 2, 3).decode("latin1")
    text = (
        "(lp0\nS'001.Albatross/caf\\xe9'\np1\naI7\naL9L\na"
        "cnumpy.core.multiarray\n_reconstruct\np2\n(cnumpy\nndarray\np3\n(I0\ntp4\nS'b'\np5\n"
        "tp6\nRp7\n(I1\n(I3\ntp8\ncnumpy\ndtype\np9\n(S'f4'\np10\nI0\nI1\ntp11\nRp12\n"
        "(I3\nS'<'\np13\nNNNI-1\nI-1\nI0\ntp14\nbI00\n"
        f"S{numbers!r}\np15\ntp16\nba."
    )
    (tmp_path / "filenames.pickle").write_bytes(python_2(text))
    name, small, large, embedding = read_pickle(tmp_path / "filenames.pickle")
    assert (name, small, large) == ("001.Albatross/café", 7, 9)
    assert embedding.tolist() == [1, 2, 3]


# --- what does not (R7, B71) ---


class Runs:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def hostile(mark: Path) -> dict[str, object]:
    touch = f"open({str(mark)!r}, 'w')"
    return {
        "system": Runs(os.system, f"touch '{mark}'"),
        "eval": Runs(eval, touch),
        "exec": Runs(exec, touch),
        "popen": Runs(subprocess.Popen, ["touch", str(mark)]),
        "getattr": Runs(getattr, "a", "upper"),
        "open": Runs(open, str(mark), "w"),
        "import": Runs(builtins.__import__, "antigravity"),
        "mkdir": Runs(os.mkdir, str(mark)),
        "codec": Runs(codecs.encode, "a", "rot13"),
        "from a file": Runs(np.fromfile, str(mark)),
        "deep inside": [{"a": (1, [Runs(os.system, f"touch '{mark}'")])}],
        "in an array": np.array([Runs(os.system, f"touch '{mark}'")], dtype=object),
    }


# Pickles that no Python object makes: written by hand, opcode by opcode.
BY_HAND = {
    "inst": b"(S'touch {}'\niposix\nsystem\n.",
    "obj": b"(cposix\nsystem\nS'touch {}'\no.",
    "old names": b'c__builtin__\neval\n(S\'open("{}", "w")\'\ntR.',
    "two dots": b"\x80\x04\x8c\x05numpy\x8c\x0cos.path.join\x93.",
    "extension": b"\x80\x02\x82\x01.",
    "persistent": b"Pposix system\n.",
    "codec": b"c_codecs\nencode\n(S'a'\nS'zlib'\ntR.",
}


@pytest.mark.parametrize("which", [*hostile(Path()), *BY_HAND])
@pytest.mark.parametrize("form", ["pickle", "weights", "old weights", "checkpoint"])
def test_nothing_in_a_file_can_run(tmp_path: Path, which: str, form: str) -> None:
    mark, path = tmp_path / "it ran", tmp_path / "evil.file"
    if which in BY_HAND:
        path.write_bytes(BY_HAND[which].replace(b"{}", str(mark).encode()))
    elif form in ("weights", "old weights"):
        new = form == "weights"
        torch.save(hostile(mark)[which], path, _use_new_zipfile_serialization=new)
    else:
        path.write_bytes(pickle.dumps(hostile(mark)[which], 2))
    read = {"pickle": read_pickle, "checkpoint": read_checkpoint}.get(form, read_weights)
    with pytest.raises(CourseError, match="evil.file") as caught:
        read(path)
    assert not mark.exists()
    assert "weights_only" not in str(caught.value) and "antigravity" not in str(caught.value)


@pytest.mark.parametrize("read", [read_pickle, read_weights])
def test_the_code_is_named(tmp_path: Path, read) -> None:
    path = tmp_path / "a.pth"
    if read is read_weights:
        torch.save({"a": Runs(os.system, "true")}, path)
    else:
        path.write_bytes(pickle.dumps({"a": Runs(os.system, "true")}))
    with pytest.raises(CourseError, match=r"refused: it contains code \(posix.system\)") as caught:
        read(path)
    assert "do not open files from strangers" in caught.value.fix


def test_a_zip_with_a_hostile_member_is_refused(tmp_path: Path) -> None:
    whole = io.BytesIO()
    torch.save({"a": torch.ones(2)}, whole)
    path, mark = tmp_path / "a.pth", tmp_path / "it ran"
    with zipfile.ZipFile(whole) as good, zipfile.ZipFile(path, "w") as evil:
        for name in good.namelist():
            bad = pickle.dumps(Runs(os.system, f"touch '{mark}'"), 2)
            evil.writestr(name, bad if name.endswith("data.pkl") else good.read(name))
    with pytest.raises(CourseError, match="refused"):
        read_weights(path)
    assert not mark.exists()


@pytest.mark.parametrize("content", [b"", b"junk" * 9, b"<html>", pickle.dumps([1] * 99)[:-7]])
@pytest.mark.parametrize("read", [read_pickle, read_weights])
def test_damage_is_named(tmp_path: Path, read, content: bytes) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(content)
    with pytest.raises(CourseError, match="a.pth: this is no file of"):
        read(path)
    with pytest.raises(CourseError, match="no such file"):
        read(tmp_path / "b.pth")


# --- weights into a network (B69) ---


def test_the_prefix_of_several_gpus_is_taken_off(tmp_path: Path) -> None:
    plain = nn.Linear(2, 3).state_dict()
    torch.save(OrderedDict((f"module.{name}", w) for name, w in plain.items()), tmp_path / "a.pth")
    assert read_weights(tmp_path / "a.pth").keys() == plain.keys()
    torch.save({"module.a": torch.ones(1), "b": torch.ones(1)}, tmp_path / "b.pth")
    assert read_weights(tmp_path / "b.pth").keys() == {"module.a", "b"}


def test_every_weight_that_does_not_fit_is_named() -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    weights = {f"{name}": value.clone() for name, value in network.state_dict().items()}
    del weights["1.num_batches_tracked"]  # as in files from before torch 0.4.1
    fill(network, weights, where="a.pth")
    weights["0.bias"] = torch.ones(7)
    weights["2.weight"] = weights.pop("1.weight")
    with pytest.raises(CourseError) as caught:
        fill(network, weights, where="a.pth")
    for words in ("0.bias is [7], the network has [3]", "1.weight is missing", "2.weight is one"):
        assert words in str(caught.value)
