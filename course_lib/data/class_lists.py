"""The classes of published data sets, and the numbers that their label maps hold for them.

SPADE's released weights were trained on these numbers, so one that is off by one paints walls
instead of skies. COCO's 182 have a module of their own (:mod:`course_lib.data.coco.classes`).
"""

from __future__ import annotations

from functools import cache
from typing import Literal

from course_lib.data.tables import Legend, distinct_colours
from course_lib.scene import ClassInfo, ClassTable

__all__ = ["ADE20K", "CAMVID", "FACADES", "cityscapes"]

# In the order of their numbers, 1 to 150; 0 is whatever is none of them. A star marks stuff.
ADE20K_NAMES = """wall*, building*, sky*, floor*, tree, ceiling*, road*, bed, windowpane, grass*,
cabinet, sidewalk*, person, earth*, door, table, mountain*, plant, curtain, chair, car, water*,
painting, sofa, shelf, house*, sea*, mirror, rug*, field*, armchair, seat, fence, desk, rock,
wardrobe, lamp, bathtub, railing, cushion, base, box, column, signboard, chest of drawers, counter,
sand*, sink, skyscraper*, fireplace, refrigerator, grandstand*, path*, stairs, runway*, case,
pool table, pillow, screen door, stairway*, river*, bridge*, bookcase, blind, coffee table, toilet,
flower, book, hill*, bench, countertop, stove, palm, kitchen island, computer, swivel chair, boat,
bar, arcade machine, hovel*, bus, towel, light, truck, tower*, chandelier, awning, streetlight,
booth, television, airplane, dirt track*, apparel, pole, land*, bannister, escalator*, ottoman,
bottle, buffet, poster, stage*, van, ship, fountain, conveyer belt*, canopy, washer, plaything,
swimming pool*, stool, barrel, basket, waterfall*, tent, bag, minibike, cradle, oven, ball, food,
step, tank, trade name, microwave, pot, animal, bicycle, lake*, dishwasher, screen, blanket,
sculpture, hood, sconce, vase, traffic light, tray, ashcan, fan, pier*, crt screen, plate, monitor,
bulletin board, shower, radiator, glass, clock, flag"""

# Numbered from 1; 0 is what lies outside the facade.
FACADE_NAMES = """background*, facade*, window, door, cornice, sill, balcony, blind, deco, molding,
pillar, shop"""

CAMVID_CLASSES = ClassTable.of(
    stuff={
        "Sky": (128, 128, 128), "Building": (128, 0, 0), "Pole": (192, 192, 128),
        "Road": (128, 64, 128), "Pavement": (60, 40, 222), "Tree": (128, 128, 0),
        "SignSymbol": (192, 128, 128), "Fence": (64, 64, 128),
    },
    things={"Car": (64, 0, 128), "Pedestrian": (64, 64, 0), "Bicyclist": (0, 128, 192)},
)  # fmt: skip


def _numbered(names: str, numbering: str) -> Legend:
    """Classes numbered from 1, where 0 means unlabeled."""
    listed = " ".join(names.split()).split(", ")
    rows = []
    for i, (name, colour) in enumerate(zip(listed, distinct_colours(len(listed)), strict=True)):
        kind: Literal["stuff", "thing"] = "stuff" if name.endswith("*") else "thing"
        rows.append(ClassInfo(i, name.removesuffix("*"), colour, kind, {numbering: i + 1}))
    return Legend(ClassTable(tuple(rows)), numbering, unlabeled=0)


ADE20K = _numbered(ADE20K_NAMES, "ade20k")
FACADES = _numbered(FACADE_NAMES, "facades")
CAMVID = Legend(CAMVID_CLASSES)  # 11, Void, is the id of unlabeled pixels already


@cache
def cityscapes() -> Legend:
    """Numbers 0 to 33 as torchvision lists them; with unlabeled, SPADE's 35 channels.

    Licence plates (-1) are never drawn in label maps. The first class, "unlabeled" in the original,
    is "void" here; classes that share a colour with an earlier one get a grey.
    """
    from torchvision.datasets import Cityscapes

    rows: list[ClassInfo] = []
    for label in [label for label in Cityscapes.classes if label.id >= 0]:
        used = {(0, 0, 0), *(row.colour for row in rows)}
        grey = (8 * label.id + 20,) * 3
        source_ids = {"cityscapes": label.id}
        if label.train_id < 255:
            source_ids["cityscapes_train"] = label.train_id
        rows.append(
            ClassInfo(
                label.id,
                "void" if label.id == 0 else label.name,
                grey if label.color in used else label.color,
                "thing" if label.has_instances else "stuff",
                source_ids,
            )
        )
    return Legend(ClassTable(tuple(rows)), unlabeled=255)
