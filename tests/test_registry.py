"""Configurations by profile: precedence, types, all problems at once."""

import json
from dataclasses import asdict

import pytest

from course_lib import configure, registry
from course_lib.dcgan.objective import DCGANConfig
from course_lib.errors import CourseError
from course_lib.profile import PROFILES
from course_lib.registry import WINGS, wing


@pytest.fixture(autouse=True)
def no_profile(monkeypatch):
    monkeypatch.delenv("COURSE_PROFILE", raising=False)


@pytest.mark.parametrize("kind", WINGS)
@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_of_every_painter_is_a_valid_configuration(kind, profile):
    assert isinstance(configure(kind, profile), wing(kind).config)


@pytest.mark.parametrize("kind", WINGS)
def test_values_of_every_painter_have_their_types(kind):
    """A type that a subclass's module cannot read would let anything pass, and no run go on."""
    config = configure(kind, "cpu", {"seed": "7"})
    assert config.seed == 7
    assert config == type(config).from_json(json.loads(json.dumps(asdict(config))))


def test_the_papers_profile_is_the_defaults():
    assert configure("dcgan", "paper") == DCGANConfig()


def test_parameter_beats_environment_beats_cpu(monkeypatch):
    assert configure("dcgan") == configure("dcgan", "cpu")
    monkeypatch.setenv("COURSE_PROFILE", "smoke")
    assert configure("dcgan") == configure("dcgan", "smoke")
    assert configure("dcgan", "cpu") == configure("dcgan", "cpu")
    assert configure("dcgan", "cpu").rounds != configure("dcgan").rounds
    monkeypatch.setenv("COURSE_PROFILE", "turbo")
    with pytest.raises(CourseError, match="COURSE_PROFILE.*'turbo'"):
        configure("dcgan")


def test_overrides_are_read_as_on_a_command_line():
    config = configure("dcgan", "cpu", {"rounds": "12", "lr_g": "1e-3", "betas": "[0, 0.9]"})
    assert (config.rounds, config.lr_g, config.betas) == (12, 1e-3, (0.0, 0.9))
    assert all(isinstance(beta, float) for beta in config.betas)


def test_all_unknown_names_and_wrong_types_are_listed_at_once():
    with pytest.raises(CourseError) as caught:
        configure("dcgan", "cpu", {"roundz": 3, "lr_g": "fast", "loss": "hing", "rounds": 1.5})
    message = str(caught.value)
    assert "4 problems" in message and "did you mean 'rounds'" in message
    assert "lr_g is 'fast'" in message and "rounds is 1.5" in message
    assert "loss is 'hing', it must be non_saturating|hinge|wasserstein" in message


def test_impossible_values_are_listed_with_wrong_types():
    bad = {"lr_g": "10", "betas": "[0.5, 1.5]", "rounds": "0", "z_dim": "-1", "seed": "-1"}
    with pytest.raises(CourseError) as caught:
        configure("dcgan", "cpu", {**bad, "ema": "often"})
    message = str(caught.value)
    assert "6 problems" in message
    for part in ("lr_g is 10", "betas are (0.5, 1.5)", "rounds is 0", "z_dim is -1", "-1 is not a"):
        assert part in message
    assert "ema is 'often', it must be float" in message


def test_nothing_is_said_of_a_value_that_hangs_on_a_wrong_one():
    with pytest.raises(CourseError) as caught:  # with batch norm, the default, r1 would be wrong
        configure("dcgan", "paper", {"norm_d": "spectrum", "r1": "1"})
    assert "it must be batch|spectral|none" in str(caught.value) and "r1" not in str(caught.value)


def test_an_unknown_painter_gets_a_suggestion():
    with pytest.raises(CourseError, match="did you mean 'dcgan'"):
        configure("dc-gan")


def test_a_wing_without_shipped_weights_says_how_to_get_some(monkeypatch):
    monkeypatch.setattr(registry, "MORE", (*registry.MORE, "unshipped"))
    with pytest.raises(CourseError, match=r"no trained painter of unshipped.*\n.*course train"):
        registry.load("unshipped")
