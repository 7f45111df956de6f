"""Adversarial accuracy and divergence: closed forms, and a tiny lesson that cannot be missed."""

import pytest
import torch
from torch.distributions import Categorical, kl_divergence

from course_lib.errors import CourseError
from course_lib.metrics.adversarial import _divergence, adversarial_scores


def test_divergence_is_the_kl_divergence_of_the_two_posteriors():
    s, r = torch.randn(5, 4), torch.randn(5, 4)
    expected = kl_divergence(Categorical(logits=s), Categorical(logits=r))
    torch.testing.assert_close(_divergence(s.log_softmax(1), r.log_softmax(1)), expected)


def stripes(count, seed, flipped=False):
    """Stripes lie (0) or stand (1)."""
    torch.manual_seed(seed)
    labels = torch.randint(2, (count,))
    lying = (torch.arange(8) % 2).float()[:, None].expand(8, 8) * 2 - 1
    pictures = torch.where(labels[:, None, None] == 0, lying, lying.T)[:, None]
    return pictures + 0.1 * torch.randn(count, 1, 8, 8), (1 - labels if flipped else labels)


@pytest.fixture(scope="module")
def scored():
    return adversarial_scores(
        stripes(300, 1), stripes(300, 2), stripes(200, 3), steps=12, labels_by="their makers"
    )


def test_pictures_as_good_as_real_teach_as_much(scored):
    accuracy, divergence = scored["accuracy"], scored["divergence"]
    assert accuracy.value > 0.95 and accuracy.ceiling > 0.95 and 0.2 < accuracy.floor < 0.8
    assert divergence.value < divergence.floor and divergence.ceiling >= 0
    assert "300 pictures each" in accuracy.protocol and "their makers" in accuracy.protocol


def test_wrong_pictures_teach_wrong_things():
    scores = adversarial_scores(
        stripes(300, 1, flipped=True),
        stripes(300, 2),
        stripes(200, 3),
        steps=12,
        labels_by="a liar",
    )
    assert scores["accuracy"].value < 0.05 < scores["divergence"].value


def test_unlike_or_too_few_pictures_are_refused():
    with pytest.raises(CourseError, match="199 samples are too few"):
        adversarial_scores(stripes(199, 1), stripes(300, 2), stripes(50, 3), labels_by="")
    small = torch.rand(300, 3, 8, 8), torch.zeros(300).long()
    with pytest.raises(CourseError, match=r"painted pictures are \[3, 8, 8\]"):
        adversarial_scores(small, stripes(300, 2), stripes(50, 3), labels_by="")
