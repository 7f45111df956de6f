"""Real handwriting: scikit-learn's 1,797 bundled digits offline, MNIST when it is there.

Both are :class:`~course_lib.scene.Source`: ``len``, and ``batch(indices)`` in [-1, 1].
"""

from __future__ import annotations

import gzip
import shutil
import tempfile
from pathlib import Path
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.data.fingerprint import fingerprint
from course_lib.errors import CourseError
from course_lib.scene import SceneBatch

__all__ = ["Digits", "Mnist", "Split", "find_mnist"]

Split = Literal["train", "test"]


class _InMemory:
    """Pictures and labels that fit into memory: ``[N, 1, size, size]`` in [-1, 1]."""

    name: ClassVar[str]
    channels = 1
    in_memory = True  # no worker could be faster

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images, self.labels = images, labels

    @property
    def fingerprint(self) -> str:
        """Of the size and of who wrote what: the labels in their order."""
        return fingerprint(self.name, *self.images.shape, self.labels.tolist())

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, indices: Tensor) -> SceneBatch:
        """The digits with these indices."""
        return SceneBatch(self.images[indices], self.labels[indices])


class Digits(_InMemory):
    """The optical digits that come with scikit-learn: 8 x 8 grey levels, 13 writers, no download.

    The pictures are enlarged bicubically, with a margin of a tenth, and their contrast is stretched
    so that strokes come out full and paper empty: ``(x - 0.15) / 0.6`` clamped to [0, 1].

    Args:
        size: side in pixels.
        split: ``train`` (the first 1,437) or ``test`` (the last 360).
    """

    name = "digits"
    held_out = 360

    def __init__(self, size: int = 32, split: Split = "train") -> None:
        from sklearn.datasets import load_digits

        bunch = load_digits()
        part = slice(None, -self.held_out) if split == "train" else slice(-self.held_out, None)
        small = torch.from_numpy(bunch.images[part]).float()[:, None] / 16  # [N, 1, 8, 8] in [0, 1]
        margin = size // 10
        inner = (size - 2 * margin, size - 2 * margin)
        large = F.interpolate(small, size=inner, mode="bicubic", align_corners=False)
        ink = F.pad(((large - 0.15) / 0.6).clamp(0, 1), [margin] * 4)  # [N, 1, size, size]
        super().__init__(ink * 2 - 1, torch.from_numpy(bunch.target[part]).long())


class Mnist(_InMemory):
    """MNIST's 70,000 digits through torchvision, where its four files are there already.

    A picture keeps its 28 x 28 pixels and gets a margin of 2 (32 px), then is enlarged if asked.

    Args:
        root: the folder that holds ``MNIST/raw``; its files may still be gzipped.
        size: side in pixels.
        split: ``train`` (60,000) or ``test`` (10,000).
    """

    name = "mnist"

    def __init__(self, root: Path, size: int = 32, split: Split = "train") -> None:
        from torchvision.datasets import MNIST

        with tempfile.TemporaryDirectory() as unpacked:
            _unpack(_raw_folder(root), Path(unpacked) / "MNIST" / "raw")
            mnist = MNIST(unpacked, train=split == "train", download=False)
        ink = F.pad(
            mnist.data[:, None].float() / 127.5 - 1, (2, 2, 2, 2), value=-1
        )  # [N, 1, 32, 32]
        if size != 32:
            ink = F.interpolate(
                ink, size=(size, size), mode="bilinear", align_corners=False, antialias=True
            )
        super().__init__(ink, mnist.targets)


MNIST_FILES = tuple(
    f"{part}-{what}-ubyte" for part in ("train", "t10k") for what in ("images-idx3", "labels-idx1")
)


def find_mnist(data_root: Path) -> Path | None:
    """The folder under ``data_root`` that holds MNIST, or None."""
    for folder in (data_root / "mnist", data_root):
        if not _missing(folder / "MNIST" / "raw"):
            return folder
    return None


def _missing(raw: Path) -> list[str]:
    """The MNIST files that are in ``raw`` neither as they are nor gzipped."""
    return [n for n in MNIST_FILES if not (raw / n).exists() and not (raw / f"{n}.gz").exists()]


def _raw_folder(root: Path) -> Path:
    raw = Path(root) / "MNIST" / "raw"
    if missing := _missing(raw):
        raise CourseError(
            f"MNIST is not complete: {', '.join(missing)} missing (each may end in .gz)",
            where=str(raw),
            fix="python -c \"from torchvision.datasets import MNIST; MNIST('datasets/mnist', "
            'download=True)" downloads 11 MB; or use the bundled digits: data=digits',
        )
    return raw


def _unpack(raw: Path, folder: Path) -> None:
    """Copies the four files to where torchvision wants them: unpacked, in ``MNIST/raw``."""
    folder.mkdir(parents=True)
    for name in MNIST_FILES:
        packed = raw / f"{name}.gz"
        opener, source = (gzip.open, packed) if packed.exists() else (open, raw / name)
        with opener(source, "rb") as origin, open(folder / name, "wb") as target:
            shutil.copyfileobj(origin, target)
