"""The catalogue of bad input, pictures, label maps and boxes: what each message must say."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.data.pairs import load_pair, pair_by_stem
from course_lib.data.tables import Legend
from course_lib.errors import CourseError
from course_lib.scene import (
    ClassTable,
    LabelMap,
    Layout,
    Scene,
    SceneBatch,
    collate,
    load_image,
    to_image,
)

CLASSES = ClassTable.of(
    stuff={"sky": (120, 180, 240), "grass": (90, 170, 70)},
    things={"cat": (200, 120, 40), "tree": (40, 100, 40)},
)
TWO = ClassTable.of(stuff={"ground": (0, 0, 0)}, things={"shape": (255, 255, 255)})

Build = Callable[[Path], object]


def ids(*rows: tuple[int, ...]) -> np.ndarray:
    return np.array(rows, dtype=np.uint8).repeat(4, 0).repeat(4, 1)


def png(path: Path, pixels: np.ndarray, mode: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels, mode).save(path) if mode else Image.fromarray(pixels).save(path)
    return path


def blended(folder: Path) -> object:
    """A map that somebody shrank with interpolation: id 2 appears between 1 and 3 only."""
    small = Image.fromarray(ids((1, 60, 1), (60, 1, 60))).resize(
        (30, 20), Image.Resampling.BILINEAR
    )
    small.save(folder / "soft.png")
    return LabelMap.load(folder / "soft.png", CLASSES)


def jpeg(folder: Path) -> object:
    Image.fromarray(ids((0, 1))).save(folder / "map.jpg")
    return LabelMap.load(folder / "map.jpg", CLASSES)


def disguised_jpeg(folder: Path) -> object:
    Image.fromarray(ids((0, 1))).save(folder / "map.png", format="JPEG")
    return LabelMap.load(folder / "map.png", CLASSES)


def painted(folder: Path) -> object:
    pixels = np.zeros((4, 4, 3), dtype=np.uint8) + np.array([120, 180, 240], dtype=np.uint8)
    pixels[0, :3] = (9, 8, 7)
    return LabelMap.load(png(folder / "rgb.png", pixels), CLASSES)


def cut_short(folder: Path) -> object:
    path = folder / "cut.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:900])
    return load_image(path)


def text(folder: Path, name: str, content: bytes) -> object:
    (folder / name).write_bytes(content)
    return load_image(folder / name)


def animated(folder: Path) -> object:
    frames = [Image.new("L", (16, 16), value) for value in (0, 90, 180)]
    frames[0].save(folder / "move.gif", save_all=True, append_images=frames[1:])
    return load_image(folder / "move.gif")


def cmyk(folder: Path) -> object:
    Image.new("CMYK", (16, 16)).save(folder / "print.jpg")
    return load_image(folder / "print.jpg")


def bomb(folder: Path, side: int) -> object:
    Image.new("1", (side, side)).save(folder / "bomb.png")
    return load_image(folder / "bomb.png")


def unequal(folder: Path) -> object:
    png(folder / "a.png", np.zeros((12, 12, 3), np.uint8))
    png(folder / "a_mask.png", np.eye(12, 11, dtype=np.uint8))
    return load_pair(folder / "a.png", folder / "a_mask.png", Legend(CLASSES))


def unpaired(folder: Path) -> object:
    return pair_by_stem([Path("a.JPG"), Path("b.png")], [Path("b.png"), Path("c.png")])


def fraction(*objects: object, **options: object) -> Build:
    return lambda _: Layout.of(*objects, units="fraction", format="xyxy", **options)  # type: ignore


def pixel(*objects: object, **options: object) -> Build:
    given = {"units": "pixel", "format": "xyxy", "canvas": (64, 48), **options}
    return lambda _: Layout.of(*objects, **given)  # type: ignore


def batch(**parts: torch.Tensor) -> Build:
    images = torch.zeros(2, 3, 8, 8)
    return lambda _: SceneBatch(**{"images": images, "classes": CLASSES, **parts}).check()  # type: ignore


def tensor(values: object, dtype: torch.dtype = torch.int64) -> torch.Tensor:
    return torch.tensor(values, dtype=dtype)


BOX = (0.1, 0.1, 0.5, 0.5)
PRESENT = torch.ones(2, 1, dtype=torch.bool)
BOXES = torch.tensor([[BOX], [BOX]])

REFUSED: dict[str, tuple[Build, str]] = {
    "B2 void 255": (
        lambda f: LabelMap.load(png(f / "m.png", ids((0, 255, 1))), CLASSES),
        "m.png id 255 at 16 pixels (33%) x=4, y=0 0..3 unlabeled=255",
    ),
    "B2 one too many": (
        lambda f: LabelMap.load(png(f / "m.png", ids((0, 5, 1))), CLASSES),
        "id 5 0..3",
    ),
    "B2 all at once": (lambda _: LabelMap.of(ids((7, 8, 9)), CLASSES), "3 problems 7 8 9"),
    "B3 negative": (
        lambda _: LabelMap.of(tensor([[0, -1]]), CLASSES),
        "id -1 at 1 pixels ClassTable.from_source",
    ),
    "B4 blended ids": (blended, "soft.png ids appear only on borders interpolation nearest"),
    "B5 JPEG": (jpeg, "map.jpg JPEG PNG"),
    "B5 JPEG in disguise": (disguised_jpeg, "map.png JPEG PNG"),
    "B7 unknown colours": (painted, "rgb.png (9, 8, 7) at 3 pixels class table"),
    "B7 half transparent": (
        lambda f: LabelMap.load(png(f / "m.png", np.full((4, 4, 4), 120, np.uint8)), CLASSES),
        "m.png colour mode RGBA PNG",
    ),
    "B8 black and white": (
        lambda f: LabelMap.load(png(f / "m.png", ids((0, 255))), TWO),
        "{0, 255} binary=True class 1",
    ),
    "B12 CMYK": (cmyk, "print.jpg CMYK supported PNG"),
    "B12 GIF": (animated, "move.gif 3 frames supported"),
    "B12 SVG": (lambda f: text(f, "a.svg", b"<?xml ?><svg></svg>"), "a.svg SVG supported"),
    "B12 HEIC": (lambda f: text(f, "a.jpg", b"\0\0\0\x18ftypheic"), "a.jpg HEIC supported"),
    "B14 sizes": (unequal, "a.png is 12x12 a_mask.png 11x12"),
    "B15 orphans": (
        unpaired,
        "1 pictures without a label map: a.JPG 1 label maps without a picture: c.png",
    ),
    "B16 cut short": (cut_short, "cut.jpg damaged delete download"),
    "B17 web page": (
        lambda f: text(f, "a.png", b"<!DOCTYPE html><html>"),
        "a.png HTML page login supported",
    ),
    "B17 noise": (lambda f: text(f, "a.png", b"\x00\x01\x02" * 99), "a.png no picture"),
    "B17 empty": (lambda f: text(f, "a.png", b""), "a.png empty"),
    "B17 absent": (
        lambda f: load_image(png(f / "cat1.png", ids((0,))).with_name("cat.png")),
        "cat1.png",
    ),
    "B18 large": (lambda f: bomb(f, 7000), "bomb.png 7000x7000 40 million max_pixels="),
    "B18 bomb": (lambda f: bomb(f, 20_000), "bomb.png too many pixels"),
    "B19 tiny": (
        lambda f: load_image(png(f / "dot.png", np.zeros((1, 1, 3), np.uint8))),
        "dot.png 1x1 smallest side 8",
    ),
    "B20 bytes as floats": (
        lambda _: to_image(torch.linspace(0, 255, 64).reshape(8, 8), where="style"),
        "style 255 0 to 1 expected uint8",
    ),
    "B20 NaN": (lambda _: to_image(torch.full((3, 8, 8), torch.nan)), "NaN"),
    "B20 batch": (batch(images=torch.full((2, 3, 8, 8), 255.0)), "255 expected -1 to 1"),
    "B20 batch NaN": (batch(images=torch.full((2, 3, 8, 8), torch.nan)), "NaN"),
    "B20 shape": (lambda _: to_image(torch.zeros(5, 8, 8)), "[5, 8, 8] [3, H, W]"),
    "B20 whole numbers": (lambda _: to_image(tensor([[0, 255]])), "torch.int64 uint8"),
    "B21 no area": (
        fraction(("cat", BOX), ("tree", (0.2, 0.2, 0.2, 0.6))),
        "object 1 ('tree') zero area",
    ),
    "B21 too small": (pixel(("tree", (1, 1, 3, 9)), min_size=4), "'tree' min_size=4"),
    "B22 inverted": (
        fraction(("cat", (0.5, 0.5, 0.2, 0.3))),
        "object 0 ('cat') inverted x, y, width, height format='xywh'",
    ),
    "B23 partly outside": (
        fraction(("cat", (0.5, 0.5, 1.2, 0.9))),
        "'cat' partly outside fractions clip=True",
    ),
    "B23 wholly outside": (pixel(("cat", (70, 5, 90, 9)), clip=True), "'cat' outside 48x64 pixels"),
    "B24 NaN": (fraction(("cat", (0.1, float("nan"), 0.2, 0.3))), "object 0 ('cat') NaN"),
    "B24 infinite": (pixel(("cat", (0, 0, float("inf"), 9)), clip=True), "infinite"),
    "B25 pixels as fractions": (
        fraction(("cat", (3, 4, 30, 40))),
        "'cat' outside units='pixel' canvas=",
    ),
    "B25 fractions as pixels": (pixel(("cat", BOX)), "between 0 and 1 units='fraction'"),
    "B25 pixels of what": (pixel(("cat", (3, 4, 9, 9)), canvas=None), "canvas=(height, width)"),
    "B25 unknown unit": (pixel(("cat", (3, 4, 9, 9)), units="px"), "'px' 'pixel' 'fraction'"),
    "B25 unknown format": (pixel(("cat", (3, 4, 9, 9)), format="yxyx"), "'yxyx' xyxy xywh"),
    "B26 too many": (
        fraction(*[("cat", BOX)] * 5, max_objects=3),
        "5 objects max_objects=3 on_extra='largest'",
    ),
    "B26 in a batch": (
        lambda _: collate([crowd(4)], CLASSES, max_objects=3),
        "scene 0 4 objects max_objects=3",
    ),
    "B28 plural": (
        fraction(("cats", BOX), ("Tree", BOX), classes=CLASSES),
        "'cats' did you mean 'cat'? 'Tree' did you mean 'tree'? known: cat, grass",
    ),
    "B28 in the table": (lambda _: CLASSES.id("dog"), "'dog' known: cat"),
    "B29 id for a name": (fraction((3, BOX)), "object 0 3 is not a class name"),
    "B29 text for numbers": (
        fraction(("cat", ("0.1", "0.1", "0.5", "0.5"))),
        "'cat' not four numbers",
    ),
    "B29 three numbers": (fraction(("cat", (0.1, 0.2, 0.3))), "not four numbers"),
    "B29 no pair": (fraction("cat"), "object 0 'cat' (name, (four numbers))"),
    "B29 float ids": (lambda _: LabelMap.of(torch.zeros(4, 4), CLASSES), "whole torch.float32"),
    "B29 float objects": (
        batch(objects=torch.zeros(2, 1), boxes=BOXES, present=PRESENT),
        "objects torch.float32 torch.int64",
    ),
    "B29 unknown object": (
        batch(objects=tensor([[1], [4]]), boxes=BOXES, present=PRESENT),
        "objects ids 1..4 0..3",
    ),
    "B29 batch size": (
        batch(objects=tensor([[1]]), boxes=BOXES, present=PRESENT),
        "2 images but 1 objects",
    ),
    "B29 half the parts": (batch(objects=tensor([[1], [2]])), "objects boxes present together"),
    "B2 map in a batch": (
        batch(label_maps=torch.full((2, 8, 8), 99)),
        "label_maps ids 99..99 0..4",
    ),
    "scene sizes": (
        lambda _: Scene(
            to_image(torch.rand(3, 8, 8)), layout=Layout.empty((9, 9)), masks=torch.zeros(2, 8, 7)
        ),
        "3 problems layout (9, 9) masks (8, 7) 0 objects but 2 masks",
    ),
}


def crowd(count: int) -> Scene:
    step = 1 / (count + 1)
    objects = [("cat", (i * step, 0.1, i * step + 0.1 + 0.05 * i, 0.6)) for i in range(count)]
    layout = Layout.of(*objects, units="fraction", format="xyxy").on((16, 16))
    return Scene(to_image(torch.rand(3, 16, 16)), layout=layout)


@pytest.mark.parametrize("row", REFUSED)
def test_message_names_value_place_and_mend(row: str, tmp_path: Path) -> None:
    build, words = REFUSED[row]
    with pytest.raises(CourseError) as caught:
        build(tmp_path)
    message = str(caught.value)
    missing = [word for word in re.split(r"\s+", words) if word not in message]
    assert not missing, f"{missing} missing in: {message}"


WARNED: dict[str, tuple[Build, str]] = {
    "B1 one class": (
        lambda f: LabelMap.load(png(f / "0012.png", ids((1, 1))), CLASSES),
        "0012.png holds one class only 'grass'",
    ),
    "B4 suspicious": (
        lambda _: LabelMap.of(np.array([[0] * 4, [1] * 4, [2] * 4], np.uint8), CLASSES),
        "'grass' only on borders interpolation",
    ),
    "B20 constant": (lambda _: to_image(torch.full((3, 8, 8), 0.5)), "every pixel same value"),
}


@pytest.mark.parametrize("row", WARNED)
def test_doubtful_input_is_taken_with_a_warning(row: str, tmp_path: Path) -> None:
    build, words = WARNED[row]
    with pytest.warns(UserWarning) as caught:
        assert build(tmp_path) is not None
    assert all(word in str(caught[0].message) for word in words.split())


def test_b3_unsigned_ids_do_not_wrap() -> None:
    table = ClassTable.from_json(
        CLASSES.to_json().replace('"source_ids": {}', '"source_ids": {"one_based": 0}', 1)
    )
    assert table.from_source(torch.zeros(2, dtype=torch.uint8), "one_based").tolist() == [0, 0]
    with pytest.raises(CourseError, match="255"):
        table.from_source(torch.tensor([255], dtype=torch.uint8), "one_based")


def test_b6_palette_is_read_by_index(tmp_path: Path) -> None:
    pixels = ids((0, 3), (2, 1))
    path = LabelMap.of(pixels, CLASSES).save(tmp_path / "map")
    with Image.open(path) as picture:
        assert picture.mode == "P"
    assert LabelMap.load(path, CLASSES).ids.tolist() == pixels.tolist()


def test_b7_known_colours_are_read(tmp_path: Path) -> None:
    label_map = LabelMap.of(ids((0, 3), (2, 1)), CLASSES)
    colours = label_map.coloured().permute(1, 2, 0).numpy()
    assert LabelMap.load(png(tmp_path / "c.png", colours), CLASSES).ids.equal(label_map.ids)


def test_b8_binary_and_unlabeled_are_read_when_asked(tmp_path: Path) -> None:
    path = png(tmp_path / "m.png", ids((0, 255)))
    assert LabelMap.load(path, TWO, binary=True).ids.unique().tolist() == [0, 1]
    assert LabelMap.load(path, CLASSES, unlabeled=255).names() == {"sky": 16, "unlabeled": 16}


def test_b9_sixteen_bits_keep_their_ramp(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 256).round().astype(np.uint16).reshape(16, 16)
    image = load_image(png(tmp_path / "ramp.png", ramp))
    assert image[0].flatten().tolist() == list(range(256))


def test_b10_grey_is_copied_into_three_channels(tmp_path: Path) -> None:
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    image = load_image(png(tmp_path / "grey.png", grey))
    assert image.shape == (3, 8, 8)
    assert all(channel.numpy().tolist() == grey.tolist() for channel in image)


def test_b11_transparent_becomes_white(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[..., 0] = 200  # a red that nobody is meant to see
    assert load_image(png(tmp_path / "clear.png", pixels)).unique().tolist() == [255]


def test_b13_photos_stand_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    Image.new("RGB", (20, 10)).save(tmp_path / "phone.jpg", exif=exif)
    assert load_image(tmp_path / "phone.jpg").shape == (3, 20, 10)


def test_b15_pairs_by_name_whatever_the_extension() -> None:
    pairs = pair_by_stem(
        [Path("b.JPG"), Path("a.png")], [Path("a_mask.png"), Path("b_mask.PNG")], suffix="_mask"
    )
    assert [(x.name, y.name) for x, y in pairs] == [
        ("a.png", "a_mask.png"),
        ("b.JPG", "b_mask.PNG"),
    ]


def test_b23_clip_cuts_at_the_edge() -> None:
    layout = Layout.of(("cat", (-0.5, 0.5, 0.5, 1.5)), units="fraction", format="xyxy", clip=True)
    assert layout.fractions().tolist() == [[0.0, 0.5, 0.5, 1.0]]


def test_b24_no_way_round_the_finite_check() -> None:
    boxes = Layout.of(("cat", BOX), units="fraction", format="xyxy").boxes
    with pytest.raises(CourseError, match="NaN"):
        Layout(("cat",), boxes * float("nan"))


def test_b26_largest_and_first() -> None:
    scene = crowd(4)
    largest = collate([scene], CLASSES, max_objects=2, on_extra="largest").boxes
    first = collate([scene], CLASSES, max_objects=2, on_extra="first").boxes
    assert scene.layout is not None and largest is not None and first is not None
    assert largest[0].equal(scene.layout.fractions()[2:])
    assert first[0].equal(scene.layout.fractions()[:2])


def test_b27_no_objects_is_background_only() -> None:
    scene = Scene(to_image(torch.rand(3, 8, 8)), layout=Layout.empty((8, 8)))
    batch = collate([scene, scene], CLASSES, max_objects=3)
    batch.check()
    assert batch.present is not None and not batch.present.any()
    assert collate([scene], CLASSES).boxes.shape == (1, 0, 4)  # type: ignore[union-attr]


def test_good_input_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LabelMap.of(ids((0, 1), (3, 2)), CLASSES)
        to_image(torch.rand(3, 8, 8))
