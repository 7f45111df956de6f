"""Small sizes for LostGAN's tests, and scenes for them."""

from __future__ import annotations

import torch

from course_lib.scene import ClassTable, SceneBatch

CLASSES = ClassTable.of(stuff={"sky": (1, 2, 3), "sea": (1, 2, 4)},
                        things={"boat": (1, 2, 5), "sun": (1, 2, 6)})  # fmt: skip
SMALL = {
    "size": 64, "labels": 5, "mask_labels": 5, "max_objects": 5, "z_dim": 5, "label_dim": 4,
    "width_g": 2, "width_d": 2, "plan_d": 128, "mask_width": 4, "mask_hidden": 3, "batch_size": 3,
    "perceptual": 0.0,
}  # fmt: skip


def scenes() -> SceneBatch:
    """Three: a boat and a sun, a boat, nothing; above the middle sky, below it sea."""
    torch.manual_seed(0)
    maps = torch.zeros(3, 64, 64, dtype=torch.int64)
    maps[:, 32:] = 1
    boxes = torch.zeros(3, 2, 4)
    boxes[:2, 0] = torch.tensor([0.1, 0.4, 0.6, 0.9])
    boxes[0, 1] = torch.tensor([0.7, 0.0, 1.0, 0.3])
    return SceneBatch(
        torch.rand(3, 3, 64, 64) * 2 - 1,
        label_maps=maps,
        objects=torch.tensor([[2, 3], [2, 0], [0, 0]]),
        boxes=boxes,
        present=torch.tensor([[True, True], [True, False], [False, False]]),
        classes=CLASSES,
    )
