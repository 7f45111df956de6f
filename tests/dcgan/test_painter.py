"""DCGAN's public face."""

import pytest
import torch

import course_lib
from course_lib.data.digits import Digits
from course_lib.dcgan.objective import DCGANObjective
from course_lib.errors import CourseError
from course_lib.painter import noise
from course_lib.storage.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from course_lib.training import train


@pytest.fixture(scope="module")
def painter():
    return course_lib.load("dcgan")


def test_the_same_seed_gives_the_same_picture_and_another_seed_another(painter):
    picture = painter.generate(seed=7)
    assert picture.image.shape == (1, 32, 32) and picture.image.abs().max() <= 1
    assert torch.equal(picture.image, painter.generate(seed=7).image)
    assert not torch.equal(picture.image, painter.generate(seed=8).image)
    assert torch.equal(picture.steps["z"], noise(7, 64))


def test_noise_can_be_given_and_is_checked(painter):
    z = noise(7, 64)
    assert torch.equal(painter.generate(z=z).image, painter.generate(seed=7).image)
    with pytest.raises(CourseError, match=r"\[3\].*\[64\]"):
        painter.generate(z=torch.zeros(3))


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "7", None, True])
def test_what_is_no_seed_is_refused(painter, seed):
    with pytest.raises(CourseError, match="is not a seed"):
        painter.generate(seed=seed)


def test_the_way_between_two_seeds_begins_and_ends_there(painter):
    way = painter.between(3, 9, count=5)
    assert way.shape == (5, 1, 32, 32)
    torch.testing.assert_close(way[0], painter.generate(seed=3).image)
    torch.testing.assert_close(way[-1], painter.generate(seed=9).image)


def test_a_picture_is_shown_and_saved_as_png(painter, tmp_path):
    import numpy as np
    from PIL import Image

    picture = painter.generate(seed=7)
    path = picture.save(tmp_path / "seven")
    with Image.open(path) as saved:
        assert saved.size == (32, 32) and saved.mode == "L"
        expected = ((picture.image[0] + 1) * 127.5).round().to(torch.uint8)
        assert torch.equal(torch.from_numpy(np.array(saved)), expected)
    assert picture._repr_png_().startswith(b"\x89PNG")


def test_the_shipped_weights_are_those_of_the_cpu_profile():
    """So the command on the model card makes them again."""
    from importlib import resources
    from pathlib import Path

    weights = Path(str(resources.files("course_lib") / "weights" / "dcgan.safetensors"))
    header = read_checkpoint(weights).header
    config = course_lib.configure("dcgan", "cpu")
    assert type(config).from_json(header["config"]) == config and header["round"] == config.rounds


@pytest.mark.parametrize(
    ("which", "words"),
    [
        ("dcgna", ["neither a file nor a painter", "did you mean 'dcgan'"]),
        ("nowhere/painter.safetensors", ["neither a file nor a painter"]),
    ],
)
def test_load_says_what_it_knows(which, words):
    with pytest.raises(CourseError) as caught:
        course_lib.load(which)
    assert all(word in str(caught.value) for word in words)


def test_load_refuses_what_is_no_checkpoint(tmp_path):
    page = tmp_path / "page.safetensors"
    page.write_text("<html>quota exceeded</html>")
    with pytest.raises(CourseError, match="not a readable safetensors file"):
        course_lib.load(page)


@pytest.mark.parametrize("ema", [0.5, 0.0])
def test_load_takes_a_runs_folder_and_finds_the_painter_in_a_trainings_state(tmp_path, ema):
    few = {"rounds": 2, "size": 8, "device": "cpu", "ema": ema, "batch_size": 8}
    config = course_lib.configure("dcgan", "smoke", few)
    train(DCGANObjective(config), Digits(8), tmp_path, show=False)
    picture = course_lib.load(tmp_path).generate(seed=1).image
    assert picture.shape == (1, 8, 8)
    state = course_lib.load(tmp_path / "last.safetensors")
    assert torch.equal(state.generate(seed=1).image, picture)


def test_load_names_settings_of_a_later_course(tmp_path):
    file = Checkpoint({"kind": "dcgan", "config": {"colour_of_the_frame": "red"}}, {})
    with pytest.raises(CourseError, match="'colour_of_the_frame'"):
        course_lib.load(write_checkpoint(tmp_path / "a.safetensors", file))
