"""The layer explorer: a picture taken apart, a pose to drag, one layer's noise to exchange."""

from __future__ import annotations

import base64
import io
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from PIL import Image as PILImage
from PIL import ImageDraw, ImageFont
from torch import Tensor
from torchvision import tv_tensors
from torchvision.utils import draw_segmentation_masks

from course_lib.data.coco.write import write_coco
from course_lib.data.tables import distinct_colours, table_of
from course_lib.errors import CourseError
from course_lib.lrgan.painter import LayeredPicture, LRGANPainter
from course_lib.painter import Painter, Picture
from course_lib.postcard import Postcard
from course_lib.scene import Layout, Scene
from course_lib.widgets.panel import Panel, as_png

__all__ = ["LayersPanel", "layers_panel", "segmentation"]

TILE = 128  # pixels: side of each of the six pictures
NONE = "no layer"


def layers_panel(painter: Painter, seed: int = 7) -> LayersPanel:
    """Seven controls: the seed, the step that is shown, one layer's own noise, and a pose.

    ``step`` is the foreground that is taken apart; ``x``, ``y`` (in half sides of the canvas) and
    ``scale`` (a factor) move it from where the painter put it, and so does a hand that drags it.
    ``swap`` names a layer that gets the noise of seed ``noise``, while all others stay.

    >>> panel = layers_panel(course_lib.load("lrgan"))                     # doctest: +SKIP
    >>> panel.set(swap="background", noise=3, x=0.4)
    >>> panel.export("my_layers")

    Raises:
        CourseError: a painter without layers.
    """
    layers = painter.sizes.layers if isinstance(painter, LRGANPainter) else 0
    if not isinstance(painter, LRGANPainter) or layers < 2:
        raise CourseError(f"this {painter.kind} has no layers to explore", where="layers_panel")
    return LayersPanel(painter, seed)


class LayersPanel(Panel):
    """Canvas before, appearance, mask, pose, canvas after, and what the masks say together.

    Attributes:
        picture: the painted picture with its layers, masks and boxes.
    """

    picture: LayeredPicture

    def __init__(self, painter: LRGANPainter, seed: int) -> None:
        import ipywidgets as ipw

        self.painter = painter
        steps = painter.sizes.layers - 1
        self.names = [NONE, "background", *(f"foreground {t}" for t in range(1, steps + 1))]
        controls = {
            "seed": ipw.IntSlider(value=seed, min=0, max=999),
            "step": ipw.IntSlider(value=1, min=1, max=steps),
            "swap": ipw.Dropdown(options=self.names, description="exchange"),
            "noise": ipw.IntSlider(value=1, min=0, max=999, description="its seed"),
            "x": ipw.FloatSlider(value=0, min=-2, max=2, step=0.01, description="to the right"),
            "y": ipw.FloatSlider(value=0, min=-2, max=2, step=0.01, description="down"),
            "scale": ipw.FloatSlider(value=1, min=0.5, max=2, step=0.01, description="enlarged"),
        }
        super().__init__("LR-GAN, layer by layer", self._paint, controls, self._recipe)

    def export(self, folder: str | Path) -> Path:
        """Writes the picture and its segmentation: a PNG for each mask, and all in COCO's format.

        Raises:
            CourseError: there is one already.
        """
        folder = Path(folder)
        write_coco([segmentation(self.picture)], folder, "layers", classes=table_of(self.names[2:]))
        self.picture.export(folder)
        return folder

    def shown(self) -> PILImage.Image:
        tiles = _tiles(self.picture, self._drawn["step"])
        paper = PILImage.new("RGB", (3 * TILE, 2 * (TILE + 18)), "white")
        pen, font = ImageDraw.Draw(paper), ImageFont.load_default(12)
        for number, (name, tile) in enumerate(tiles.items()):
            left, top = number % 3 * TILE, number // 3 * (TILE + 18)
            pen.text((left + 2, top + 2), name, "black", font)
            paper.paste(tile, (left, top + 18))
            pen.rectangle((left, top + 17, left + TILE, top + 18 + TILE), outline="white")
        return paper

    def _paint(self, **values: Any) -> tuple[Picture, str]:
        picture = self.painter.generate(**self._inputs(**values))
        step = values["step"] - 1
        cover, pose = picture.steps["covers"][step] > 0.5, picture.steps["poses"][step]
        x, y = _corners(pose).mean(dim=0).tolist()
        return picture, (
            f"foreground {step + 1} covers {cover.float().mean():.0%} of the canvas, its square "
            f"lies around ({x:.2f}, {y:.2f})"
        )

    def _recipe(self, **values: Any) -> Postcard:
        return Postcard.of(self.painter, **self._inputs(**values))

    def _inputs(
        self, seed: int, step: int, swap: str, noise: int, x: float, y: float, scale: float
    ) -> dict[str, Any]:
        """The arguments of ``generate``; no more than what was changed."""
        inputs: dict[str, Any] = {"seed": seed}
        if swap != NONE:
            inputs["swap"] = {self.names.index(swap) - 1: noise}
        if (x, y, scale) != (0, 0, 1):
            own = self.painter.generate(**inputs).steps["poses"][step - 1]
            inputs["pose"] = {step: _moved(own, x, y, scale)}
        return inputs

    def _arrange(self) -> Any:
        """The panel's, with a pad to drag on, and one more button."""
        import ipywidgets as ipw

        from course_lib.widgets.drag import DragPad

        view = super()._arrange()
        self._pad = DragPad()
        self._pad.observe(self._on_drag, "value")
        button = ipw.Button(description="segmentation", tooltip="save masks and boxes as COCO")
        button.layout.width = "auto"
        button.on_click(lambda _: self.attempt(self._offer_segmentation))
        left = view.children[0]
        left.children = [*left.children[:-1], self._pad, button, left.children[-1]]
        return view

    def _redraw(self) -> None:
        super()._redraw()
        after = as_png(_tile(self.picture.steps["canvases"][self._drawn["step"]]))
        self._pad.picture = f"data:image/png;base64,{base64.b64encode(after).decode()}"
        self._pad.value = self._dragged()

    def _dragged(self) -> tuple[float, ...]:
        return tuple(self.state[name] for name in ("x", "y", "scale"))

    def _on_drag(self, _: Any) -> None:
        if self._pad.value != self._dragged():
            moved = dict(zip(("x", "y", "scale"), self._pad.value, strict=True))
            self.attempt(lambda: self.set(**moved))

    def _offer_segmentation(self) -> None:
        buffer = io.BytesIO()
        with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(buffer, "w") as archive:
            for path in sorted(self.export(folder).rglob("*.*")):
                archive.write(path, path.relative_to(folder))
        words = "holds the picture, its masks as PNG, and all of it in COCO's format"
        self._offer("segmentation.zip", "application/zip", buffer.getvalue(), words)


def segmentation(picture: LayeredPicture) -> Scene:
    """The picture as a scene with layout and masks; a layer that nobody sees is left out.

    Boxes and masks are those of :meth:`LayeredPicture.boxes` and :meth:`LayeredPicture.masks`.
    """
    masks = picture.masks()
    visible = masks.flatten(1).any(dim=1).nonzero().flatten().tolist()
    layout = Layout(tuple(f"foreground {t + 1}" for t in range(len(masks))), picture.boxes())
    image = tv_tensors.Image(_bytes(picture.image))
    return Scene(image, layout=layout.pick(visible), masks=tv_tensors.Mask(masks[visible]))


def _moved(pose: Tensor, x: float, y: float, scale: float) -> Tensor:
    """The pose that shows the same picture further right and down, and larger: ``[2, 3]``."""
    turn, shift = pose[:, :2], pose[:, 2]
    return torch.cat([turn, (shift - turn @ torch.tensor([x, y]))[:, None]], dim=1) / scale


def _corners(pose: Tensor) -> Tensor:
    """Where the corners of a foreground lie on the canvas, x and y from -1 to 1: ``[4, 2]``."""
    square = torch.tensor([[-1.0, 1.0, 1.0, -1.0], [-1.0, -1.0, 1.0, 1.0]])
    return torch.linalg.solve(pose[:, :2], square - pose[:, 2:]).T


def _tiles(picture: LayeredPicture, step: int) -> Mapping[str, PILImage.Image]:
    """The six pictures of one step by name, with hard pixel edges."""
    before, after = picture.steps["canvases"][step - 1 : step + 1]
    mask = picture.steps["masks"][step - 1]
    tiles = {
        "canvas before": before,
        "appearance": picture.steps["foregrounds"][step - 1],
        "mask": mask * 2 - 1,
        "pose": before,
        "canvas after": after,
        "all masks": _coloured(picture),
    }
    enlarged = {name: _tile(pixels) for name, pixels in tiles.items()}
    side = before.shape[-1]  # with aligned corners, -1 and 1 are the centres of the first and last
    corners = (
        ((_corners(picture.steps["poses"][step - 1]) + 1) / 2 * (side - 1) + 0.5) * TILE / side
    )
    frame = [(x, y) for x, y in corners.tolist()]
    ImageDraw.Draw(enlarged["pose"]).line([*frame, frame[0]], "red", 2)
    return enlarged


def _coloured(picture: LayeredPicture) -> Tensor:
    masks = picture.masks().as_subclass(Tensor)
    colours = distinct_colours(len(masks))
    painted = draw_segmentation_masks(_bytes(picture.image), masks, alpha=0.6, colors=colours)
    return painted.float() / 127.5 - 1


def _bytes(image: Tensor) -> Tensor:
    """A picture in [-1, 1] with one channel or three as ``[3, H, W]``, uint8."""
    return ((image.expand(3, -1, -1).clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


def _tile(pixels: Tensor) -> PILImage.Image:
    small = Picture(pixels).pil().convert("RGB")
    return small.resize((TILE, TILE), PILImage.Resampling.NEAREST)
