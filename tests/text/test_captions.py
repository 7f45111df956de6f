"""Whatever people write is read, or refused kindly."""

import pytest

from course_lib.errors import CourseError
from course_lib.text.captions import read_sentence
from course_lib.text.encoder import LENGTH, TextEncoder, letters
from course_lib.text.vocabulary import Vocabulary

VOCABULARY = Vocabulary.of(["a large red house on the grass", "a blue car"])

HOSTILE = [
    "a red house", "A RED HOUSE",
    " a  red\thouse\n", "a red house.", "'a red house'", "a, red; house",
    "a crimson castle", "ein großes rotes Haus", "une maison à côté", "cafe\u0301", "красный дом",
    "红色的房子", "بيت أحمر", "בית אדום", "a \u202ered\u202c house", "a red\u0000house", "🏠 house",
    "👩‍👩‍👧 a family", "a" * 5_000, "house " * 200,
    "<script>alert(1)</script>", "'; DROP TABLE x; --",
    "{red} %s $HOME", "../../etc/passwd", "a\r\nred\r\nhouse", "\ufeffa red house", "１ red house",
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L", "a\u00a0red\u00a0house", "0", "x" * 1_000_000,
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_any_sentence_is_read(number):
    sentence = read_sentence(HOSTILE[number], VOCABULARY)
    assert 0 < len(sentence.text) <= LENGTH and sentence.text == sentence.text.strip()
    assert letters([sentence.text]).shape == (1, LENGTH)


@pytest.mark.parametrize("caption", ["", "   ", "\n\t", "...", "🏠", "\u0000", "!?"])
def test_a_caption_without_a_word_is_refused_with_words_to_use(caption):
    with pytest.raises(CourseError, match=r"(?s)caption: .*(empty|no word).*house"):
        read_sentence(caption, VOCABULARY)


@pytest.mark.parametrize("caption", [None, 7, ["a", "house"], b"a house", {"caption": "x"}])
def test_what_is_no_text_is_refused_by_its_type(caption):
    with pytest.raises(CourseError, match=rf"caption.*not {type(caption).__name__}"):
        read_sentence(caption, VOCABULARY)


@pytest.mark.parametrize(
    ("caption", "notes"),
    [
        ("a red house", ()),
        ("a crimson hose", ("2 of 3 words unknown: crimson, hose (nearest known: house)",)),
        ("xyz", ("1 of 1 words unknown: xyz",)),
    ],
)
def test_unknown_words_are_listed_with_the_nearest_known_one(caption, notes):
    assert read_sentence(caption, VOCABULARY).notes == notes


def test_what_is_too_long_is_cut_between_words_and_said():
    sentence = read_sentence("house " * 40 + "car", VOCABULARY)
    assert sentence.text == "house " * 32 + "house" and sentence.cut == "house " * 7 + "car"
    assert sentence.notes == (
        "41 words, 33 used; cut: 'house house house house house house house car'",
    )


def test_accents_are_composed_before_they_are_read():
    assert read_sentence("cafe\u0301", VOCABULARY).text == "café"


def test_the_shipped_encoder_knows_storybooks_words():
    vocabulary = TextEncoder.load().vocabulary
    assert not vocabulary.unknown("a large purple lighthouse stands on the grass under a clear sky")
    assert {"blue", "white"} <= set(vocabulary.swaps["red"])
    assert {"boat", "windmill"} <= set(vocabulary.swaps["house"])
