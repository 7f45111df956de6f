"""Words that are known, and captions that are wrong in one word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.text.vocabulary import Vocabulary, swapped, words_of

CAPTIONS = (
    "a red car on the road",
    "a blue car on the road",
    "an orange car on the road",
    "a red house on the road",
    "a red car by day",
)


@pytest.fixture(scope="module")
def vocabulary():
    return Vocabulary.of(CAPTIONS)


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("A cat's tail.", ["a", "cat's", "tail"]),
        ("two  BIRDS,\tone sun!", ["two", "birds", "one", "sun"]),
        ("größe ⛵ 7", ["größe", "7"]),
        ("...", []),
    ],
)
def test_words_are_letters_and_digits(caption, words):
    assert words_of(caption) == words


def test_words_that_stand_in_the_same_place_can_be_exchanged(vocabulary):
    assert vocabulary.swaps["red"] == ("blue", "orange")  # "an" is an "a" before a vowel
    assert vocabulary.swaps["car"] == ("house",)
    assert "road" not in vocabulary.swaps and "a" not in vocabulary.swaps
    assert list(vocabulary.words.items())[0] == ("a", 4)  # the most frequent first


@given(chance=st.floats(0, 1))
def test_a_swapped_caption_differs_in_one_word_and_is_english(chance):
    wrong = swapped("a red car on the road", Vocabulary.of(CAPTIONS), chance)
    known = {"a blue car on the road", "an orange car on the road", "a red house on the road"}
    assert wrong in known


def test_every_word_is_equally_likely_to_be_exchanged(vocabulary):
    made = [swapped("a red car on the road", vocabulary, (k + 0.5) / 40) for k in range(40)]
    assert made.count("a red house on the road") == 20
    assert made.count("a blue car on the road") == made.count("an orange car on the road") == 10


def test_a_word_is_not_exchanged_for_one_that_never_stands_there():
    seen = Vocabulary.of(["a sun in the sky", "a sun in the middle", "a cloudy sky"])
    assert seen.swaps["sky"] == ("middle",) and seen.alternatives("cloudy", "sky") == {}
    made = {swapped("a sun in the sky", seen, k / 9) for k in range(10)}
    assert made == {"a sun in the middle"}
    assert swapped("a cloudy sky", seen, 0.5) == "a cloudy sky"


def test_alternatives_are_as_likely_as_they_are_frequent_in_that_place():
    told = ["a cat", "a dog by day", "a dog at night", "a dog in spring", "a pig in spring"]
    seen = Vocabulary.of([*told, "a cat in spring", "the pig", "the pig by day"])
    assert seen.alternatives("a", "cat") == {"dog": 3, "pig": 1}
    made = [swapped("a cat", seen, (k + 0.5) / 40) for k in range(40)]
    assert (made.count("a dog"), made.count("a pig")) == (30, 10)


def test_a_caption_without_exchanges_stays(vocabulary):
    assert swapped("on the moon", vocabulary, 0.5) == "on the moon"


def test_unknown_words_come_with_the_nearest_known_one(vocabulary):
    assert vocabulary.unknown("a redd car on the xylophone") == {"redd": "red", "xylophone": ""}
    assert vocabulary.unknown("A RED car") == {}


def test_another_word_is_another_digest(vocabulary):
    assert vocabulary.digest == Vocabulary.of(reversed(CAPTIONS)).digest
    assert vocabulary.digest != Vocabulary.of(CAPTIONS[:-1]).digest
