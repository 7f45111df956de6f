"""LostGAN's panel: how long the picture takes to follow a dragged box, at the shipped size.

    python -m benchmarks.drag

From the box that arrives in the kernel to the PNG that leaves it: layout checked, picture painted,
enlarged and encoded. What the browser and the line to it add, the panel itself shows under the
boxes. CPU seconds tell what an idle machine would need; wall seconds what this one needed.
"""

from __future__ import annotations

import time
from statistics import median

from course_lib.registry import load
from course_lib.widgets import lostgan_panel

STEPS = 30  # pictures while the box is dragged to the left edge


def drags() -> list[tuple[float, float]]:
    """Wall and CPU milliseconds of each picture."""
    panel, found = lostgan_panel(load("lostgan")), []
    boxes = [dict(box) for box in panel.editor.value]
    left, top, right, bottom = boxes[-1]["box"]
    for step in range(STEPS):
        way = left * (step + 1) / STEPS
        moved = [*boxes[:-1], boxes[-1] | {"box": [left - way, top, right - way, bottom]}]
        wall, cpu = time.perf_counter(), time.process_time()
        panel.editor.value = moved
        found.append((1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - cpu)))
    return found[1:]  # the first also warms up


def main() -> None:
    wall, cpu = zip(*drags(), strict=True)
    print(f"{len(wall)} pictures: median {median(wall):.0f} ms, of CPU {median(cpu):.0f} ms")


if __name__ == "__main__":
    main()
