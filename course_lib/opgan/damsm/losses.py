"""DAMSM's losses: a caption must find its picture among a batch, and a picture its caption.

Xu et al., AttnGAN, CVPR 2018 (arXiv:1711.10485), equations 7 to 13, as the authors' program has
them. Once by words: each word looks for its regions, and the caption agrees as much as its words
do. Once by whole sentence and whole picture.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.text.recurrent import Heard

__all__ = [
    "Gammas", "attend", "damsm_loss", "exchanged_loss", "sentence_agreement", "two_ways",
    "word_agreement",
]  # fmt: skip


class Gammas(NamedTuple):
    """How sharp: a word's look at regions, the best words' say, the choice in a batch."""

    regions: float = 4.0
    words: float = 5.0
    batch: float = 10.0


def attend(
    words: Tensor, regions: Tensor, gamma: float, padding: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """What each word of each caption ``c`` finds in each picture ``i`` (eq. 8, 9).

    Regions first choose among words, and then words, ``gamma`` times as sharply, among regions.

    Shapes: words ``[C, D, T]``, regions ``[I, D, R]``, padding ``[C, T]`` (True for no word) ->
    contexts ``[I, C, D, T]`` and attention ``[I, C, T, R]``.
    """
    scores = torch.einsum("idr,cdt->icrt", regions, words)
    if padding is not None:
        scores = scores.masked_fill(padding[:, None], -torch.inf)  # [C, 1, T]
    attention = (gamma * scores.softmax(dim=3)).softmax(dim=2).mT  # [I, C, T, R]
    return torch.einsum("idr,ictr->icdt", regions, attention), attention


def word_agreement(regions: Tensor, heard: Heard, gammas: Gammas) -> tuple[Tensor, Tensor]:
    """``R(i, c) = log sum_t exp(gamma2 cos(context_t, word_t))`` (eq. 10), without eq. 10's power.

    Shapes: regions ``[B, D, h, w]`` -> agreement ``[B, B]`` (picture, caption), and each word's
    attention in its own picture ``[B, T, h, w]``.
    """
    contexts, attention = attend(heard.words, regions.flatten(2), gammas.regions, heard.padding)
    alike = gammas.words * F.cosine_similarity(contexts, heard.words, dim=2)  # [I, C, T]
    agreement = alike.masked_fill(heard.padding, -torch.inf).logsumexp(dim=2)
    own = torch.arange(len(regions), device=regions.device)
    return agreement, attention[own, own].unflatten(2, regions.shape[2:])


def sentence_agreement(whole: Tensor, sentence: Tensor) -> Tensor:
    """The cosines of all pictures ``[B, D]`` and all captions ``[B, D]``: ``[B, B]``."""
    return F.cosine_similarity(whole[:, None], sentence, dim=2)


def two_ways(agreement: Tensor, gamma: float, same: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the right caption for each picture, and of the right picture (eq. 11, 12).

    Args:
        agreement: ``[B, B]``, pictures down, captions across.
        same: ``[B]``, numbers of what the pictures show; pairs that show the same are left out.
    """
    scores = gamma * agreement
    own = torch.arange(len(scores), device=scores.device)
    if same is not None:
        others = (same[:, None] == same) & (own[:, None] != own)
        scores = scores.masked_fill(others, -torch.inf)
    return F.cross_entropy(scores, own), F.cross_entropy(scores.T, own)


def exchanged_loss(whole: Tensor, own: Tensor, wrong: Tensor, gamma: float) -> Tensor:
    """``-log P`` that a picture chooses its own caption, not the one that is wrong in one word.

    In a batch captions differ in many words, and a sentence that tells the loudest is found.
    Not in the paper; shapes as in :func:`sentence_agreement`, one wrong caption a picture.
    """
    agree = [F.cosine_similarity(whole, sentence, dim=1) for sentence in (own, wrong)]
    return F.softplus(gamma * (agree[1] - agree[0])).mean()


def damsm_loss(
    regions: Tensor,
    whole: Tensor,
    heard: Heard,
    gammas: Gammas | None = None,
    same: Tensor | None = None,
) -> Tensor:
    """All four cross-entropies (eq. 13): of words and sentences, both ways."""
    gammas = gammas or Gammas()
    words, _ = word_agreement(regions, heard, gammas)
    by_words = two_ways(words, gammas.batch, same)
    by_sentence = two_ways(sentence_agreement(whole, heard.sentence), gammas.batch, same)
    return by_words[0] + by_words[1] + by_sentence[0] + by_sentence[1]
