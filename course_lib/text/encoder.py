"""The char-CNN-RNN: a sentence, letter by letter, becomes 1024 numbers.

Reed, Akata, Lee, Schiele: Learning Deep Representations of Fine-grained Visual Descriptions, CVPR
2016 (arXiv:1605.05395), section 4.1. Convolutions over letters find syllables and words, a
recurrent network reads what they found from left to right, and the mean over all its states is the
sentence's embedding ``phi(t)``. Whoever reads letters can be asked any sentence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.storage.checkpoint import read_checkpoint
from course_lib.text.vocabulary import Vocabulary, packed, unpacked

__all__ = ["ALPHABET", "EMBEDDING", "LENGTH", "CharCnnRnn", "TextEncoder", "letters"]

ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789-,;.!?:'\"/\\|_@#$%^&*~`+=<>()[]{} \n"
LENGTH = 201  # letters that are read, as published
EMBEDDING = 1024  # numbers that describe a caption, as published
SPREAD = 1 / 8  # standard deviation of each; the length of an embedding is then about 4
_PLACES = {letter: place for place, letter in enumerate(ALPHABET)}


def letters(captions: Sequence[str]) -> Tensor:
    """Each caption's letters as places in :data:`ALPHABET`: ``[B, LENGTH]``, int64.

    Letters outside the alphabet and what lies behind the end are -1, nothing.
    """
    rows = torch.full((len(captions), LENGTH), -1)
    for row, caption in zip(rows, captions, strict=True):
        places = [_PLACES.get(letter, -1) for letter in caption.lower()[:LENGTH]]
        row[: len(places)] = torch.tensor(places, dtype=torch.int64)
    return rows


class CharCnnRnn(nn.Module):
    """Three convolutions with pooling, a recurrent network, the mean of its states.

    Args:
        widths: channels of the three convolutions; the last is also the recurrent width.

    Shapes: letters ``[B, 201]`` -> embeddings ``[B, 1024]``.
    """

    def __init__(self, widths: tuple[int, int, int] = (384, 512, 256)) -> None:
        super().__init__()
        first, second, third = widths
        self.convolutions = nn.Sequential(
            nn.Conv1d(len(ALPHABET), first, 4), nn.ReLU(), nn.MaxPool1d(3),  # [B, first, 66]
            nn.Conv1d(first, second, 4), nn.ReLU(), nn.MaxPool1d(3),  # [B, second, 21]
            nn.Conv1d(second, third, 4), nn.ReLU(), nn.MaxPool1d(3, stride=2),  # [B, third, 8]
        )  # fmt: skip
        self.recurrent = nn.GRU(third, third, batch_first=True)
        self.to_embedding = nn.Linear(third, EMBEDDING)

    def forward(self, places: Tensor) -> Tensor:
        one_hot = F.one_hot(places + 1, len(ALPHABET) + 1)[..., 1:]  # [B, 201, 70]; nothing is 0
        syllables = self.convolutions(one_hot.to(self.to_embedding.weight).mT)  # [B, third, 8]
        states, _ = self.recurrent(syllables.mT)  # [B, 8, third]
        return self.to_embedding(states.mean(dim=1))


class TextEncoder(nn.Module):
    """A char-CNN-RNN together with the vocabulary of the captions that it learnt from.

    Its embeddings have mean 0 and the spread 1/8 in each of their 1024 numbers, over the captions
    of training: a batch norm without weights sees to that. So all encoders speak equally loud to
    whoever listens, and a network behind them learns at the same pace.

    Shapes: captions, ``B`` strings -> embeddings ``[B, 1024]``.
    """

    def __init__(
        self,
        vocabulary: Vocabulary | None = None,
        widths: tuple[int, int, int] = (384, 512, 256),
    ) -> None:
        super().__init__()
        self.vocabulary, self.widths = vocabulary or Vocabulary(), widths
        self.network = CharCnnRnn(widths)
        self.norm = nn.BatchNorm1d(EMBEDDING, affine=False)

    def forward(self, captions: Sequence[str]) -> Tensor:
        places = letters(captions).to(self.network.to_embedding.weight.device)
        return SPREAD * self.norm(self.network(places))

    # Words and widths travel with the weights, as a tensor of bytes, in every checkpoint.

    def get_extra_state(self) -> Tensor:
        return packed(self.vocabulary, widths=self.widths)

    def set_extra_state(self, state: Tensor) -> None:
        self.vocabulary, _ = unpacked(state)

    @classmethod
    def from_weights(cls, weights: Mapping[str, Tensor]) -> TextEncoder:
        """The encoder from its ``state_dict``, ready to read."""
        _, told = unpacked(weights["_extra_state"])
        encoder = cls(widths=tuple(told["widths"]))
        encoder.load_state_dict(dict(weights))
        return encoder.eval().requires_grad_(False)

    @classmethod
    def load(cls, path: Path | None = None) -> TextEncoder:
        """The encoder that ships with the course, or that of a run of ``course train text``."""
        file = path or Path(str(resources.files("course_lib") / "weights" / "text.safetensors"))
        file = file / "painter.safetensors" if file.is_dir() else file
        checkpoint = read_checkpoint(file, kind="text")
        start = "text/encoder."
        weights = {k: v for k, v in checkpoint.tensors.items() if k.startswith(start)}
        return cls.from_weights({k.removeprefix(start): v for k, v in weights.items()})
