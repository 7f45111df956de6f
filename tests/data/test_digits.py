"""Handwriting: ranges, splits, MNIST in torchvision's layout, and when it is missing."""

import gzip
import os
from pathlib import Path

import pytest
import torch

from course_lib.data.digits import MNIST_FILES, Digits, Mnist, find_mnist
from course_lib.data.sources import open_source
from course_lib.errors import CourseError


@pytest.mark.parametrize("size", [8, 16, 32])
def test_digits_have_size_range_and_labels(size):
    digits = Digits(size)
    scenes = digits.batch(torch.tensor([0, 1, 2, 3]))
    assert scenes.images.shape == (4, 1, size, size) and scenes.images.dtype == torch.float32
    assert digits.images.min() == -1 and digits.images.max() == 1
    assert scenes.labels.tolist() == [0, 1, 2, 3]


def test_train_and_test_digits_do_not_overlap_and_are_all_there():
    train, test = Digits(8, "train"), Digits(8, "test")
    assert (len(train), len(test)) == (1437, 360)
    seen = {tuple(p.flatten().tolist()) for p in train.images}
    assert not any(tuple(p.flatten().tolist()) in seen for p in test.images)
    assert set(test.labels.tolist()) == set(range(10))


def write_idx(path: Path, values: torch.Tensor, packed: bool) -> None:
    """MNIST's own format: a magic number, the sizes, the bytes."""
    header = bytes([0, 0, 8, values.dim()])
    header += b"".join(n.to_bytes(4, "big") for n in values.shape)
    data = header + values.to(torch.uint8).numpy().tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    if packed:
        Path(f"{path}.gz").write_bytes(gzip.compress(data))
    else:
        path.write_bytes(data)


@pytest.fixture(params=[True, False], ids=["gzipped", "unpacked"])
def small_mnist(tmp_path, request):
    """Made-up digits in torchvision's layout."""
    raw = tmp_path / "mnist" / "MNIST" / "raw"
    for name in MNIST_FILES:
        count = 6 if name.startswith("train") else 3
        values = torch.arange(count) % 10
        if "images" in name:
            values = (torch.arange(count)[:, None, None] * 20).expand(count, 28, 28)
        write_idx(raw / name, values, request.param)
    return tmp_path


def test_mnist_is_read_packed_or_not_and_gets_a_margin(small_mnist):
    assert find_mnist(small_mnist) == small_mnist / "mnist"
    mnist = Mnist(small_mnist / "mnist", 32, "train")
    assert mnist.images.shape == (6, 1, 32, 32)
    assert mnist.images[3, 0, 0, 0] == -1
    assert mnist.images[3, 0, 16, 16].item() == pytest.approx(60 / 127.5 - 1)
    assert Mnist(small_mnist / "mnist", 64, "test").images.shape == (3, 1, 64, 64)


def test_incomplete_mnist_names_what_is_missing_and_how_to_get_it(small_mnist):
    raw = small_mnist / "mnist" / "MNIST" / "raw"
    next(raw.glob("t10k-labels*")).unlink()
    assert find_mnist(small_mnist) is None
    with pytest.raises(CourseError) as caught:
        Mnist(small_mnist / "mnist")
    assert "t10k-labels-idx1-ubyte missing" in str(caught.value)
    assert "data=digits" in str(caught.value)


def test_sources_are_found_by_name(small_mnist, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(small_mnist))
    assert len(open_source("mnist", 32, "test")) == 3
    assert len(open_source("digits", 8)) == 1437
    with pytest.raises(CourseError, match="did you mean 'mnist'"):
        open_source("mnits", 32)


@pytest.mark.skipif(
    find_mnist(Path(os.environ.get("COURSE_DATA", "datasets"))) is None,
    reason="MNIST is not in COURSE_DATA",
)
def test_the_real_mnist():
    mnist = Mnist(find_mnist(Path(os.environ.get("COURSE_DATA", "datasets"))), 32, "test")
    assert len(mnist) == 10_000 and mnist.labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert mnist.images.shape == (10_000, 1, 32, 32)
