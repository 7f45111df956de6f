"""Texture: has painted stuff the grain of real stuff? Segmenters and FID hardly see the difference.

Two measures for each class of stuff, both against real pictures: how strong the texture is
(variance of what is finer than seven pixels), and on which scales (power spectrum in four bands).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.data.storybook import CLASSES
from course_lib.errors import CourseError
from course_lib.metrics.score import Score, bootstrap, condition, enough
from course_lib.scene import SceneBatch

__all__ = ["LEVEL", "band_ratios", "right", "spectrum_distance", "variance_ratio"]

STUFF = len(CLASSES.stuff)
FINE = 7  # side in pixels of the mean that is taken away
WINDOW, STEP = 16, 8  # pixels
BANDS = (16.5, 10.0, 4.5, 2.6, 0.0)  # periods in pixels between which the bands lie
LEVEL = 0.02  # standard deviation below which a texture counts as none: 2.5 grey levels
LEAST = 20  # pictures that a class must occur in


def fine(pictures: Tensor) -> Tensor:
    """What is finer than seven pixels: ``[B, 3, H, W]``."""
    reach = FINE // 2
    padded = F.pad(pictures, (reach,) * 4, mode="reflect")
    return pictures - F.avg_pool2d(padded, FINE, stride=1)


def inside(label_maps: Tensor, side: int, step: int) -> Tensor:
    """For each kind of stuff, the windows that hold nothing else: ``[B, 10, rows, columns]``."""
    one_hot = label_maps[:, None] == torch.arange(STUFF, device=label_maps.device)[:, None, None]
    return -F.max_pool2d(-one_hot.float(), side, stride=step)


def variances(pictures: Tensor, label_maps: Tensor) -> Tensor:
    """Sum of squares of fine texture and number of pixels, by class: ``[B, 10, 2]``."""
    reach = FINE // 2
    squares = fine(pictures).square().mean(dim=1, keepdim=True)[..., reach:-reach, reach:-reach]
    where = inside(label_maps, FINE, 1)
    return torch.stack([(squares * where).sum((2, 3)), where.sum((2, 3))], dim=-1)


def spectra(pictures: Tensor, label_maps: Tensor) -> Tensor:
    """Summed power of four bands, and number of windows, by class: ``[B, 10, 4 + 1]``."""
    grey = pictures.mean(dim=1)
    cut = grey.unfold(1, WINDOW, STEP).unfold(2, WINDOW, STEP)  # [B, rows, columns, 16, 16]
    hann = torch.hann_window(WINDOW, periodic=False, device=pictures.device)
    cut = (cut - cut.mean(dim=(3, 4), keepdim=True)) * hann[:, None] * hann
    power = torch.fft.fft2(cut).abs().square() / (hann.square().sum() ** 2)
    steps = torch.fft.fftfreq(WINDOW, device=pictures.device)
    period = 1 / (steps[:, None].square() + steps.square()).sqrt().clamp(min=1e-6)
    bands = [
        ((period < high) & (period >= low)) for high, low in zip(BANDS, BANDS[1:], strict=False)
    ]
    powers = torch.stack([power[..., band].sum(-1) for band in bands], dim=-1)  # [B, r, c, 4]
    where = inside(label_maps, WINDOW, STEP)
    sums = torch.einsum("bkrc,brcf->bkf", where, powers)
    return torch.cat([sums, where.sum((2, 3))[..., None]], dim=-1)


def mean_of(rows: Tensor) -> Tensor:
    """Means from rows of sums and a count at the end: ``[N, F + 1]`` -> ``[F]``."""
    total = rows.sum(0)
    return total[:-1] / total[-1].clamp(min=1)


Compare = Callable[[Tensor, Tensor], float]  # means of painted and of real ones


def _by_class(
    measure: Callable[[Tensor, Tensor], Tensor],
    compares: Mapping[str, Compare],
    pictures: Tensor,
    scenes: SceneBatch,
    protocol: str,
) -> dict[str, Score]:
    """Scores by the name of a kind of stuff and that of a comparison."""
    maps = condition(scenes, "label_maps")
    if pictures.shape != scenes.images.shape:
        raise CourseError(
            f"pictures are {list(pictures.shape)}, the scenes {list(scenes.images.shape)}",
            where="pictures",
            fix="texture is compared pixel by pixel: draw the scenes at the painter's size",
        )
    enough(len(pictures), 50, "texture")
    rows, real = measure(pictures, maps), measure(scenes.images, maps)
    return {
        f"{name}{suffix}": _score(rows[:, kind], real[:, kind], compare, protocol)
        for kind, name in enumerate(CLASSES.stuff)
        for suffix, compare in compares.items()
        if (real[:, kind, -1] > 0).sum() >= LEAST
    }


def _score(own: Tensor, true: Tensor, compare: Compare, protocol: str) -> Score:
    against = mean_of(true)

    def value(part: Tensor) -> float:
        return compare(mean_of(part), against)

    return Score(
        value(own),
        bootstrap(value, own),
        int((true[:, -1] > 0).sum()),
        compare(torch.zeros_like(against), against),
        compare(mean_of(true[1::2]), mean_of(true[::2])),
        protocol,
        floor_of="flat colour",
        ceiling_of="half of the real pictures against the other half",
    )


def variance_ratio(pictures: Tensor, scenes: SceneBatch) -> dict[str, Score]:
    """Strength of the texture of each kind of stuff, as painted by as real: 1 is right.

    Kinds that occur in fewer than twenty pictures are left out.
    """

    def ratio(painted: Tensor, real: Tensor) -> float:
        return ((painted + LEVEL**2) / (real + LEVEL**2)).item()

    protocol = f"variance finer than {FINE} px inside the map's class, painted / real; 1 is right"
    return _by_class(variances, {"": ratio}, pictures, scenes, protocol)


def band_ratios(pictures: Tensor, scenes: SceneBatch) -> dict[str, Score]:
    """Strength of each kind of stuff in each of four bands, as painted by as real: 1 is right.

    By names as ``"grass, 10 to 4.5 px"``: the band of waves that are so long. Kinds without room
    for a 16-pixel window in twenty pictures are left out.
    """
    compares = {}
    for band, (high, low) in enumerate(zip(BANDS, BANDS[1:], strict=False)):

        def ratio(painted: Tensor, real: Tensor, band: int = band) -> float:
            return _powers(painted, real)[band].item()

        compares[f", {high:.3g} to {low:.3g} px"] = ratio
    protocol = f"power of a band in {WINDOW}-px Hann windows, painted / real; 1 is right"
    return _by_class(spectra, compares, pictures, scenes, protocol)


def right(ratios: Mapping[str, Score], low: float = 0.6, high: float = 1.4) -> float:
    """The share of ratios that are about 1."""
    return sum(low <= score.value <= high for score in ratios.values()) / len(ratios)


def spectrum_distance(pictures: Tensor, scenes: SceneBatch) -> dict[str, Score]:
    """Mean distance of four bands of the power spectrum, in octaves: 0 is right.

    Kinds without room for a 16-pixel window in twenty pictures are left out.
    """

    def distance(painted: Tensor, real: Tensor) -> float:
        return _powers(painted, real).log2().abs().mean().item()

    protocol = f"mean |log2 power ratio| of 4 bands in {WINDOW}-px Hann windows; 0 is right"
    return _by_class(spectra, {"": distance}, pictures, scenes, protocol)


def _powers(painted: Tensor, real: Tensor) -> Tensor:
    """Ratios of four bands; a little is added to both, or empty ones would count most."""
    least = LEVEL**2 / len(BANDS)
    return (painted + least) / (real + least)
