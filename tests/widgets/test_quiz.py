"""Instant answers never raise and say what is wrong."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from course_lib.widgets import your_turn

ONES = torch.ones(2, 3)


@pytest.mark.parametrize(
    ("answer", "expected", "told"),
    [
        (..., ONES, "Your turn: replace the `...` above, then run the cell again."),
        (None, 3, "Your turn: replace the `...` above, then run the cell again."),
        (ONES + 1e-6, ONES, "Right!"),
        (ONES.requires_grad_(), ONES, "Right!"),
        (torch.tensor(0.5), 0.5, "Right!"),
        (3, 3, "Right!"),
        ([2, 3], [2, 3], "Right!"),
        (ONES.shape, (2, 3), "Right!"),
        ("hinge", "hinge", "Right!"),
        (ONES + 0.25, ONES, "Not yet: the largest difference is 0.25."),
        (0.5, 0.75, "Not yet: the largest difference is 0.25."),
        (ONES * torch.nan, ONES, "Not yet: the largest difference is nan."),
        (ONES[0], ONES, "Not yet: its shape is [3], not [2, 3]."),
        (ONES[0], 1.0, "Not yet: its shape is [3], not []."),
        ("one", ONES, "Not yet: your answer is a str, not a number or tensor."),
        ([1.0, 1.0], ONES, "Not yet: your answer is a list, not a number or tensor."),
        (ONES, [2, 3], "Not yet: your answer is a Tensor, not a list."),
        (np.ones(3), "hinge", "Not yet: your answer is a ndarray, not a str."),
        ("bce", "hinge", "Not yet: your answer is 'bce'."),
    ],
)
def test_an_answer(answer, expected, told, capsys):
    your_turn(answer, expected)
    assert capsys.readouterr().out == told + "\n"


def test_the_hint_comes_after_a_wrong_answer_only(capsys):
    for answer in (1, 2, ...):
        your_turn(answer, 2, hint="count again")
    wrong, *others = capsys.readouterr().out.splitlines()
    assert wrong.endswith("Hint: count again")
    assert not any("Hint" in line for line in others)
