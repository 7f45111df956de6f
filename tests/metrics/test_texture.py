"""Texture by closed forms: noise of known variance, waves of known period, flat colour."""

import math

import pytest
import torch

from course_lib.data.storybook import CLASSES
from course_lib.errors import CourseError
from course_lib.metrics import band_ratios, spectrum_distance, variance_ratio
from course_lib.metrics.texture import FINE, LEVEL, inside, mean_of, right, spectra, variances
from course_lib.scene import SceneBatch

GRASS, SKY = CLASSES.id("grass"), CLASSES.id("sky")


def noise(std, n=60, seed=0, side=64):
    return std * torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(seed))


def halves(n=60, side=64):
    """Sky above, grass below."""
    maps = torch.full((n, side, side), SKY)
    maps[:, side // 2 :] = GRASS
    return maps


def test_variance_of_white_noise():
    """Taking the mean of 49 away leaves 48/49 of the variance."""
    rows = variances(noise(0.2), halves())
    wanted = 0.04 * (1 - 1 / FINE**2)
    for kind in (SKY, GRASS):
        assert mean_of(rows[:, kind]).item() == pytest.approx(wanted, rel=0.02)
    assert (rows[:, CLASSES.id("road")] == 0).all()


def test_flat_colour_and_borders_have_no_texture():
    """The step between two flat kinds belongs to neither."""
    pictures = torch.zeros(60, 3, 64, 64)
    pictures[:, :, 32:] = 1
    rows = variances(pictures, halves())
    assert rows[:, SKY, 1].min() > 0
    assert rows[..., 0].abs().max() == 0


def test_windows_hold_one_kind_only():
    where = inside(halves(1), 16, 8)
    assert where[0, SKY].sum() == 3 * 7 and where[0, GRASS].sum() == 3 * 7
    assert where.shape == (1, len(CLASSES.stuff), 7, 7)


@pytest.mark.parametrize(("period", "band"), [(16, 0), (16 / 3, 1), (3.2, 2), (2, 3)])
def test_a_wave_lies_in_the_band_of_its_period(period, band):
    wave = 0.3 * torch.cos(2 * math.pi * torch.arange(64) / period).expand(20, 3, 64, 64)
    power = mean_of(spectra(wave, halves(20))[:, GRASS])
    assert power.argmax() == band
    assert power[band] > 0.6 * power.sum()


def scenes(pictures):
    return SceneBatch(images=pictures, label_maps=halves(len(pictures)), classes=CLASSES)


def test_ratio_of_known_variances():
    real = scenes(noise(0.2))
    made = variance_ratio(noise(0.1, seed=1), real)
    assert set(made) == {"sky", "grass"}
    wanted = (0.01 * 48 / 49 + LEVEL**2) / (0.04 * 48 / 49 + LEVEL**2)
    assert made["grass"].value == pytest.approx(wanted, rel=0.03)
    assert made["grass"].ceiling == pytest.approx(1, abs=0.05)
    assert made["grass"].floor == pytest.approx(LEVEL**2 / (0.04 * 48 / 49 + LEVEL**2), rel=0.03)
    low, high = made["grass"].interval
    assert low <= made["grass"].value <= high


def test_spectrum_sees_what_variance_does_not():
    """Noise at half resolution, as strong as white noise: right in variance, wrong in bands."""
    real = scenes(noise(0.2))
    coarse = noise(0.2, side=32, seed=1).repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert variance_ratio(coarse, real)["grass"].value == pytest.approx(1, abs=0.12)
    made = spectrum_distance(coarse, real)["grass"]
    assert made.value > 0.5 > 0.1 > made.ceiling
    assert spectrum_distance(noise(0.2, seed=2), real)["grass"].value < 0.1


def blurred(pictures):
    return torch.nn.functional.avg_pool2d(pictures, 5, stride=1, padding=2)


def test_bands_say_where_texture_is_missing():
    """Another draw of the same noise is right in all bands; blurred, it is wrong in the finest."""
    real = scenes(noise(0.2))
    good, soft = (band_ratios(p, real) for p in (noise(0.2, seed=1), blurred(real.images)))
    assert len(good) == 8 and right(good) == 1
    assert all(score.ceiling == pytest.approx(1, abs=0.25) for score in good.values())
    coarsest, *finer = ("16.5 to 10", "10 to 4.5", "4.5 to 2.6", "2.6 to 0")
    fine = [soft[f"grass, {band} px"] for band in finer[1:]]
    assert all(score.value < 0.3 and score.interval[1] < 0.35 for score in fine)
    assert soft[f"grass, {coarsest} px"].value > 0.4 > right(soft)
    assert right(variance_ratio(blurred(real.images), real)) == 0
    louder = band_ratios(1.5 * real.images, real)
    assert right(louder) == 0 and min(score.value for score in louder.values()) > 1.4


def test_painted_and_real_must_be_of_one_size():
    with pytest.raises(CourseError, match="pixel by pixel"):
        variance_ratio(noise(0.1, side=32), scenes(noise(0.1)))


def test_too_few():
    with pytest.raises(CourseError, match="at least 50"):
        variance_ratio(noise(0.1, n=49), scenes(noise(0.1, n=49)))
