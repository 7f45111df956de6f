"""The recurrent encoder: words in, codes out, and the words travel with the weights."""

import pytest
import torch

from course_lib.errors import CourseError
from course_lib.text.captions import read_sentence
from course_lib.text.recurrent import RecurrentEncoder
from course_lib.text.vocabulary import Vocabulary

WORDS = Vocabulary.of(["a red car", "a blue boat"])


def encoder(cell="LSTM"):
    torch.manual_seed(0)
    return RecurrentEncoder(9, 4, 6, cell, WORDS).eval()


def test_ids_are_places_in_the_vocabulary_and_0_is_no_word():
    ids, lengths = encoder().ids(["a red car", "a green boat", "nothing at all", "car car car"], 2)
    places = {word: place for place, word in enumerate(WORDS.words, 1)}
    a, red, boat, car = (places[word] for word in ("a", "red", "boat", "car"))
    assert ids.tolist() == [[a, red], [a, boat], [0, 0], [car, car]]
    assert lengths.tolist() == [2, 2, 1, 2]


@pytest.mark.parametrize("cell", ["LSTM", "GRU"])
def test_a_caption_is_heard_alike_in_any_company(cell):
    """Whatever the order and the padding of a batch."""
    reader = encoder(cell)
    both, alone = reader.read(["a boat", "a red car"]), reader.read(["a boat"])
    assert both.words.shape == (2, 6, 3) and both.sentence.shape == (2, 6)
    torch.testing.assert_close(both.words[:1, :, :2], alone.words)
    torch.testing.assert_close(both.sentence[:1], alone.sentence)
    assert both.padding.tolist() == [[False, False, True], [False] * 3]
    assert not both.words[0, :, 2].any()


@pytest.mark.parametrize("cell", ["LSTM", "GRU"])
def test_the_sentence_is_what_both_directions_end_with(cell):
    heard = encoder(cell).read(["a red car"])
    forward, backward = heard.sentence[0].split(3)
    torch.testing.assert_close(forward, heard.words[0, :3, -1])
    torch.testing.assert_close(backward, heard.words[0, 3:, 0])


@pytest.mark.parametrize("cell", ["LSTM", "GRU"])
def test_an_encoder_is_rebuilt_from_its_weights_words_included(cell):
    first = encoder(cell)
    again = RecurrentEncoder.of(first.state_dict())
    again.load_state_dict(first.state_dict())
    assert again.vocabulary == WORDS
    read = (one.eval().read(["a blue car"]).sentence for one in (first, again))
    torch.testing.assert_close(*read)


def test_a_sentence_says_how_many_words_were_not_read():
    sentence = read_sentence("a red car, a blue boat", WORDS, 4)
    assert sentence.text == "a red car, a" and sentence.cut == "blue boat"
    assert sentence.notes == ("6 words, 4 used; cut: 'blue boat'",)
    assert not read_sentence("a red car", WORDS, 3).cut


def test_another_vocabulary_than_the_one_learnt_from_is_refused():
    state = encoder().get_extra_state()
    text = bytes(state.tolist()).replace(b'"red"', b'"tan"')
    with pytest.raises(CourseError, match="vocabulary"):
        encoder().set_extra_state(torch.tensor(list(text), dtype=torch.uint8))
