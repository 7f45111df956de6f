"""The map from the papers to the code points at lines that are there."""

from __future__ import annotations

import pytest

from course_lib.errors import CourseError
from scripts import paper_map


def test_every_symbol_stands_where_the_map_says():
    text = paper_map.MAP.read_text("utf-8")
    assert len(paper_map.LINK.findall(text)) >= 40
    assert text == paper_map.renewed(text), "a line has moved: make docs"


def test_a_link_is_the_line_of_the_definition():
    row = "[`nn.paste:paste`](old)"
    file, _, line = paper_map.renewed(row)[len("[`nn.paste:paste`](../") : -1].partition("#L")
    assert (paper_map.ROOT / file).read_text("utf-8").splitlines()[int(line) - 1] == "def paste("


@pytest.mark.parametrize(
    "row, words",
    [("[`nn.pasted:paste`](x)", "no module"), ("[`nn.paste:past`](x)", "did you mean 'paste'")],
)
def test_what_is_not_there_is_named(row, words):
    with pytest.raises(CourseError, match=words):
        paper_map.renewed(row)
