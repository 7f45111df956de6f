"""Colours: the eight that captions can name, and what season, hour and palette make of the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from course_lib.data.storybook.chance import Array, Dice
from course_lib.errors import Problems, check_seed, suggestion

__all__ = ["COLOURS", "HOURS", "PALETTES", "SEASONS", "Light", "Look", "mix", "paint"]

Rgb = tuple[int, int, int]
Season = Literal["spring", "summer", "autumn", "winter"]
Hour = Literal["day", "sunset", "night"]
Palette = Literal["plain", "warm", "cool", "pastel"]
SEASONS, HOURS, PALETTES = get_args(Season), get_args(Hour), get_args(Palette)

COLOURS: dict[str, Rgb] = {
    "red": (222, 52, 46),
    "orange": (246, 138, 30),
    "yellow": (252, 214, 58),
    "green": (64, 166, 78),
    "blue": (44, 112, 214),
    "purple": (128, 68, 182),
    "pink": (248, 140, 184),
    "white": (250, 247, 238),
}

# Colours of the ground by day, one for each season.
GROUND: dict[str, tuple[Rgb, Rgb, Rgb, Rgb]] = {
    "mountain": ((136, 132, 166), (122, 124, 158), (140, 118, 138), (140, 152, 182)),
    "forest": ((92, 158, 84), (54, 122, 76), (198, 112, 50), (92, 122, 124)),
    "grass": ((146, 204, 82), (106, 180, 78), (196, 172, 78), (166, 190, 160)),
    "field": ((198, 204, 88), (240, 206, 92), (216, 152, 66), (204, 194, 168)),
    "sand": ((246, 222, 164), (248, 220, 150), (236, 202, 140), (230, 218, 190)),
    "snow": ((232, 241, 252), (232, 241, 252), (232, 238, 250), (230, 240, 254)),
    "water": ((88, 172, 206), (58, 150, 208), (78, 138, 172), (116, 162, 192)),
    "road": ((150, 140, 138), (146, 138, 136), (148, 132, 124), (150, 148, 154)),
    "cloud": ((255, 255, 255), (255, 255, 255), (250, 244, 238), (240, 244, 250)),
}

# The sky from its top to the horizon.
SKY: dict[str, tuple[Rgb, Rgb, Rgb]] = {
    "day": ((92, 168, 232), (156, 208, 244), (200, 230, 246)),
    "sunset": ((112, 98, 176), (244, 142, 124), (255, 214, 130)),
    "night": ((20, 26, 70), (38, 52, 112), (78, 96, 156)),
}
TINT: dict[str, tuple[float, float, float]] = {
    "plain": (1.0, 1.0, 1.0),
    "warm": (1.05, 0.99, 0.88),
    "cool": (0.92, 0.99, 1.07),
    "pastel": (1.0, 1.0, 1.0),
}
LIGHT: dict[str, tuple[float, float, float]] = {
    "day": (1.0, 1.0, 1.0),
    "sunset": (1.02, 0.84, 0.76),
    "night": (0.45, 0.46, 0.82),
}
# Gentler on things than on the ground, so that the names of their colours stay true.
THING_LIGHT: dict[str, tuple[float, float, float]] = {
    "day": (1.0, 1.0, 1.0),
    "sunset": (1.02, 0.93, 0.88),
    "night": (0.82, 0.79, 0.92),
}
PETALS: dict[str, Rgb] = {
    "spring": (255, 236, 244), "summer": (255, 226, 90), "autumn": (222, 104, 44),
    "winter": (250, 252, 255),
}  # fmt: skip


@dataclass(frozen=True)
class Look:
    """How a scene looks, whatever stands where.

    Attributes:
        season: spring, summer, autumn or winter.
        hour: day, sunset or night.
        palette: plain, warm, cool or pastel.
        texture: which brush strokes; any seed.
    """

    season: Season = "summer"
    hour: Hour = "day"
    palette: Palette = "plain"
    texture: int = 0

    def __post_init__(self) -> None:
        known = {"season": SEASONS, "hour": HOURS, "palette": PALETTES}
        with Problems("look") as problems:
            for name, values in known.items():
                value = getattr(self, name)
                if value not in values:
                    near = suggestion(str(value), values)
                    problems.add(f"unknown {name} {value!r}; {near}")
        check_seed(self.texture, where="look.texture")

    @classmethod
    def random(cls, dice: Dice) -> Look:
        """Any season, palette and strokes; twice as often day as sunset or night."""
        hour: Hour = dice.pick(("day", "day", "sunset", "night"))
        texture = dice.whole(0, 2**32 - 1)
        return cls(dice.pick(SEASONS), hour, dice.pick(PALETTES), texture)


def paint(rgb: Rgb) -> Array:
    """A colour as floats in [0, 1]: ``[3]``."""
    return np.array(rgb, dtype=np.float32) / np.float32(255)


def mix(one: Array, other: Array, share: float) -> Array:
    """``share`` of the other colour in the one."""
    return one + (other - one) * np.float32(share)


CREAM = paint((255, 246, 232))


class Light:
    """What a look makes of colours."""

    def __init__(self, look: Look) -> None:
        self.look = look
        self.tint = np.array(TINT[look.palette], dtype=np.float32)
        if look.hour == "night":  # moonlight is blue, whatever the palette
            self.tint = mix(self.tint, np.ones(3, dtype=np.float32), 0.5)
        self.sun = np.array(LIGHT[look.hour], dtype=np.float32)
        lamp = np.array(THING_LIGHT[look.hour], dtype=np.float32)
        self._on_things = lamp * mix(np.ones(3, dtype=np.float32), self.tint, 0.3)
        self.petals = paint(PETALS[look.season]) * self.sun
        top, middle, low = (self._toned(paint(rgb)) for rgb in SKY[look.hour])
        if look.season == "winter" and look.hour == "day":
            top, middle = mix(top, CREAM, 0.28), mix(middle, CREAM, 0.2)
        self.sky = (top, middle, low)

    def _toned(self, colour: Array) -> Array:
        """The palette's tint; pastel lifts towards cream, less so in the dark."""
        share = {"day": 0.3, "sunset": 0.24, "night": 0.12}[self.look.hour]
        colour = mix(colour, CREAM, share) if self.look.palette == "pastel" else colour
        return colour * self.tint

    def ground(self, stuff: str) -> Array:
        """The colour of a kind of stuff, near by."""
        return self._toned(paint(GROUND[stuff][SEASONS.index(self.look.season)]) * self.sun)

    def thing(self, colour: Array) -> Array:
        """A thing's colour in this light."""
        lit = colour * self._on_things
        return mix(lit, CREAM, 0.1) if self.look.palette == "pastel" else lit

    @property
    def dark(self) -> bool:
        return self.look.hour == "night"
