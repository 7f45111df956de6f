"""LR-GAN's public face: a picture with its layers, each of which can be changed alone."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision import tv_tensors

from course_lib.data.sources import open_source
from course_lib.errors import CourseError, Problems
from course_lib.lrgan import official
from course_lib.lrgan.networks import Foreground, Generator, Painting, composite
from course_lib.lrgan.objective import LRGANConfig, in_channels
from course_lib.painter import Painter, Picture, grid, noise
from course_lib.storage.checkpoint import part

__all__ = ["LRGANPainter", "LayeredPicture"]


@dataclass(frozen=True)
class LayeredPicture(Picture):
    """A picture that knows its layers; ``steps`` names everything that it was made of.

    With ``T`` foregrounds, drawn at ``h x w`` and pasted on ``H x W``: ``background``
    ``[C, H, W]``; ``foregrounds`` ``[T, C, h, w]`` and ``masks`` ``[T, 1, h, w]`` as drawn;
    ``poses`` ``[T, 2, 3]``; ``appearances`` ``[T, C, H, W]`` and ``covers`` ``[T, 1, H, W]`` as
    they lie; ``canvases`` ``[T + 1, C, H, W]``, the background first; ``z`` ``[T + 1, z_dim]``.
    """

    def masks(self) -> tv_tensors.Mask:
        """The visible part of each layer: ``[T, H, W]``, bool. A free segmentation.

        A pixel belongs to the last layer that covers more than half of it.
        """
        covers = self.steps["covers"][:, 0] > 0.5  # [T, H, W]
        above = covers.flip(0).cumsum(0).flip(0) - covers.long()  # how many layers lie over it
        return tv_tensors.Mask(covers & (above == 0))

    def boxes(self) -> tv_tensors.BoundingBoxes:
        """The box around each mask, in pixels, corners: ``[T, 4]``; zeros where nothing shows."""
        masks = self.masks().as_subclass(Tensor)
        boxes = torch.zeros(len(masks), 4)
        for box, mask in zip(boxes, masks, strict=True):
            if mask.any():
                ys, xs = mask.nonzero(as_tuple=True)
                box[:] = torch.tensor([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
        height, width = masks.shape[-2:]
        return tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=(height, width))

    def export(self, folder: str | Path, name: str = "picture") -> list[Path]:
        """Writes the picture, and a mask of 0 and 255 for each layer: ``picture_mask_1.png``."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        paths = [self.save(folder / name)]
        for number, mask in enumerate(self.masks().as_subclass(Tensor), 1):
            black_and_white = Picture(mask[None].float() * 2 - 1)
            paths.append(black_and_white.save(folder / f"{name}_mask_{number}"))
        return paths


class LRGANPainter(Painter):
    """Paints a background and lays foregrounds over it; every part can be held and the rest moved.

    Attributes:
        generator: the trained network.
        sizes: how many layers it has, how large they are.
        config: how it was trained; None for the authors' weights.
    """

    kind = "lrgan"

    def __init__(self, generator: Generator, config: LRGANConfig | None = None) -> None:
        self.generator, self.config = generator.eval(), config
        self.sizes = generator.sizes

    @classmethod
    def from_weights(cls, config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> LRGANPainter:
        settings = LRGANConfig.from_json(config)
        generator = Generator(settings.sizes)
        generator.load_state_dict(part(weights, "G"))
        return cls(generator, settings)

    @classmethod
    def from_official(cls, weights: Mapping[str, Tensor]) -> LRGANPainter:
        """A painter from the authors' ``*_netG_*.pth``."""
        return cls(official.generator_of(weights))

    def generate(
        self,
        *,
        seed: int = 0,
        swap: Mapping[int, int] | None = None,
        pose: Mapping[int, Tensor] | None = None,
        z: Tensor | None = None,
    ) -> LayeredPicture:
        """Paints one picture.

        Args:
            seed: of the noise of all layers; the same seed gives the same picture.
            swap: seeds for the noise of single layers, 0 the background: ``{1: 8}`` gives the first
                foreground the noise of seed 8; all other layers stay exactly as they are.
            pose: other poses for single foregrounds, ``[2, 3]`` each, as in
                :func:`course_lib.nn.paste.paste`; :func:`~course_lib.nn.paste.pose_at` makes them.
            z: the noise itself, ``[layers, z_dim]``, instead of a seed.

        Raises:
            CourseError: layers that there are not, noise or poses of another shape.
        """
        z = self.noise(seed) if z is None else z
        swap, pose = swap or {}, pose or {}
        self._check(z, swap, pose)
        background, foregrounds = self._parts(z[None])
        rows = torch.arange(len(z))[:, None]
        for layer, other in swap.items():
            behind, others = self._parts(torch.where(rows == layer, self.noise(other), z)[None])
            if layer == 0:
                background = behind
            else:
                foregrounds[layer - 1] = others[layer - 1]
        for layer, matrix in pose.items():
            foregrounds[layer - 1] = foregrounds[layer - 1]._replace(pose=matrix[None].float())
        return _picture(composite(background, foregrounds), z)

    def noise(self, seed: int) -> Tensor:
        """The noise of a seed: ``[layers, z_dim]``."""
        return noise(seed, self.sizes.layers, self.sizes.z_dim)

    @torch.no_grad()
    def paint(self, z: Tensor) -> Painting:
        """Many pictures at once, with all their layers: noise ``[N, layers, z_dim]``."""
        background, foregrounds = self._parts(z)
        return composite(background, foregrounds)

    @torch.no_grad()
    def _parts(self, z: Tensor) -> tuple[Tensor, list[Foreground]]:
        return self.generator.parts(z)

    def _check(self, z: Tensor, swap: Mapping[int, int], pose: Mapping[int, Tensor]) -> None:
        layers = self.sizes.layers
        with Problems("generate") as problems:
            problems.check(
                list(z.shape) == [layers, self.sizes.z_dim],
                f"the noise has shape {list(z.shape)}, "
                f"this painter takes [{layers}, {self.sizes.z_dim}]",
            )
            for layer in swap:
                problems.check(layer in range(layers), f"swap: {_no_layer(layer, 0, layers)}")
            for layer, matrix in pose.items():
                problems.check(layer in range(1, layers), f"pose: {_no_layer(layer, 1, layers)}")
                problems.check(
                    list(matrix.shape) == [2, 3] and bool(matrix.isfinite().all()),
                    f"the pose of layer {layer} is {list(matrix.shape)}, not [2, 3] finite numbers",
                )

    def sheets(self, seeds: Sequence[int], **how: Any) -> dict[str, Tensor]:
        """Grids by name: ``real`` where the training's pictures are at hand, ``background``, for
        each foreground ``t`` ``foreground_t`` and ``mask_t`` as drawn and ``canvas_t``, ``final``.
        """
        painting = self.paint(torch.stack([self.noise(seed) for seed in seeds]))
        sheets = self._real(len(seeds)) | {"background": painting.background}
        for number, layer in enumerate(painting.layers, 1):
            sheets[f"foreground_{number}"] = layer.foreground.appearance
            sheets[f"mask_{number}"] = layer.foreground.mask * 2 - 1
            sheets[f"canvas_{number}"] = layer.canvas
        sheets["final"] = painting.picture
        columns = math.ceil(math.sqrt(len(seeds)))
        return {name: grid(pictures, columns) for name, pictures in sheets.items()}

    def _real(self, count: int) -> dict[str, Tensor]:
        if self.config is None:
            return {}
        try:
            source = open_source(self.config.data, self.config.size)
        except CourseError as error:
            warnings.warn(f"no sheet of real pictures: {error}", stacklevel=3)
            return {}
        scenes = source.batch(torch.arange(min(count, len(source))))
        return {"real": in_channels(scenes.images, self.config.channels)}


def _no_layer(layer: object, first: int, layers: int) -> str:
    return f"there is no layer {layer!r}; there are {first} to {layers - 1}"


def _picture(painting: Painting, z: Tensor) -> LayeredPicture:
    layers = painting.layers
    steps = {"background": painting.background[0]}
    if layers:
        steps |= {
            "foregrounds": torch.cat([layer.foreground.appearance for layer in layers]),
            "masks": torch.cat([layer.foreground.mask for layer in layers]),
            "poses": torch.cat([layer.foreground.pose for layer in layers]),
            "appearances": torch.cat([layer.appearance for layer in layers]),
            "covers": torch.cat([layer.mask for layer in layers]),
        }
    steps["canvases"] = torch.cat([painting.background, *(layer.canvas for layer in layers)])
    return LayeredPicture(painting.picture[0], steps=steps | {"z": z})
