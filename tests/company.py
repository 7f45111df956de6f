"""Five small painters that know Storybook's classes; only StackGAN's has learnt anything."""

from __future__ import annotations

from dataclasses import replace

import torch

import course_lib
from course_lib.data.storybook import CLASSES
from course_lib.opgan.networks import Generator
from course_lib.opgan.objective import OPGANConfig
from course_lib.opgan.painter import OPGANPainter
from course_lib.painter import Painter
from course_lib.text.recurrent import RecurrentEncoder
from course_lib.text.vocabulary import Vocabulary
from tests.lostgan.test_painter import painter_of
from tests.lrgan.test_painter import small_painter
from tests.spade.test_objective import SMALL
from tests.spade.test_painter import trained

OPGAN = OPGANConfig(
    size=64, stages=2, width=2, width_d=2, text=6, code=4, noise=4, local_noise=2, label=8,
    next_label=4, residuals=1, classes=18, max_objects=4,
)  # fmt: skip


def opgan() -> OPGANPainter:
    torch.manual_seed(0)
    words = Vocabulary.of(["a large red house left of a white balloon", "two cats and a car"])
    made = OPGANPainter(Generator(OPGAN), RecurrentEncoder(20, 4, 6, vocabulary=words), OPGAN)
    made.tables = {"classes": CLASSES.to_json()}
    return made


def company() -> dict[str, Painter]:
    lostgan = painter_of(z_dim=6, labels=28, mask_labels=28, max_objects=12, stuff=1.0)
    lostgan.tables = {"classes": CLASSES.to_json()}
    return {
        "stackgan": course_lib.load("stackgan"),
        "lrgan": small_painter(),
        "spade": trained(replace(SMALL, grain_g=True, init="none")),
        "opgan": opgan(),
        "lostgan": lostgan,
    }
