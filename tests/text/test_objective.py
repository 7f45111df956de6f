"""The structured joint embedding loss, and a round of it."""

import pytest
import torch

from course_lib.errors import CourseError
from course_lib.registry import configure, load, wing
from course_lib.scene import SceneBatch
from course_lib.text.encoder import TextEncoder
from course_lib.text.objective import (
    TextConfig,
    TextObjective,
    captions_of,
    joint_embedding_loss,
    pick,
    swapped_loss,
)
from course_lib.text.vocabulary import Vocabulary
from course_lib.training import train

OWN = torch.eye(2, dtype=torch.bool)


@pytest.mark.parametrize(
    ("seen", "said", "same", "loss"),
    [
        ([[5.0], [-5.0]], [[1.0], [-1.0]], OWN, 0.0),  # by more than 1: nothing to learn
        ([[1.0], [1.0]], [[1.0], [1.0]], OWN, 2.0),  # nobody can be told apart: 1 + 1
        ([[1.0], [-1.0]], [[0.25], [-0.25]], OWN, 1.0),  # own .25, other -.25: a margin of .5 each
    ],
)
def test_the_joint_embedding_loss_on_known_numbers(seen, said, same, loss):
    found = joint_embedding_loss(torch.tensor(seen), torch.tensor(said), same)
    assert found.item() == pytest.approx(loss)


def test_captions_that_say_the_same_are_not_pushed_apart():
    seen = torch.tensor([[1.0], [1.0], [-9.0]])
    same = torch.eye(3, dtype=torch.bool)
    same[0, 1] = same[1, 0] = True
    assert joint_embedding_loss(seen, seen, same).item() == 0


def test_a_caption_with_an_exchanged_word_must_agree_less():
    seen, said = torch.tensor([[2.0], [1.0]]), torch.tensor([[1.0], [1.0]])
    assert swapped_loss(seen, said, torch.tensor([[0.5], [0.5]])).item() == pytest.approx(0.25)
    assert swapped_loss(seen, said, said).item() == 1
    assert swapped_loss(seen, said, said, margin=4.0).item() == 4


def test_a_wider_margin_asks_for_more():
    seen = torch.tensor([[1.0], [-1.0]])
    assert joint_embedding_loss(seen, seen, OWN).item() == 0
    assert joint_embedding_loss(seen, seen, OWN, margin=4.0).item() == 4  # 2 is missing, both ways


def test_pictures_are_as_loud_as_captions():
    pair = TextObjective(TextConfig(widths=(8, 8, 8), width_eye=8, size=32)).pair
    for part in pair(torch.randn(4, 3, 32, 32), ["a cat", "a large red cat", "a dog", "snow"]):
        torch.testing.assert_close(part.norm(dim=1), torch.full((4,), 4.0))


def test_smoke_trains_an_encoder_that_loads_with_its_words(tmp_path):
    text = wing("text")
    config = configure("text", "smoke")
    history = train(text.objective(config), text.source(config), tmp_path, show=False)
    assert len(history) == 2
    encoder = TextEncoder.load(tmp_path / "painter.safetensors")
    assert len(encoder.vocabulary.words) > 10 and encoder(["a red house"]).shape == (1, 1024)
    with pytest.raises(CourseError, match="paints nothing"):
        load(tmp_path)


def test_scenes_without_captions_are_refused():
    with pytest.raises(CourseError, match=r"(?s)no captions.*captions\.csv"):
        captions_of(SceneBatch(torch.zeros(2, 3, 8, 8)))


def test_each_caption_is_picked():
    torch.manual_seed(0)
    assert {pick((("one", "two", "three"),))[0] for _ in range(50)} == {"one", "two", "three"}
    assert {pick((("one", "two", "three"),), fullest=1.0)[0] for _ in range(50)} == {"three"}
    some = [pick((("one", "three"),), fullest=0.5)[0] for _ in range(400)]
    assert some.count("three") == pytest.approx(300, abs=50)


def test_exchanged_words_wait_for_their_round():
    objective = TextObjective(configure("text", "smoke", {"swapped": 1.0, "swapped_after": 3}))
    scenes = SceneBatch(torch.rand(2, 3, 32, 32), captions=(("a red cat",), ("a blue cat",)))
    objective.encoder.vocabulary = Vocabulary.of(["a red cat", "a blue cat"])
    asked, exchanged = [], objective.exchanged
    objective.exchanged = lambda captions: asked.append(step.round) or exchanged(captions)
    step = Silent()
    for step.round in (2, 3, 4):
        objective.round(scenes, step)
    assert asked == [3, 4]


class Silent:
    """A `step` that moves nothing."""

    round = 0

    def __call__(self, player, loss, **figures):
        pass


def test_bad_configurations_are_listed_at_once():
    with pytest.raises(CourseError) as error:
        TextConfig(widths=(8, 0, 8), size=30, lr=2.0, width_eye=0, margin=0.0, fullest=1.5)
    names = ("widths", "size", "lr", "width_eye", "margin", "fullest")
    assert all(name in str(error.value) for name in names)
