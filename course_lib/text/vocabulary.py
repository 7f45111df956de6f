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
        pairs: how often a word comes right after another: ``{"cloudy": {"sky": 20}}``; empty in
            files from before they were counted.
    """

    words: dict[str, int] = field(default_factory=dict)
    swaps: dict[str, tuple[str, ...]] = field(default_factory=dict)
    pairs: dict[str, dict[str, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, captions: Iterable[str]) -> Vocabulary:
        """The words of these captions, and their exchanges."""
        known = [words_of(caption) for caption in dict.fromkeys(captions)]
        counts = Counter(word for words in known for word in words)
        ordered = sorted(counts, key=lambda word: (-counts[word], word))
        return cls({word: counts[word] for word in ordered}, exchanges(known), neighbours(known))

    def unknown(self, caption: str) -> dict[str, str]:
        """The caption's words that are not known, each with the nearest known one or ``""``."""
        missing = [word for word in dict.fromkeys(words_of(caption)) if word not in self.words]
        nearest = {w: difflib.get_close_matches(w, self.words, n=1) for w in missing}
        return {word: found[0] if found else "" for word, found in nearest.items()}

    def alternatives(self, before: str, word: str) -> dict[str, int]:
        """What may stand instead of a word behind ``before``, and how often it stands there."""
        seen = self.pairs.get(_plain(before), {}) if self.pairs else self.words
        return {other: seen[other] for other in self.swaps.get(word, ()) if other in seen}

    @property
    def digest(self) -> str:
        """SHA-256 over all words, exchanges and pairs."""
        known = [self.words, self.swaps, *([self.pairs] if self.pairs else [])]
        return hashlib.sha256(json.dumps(known).encode()).hexdigest()


def packed(vocabulary: Vocabulary, **more: Any) -> Tensor:
    """Words, exchanges, and whatever else is JSON, as bytes: how they travel with weights."""
    told = {
        "words": vocabulary.words,
        "swaps": vocabulary.swaps,
        "pairs": vocabulary.pairs,
        "digest": vocabulary.digest,
        **more,
    }
    return torch.tensor(list(json.dumps(told).encode()), dtype=torch.uint8)


def unpacked(state: Tensor) -> tuple[Vocabulary, dict[str, Any]]:
    """What :func:`packed` made bytes of."""
    told = json.loads(bytes(state.tolist()))
    swaps = {word: tuple(others) for word, others in told["swaps"].items()}
    vocabulary = Vocabulary(told["words"], swaps, told.get("pairs", {}))
    if vocabulary.digest != told["digest"]:
        raise CourseError("the encoder's vocabulary is not the one it learnt from")
    return vocabulary, told


def exchanges(captions: Sequence[Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Words that stood in the same place of two captions which differ in nothing else."""
    places: defaultdict[tuple[tuple[str, ...], ...], set[str]] = defaultdict(set)
    for words in captions:
        plain = [_plain(word) for word in words]
        for place, word in enumerate(plain):
            places[tuple(plain[:place]), tuple(plain[place + 1 :])].add(word)
    found: defaultdict[str, set[str]] = defaultdict(set)
    for group in places.values():
        for word in group:
            found[word] |= group - {word}
    return {word: tuple(sorted(others)) for word, others in sorted(found.items()) if others}


def neighbours(captions: Sequence[Sequence[str]]) -> dict[str, dict[str, int]]:
    """How often each word comes right after each other one; before the first word is ``""``."""
    pairs = Counter(
        (_plain(before), word)
        for words in captions
        for before, word in zip(("", *words), words, strict=False)
    )
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for (before, word), count in sorted(pairs.items()):
        found[before][word] = count
    return dict(found)


def _plain(word: str) -> str:
    """One word for both forms of the article."""
    return "a" if word == "an" else word


def swapped(caption: str, vocabulary: Vocabulary, chance: float, kinds: Sequence[str] = ()) -> str:
    """The caption with one word exchanged, so that it is nearly right, and wrong.

    Each word that can be exchanged is equally likely to be, whether it has two alternatives, as a
    ground may have, or sixteen, as a thing: so whoever must tell the two captions apart listens to
    every word. Its alternatives are as likely as they are frequent behind the word before it: were
    a rare word seen in wrong captions more often than in right ones, it would be taken for wrong
    whatever the picture shows, and what nobody says, as "a cloudy middle" for "a cloudy sky", is
    wrong without a look at any picture.

    Args:
        chance: from 0 to 1, which of them.
        kinds: a word of each kind that is exchanged, repeated where that shall happen more often;
            empty: all are.

    Returns:
        The caption itself if no word of it can be exchanged.
    """
    words = words_of(caption)
    options = [
        (place, others)
        for place, (before, word) in enumerate(zip(("", *words), words, strict=False))
        if (others := vocabulary.alternatives(before, word))
    ]
    if kinds:
        options = [
            option
            for kind in kinds
            for option in options
            if kind in (words[option[0]], *vocabulary.swaps[words[option[0]]])
        ]
    if not options:
        return caption
    number, rest = divmod(min(chance, 1 - 1e-9) * len(options), 1)
    place, others = options[int(number)]
    until = list(accumulate(others.values()))
    other = list(others)[bisect_right(until, rest * until[-1])]
    words[place] = other
    if place and words[place - 1] in ("a", "an"):
        words[place - 1] = "an" if other[0] in VOWELS else "a"
    return " ".join(words)
