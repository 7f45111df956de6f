"""StackGAN's public face, with the shipped weights."""

import warnings

import pytest
import torch

import course_lib
from course_lib.errors import CourseError
from course_lib.registry import configure, wing
from course_lib.stackgan.objective import StackGANObjective
from course_lib.training import train

HOUSE = "a large red house on the grass by day"


@pytest.fixture(scope="module")
def painter():
    return course_lib.load("stackgan")


def test_a_sentence_becomes_a_sketch_and_the_sketch_a_picture(painter):
    picture = painter.generate(HOUSE, seed=7)
    sides = {name: step.shape[-1] for name, step in picture.steps.items()}
    assert sides == {"stage_1": 64, "stage_2": 128}
    assert picture.image.abs().max() <= 1
    assert torch.equal(picture.image, [*picture.steps.values()][-1])
    assert picture.notes == ()


def test_seed_and_caption_decide(painter):
    image = painter.generate(HOUSE, seed=7).image
    assert torch.equal(image, painter.generate(HOUSE, seed=7).image)
    assert not torch.equal(image, painter.generate(HOUSE, seed=8).image)
    other = painter.generate(HOUSE.replace("red", "blue"), seed=7).image
    assert (other - image).abs().mean() > 0.02


def test_the_noise_of_the_code_can_be_turned_off(painter):
    text = painter.embed(HOUSE)
    loud, quiet = (painter.paint(text, [3], augment)["stage_1"] for augment in (3.0, 0.0))
    assert not torch.equal(loud, quiet)


def test_unknown_words_are_said_and_painted_all_the_same(painter):
    with pytest.warns(UserWarning, match=r"1 of 4 words unknown: hause \(nearest known: house\)"):
        picture = painter.generate("a large red hause", seed=7)
    assert picture.notes and picture.image.shape[0] == 3


@pytest.mark.parametrize("caption", ["", "  ", None, 3, ["a house"], b"a house"])
def test_what_is_no_caption_is_refused(painter, caption):
    with pytest.raises(CourseError):
        painter.generate(caption)


def test_embeddings_can_be_calculated_with(painter):
    red, blue = painter.embed("a large red house by day", "a large blue house by day")
    middle = painter.generate(embedding=(red + blue) / 2, seed=7)
    assert middle.image.shape[0] == 3
    with pytest.raises(CourseError, match="one of caption and embedding"):
        painter.generate(HOUSE, embedding=red)
    with pytest.raises(CourseError, match=r"\[1, 3\]"):
        painter.generate(embedding=torch.zeros(3))


def test_the_way_between_two_captions_begins_and_ends_there(painter):
    way = painter.between(HOUSE, "a large blue boat in the water", count=3, seed=5)
    ends = painter.paint(painter.embed(HOUSE), [5], augment=0.0)
    torch.testing.assert_close(way[0], [*ends.values()][-1][0], atol=1e-4, rtol=0)
    assert len(way) == 3 and not torch.equal(way[1], way[0])


def test_many_pictures_at_once_are_the_same_as_one_by_one(painter):
    several = painter.paint(painter.embed(HOUSE, HOUSE), [1, 2])
    alone = painter.generate(HOUSE, seed=2).image
    torch.testing.assert_close([*several.values()][-1][1], alone, atol=1e-4, rtol=0)


def test_a_trained_run_loads_with_encoder_and_words_and_nothing_else(tmp_path):
    config = configure("stackgan", "smoke")
    train(StackGANObjective(config), wing("stackgan").source(config), tmp_path, show=False)
    own = course_lib.load(tmp_path)
    assert own.stage_2 is None and own.generate(HOUSE).image.shape == (3, 32, 32)
    assert own.understand("a red hause").unknown == {"hause": "house"}


def test_a_painter_of_published_embeddings_takes_no_sentences(tmp_path):
    config = configure("stackgan", "smoke", {"encoder": "published", "wrong": ("shuffled",)})
    source = WithEmbeddings(wing("stackgan").source(config))
    train(StackGANObjective(config), source, tmp_path, show=False)
    own = course_lib.load(tmp_path)
    assert own.generate(embedding=torch.randn(1024)).image.shape == (3, 32, 32)
    with pytest.raises(CourseError, match="takes no sentences"):
        own.generate(HOUSE)


class WithEmbeddings:
    """Scenes with embeddings made up for each."""

    def __init__(self, source):
        self.source, self.name, self.fingerprint = source, source.name, source.fingerprint

    def __len__(self):
        return 20

    def batch(self, indices):
        from dataclasses import replace

        told = torch.stack([torch.full((2, 1024), 0.01 * int(i)) for i in indices])
        return replace(self.source.batch(indices), embeddings=told)


def test_a_note_is_no_error_in_a_script_that_fears_warnings(painter):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert painter.generate("xyzzy").notes == ("1 of 1 words unknown: xyzzy",)
