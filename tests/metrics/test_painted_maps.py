"""Scores of painters of label maps: one that cheats with real pictures, and one that blurs them."""

import pytest
import torch
import torch.nn.functional as F

from course_lib import cli
from course_lib.data.storybook import Storybook
from course_lib.errors import CourseError
from course_lib.metrics import painted_maps
from course_lib.metrics.painted_maps import map_scores, painted, report
from course_lib.metrics.score import Score

COUNT, OTHERS = 50, 10  # the fewest that scores accept


class Copyist:
    """Knows the pictures of all maps by heart. Its styles are numbers of looks."""

    z_dim, encoder, canvas = 1, object(), (64, 64)

    def __init__(self, spoil=lambda x: x):
        book = Storybook(size=64)
        pages = book.split("val")[: COUNT + 2 * OTHERS]
        self.known = {}
        for page in map(book.__getitem__, pages):
            self.known[page.label_map.ids.numpy().tobytes()] = page
        self.spoil = spoil

    def read(self, label_map):
        return label_map

    def paint(self, label_map, styles, seeds):
        page = self.known[label_map.ids.numpy().tobytes()]
        picture = page.image.as_subclass(torch.Tensor).float() / 127.5 - 1
        return self.spoil(picture[None].expand(len(styles), -1, -1, -1))

    def encode(self, picture):
        return picture.mean().view(1)


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(painted_maps, "LOOKED_AT", OTHERS)


def test_a_copyist_reaches_every_ceiling_but_has_one_style(few):
    found = map_scores(Copyist(), COUNT, "val")
    assert found["map IoU"].value == found["map IoU"].ceiling > 0.9 > 0.3 > found["map IoU"].floor
    ratios = [score.value for name, score in found.items() if " of " in name]
    assert len(ratios) >= 8 and ratios == pytest.approx([1] * len(ratios))
    assert found["styles apart"].value == found["pictures' styles apart"].value == 0
    assert found["own palette"].value == pytest.approx(0.1, abs=0.08)  # rounding breaks ties


def test_one_that_blurs_has_no_texture_and_one_without_styles_no_score_of_them():
    blurred = Copyist(lambda x: F.avg_pool2d(x, 7, stride=1, padding=3))
    blurred.encoder = None
    found = map_scores(blurred, COUNT, "val")
    assert found["map IoU"].value < 0.8 * found["map IoU"].ceiling
    assert found["variance of grass"].value < 0.6 and not {"styles apart", "own palette"} & {*found}
    assert "variance: 0% of" in report(found)


def test_styles_and_grain_are_those_of_the_maps_own_number():
    class Noting(Copyist):
        def paint(self, label_map, styles, seeds):
            return torch.full((len(styles), 3, 2, 2), float(seeds[0])) + styles[:, :, None, None]

    maps = torch.zeros(3, 64, 64, dtype=torch.int64)
    made = painted(Noting(), maps, torch.tensor([[[0.1], [0.2]]] * 3))
    assert made.shape == (3, 2, 3, 2, 2)
    assert made[:, 1, 0, 0, 0].tolist() == pytest.approx([0.2, 1.2, 2.2])


def test_pictures_must_be_square():
    wide = Copyist()
    wide.canvas = (48, 64)
    with pytest.raises(CourseError, match="64 x 48 pixels; pages of Storybook are square"):
        map_scores(wide, COUNT)


def made(value):
    return Score(value, (value, value), 60, 0.1, 1.0, "a protocol")


FOUND = {"map IoU": made(0.9), "variance of sky": made(1.5), "variance of sand": made(1.3),
         "band of sky, 10 to 4.5 px": made(0.5)}  # fmt: skip


def test_the_command_prints_every_score_and_counts_what_is_about_right(monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(
        painted_maps, "map_scores", lambda painter, n: asked.append((painter, n)) or FOUND
    )
    painter = Copyist.__new__(Copyist)
    painter.generate = lambda label_map, style, seed: None
    monkeypatch.setattr("course_lib.registry.load", lambda which: painter)
    assert cli.main(["evaluate", "maps", "mine", "--n", "70"]) == 0
    assert asked == [(painter, 70)]
    text = capsys.readouterr().out
    assert "map IoU: 0.9 [" in text
    assert "variance: 50% of 2 ratios" in text and "band: 0% of 1 ratios" in text


def test_the_command_names_painters_that_take_no_maps(capsys):
    assert cli.main(["evaluate", "maps", "dcgan"]) == 2
    assert "dcgan takes no label maps" in capsys.readouterr().err
