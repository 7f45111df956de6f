"""A score says how sure it is and what it is worth, and refuses too few samples."""

import pytest
import torch

from course_lib.errors import CourseError
from course_lib.metrics.score import Score, bootstrap, enough, matched, score, shuffled, wilson
from course_lib.scene import SceneBatch


def test_text_and_html_say_everything():
    made = Score(0.934, (0.91, 0.952), 500, 0.08, 0.97, "a <b> of things")
    assert str(made) == (
        "0.934 [0.91, 0.952] of 500; floor 0.08 (shuffled conditions), "
        "ceiling 0.97 (real pictures); a <b> of things"
    )
    assert repr(made) == str(made)
    page = made._repr_html_()
    assert all(part in page for part in ("0.934", "0.91", "500", "0.08", "0.97"))
    assert "a &lt;b&gt; of things" in page


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(5, 10, 0.2366, 0.7634), (0, 10, 0.0, 0.2775), (95, 100, 0.8882, 0.9785)],
)
def test_wilson_as_in_the_tables(hits, n, low, high):
    assert wilson(hits, n) == pytest.approx((low, high), abs=2e-4)


def test_bootstrap_of_a_mean_is_its_standard_error():
    rows = torch.randn(400, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    low, high = bootstrap(lambda part: part.mean().item(), rows)
    error = 1.96 * rows.std().item() / 20
    assert low == pytest.approx(rows.mean().item() - error, abs=0.3 * error)
    assert high == pytest.approx(rows.mean().item() + error, abs=0.3 * error)


def test_too_few_is_an_error_that_says_how_many_are_needed():
    enough(50, 50, "this")
    with pytest.raises(CourseError, match="49 samples are too few, this needs at least 50"):
        enough(49, 50, "this")


def test_value_floor_and_ceiling_are_the_statistic_of_their_rows():
    rows = torch.arange(100) < torch.tensor([80, 5, 97])[:, None]
    made = score(lambda part: part.float().mean().item(), *rows, "pixels")
    assert (made.value, made.floor, made.ceiling) == pytest.approx((0.8, 0.05, 0.97))
    assert made.interval[0] < 0.8 < made.interval[1] and made.n == 100


def test_pictures_and_scenes_must_be_as_many():
    scenes = SceneBatch(images=torch.zeros(60, 3, 4, 4))
    assert len(matched(torch.zeros(60, 3, 4, 4), scenes)) == 60
    with pytest.raises(CourseError, match="50 pictures for 60 scenes"):
        matched(torch.zeros(50, 3, 4, 4), scenes)


def test_shuffling_is_an_order_with_no_condition_in_its_place():
    for n in (50, 51, 400):
        order = shuffled(n)
        assert order.sort().values.tolist() == list(range(n))
        assert not (order == torch.arange(n)).any()
