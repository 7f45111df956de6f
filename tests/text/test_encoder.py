"""The char-CNN-RNN, and what travels with it."""

import pytest
import torch

from course_lib.errors import CourseError
from course_lib.text.encoder import ALPHABET, EMBEDDING, LENGTH, CharCnnRnn, TextEncoder, letters
from course_lib.text.vocabulary import Vocabulary


def test_letters_are_places_in_the_alphabet():
    rows = letters(["Ab ü", ""])
    assert rows.shape == (2, LENGTH) and rows[0, :4].tolist() == [0, 1, ALPHABET.index(" "), -1]
    assert (rows[1] == -1).all()


def test_the_published_network_reads_201_letters_in_eight_steps():
    network = CharCnnRnn()
    assert len(ALPHABET) == 70
    seen = network.convolutions(torch.zeros(2, 70, LENGTH))
    assert seen.shape == (2, 256, 8)
    assert network(letters(["a", "b"])).shape == (2, EMBEDDING)


def test_an_encoder_carries_its_words_and_sizes():
    torch.manual_seed(0)
    vocabulary = Vocabulary.of(["a red car", "a blue car"])
    encoder = TextEncoder(vocabulary, (8, 12, 10)).eval()
    again = TextEncoder.from_weights(encoder.state_dict())
    assert again.vocabulary == vocabulary and again.widths == (8, 12, 10)
    assert torch.equal(again(["a red car"]), encoder(["a red car"]))


def test_an_altered_vocabulary_is_found():
    encoder = TextEncoder(Vocabulary.of(["a red car"]), (8, 8, 8))
    weights = encoder.state_dict()
    text = bytes(weights["_extra_state"].tolist()).replace(b"red", b"rod")
    weights["_extra_state"] = torch.tensor(list(text), dtype=torch.uint8)
    with pytest.raises(CourseError, match="vocabulary is not the one"):
        TextEncoder.from_weights(weights)


@pytest.fixture(scope="module")
def shipped():
    return TextEncoder.load()


def test_shipped_embeddings_have_the_promised_spread(shipped):
    things = ("red house", "blue car", "white boat", "pink sheep", "yellow sun", "green tree")
    embeddings = shipped([f"a large {thing} {when}" for thing in things for when in ("by day",)])
    assert embeddings.shape == (6, 1024)
    assert embeddings.std(dim=0).mean().item() == pytest.approx(1 / 8, rel=0.3)


@pytest.mark.parametrize(
    ("caption", "same", "other"),
    [
        ("a red house on the grass", "a red house stands on the grass", "a red cat on the grass"),
        ("a red car by day", "a red car on the road by day", "a blue car by day"),
        ("a white boat at night", "a large white boat at night", "a white bird at night"),
    ],
)
def test_what_says_the_same_lies_nearer_than_another_thing_or_colour(shipped, caption, same, other):
    here, near, far = shipped([caption, same, other])
    assert (here - near).norm() < (here - far).norm()
