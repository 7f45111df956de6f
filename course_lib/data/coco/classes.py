"""COCO's classes: 91 things and 91 kinds of stuff; eleven of the things were never annotated.

Three numberings are in use, and they are mixed up all the time:

- ``coco``, in JSON files: things 1 to 90 (80 of them, with holes), stuff 92 to 182;
- ``cocostuff_png``, in COCO-Stuff's label maps: one less, 0 to 181, and 255 for unlabeled;
- ``coco80``, in many networks: the 80 annotated things without holes, 0 to 79.

The table's own ids are those of the label maps, and unlabeled is 182: what SPADE's weights expect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from course_lib.data.tables import distinct_colours
from course_lib.scene import ClassInfo, ClassTable

__all__ = ["COCO_CLASSES", "OTHER", "numbered", "table_of_categories"]

OTHER = "other"  # category 183 of the stuff files: whatever is not stuff; unlabeled in our maps

THINGS = """person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light,
fire hydrant, street sign, stop sign, parking meter, bench, bird, cat, dog, horse, sheep, cow,
elephant, bear, zebra, giraffe, hat, backpack, umbrella, shoe, eye glasses, handbag, tie, suitcase,
frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard, surfboard,
tennis racket, bottle, plate, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich,
orange, broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, mirror,
dining table, window, desk, toilet, door, tv, laptop, mouse, remote, keyboard, cell phone,
microwave, oven, toaster, sink, refrigerator, blender, book, clock, vase, scissors, teddy bear,
hair drier, toothbrush, hair brush"""

STUFF = """banner, blanket, branch, bridge, building-other, bush, cabinet, cage, cardboard, carpet,
ceiling-other, ceiling-tile, cloth, clothes, clouds, counter, cupboard, curtain, desk-stuff, dirt,
door-stuff, fence, floor-marble, floor-other, floor-stone, floor-tile, floor-wood, flower, fog,
food-other, fruit, furniture-other, grass, gravel, ground-other, hill, house, leaves, light, mat,
metal, mirror-stuff, moss, mountain, mud, napkin, net, paper, pavement, pillow, plant-other,
plastic, platform, playingfield, railing, railroad, river, road, rock, roof, rug, salad, sand, sea,
shelf, sky-other, skyscraper, snow, solid-other, stairs, stone, straw, structural-other, table,
tent, textile-other, towel, tree, vegetable, wall-brick, wall-concrete, wall-other, wall-panel,
wall-stone, wall-tile, wall-wood, water-other, waterdrops, window-blind, window-other, wood"""

NEVER_ANNOTATED = (
    "street sign", "hat", "shoe", "eye glasses", "plate", "mirror", "window", "desk", "door",
    "blender", "hair brush",
)  # fmt: skip


def _coco_classes() -> ClassTable:
    things, stuff = (" ".join(names.split()).split(", ") for names in (THINGS, STUFF))
    rows, annotated = [], 0
    for i, (name, colour) in enumerate(zip(things + stuff, distinct_colours(182), strict=True)):
        source_ids = {"coco": i + 1, "cocostuff_png": i}
        kind: Literal["thing", "stuff"] = "thing" if i < len(things) else "stuff"
        if kind == "thing" and name not in NEVER_ANNOTATED:
            source_ids["coco80"], annotated = annotated, annotated + 1
        rows.append(ClassInfo(i, name, colour, kind, source_ids))
    return ClassTable(tuple(rows))


COCO_CLASSES = _coco_classes()


def numbered(classes: ClassTable) -> ClassTable:
    """The table with a ``coco`` number for every class: id + 1 if it comes without."""
    rows = (
        replace(c, source_ids={**c.source_ids, "coco": c.source_ids.get("coco", c.id + 1)})
        for c in classes
    )
    return ClassTable(tuple(rows))


def table_of_categories(
    things: Sequence[Mapping[str, Any]], stuff: Sequence[Mapping[str, Any]]
) -> ClassTable:
    """The table of the ``categories`` in COCO files: COCO's own, if names and numbers fit."""
    kinds: dict[tuple[int, str], Literal["thing", "stuff"]]
    kinds = {(row["id"], row["name"]): "thing" for row in things}
    kinds |= {(row["id"], row["name"]): "stuff" for row in stuff if row["name"] != OTHER}
    if kinds and kinds.keys() <= {(c.source_ids["coco"], c.name) for c in COCO_CLASSES}:
        return COCO_CLASSES
    painted = {row["id"]: tuple(row["color"]) for row in [*things, *stuff] if "color" in row}
    dense = sorted(number for number, _ in kinds) == list(range(1, len(kinds) + 1))
    rows = []
    for i, (number, name) in enumerate(sorted(kinds)):
        red, green, blue = painted.get(number, distinct_colours(len(kinds))[i])
        source_ids = {} if dense else {"coco": number}
        rows.append(ClassInfo(i, name, (red, green, blue), kinds[number, name], source_ids))
    return ClassTable(tuple(rows))
