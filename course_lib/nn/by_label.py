"""What a convolution of a label map needs, computed from the ids rather than from one-hot planes.

A one-hot map of 184 classes is nearly all zeros: a scene has ten of them, and most pixels lie deep
inside one. Three facts save the work, and change nothing but the order of sums:

- planes of classes that do not occur add nothing: their kernels are left out;
- every layer that asks for a map of some size gets the same one;
- two convolutions of ``k x k``, one after the other, see ``2 k - 1`` pixels a side. Where these
  labels are the same, so is the result: it is computed once for each *distinct neighbourhood* and
  handed out to its pixels.

The last pays where regions are large. Ragged and small maps are convolved, and soft maps
(:class:`SoftMaps`) are convolved with all their planes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from course_lib.errors import CourseError

__all__ = ["LabelMaps", "Maps", "SoftMaps", "handed_out", "two_convolutions"]


class SoftMaps:
    """Label maps as planes that may hold anything from 0 to 1.

    Args:
        planes: ``[B, P, H, W]``, one-hot or soft.
        channels: which input channels of a kernel the planes belong to: ``[P]``; None for all.
    """

    def __init__(self, planes: Tensor, channels: Tensor | None = None) -> None:
        self.planes, self.channels = planes, channels
        self._sizes: dict[tuple[int, int], SoftMaps] = {}

    def __len__(self) -> int:
        return len(self.planes)

    def at(self, height: int, width: int) -> SoftMaps:
        """The maps at another size, by nearest neighbour; each size is computed once."""
        if (height, width) not in self._sizes:
            resized = F.interpolate(self.planes, size=(height, width), mode="nearest")
            self._sizes[height, width] = SoftMaps(resized, self.channels)
        return self._sizes[height, width]

    @cached_property
    def halved(self) -> SoftMaps:
        """The maps at half their size, by the mean of 3 x 3 pixels."""
        pooled = F.avg_pool2d(self.planes, 3, stride=2, padding=1, count_include_pad=False)
        return SoftMaps(pooled, self.channels)

    def convolve(self, weight: Tensor, bias: Tensor | None, **how: int) -> Tensor:
        """``conv2d(maps, weight, bias)``."""
        kernel = weight if self.channels is None else weight[:, self.channels]
        return F.conv2d(self.planes.to(weight.dtype), kernel, bias, **how)

    def once(self, layer: nn.Module, work: Callable[[], Tensor]) -> Tensor:
        """What ``work`` gives for ``layer``; ids may remember it."""
        return work()


class LabelMaps:
    """Label maps of a batch as ids.

    Args:
        ids: ``[B, H, W]``, int64, each below ``classes``.
        classes: how many there are, the one for "unlabelled" included.
        edges: ``[B, 1, H, W]``, 1 at the borders between objects; one plane more.
        remember: keep what layers compute from these maps alone, to paint them in many styles.
        present: the classes that occur, if they are known: ``[P]``, sorted.

    Raises:
        CourseError: an id that is no class.
    """

    def __init__(
        self,
        ids: Tensor,
        classes: int,
        edges: Tensor | None = None,
        *,
        remember: bool = False,
        present: Tensor | None = None,
    ) -> None:
        self.ids, self.classes, self.edges, self.remember = ids, classes, edges, remember
        self.present = _checked(ids.unique(), classes) if present is None else present
        self._sizes: dict[tuple[int, int], LabelMaps] = {}
        self._neighbourhoods: dict[int, Neighbourhoods | None] = {}
        self._remembered: dict[nn.Module, Tensor] = {}

    def __len__(self) -> int:
        return len(self.ids)

    def at(self, height: int, width: int) -> LabelMaps:
        """The maps at another size, by nearest neighbour; each size is computed once."""
        if (height, width) == self.ids.shape[1:]:
            return self
        if (height, width) not in self._sizes:
            size = (height, width)
            ids = F.interpolate(self.ids[:, None].float(), size=size, mode="nearest")
            edges = self.edges
            if edges is not None:
                edges = F.interpolate(edges.float(), size=size, mode="nearest")
            self._sizes[size] = LabelMaps(
                ids[:, 0].long(), self.classes, edges, remember=self.remember, present=self.present
            )
        return self._sizes[height, width]

    @cached_property
    def soft(self) -> SoftMaps:
        """The planes of the classes that occur, then the edges: ``[B, P (+ 1), H, W]``."""
        planes = (self.ids[:, None] == self.present[:, None, None]).float()
        if self.edges is None:
            return SoftMaps(planes, self.present)
        channels = torch.cat([self.present, self.present.new_tensor([self.classes])])
        return SoftMaps(torch.cat([planes, self.edges.float()], dim=1), channels)

    @property
    def halved(self) -> SoftMaps:
        """The maps at half their size, by the mean of 3 x 3 pixels."""
        return self.soft.halved

    def plain(self) -> SoftMaps:
        """All planes, as published: ``[B, classes (+ 1), H, W]``."""
        planes = F.one_hot(self.ids, self.classes).permute(0, 3, 1, 2).float()
        return SoftMaps(planes if self.edges is None else torch.cat([planes, self.edges], dim=1))

    def convolve(self, weight: Tensor, bias: Tensor | None, **how: int) -> Tensor:
        """``conv2d(plain planes, weight, bias)``, without the planes of absent classes."""
        return self.soft.convolve(weight, bias, **how)

    def once(self, layer: nn.Module, work: Callable[[], Tensor]) -> Tensor:
        """What ``work`` gives for ``layer``, which these maps may remember."""
        if not self.remember or torch.is_grad_enabled():
            return work()
        if layer not in self._remembered:
            self._remembered[layer] = work()
        return self._remembered[layer]

    def neighbourhoods(self, kernel: int) -> Neighbourhoods | None:
        """The distinct neighbourhoods of two ``kernel x kernel`` convolutions, if they are few."""
        if kernel not in self._neighbourhoods:
            self._neighbourhoods[kernel] = _neighbourhoods(self, kernel)
        return self._neighbourhoods[kernel]


Maps = LabelMaps | SoftMaps


def _checked(present: Tensor, classes: int) -> Tensor:
    """Before a GPU meets them: there an unknown id ends the process."""
    low, high = int(present[0]), int(present[-1])
    if low < 0 or high >= classes:
        raise CourseError(
            f"ids go from {low} to {high}, the network knows 0 to {classes - 1}",
            where="label maps",
        )
    return present


# --- Distinct neighbourhoods ---


@dataclass(frozen=True)
class Distinct:
    """The distinct ones among ``N`` things.

    Attributes:
        count: how many are distinct, ``U``.
        index: which of them each thing is: ``[N]``.
        order, starts: the things by what they are: those of ``u`` begin at ``order[starts[u]]``.
    """

    count: int
    index: Tensor
    order: Tensor
    starts: Tensor

    @classmethod
    def of(cls, index: Tensor, count: int) -> Distinct:
        sizes = torch.bincount(index, minlength=count)
        return cls(count, index, index.argsort(), sizes.cumsum(0) - sizes)


@dataclass(frozen=True)
class Neighbourhoods:
    """What the first convolution sees, and the second.

    Attributes:
        features: the distinct windows of labels, one-hot: ``[U1, k * k * planes]``.
        inner: which of those the second convolution finds in its windows, ``U1`` for nothing:
            ``[U2 * k * k]``.
        outer: which of the ``U2`` distinct windows of windows each pixel has.
    """

    features: Tensor
    inner: Distinct
    outer: Distinct


ENOUGH = 2048  # pixels from which on it pays to look for distinct neighbourhoods
FEW = 0.5  # as a share of all pixels


def _neighbourhoods(maps: LabelMaps, kernel: int) -> Neighbourhoods | None:
    if maps.ids.numel() < ENOUGH or maps.ids.device.type != "cpu":
        return None
    codes = maps.ids if maps.edges is None else 2 * maps.ids + maps.edges[:, 0].long()
    outside = 2 * maps.classes
    first, labels = _windows(codes, outside, kernel)
    if len(labels) > FEW * codes.numel():
        return None
    second, inner = _windows(first.view_as(codes), len(labels), kernel)
    if len(inner) > FEW * codes.numel():
        return None
    return Neighbourhoods(
        _one_hot(labels, maps),
        Distinct.of(inner.flatten(), len(labels) + 1),
        Distinct.of(second, len(inner)),
    )


def _windows(ids: Tensor, outside: int, kernel: int) -> tuple[Tensor, Tensor]:
    """Which window each pixel has, ``[B * H * W]``, and the distinct ones, ``[U, kernel^2]``.

    Args:
        ids: ``[B, H, W]``, from 0 to below ``outside``, which stands for what lies beyond.
    """
    height, width = ids.shape[1:]
    padded = F.pad(ids, [kernel // 2] * 4, value=outside)
    rows, count = _folded([padded[:, :, i : i + width] for i in range(kernel)], outside + 1)
    windows, count = _folded([rows[:, i : i + height] for i in range(kernel)], count)
    index = windows.flatten()
    some = index.new_empty(count)  # a pixel that has each window
    some[index] = torch.arange(len(index), device=index.device)
    shifted = [
        padded[:, y : y + height, x : x + width].flatten()[some]
        for y in range(kernel)
        for x in range(kernel)
    ]
    return index, torch.stack(shifted, dim=1)


def _folded(parts: list[Tensor], base: int) -> tuple[Tensor, int]:
    """Numbers for distinct tuples, and how many: equal numbers exactly where all parts are equal.

    Args:
        parts: tensors of one shape with numbers from 0 to below ``base``.
    """
    code, size = parts[0], base
    for part in parts[1:]:
        if size * base >= 2**63:
            values, code = code.unique(return_inverse=True)
            size = len(values)
        code, size = code * base + part, size * base
    values, code = code.unique(return_inverse=True)
    return code, len(values)


def _one_hot(codes: Tensor, maps: LabelMaps) -> Tensor:
    """Windows of codes ``[U, k * k]`` as planes ``[U, k * k * P]``; beyond the map all are 0."""
    labels = codes if maps.edges is None else codes.div(2, rounding_mode="floor")
    planes = labels[..., None] == maps.present  # what lies beyond is no class, and no edge
    if maps.edges is not None:
        planes = torch.cat([planes, codes[..., None] % 2 == 1], dim=-1)
    return planes.float().flatten(1)


class _HandedOut(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, index: Tensor, order: Tensor, starts: Tensor) -> Tensor:
        ctx.save_for_backward(order, starts)
        return rows.index_select(0, index)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Any:
        order, starts = ctx.saved_tensors
        summed = F.embedding_bag(order, gradient.contiguous(), starts, mode="sum")
        return summed, None, None, None


def handed_out(rows: Tensor, to: Distinct) -> Tensor:
    """``rows[index]``: ``[U, C]`` -> ``[N, C]``.

    The gradient of a row is the sum over all that got it, taken in one go.
    """
    return _HandedOut.apply(rows, to.index, to.order, to.starts)


def two_convolutions(maps: Maps, first: nn.Conv2d, weight: Tensor, bias: Tensor) -> Tensor:
    """``conv2d(relu(first(maps)), weight, bias)``, both of one kernel size and stride 1.

    Args:
        maps: label maps, for which distinct neighbourhoods are looked for, or soft ones.
        first: the first convolution, whose input channels are classes (and edges).
        weight, bias: of the second: ``[out, hidden, k, k]`` and ``[out]``.

    Returns:
        ``[B, out, H, W]``
    """
    kernel = first.kernel_size[0]
    near = maps.neighbourhoods(kernel) if isinstance(maps, LabelMaps) else None
    if near is None or isinstance(maps, SoftMaps):
        hidden = maps.convolve(first.weight, first.bias, padding=kernel // 2).relu()
        return F.conv2d(hidden, weight, bias, padding=kernel // 2)
    some = first.weight[:, maps.soft.channels]  # [hidden, P, k, k]
    rows = some.permute(0, 2, 3, 1).flatten(1)  # [hidden, k * k * P]
    hidden = F.linear(near.features.to(rows.dtype), rows, first.bias).relu()  # [U1, hidden]
    beyond = hidden.new_zeros(1, hidden.shape[1])  # the second convolution is padded with zeros
    seen = handed_out(torch.cat([hidden, beyond]), near.inner)  # [U2 * k * k, hidden]
    columns = weight.permute(0, 2, 3, 1).flatten(1)  # [out, k * k * hidden]
    out = F.linear(seen.view(near.outer.count, -1), columns, bias)  # [U2, out]
    batch, height, width = maps.ids.shape
    return handed_out(out, near.outer).view(batch, height, width, -1).permute(0, 3, 1, 2)
