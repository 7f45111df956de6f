"""Makes the course's face: one scene, and what each painter makes of it.

``python -m scripts.face`` writes ``docs/images/face.png``. The scene is page 10 of a book that no
painter has read, as in chapter 07; every picture is the one of seed 7. Nothing is selected.
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Sequence
from pathlib import Path

from PIL import Image as PILImage
from PIL import ImageDraw, ImageFont

from course_lib.data.storybook import CLASSES, Storybook
from course_lib.ensemble import Told, five

FACE = Path(__file__).parents[1] / "docs" / "images" / "face.png"
BOOK, PAGE, SEED = 1, 10, 7
SIDE, LINE, GAP = 192, 20, 10  # pixels
PALETTE = CLASSES.palette().numpy()  # [classes + 1, 3], uint8
HEARD = {
    "stackgan": ("StackGAN", "hears the caption"),
    "lrgan": ("LR-GAN", "hears nothing"),
    "spade": ("SPADE", "hears the label map"),
    "opgan": ("OP-GAN", "hears the caption and boxes"),
    "lostgan": ("LostGAN", "hears boxes, of stuff, too"),
}


def face() -> PILImage.Image:
    """Caption, boxes and map of the page; below, a picture by each painter that is installed."""
    scene = Storybook(seed=BOOK)[PAGE]
    told = Told(scene, seed=SEED)
    painters = {name: painter for name, painter in five().items() if painter is not None}
    columns = [
        told_as(told.caption),
        titled("its boxes", "", with_boxes(told.pairs)),
        titled("its label map", "", large(PILImage.fromarray(PALETTE[scene.ids]))),
    ]
    below = [
        titled(*HEARD[name], large(told.paint(painter).pil())) for name, painter in painters.items()
    ]
    return stacked(row(columns), row(below))


def large(picture: PILImage.Image) -> PILImage.Image:
    return picture.convert("RGB").resize((SIDE, SIDE), PILImage.Resampling.NEAREST)


def with_boxes(pairs: Sequence[tuple[str, Sequence[float]]]) -> PILImage.Image:
    paper = PILImage.new("RGB", (SIDE, SIDE), "white")
    pen = ImageDraw.Draw(paper)
    pen.rectangle((0, 0, SIDE - 1, SIDE - 1), outline="lightgrey")
    for name, (left, top, right, bottom) in pairs:
        corners = (SIDE * left, SIDE * top, SIDE * right - 1, SIDE * bottom - 1)
        pen.rectangle(corners, outline="black", width=2)
        pen.text((corners[0] + 4, corners[1] + 3), name, "black", ImageFont.load_default(11))
    return paper


def told_as(caption: str) -> PILImage.Image:
    paper = PILImage.new("RGB", (SIDE, SIDE), "white")
    ImageDraw.Draw(paper).multiline_text(
        (2, SIDE // 3), "\n".join(textwrap.wrap(f"“{caption}”", 22)), "black",
        ImageFont.load_default(17), spacing=6,
    )  # fmt: skip
    return titled("the scene's caption", "", paper)


def titled(title: str, words: str, picture: PILImage.Image) -> PILImage.Image:
    paper = PILImage.new("RGB", (SIDE, SIDE + 2 * LINE), "white")
    pen = ImageDraw.Draw(paper)
    pen.text((0, 0 if words else LINE), title, "black", ImageFont.load_default(15))
    pen.text((0, LINE - 2), words, "dimgrey", ImageFont.load_default(12))
    paper.paste(picture, (0, 2 * LINE))
    return paper


def row(pictures: Sequence[PILImage.Image]) -> PILImage.Image:
    height = max(picture.height for picture in pictures)
    paper = PILImage.new("RGB", ((SIDE + GAP) * len(pictures) - GAP, height), "white")
    for place, picture in enumerate(pictures):
        paper.paste(picture, (place * (SIDE + GAP), 0))
    return paper


def stacked(above: PILImage.Image, below: PILImage.Image) -> PILImage.Image:
    size = max(above.width, below.width), above.height + GAP + below.height
    paper = PILImage.new("RGB", size, "white")
    paper.paste(above, ((size[0] - above.width) // 2, 0))
    paper.paste(below, ((size[0] - below.width) // 2, above.height + GAP))
    return paper


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=FACE, help="a PNG (default: %(default)s)")
    out: Path = parser.parse_args(arguments).out
    out.parent.mkdir(parents=True, exist_ok=True)
    face().quantize(256).save(out, optimize=True)
    print(out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
