"""The words that an encoder was trained on, and which of them may stand for one another."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from course_lib.errors import CourseError

__all__ = ["Vocabulary", "packed", "swapped", "unpacked", "words_of"]

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")  # letters and digits of any language
VOWELS = "aeiou"


def words_of(caption: str) -> list[str]:
    """The words in small letters: ``"A cat's tail."`` -> ``["a", "cat's", "tail"]``."""
    return WORD.findall(caption.lower())


@dataclass(frozen=True)
class Vocabulary:
    """Known words, and what each can be exchanged for.

    Attributes:
        words: all words with how often they occur, the most frequent first.
        swaps: for a word, those that stood in its place in a sentence that is otherwise the same:
            ``"red"`` and ``"blue"``, if captions said "a red car" and "a blue car". Nobody has to
            tell which words are colours.
    """

    words: dict[str, int] = field(default_factory=dict)
    swaps: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, captions: Iterable[str]) -> Vocabulary:
        """The words of these captions, and their exchanges."""
        known = [words_of(caption) for caption in dict.fromkeys(captions)]
        counts = Counter(word for words in known for word in words)
        ordered = sorted(counts, key=lambda word: (-counts[word], word))
        return cls({word: counts[word] for word in ordered}, exchanges(known))

    def unknown(self, caption: str) -> dict[str, str]:
        """The caption's words that are not known, each with the nearest known one or ``""``."""
        missing = [word for word in dict.fromkeys(words_of(caption)) if word not in self.words]
        nearest = {w: difflib.get_close_matches(w, self.words, n=1) for w in missing}
        return {word: found[0] if found else "" for word, found in nearest.items()}

    @property
    def digest(self) -> str:
        """SHA-256 over all words and exchanges."""
        return hashlib.sha256(json.dumps([self.words, self.swaps]).encode()).hexdigest()


def packed(vocabulary: Vocabulary, **more: Any) -> Tensor:
    """Words, exchanges, and whatever else is JSON, as bytes: how they travel with weights."""
    told = {
        "words": vocabulary.words,
        "swaps": vocabulary.swaps,
        "digest": vocabulary.digest,
        **more,
    }
    return torch.tensor(list(json.dumps(told).encode()), dtype=torch.uint8)


def unpacked(state: Tensor) -> tuple[Vocabulary, dict[str, Any]]:
    """What :func:`packed` made bytes of."""
    told = json.loads(bytes(state.tolist()))
    swaps = {word: tuple(others) for word, others in told["swaps"].items()}
    vocabulary = Vocabulary(told["words"], swaps)
    if vocabulary.digest != told["digest"]:
        raise CourseError("the encoder's vocabulary is not the one it learnt from")
    return vocabulary, told


def exchanges(captions: Sequence[Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Words that stood in the same place of two captions which differ in nothing else."""
    places: defaultdict[tuple[tuple[str, ...], ...], set[str]] = defaultdict(set)
    for words in captions:
        plain = ["a" if word == "an" else word for word in words]
        for place, word in enumerate(plain):
            places[tuple(plain[:place]), tuple(plain[place + 1 :])].add(word)
    found: defaultdict[str, set[str]] = defaultdict(set)
    for group in places.values():
        for word in group:
            found[word] |= group - {word}
    return {word: tuple(sorted(others)) for word, others in sorted(found.items()) if others}


def swapped(caption: str, vocabulary: Vocabulary, chance: float) -> str:
    """The caption with one word exchanged, so that it is nearly right, and wrong.

    Each word that can be exchanged is equally likely to be, whether it has two alternatives, as a
    ground may have, or sixteen, as a thing: so whoever must tell the two captions apart listens to
    every word. Its alternatives are as likely as they are frequent: were a rare word seen in wrong
    captions more often than in right ones, it would be taken for wrong whatever the picture shows.

    Args:
        chance: from 0 to 1, which of them.

    Returns:
        The caption itself if no word of it can be exchanged.
    """
    words = words_of(caption)
    places = [place for place, word in enumerate(words) if word in vocabulary.swaps]
    if not places:
        return caption
    number, rest = divmod(min(chance, 1 - 1e-9) * len(places), 1)
    place = places[int(number)]
    others = vocabulary.swaps[words[place]]
    until = list(accumulate(vocabulary.words[other] for other in others))
    other = others[bisect_right(until, rest * until[-1])]
    words[place] = other
    if place and words[place - 1] in ("a", "an"):
        words[place - 1] = "an" if other[0] in VOWELS else "a"
    return " ".join(words)
