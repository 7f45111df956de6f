"""The shapes on the cheat sheets are those of the networks of the paper's size."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

SHEETS = Path(__file__).parents[1] / "docs" / "cheat_sheets"
ROW = re.compile(r"^\| `([\w.]+)` \| `\[([^\]]+)\]` \|", re.M)
BATCH = 2

Net = tuple[nn.Module, tuple[Any, ...]]  # and what it is given


def dcgan() -> dict[str, Net]:
    from course_lib.dcgan.networks import Discriminator, Generator

    return {
        "generator": (Generator(), (torch.randn(BATCH, 100),)),
        "discriminator": (Discriminator(), (torch.randn(BATCH, 3, 64, 64),)),
    }


def stackgan() -> dict[str, Net]:
    from course_lib.stackgan.networks import Discriminator
    from course_lib.stackgan.objective import StackGANConfig, stage_one, stage_two

    text, picture = torch.randn(BATCH, 1024), torch.randn(BATCH, 3, 64, 64)
    return {
        "stage_one": (stage_one(StackGANConfig()), (text, torch.randn(BATCH, 100))),
        "stage_two": (stage_two(StackGANConfig(stage=2)), (text, picture)),
        "discriminator": (Discriminator(), (picture, text)),
    }


def lrgan() -> dict[str, Net]:
    from course_lib.lrgan.networks import Discriminator, Generator
    from course_lib.lrgan.objective import LRGANConfig

    return {
        "generator": (Generator(LRGANConfig().sizes), (torch.randn(BATCH, 2, 100),)),
        "discriminator": (Discriminator(64, 32, 3), (torch.randn(BATCH, 3, 32, 32),)),
    }


def spade() -> dict[str, Net]:
    from course_lib.nn.by_label import SoftMaps
    from course_lib.spade.networks import Encoder, Generator
    from course_lib.spade.objective import SPADEConfig

    config = SPADEConfig(use_vae=True)
    maps = SoftMaps(torch.rand(BATCH, config.sizes.planes, 256, 256))
    encoder = Encoder(256, config.width_g, config.z_dim, config.norm_e, config.spectral_e)
    return {
        "generator": (Generator(config.sizes), (maps, torch.randn(BATCH, 256))),
        "encoder": (encoder, (torch.randn(BATCH, 3, 256, 256),)),
    }


def opgan() -> dict[str, Net]:
    from course_lib.opgan.networks import Generator
    from course_lib.opgan.objects import Objects
    from course_lib.text.recurrent import Heard

    heard = Heard(torch.randn(BATCH, 256, 12), torch.randn(BATCH, 256), torch.tensor([12, 9]))
    poses = torch.rand(BATCH, 3, 2, 3)
    noise = torch.randn(BATCH, 100)
    network = Generator()
    objects = Objects(torch.rand(BATCH, 3, network.sizes.classes), poses, poses)
    local = torch.randn(BATCH, network.sizes.local_noise)
    return {"generator": (network, (heard, objects, noise, local))}


def lostgan() -> dict[str, Net]:
    from course_lib.lostgan.networks import Generator
    from course_lib.lostgan.objective import LostGANConfig

    styles, labels = torch.randn(BATCH, 8, 128), torch.ones(BATCH, 8, dtype=torch.long)
    told = (styles, torch.randn(BATCH, 128), torch.rand(BATCH, 8, 4), labels)
    return {"generator": (Generator(LostGANConfig().sizes), told)}


CHAPTERS: dict[str, Callable[[], Mapping[str, Net]]] = {
    "01_dcgan": dcgan,
    "02_stackgan": stackgan,
    "03_lrgan": lrgan,
    "04_spade": spade,
    "05_opgan": opgan,
    "06_lostgan": lostgan,
}


def first(output: Any) -> Tensor | None:
    """The first tensor of what a module returns."""
    if isinstance(output, Tensor):
        return output
    parts = output if isinstance(output, tuple | list) else ()
    return next((t for t in map(first, parts) if t is not None), None)


def shapes(make: Callable[[], Mapping[str, Net]]) -> dict[str, list[int]]:
    """What every module gives, last call, in tensors that have shapes and no numbers."""
    found: dict[str, list[int]] = {}

    def note(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: object, output: object) -> None:
            if (tensor := first(output)) is not None:
                found[name.rstrip(".")] = list(tensor.shape)

        return hook

    with FakeTensorMode(allow_non_fake_inputs=True):
        for network, (module, inputs) in make().items():
            for name, part in module.named_modules():
                part.register_forward_hook(note(f"{network}.{name}"))
            module(*inputs)
    return found


@pytest.mark.parametrize("sheet", CHAPTERS)
def test_shapes_are_those_of_the_networks(sheet):
    rows = ROW.findall((SHEETS / f"{sheet}.md").read_text("utf-8"))
    found = shapes(CHAPTERS[sheet])
    assert len(rows) >= 5
    for module, shape in rows:
        written = [BATCH if n == "B" else int(n) for n in shape.split(", ")]
        assert found.get(module) == written, f"{module} gives {found.get(module)}"


def test_every_sheet_fits_a_page_and_has_a_figure():
    sheets = sorted(SHEETS.glob("*.md"))
    assert [sheet.stem for sheet in sheets] == [*CHAPTERS, "07_studio"]  # which has no network
    for sheet in sheets:
        text = sheet.read_text("utf-8")
        assert text.count("```mermaid") == 1 and len(text.splitlines()) <= 60, sheet.name
