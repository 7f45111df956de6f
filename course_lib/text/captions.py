"""Reads what people write: any sentence becomes one that the encoder can read, or a kind word."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from course_lib.errors import CourseError
from course_lib.text.encoder import LENGTH
from course_lib.text.vocabulary import WORD, Vocabulary, words_of

__all__ = ["Sentence", "read_sentence"]

MOST = 10_000  # letters that are looked at; whatever is pasted, an answer comes at once


@dataclass(frozen=True)
class Sentence:
    """A caption as the encoder reads it.

    Attributes:
        text: cleaned, and no longer than the encoder reads.
        unknown: words that the encoder never saw, each with the nearest known one or ``""``.
        cut: what was left out at the end.
    """

    text: str
    unknown: dict[str, str]
    cut: str = ""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the writer should know: unknown words, and what was cut."""
        notes, total = [], len(dict.fromkeys(words_of(self.text)))
        if self.unknown:
            named = [w + (f" (nearest known: {n})" if n else "") for w, n in self.unknown.items()]
            notes.append(f"{len(named)} of {total} words unknown: {', '.join(named)}")
        if self.cut:
            used, left = len(words_of(self.text)), len(words_of(self.cut))
            start = self.cut if len(self.cut) <= 60 else f"{self.cut[:60]}..."
            notes.append(f"{used + left} words, {used} used; cut: {start!r}")
        return tuple(notes)


def read_sentence(
    caption: object, vocabulary: Vocabulary, most_words: int | None = None
) -> Sentence:
    """Normalises (NFC), tidies and shortens a caption, and looks its words up.

    Args:
        most_words: that the painter reads; None for as many as there are.

    Raises:
        CourseError: no text, or text without a single letter or digit.
    """
    if not isinstance(caption, str):
        raise CourseError(
            f"a caption is text in quotation marks, not {type(caption).__name__} {caption!r:.40}",
            where="caption",
            fix='generate("a large red house on the grass")',
        )
    text = tidy(unicodedata.normalize("NFC", caption[:MOST]))
    if not words_of(text):
        raise CourseError(
            "there is no word in this caption" if caption else "the caption is empty",
            where="caption",
            fix=f"some of these words: {', '.join(list(vocabulary.words)[:24])}",
        )
    used = shortened(text, most_words)
    return Sentence(used, vocabulary.unknown(used), text[len(used) :].strip())


def tidy(text: str) -> str:
    """Control and formatting characters as spaces, and single spaces alone."""
    plain = "".join(" " if unicodedata.category(letter)[0] == "C" else letter for letter in text)
    return " ".join(plain.split())


def shortened(text: str, most_words: int | None = None) -> str:
    """As many whole words as the encoder reads."""
    ends = [word.end() for word in WORD.finditer(text)]
    if most_words is not None and len(ends) > most_words:
        text = text[: ends[most_words - 1]]
    if len(text) <= LENGTH:
        return text
    end = text.rfind(" ", 0, LENGTH + 1)
    return text[: end if end > 0 else LENGTH]
