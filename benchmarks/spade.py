"""SPADE's short cuts against the published forms: training rounds, styles of one map, memory.

    python -m benchmarks.spade                                    # Storybook's maps
    python -m benchmarks.spade --data coco_stuff_spade --size 128  # a data set's, or a folder's
    python -m benchmarks.spade --strokes spade                     # a painter under the brush

The published form has one plane for each class, convolves all of them in every layer, and works on
a map anew for every style. Both forms run in turns in one process, on one thread, and CPU seconds
are counted, so a busy machine disturbs little. What counts is the ratio; above 1, the course's form
is faster. Results are equal: `tests/spade/test_networks.py`, `tests/nn/test_by_label.py`.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context
from statistics import median
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torchvision import tv_tensors

from benchmarks.upsample_conv import ratio
from course_lib.data.sources import open_source
from course_lib.nn.by_label import LabelMaps, SoftMaps
from course_lib.painter import noise
from course_lib.registry import load
from course_lib.scene import SceneBatch
from course_lib.spade import discriminator
from course_lib.spade.networks import SPADE, SPADEBlock
from course_lib.spade.objective import SPADEConfig, SPADEObjective
from course_lib.widgets.spade import spade_panel

CLASSES = 182  # and void, and edges: 184 planes, as for COCO-Stuff


def own_statistics(self: SPADEBlock, x: Tensor) -> tuple[Tensor, Tensor]:
    """Each norm takes the statistics of ``x`` for itself."""
    first = self.norm_0.param_free_norm(x)
    return first, self.norm_s.param_free_norm(x) if self.learned else x


def all_planes(maps: LabelMaps | SoftMaps) -> Tensor:
    return (maps.plain() if isinstance(maps, LabelMaps) else maps).planes


def concatenated(conv: nn.Conv2d, planes: int, maps: LabelMaps | SoftMaps, x: Tensor) -> Tensor:
    """All planes beside every picture."""
    return conv(torch.cat([all_planes(maps).repeat(len(x) // len(maps), 1, 1, 1), x], dim=1))


def plain_convolution(self: LabelMaps, weight: Tensor, bias: Tensor | None, **how: int) -> Tensor:
    return self.plain().convolve(weight, bias, **how)


def forgetful(self: LabelMaps, layer: nn.Module, work: Callable[[], Tensor]) -> Tensor:
    return work()


@contextmanager
def published_form() -> Iterator[None]:
    """Inside, every layer resizes one-hot planes for itself and convolves all of them."""

    def modulation(self: SPADE, maps: LabelMaps | SoftMaps) -> Tensor:
        return self.plain_modulation(maps)

    halved = property(lambda maps: maps.plain().halved)
    with patch.object(SPADE, "modulation", modulation), \
         patch.object(SPADEBlock, "normalised", own_statistics), \
         patch.object(discriminator, "conditioned", concatenated), \
         patch.object(LabelMaps, "convolve", plain_convolution), \
         patch.object(LabelMaps, "halved", halved), \
         patch.object(LabelMaps, "once", forgetful):  # fmt: skip
        yield


class Gradients:
    """A ``step`` that takes gradients and moves nothing, so that every round is the same work."""

    round = 0

    def __init__(self, objective: SPADEObjective) -> None:
        self.objective = objective

    def __call__(self, player: str, loss: Tensor, **figures: Tensor) -> None:
        module = self.objective.players[player].module
        loss.backward(inputs=list(module.parameters()))
        module.zero_grad()


def scenes_of(data: str, size: int, count: int) -> SceneBatch:
    """Scenes whose ids are spread over 183 classes, in whatever classes they were."""
    batch = open_source(data, size).batch(torch.arange(count))
    ids = batch.label_maps
    if ids is None:
        raise SystemExit(f"{data} has no label maps")
    if int(ids.max()) < 60:  # few classes: spread them, which changes no pattern
        ids = 6 * ids
    return replace(batch, label_maps=ids, classes=None)


def game(size: int, batch: int, width: int, styles: bool) -> SPADEObjective:
    config = SPADEConfig(
        size=size,
        labels=CLASSES,
        batch_size=batch,
        upsampling="less" if size < 128 else "normal",
        width_g=width,
        width_d=width,
        use_vae=styles,
        z_dim=32,
        perceptual=0.0,
    )
    return SPADEObjective(config)


def a_round(scenes: SceneBatch, width: int, repeats: int) -> float:
    objective = game(scenes.images.shape[-1], len(scenes), width, styles=False)
    step = Gradients(objective)

    def slow() -> None:
        with published_form():
            objective.round(scenes, step)

    return ratio(slow, lambda: objective.round(scenes, step), repeats)


def ten_styles(scenes: SceneBatch, width: int, repeats: int) -> float:
    """One map in ten styles: each painted anew, or the map's work done once."""
    objective = game(scenes.images.shape[-1], 1, width, styles=True)
    generator, z = objective.artist.generator.eval(), noise(0, 10, 32)

    @torch.no_grad()
    def slow() -> None:
        with published_form():
            for style in z:
                generator(objective.maps(scenes[:1]), style[None])

    @torch.no_grad()
    def fast() -> None:
        maps = objective.maps(scenes[:1])
        maps.remember = True
        generator(maps, z)

    return ratio(slow, fast, repeats)


def peak(data: str, size: int, batch: int, width: int, published: bool) -> int:
    """Bytes that a process holds at most in two rounds, over what it held before."""
    torch.set_num_threads(1)
    scenes = scenes_of(data, size, batch)
    objective = game(size, batch, width, styles=False)
    before = _peak()
    for _ in range(2):
        if published:
            with published_form():
                objective.round(scenes, Gradients(objective))
        else:
            objective.round(scenes, Gradients(objective))
    return _peak() - before


def _peak() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def peaks(data: str, size: int, batch: int, width: int) -> list[int]:
    """In processes of their own, since a peak is never unlearnt: published, ours."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        forms = [pool.submit(peak, data, size, batch, width, form) for form in (True, False)]
        return [form.result() for form in forms]


def strokes(which: str, count: int = 30) -> tuple[float, float]:
    """Median milliseconds from a brushed map to the panel's new picture: elapsed, and of a CPU."""
    painter: Any = load(which)
    panel = spade_panel(painter)
    canvas, times = panel.controls["label_map"], []
    label_map = canvas.label_map
    for number in range(count):
        ids = label_map.ids.as_subclass(Tensor).clone()
        ids[number : number + 9, number : number + 9] = number % 2
        brushed = replace(label_map, ids=tv_tensors.Mask(ids))
        begun = time.perf_counter(), time.process_time()
        canvas.label_map = brushed
        times.append((time.perf_counter() - begun[0], time.process_time() - begun[1]))
    elapsed, worked = (1000 * median(column) for column in zip(*times, strict=True))
    return elapsed, worked


def few(scenes: SceneBatch) -> str:
    """How many of the maps' neighbourhoods are distinct."""
    if scenes.label_maps is None:
        return ""
    near = LabelMaps(scenes.label_maps, CLASSES + 1).neighbourhoods(3)
    return "over half" if near is None else f"{near.outer.count / scenes.label_maps.numel():.1%}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default="storybook")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--strokes", metavar="PAINTER", help="time this painter's canvas instead")
    told = parser.parse_args(arguments)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if told.strokes:
        elapsed, worked = strokes(told.strokes)
        print(f"from stroke to pixels: {elapsed:.0f} ms, of a CPU {worked:.0f} ms")
        return
    data = told.data, told.size, told.batch
    held = peaks(*data, told.width)  # first: a process that starts inherits its parent's peak
    scenes = scenes_of(*data)
    print(f"{told.data}, {told.size} px, {told.batch} maps, 184 planes, width {told.width}")
    print(f"distinct neighbourhoods      {few(scenes):>9}", flush=True)
    for what, measure in (("a training round", a_round), ("ten styles of one map", ten_styles)):
        print(f"{what:<29}{measure(scenes, told.width, told.repeats):>8.2f}x", flush=True)
    for form, bytes in zip(("published", "ours"), held, strict=True):
        print(f"peak of a round, {form:<12}{bytes / 1e6:>6.0f} MB")


if __name__ == "__main__":
    main()
