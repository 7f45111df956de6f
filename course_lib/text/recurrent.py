"""The recurrent text encoder of AttnGAN and OP-GAN: a code for each word, one for the sentence.

Xu et al., AttnGAN, CVPR 2018 (arXiv:1711.10485), section 3.2. A word's code is what a recurrent
network knows there after reading from both sides; the sentence's is what both know at their ends.
Whoever reads whole words knows those of its vocabulary only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from course_lib.text.vocabulary import Vocabulary, packed, unpacked, words_of

__all__ = ["Heard", "RecurrentEncoder"]

END = 0  # the id of "no word": what stands behind the end, and all that a caption of unknowns has


class Heard(NamedTuple):
    """Captions as codes."""

    words: Tensor  # [B, code, T]
    sentence: Tensor  # [B, code]
    lengths: Tensor  # [B], how many of the T words a caption has

    @property
    def padding(self) -> Tensor:
        """Where there is no word: ``[B, T]``, bool."""
        places = torch.arange(self.words.shape[2], device=self.words.device)
        return places >= self.lengths.to(self.words.device)[:, None]


class RecurrentEncoder(nn.Module):
    """Embedding, dropout, one bidirectional recurrent layer.

    Args:
        words: rows of the embedding, the end's among them, as large a vocabulary as can be.
        embedding: length of a word's embedding.
        code: length of the codes, half of it from each side.
        cell: LSTM as published, or GRU.
        vocabulary: the words in the order of their ids from 1.

    Shapes: ids ``[B, T]`` and lengths ``[B]`` -> :class:`Heard`, as long as the longest caption.
    """

    def __init__(
        self,
        words: int = 27_297,
        embedding: int = 300,
        code: int = 256,
        cell: Literal["LSTM", "GRU"] = "LSTM",
        vocabulary: Vocabulary | None = None,
    ) -> None:
        super().__init__()
        self.vocabulary = vocabulary or Vocabulary()
        self.encoder = nn.Embedding(words, embedding)
        self.drop = nn.Dropout(0.5)
        kind = {"LSTM": nn.LSTM, "GRU": nn.GRU}[cell]
        self.rnn = kind(embedding, code // 2, batch_first=True, bidirectional=True)
        nn.init.uniform_(self.encoder.weight, -0.1, 0.1)

    def forward(self, ids: Tensor, lengths: Tensor) -> Heard:
        told = self.drop(self.encoder(ids))  # [B, T, embedding]
        sequence = pack_padded_sequence(told, lengths.cpu(), batch_first=True, enforce_sorted=False)
        states, last = self.rnn(sequence)
        last = last[0] if isinstance(self.rnn, nn.LSTM) else last  # h, not c: [2, B, code / 2]
        words, _ = pad_packed_sequence(states, batch_first=True)  # [B, T, code]
        return Heard(words.mT, last.transpose(0, 1).flatten(1), lengths)

    def ids(self, captions: Sequence[str], most: int) -> tuple[Tensor, Tensor]:
        """The captions' known words as ids ``[B, T]`` and how many they are, ``[B]``.

        Args:
            most: words that are read of a caption.
        """
        places = {word: place for place, word in enumerate(self.vocabulary.words, 1)}
        told = [[places[word] for word in words_of(c) if word in places] for c in captions]
        rows = [torch.tensor(row[:most] or [END]) for row in told]
        device = self.encoder.weight.device
        lengths = torch.tensor([len(row) for row in rows])
        return nn.utils.rnn.pad_sequence(rows, batch_first=True).to(device), lengths

    def read(self, captions: Sequence[str], most: int = 20) -> Heard:
        """The captions' codes; see :meth:`ids`."""
        return self(*self.ids(captions, most))

    # The words travel with the weights, in every checkpoint.

    def get_extra_state(self) -> Tensor:
        return packed(self.vocabulary)

    def set_extra_state(self, state: Tensor) -> None:
        self.vocabulary, _ = unpacked(state)

    @classmethod
    def of(
        cls, weights: Mapping[str, Tensor], vocabulary: Vocabulary | None = None
    ) -> RecurrentEncoder:
        """An encoder of the sizes that these weights have; they are not in it yet."""
        words, embedding = weights["encoder.weight"].shape
        gates, half = weights["rnn.weight_hh_l0"].shape
        cell: Literal["LSTM", "GRU"] = "LSTM" if gates == 4 * half else "GRU"
        return cls(words, embedding, 2 * half, cell, vocabulary)
