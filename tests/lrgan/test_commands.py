"""docs/commands.md: the five published commands have counterparts, and every option is named."""

import re
import shlex
from pathlib import Path

import pytest

from course_lib import configure

PAGE = (Path(__file__).parents[2] / "docs" / "commands.md").read_text("utf-8")
SECTION = PAGE.partition("## 03 LR-GAN")[2].partition("\n## ")[0]
LINES = re.findall(r"^\$ course train lrgan (.*)$", SECTION, re.MULTILINE)
ORIGINAL = [
    "dataset", "dataroot", "workers", "batchSize", "imageSize", "nz", "ngf", "ndf", "ntimestep",
    "maxobjscale", "niter", "epoch_s", "session", "evaluate", "lr", "beta1", "cuda", "ngpu",
    "netG", "netD", "outf", "outimgf", "outmodelf", "manualSeed",
]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "size", "channels", "layers", "scale", "width"),
    [
        ("mnist-one", 32, 1, 2, (1.2, 2.4), 64),
        ("cub200", 64, 3, 2, (1.2, 2.4), 128),
        ("cifar10", 32, 3, 2, (1.2, 2.4), 64),
        ("mnist-two", 64, 1, 3, (2.0, 4.0), 64),
        ("lfw", 64, 3, 2, (1.3, 2.6), 64),
    ],
)
def test_each_published_command_has_a_counterpart(data, size, channels, layers, scale, width):
    (line,) = [line for line in LINES if f"--data {data}" in line]
    words = shlex.split(line)
    values = dict(zip((word[2:] for word in words[::2]), words[1::2], strict=True))
    config = configure("lrgan", values.pop("profile"), values)
    assert (config.data, config.size, config.channels) == (data, size, channels)
    assert (config.layers, config.scale, config.width_g, config.width_d) == (
        layers, scale, width, width,
    )  # fmt: skip
    assert config.rotation == (0.3 if data.startswith("mnist") else 0.1)


@pytest.mark.parametrize("option", ORIGINAL)
def test_every_option_of_the_original_is_in_the_table(option):
    rows = [line for line in SECTION.splitlines() if line.startswith("|")]
    assert any(f"`--{option}`" in row.split("|")[1] for row in rows)
