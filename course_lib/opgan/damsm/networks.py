"""The image encoders of the deep attentional multimodal similarity model (DAMSM).

Xu et al., AttnGAN, CVPR 2018 (arXiv:1711.10485), section 3.2: a picture as codes of its regions,
and as one code, in the space of the text encoder's words and sentences.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.inception import Inception3

from course_lib.text.recurrent import RecurrentEncoder

__all__ = ["DAMSM", "InceptionEye", "SmallEye"]

SIDE = 299  # pixels that Inception was trained on


class InceptionEye(Inception3):
    """Inception-v3, frozen, with two linear layers of our own; names as in the released files.

    Shapes: pictures ``[B, 3, H, W]`` in [-1, 1], taken as they are -> regions
    ``[B, code, 17, 17]``, from the end of its sixth block, and the whole ``[B, code]``.
    """

    def __init__(self, code: int = 256) -> None:
        super().__init__(aux_logits=False, init_weights=False)
        del self.avgpool, self.dropout, self.fc
        self.requires_grad_(False)
        self.trunk = tuple(self._modules)  # layers by name, in their order
        self.emb_features = nn.Conv2d(768, code, 1, bias=False)
        self.emb_cnn_code = nn.Linear(2048, code)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        x = F.interpolate(pictures, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
        regions = x
        for name in self.trunk:
            x = self._modules[name](x)
            if name == "Mixed_6e":
                regions = self.emb_features(x)  # [B, 768, 17, 17] -> [B, code, 17, 17]
        return regions, self.emb_cnn_code(x.mean(dim=(2, 3)))  # [B, 2048, 8, 8] -> [B, code]


class SmallEye(nn.Module):
    """For small pictures: six convolutions, regions an eighth of the side that see 33 pixels.

    Shapes: pictures ``[B, 3, s, s]`` -> regions ``[B, code, s / 8, s / 8]``, whole ``[B, code]``.
    """

    def __init__(self, code: int, width: int) -> None:
        super().__init__()
        near, wide = [3, width, 2 * width, 4 * width, 4 * width, 4 * width], 4 * width
        self.near = nn.Sequential(*map(_block, near, near[1:], (1, 2, 2, 2, 1)))
        self.far = _block(wide, wide, 2)
        self.emb_features = nn.Conv2d(wide, code, 1, bias=False)
        self.emb_cnn_code = nn.Linear(2 * wide, code)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        near = self.near(pictures)  # [B, 4 width, s / 8, s / 8]
        far = self.far(near)  # [B, 4 width, s / 16, s / 16]
        whole = torch.cat([near.mean(dim=(2, 3)), far.amax(dim=(2, 3))], dim=1)  # [B, 8 width]
        return self.emb_features(near), self.emb_cnn_code(whole)


def _block(narrow: int, wide: int, stride: int) -> nn.Sequential:
    conv = nn.Conv2d(narrow, wide, 3, stride, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(wide), nn.LeakyReLU(0.2))


class DAMSM(nn.Module):
    """Who reads, and who looks."""

    def __init__(self, text: RecurrentEncoder, image: InceptionEye | SmallEye) -> None:
        super().__init__()
        self.text, self.image = text, image
