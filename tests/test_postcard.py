"""A postcard repaints the same picture anywhere, or says why it cannot."""

from __future__ import annotations

import json
import random

import pytest
import torch
from PIL import Image, PngImagePlugin
from torch import nn

from course_lib import postcard as module
from course_lib.data.storybook.painter import StorybookPainter
from course_lib.errors import CourseError
from course_lib.painter import Painter, Picture, noise
from course_lib.postcard import Postcard, read_postcard, save_png, weights_digest


class StubPainter(Painter):
    """Four numbers of noise through one layer, painted as 4 x 4 pixels."""

    kind = "stub"

    def __init__(self, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.generator = nn.Sequential(nn.Linear(4, 48), nn.BatchNorm1d(48), nn.Tanh()).eval()

    @classmethod
    def from_weights(cls, config, weights):
        return cls()

    @torch.no_grad()
    def generate(self, *, seed=0, z=None, word=""):
        z = noise(seed, 4) if z is None else z
        return Picture(self.generator(z[None]).reshape(3, 4, 4))


STORY = {"season": "winter", "hour": "night", "palette": "cool", "things": 2, "size": 32}
CASES = [
    (StorybookPainter(), {"seed": 7, **STORY}),
    (StorybookPainter(), {"seed": 0}),
    (StubPainter(), {"seed": 7}),
    (StubPainter(), {"seed": 7, "z": noise(3, 4) / 3, "word": "Bär"}),
]


@pytest.mark.parametrize(("painter", "inputs"), CASES, ids=["look", "seed", "noise", "z"])
def test_the_same_picture_from_json_and_from_png(painter, inputs, tmp_path):
    picture, card = painter.generate(**inputs), Postcard.of(painter, **inputs)
    read = Postcard.from_json(card.to_json())
    assert read == card
    assert torch.equal(read.repaint(painter).image, picture.image)

    path = save_png(picture, tmp_path / "card", card)
    assert path == tmp_path / "card.png"
    assert read_postcard(path) == card
    assert Image.open(path).tobytes() == picture.pil().tobytes()


def test_storybook_needs_nothing_but_the_postcard():
    painter = StorybookPainter()
    card = Postcard.of(painter, seed=3, **STORY)
    assert card.weights == ""
    assert torch.equal(card.repaint().image, painter.generate(seed=3, **STORY).image)


def test_the_digest_sees_every_weight_and_buffer():
    before = weights_digest(StubPainter())
    assert before == weights_digest(StubPainter()) != weights_digest(StubPainter(seed=1))
    for name in StubPainter().generator.state_dict():
        painter = StubPainter()
        painter.generator.state_dict()[name].add_(1)
        assert weights_digest(painter) != before, name


def test_the_digest_sees_whose_weights_they_are():
    painter, renamed = StubPainter(), StubPainter()
    renamed.critic = renamed.__dict__.pop("generator")
    assert weights_digest(renamed) != weights_digest(painter)


def test_other_weights_are_named():
    card, other = Postcard.of(StubPainter(), seed=0), StubPainter(seed=1)
    with pytest.raises(CourseError, match="painted by stub with the weights") as caught:
        card.repaint(other)
    assert card.weights[:16] in str(caught.value)
    assert weights_digest(other)[:16] in str(caught.value)
    with pytest.raises(CourseError, match="but here is storybook"):
        card.repaint(StorybookPainter())


@pytest.mark.parametrize("kind", ["dcgann", "../dcgan.safetensors", "", "x" * 9999])
def test_an_unknown_painter_is_never_a_file(kind):
    with pytest.raises(CourseError, match="is no painter; .*known: .*storybook") as caught:
        Postcard(kind, "", 0).repaint()
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "inputs",
    [
        {"sky": 1},
        {"seed": 3},
        {"self": 3},
        {"z": "seven"},
        {"z": None, "word": "", "": 1},
        {"z": [1, 2, 3]},
        {"z": [[0.5]]},
        {"z": {"a": 1}},
    ],
    ids=str,
)
def test_inputs_that_the_painter_does_not_take(inputs):
    painter = StubPainter()
    card = Postcard("stub", weights_digest(painter), 0, inputs)
    with pytest.raises(CourseError, match="inputs: stub cannot paint from these"):
        card.repaint(painter)


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ({"season": "wintr"}, "did you mean 'winter'"),
        ({"hour": 3}, "unknown hour"),
        ({"palette": ["plain"]}, "unknown palette"),
        ({"things": 99}, "things"),
        ({"things": "three"}, "a whole number from 0 to 6"),
        ({"size": 10**9}, "size"),
    ],
    ids=str,
)
def test_storybook_says_what_it_takes(inputs, told):
    with pytest.raises(CourseError, match=told):
        Postcard("storybook", "", 0, inputs).repaint()


FINE = json.loads(Postcard.of(StubPainter(), seed=7, z=noise(0, 4)).to_json())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "not a postcard"),
        ("{", "not a postcard"),
        ("[]", "not a postcard"),
        ("7", "not a postcard"),
        ("{}", "its version is None"),
        ("[" * 100_000, "not a postcard"),
        (" " * 2_000_000, "2000000 characters"),
        (json.dumps(FINE | {"postcard": 2}), "later course"),
        (json.dumps(FINE | {"seed": -1}), "-1 is not a seed"),
        (json.dumps(FINE | {"seed": True}), "not a seed"),
        (json.dumps(FINE | {"seed": "7"}), "seed is '7', it must be a int"),
        (json.dumps(FINE | {"inputs": [1]}), "inputs is"),
        (json.dumps({"postcard": 1}), "5 problems"),
        (json.dumps(FINE | {"paintr": "x"}), "there is no 'paintr'; did you mean 'painter'"),
    ],
)
def test_what_is_no_postcard(text, told):
    with pytest.raises(CourseError, match=told):
        Postcard.from_json(text)


def test_damaged_json_is_an_error_or_a_postcard():
    text, dice = json.dumps(FINE), random.Random(0)
    errors = 0
    for _ in range(500):
        at = dice.randrange(len(text))
        damaged = text[:at] + chr(dice.randrange(32, 1000)) + text[at + dice.randrange(3) :]
        try:
            card = Postcard.from_json(damaged)
            card.to_json()
            card.repaint(StubPainter())
        except CourseError:
            errors += 1
    assert errors > 300


@pytest.mark.parametrize("value", [{1, 2}, object(), float], ids=["set", "object", "type"])
def test_inputs_that_json_cannot_carry(value):
    card = Postcard.of(StubPainter(), seed=0, word=value)
    with pytest.raises(CourseError, match=r"postcard.inputs: not for a postcard"):
        card.to_json()


def png(path, text=None, **how):
    info = PngImagePlugin.PngInfo()
    if text is not None:
        info.add_text("postcard", text, **how)
    Image.new("RGB", (4, 4)).save(path, pnginfo=info)


def test_pictures_without_a_readable_postcard(tmp_path, monkeypatch):
    png(tmp_path / "plain.png")
    png(tmp_path / "damaged.png", "{")
    png(tmp_path / "long.png", " " * 2_000_000)
    png(tmp_path / "bomb.png", " " * 5_000_000, zip=True)
    png(tmp_path / "huge.png", " " * 3_000_000)
    monkeypatch.setattr(module, "MAX_FILE", 2_500_000)
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "cut.png").write_bytes((tmp_path / "long.png").read_bytes()[:500])
    (tmp_path / "empty.png").touch()
    (tmp_path / "folder.png").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "photo.jpg")
    told = {
        "plain.png": "carries no postcard",
        "damaged.png": "this is not a postcard",
        "long.png": "2000000 characters",
        "bomb.png": "not a readable PNG .*too large",
        "huge.png": "not a readable PNG .*more than 2500000 bytes",
        **dict.fromkeys(["text.png", "cut.png", "empty.png", "folder.png"], "not a readable PNG"),
        **dict.fromkeys(["photo.jpg", "missing.png"], "not a readable PNG"),
    }
    for name, words in told.items():
        with pytest.raises(CourseError, match=words):
            read_postcard(tmp_path / name)


def test_a_picture_of_impossible_size_is_refused(tmp_path, monkeypatch):
    png(tmp_path / "wide.png", "{}")
    monkeypatch.setattr(module.PILImage, "MAX_IMAGE_PIXELS", 4)
    with pytest.raises(CourseError, match="not a readable PNG"):
        read_postcard(tmp_path / "wide.png")
