"""A sheet of scenes: pictures with their boxes, label maps, captions, and a legend."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import torch
from PIL import Image as PILImage
from PIL import ImageDraw, ImageFont
from torch import Tensor
from torchvision.transforms.v2.functional import to_pil_image
from torchvision.utils import draw_bounding_boxes, draw_segmentation_masks

from course_lib.scene import ClassInfo, ClassTable, Scene

__all__ = ["sheet"]

CELL = 224  # the longer side of a picture, in pixels
GAP, LINE, SWATCH = 12, 15, 130  # between cards; a line of text; an entry of the legend
PAPER, INK = (255, 255, 255), (40, 40, 40)
FONT = ImageFont.load_default(12)


def sheet(scenes: Sequence[Scene], classes: ClassTable | None, columns: int = 2) -> PILImage.Image:
    """Cards of all scenes, and below them the colours of the classes that occur."""
    cards = [card(scene, classes) for scene in scenes]
    rows = [cards[start : start + columns] for start in range(0, len(cards), columns)]
    width = max(card.width for card in cards) + GAP
    parts = [_side_by_side(row, width) for row in rows]
    shown = {name for scene in scenes for name in _names(scene)}
    parts += _legend([c for c in classes or () if c.name in shown], columns * width)
    page = _blank(columns * width + GAP, sum(part.height + GAP for part in parts) + GAP)
    y = GAP
    for part in parts:
        page.paste(part, (GAP, y))
        y += part.height + GAP
    return page


def card(scene: Scene, classes: ClassTable | None) -> PILImage.Image:
    """Picture and label map side by side, captions below."""
    scale = CELL / max(scene.canvas)
    scene = scene.resize(*(max(1, round(side * scale)) for side in scene.canvas))
    pictures = [_with_objects(scene, classes)]
    if scene.label_map is not None:
        pictures.append(to_pil_image(scene.label_map.coloured()))
    drawn = _side_by_side(pictures, pictures[0].width + 4)
    width = max(drawn.width, CELL)
    wrap = textwrap.TextWrapper(width // 6, max_lines=2, placeholder=" ...")
    lines = [line for caption in scene.captions[:3] for line in wrap.wrap(caption)]
    page = _blank(width, drawn.height + LINE * len(lines) + 4)
    page.paste(drawn, (0, 0))
    for k, line in enumerate(lines):
        ImageDraw.Draw(page).text((0, drawn.height + 3 + LINE * k), line, fill=INK, font=FONT)
    return page


def _with_objects(scene: Scene, classes: ClassTable | None) -> PILImage.Image:
    image = scene.image.as_subclass(Tensor)
    if scene.layout is None or not len(scene.layout):
        return to_pil_image(image)
    names = list(scene.layout.names)
    colours = [classes[name].colour if classes else (255, 60, 60) for name in names]
    if scene.masks is not None:
        masks = scene.masks.as_subclass(Tensor)
        image = draw_segmentation_masks(image, masks, alpha=0.3, colors=colours)
    height, width = scene.canvas
    boxes = scene.layout.boxes.as_subclass(Tensor).round()
    boxes = torch.minimum(boxes, torch.tensor([width, height, width, height]) - 1)
    drawn = draw_bounding_boxes(image, boxes, names, colours, width=2, fill_labels=True)
    return to_pil_image(drawn)


def _legend(infos: list[ClassInfo], width: int) -> list[PILImage.Image]:
    columns = width // SWATCH
    page = _blank(width, LINE * -(-len(infos) // columns))
    pen = ImageDraw.Draw(page)
    for k, info in enumerate(infos):
        x, y = k % columns * SWATCH, k // columns * LINE
        pen.rectangle((x, y + 2, x + 10, y + 12), fill=info.colour, outline=INK)
        pen.text((x + 15, y), info.name, fill=INK, font=FONT)
    return [page] if infos else []


def _side_by_side(pictures: list[PILImage.Image], step: int) -> PILImage.Image:
    width = step * (len(pictures) - 1) + pictures[-1].width
    page = _blank(width, max(picture.height for picture in pictures))
    for k, picture in enumerate(pictures):
        page.paste(picture, (k * step, 0))
    return page


def _blank(width: int, height: int) -> PILImage.Image:
    return PILImage.new("RGB", (width, height), PAPER)


def _names(scene: Scene) -> set[str]:
    mapped = scene.label_map.names() if scene.label_map is not None else {}
    return {*mapped, *(scene.layout.names if scene.layout is not None else ())}
