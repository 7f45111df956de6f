"""Slides are made of the cells that are tagged, and of nothing else; they need no network."""

from __future__ import annotations

import base64
import io
import re

import pytest
from nbformat import v4
from PIL import Image

from course_lib.errors import CourseError
from scripts.notebooks import ROOT, chapters, read_notebook
from scripts.slides import deck, slides_of
from tests.notebooks.sample import DOT

CHAPTERS = [c.notebook for c in chapters(ROOT / "notebooks") if c.notebook.exists()]
FOLD = "<details><summary>Answer</summary>\n\nIt *is*.\n\n</details>"


def words(text, tag="slide"):
    return v4.new_markdown_cell(text, metadata={"tags": [tag]})


def code(source, *outputs, run=1):
    return v4.new_code_cell(
        source, metadata={"tags": ["slide"]}, outputs=list(outputs), execution_count=run
    )


def painted():
    return v4.new_output("display_data", {"image/png": DOT}, metadata={"image/png": {"alt": "A <"}})


def printed(text):
    return v4.new_output("stream", name="stdout", text=text)


def made(*cells):
    return slides_of(v4.new_notebook(cells=list(cells)), "01_sample")


@pytest.mark.parametrize(
    ("cells", "seen", "unseen"),
    [
        ([words("# One\n\nTwo")], "<h1>One</h1>", "#"),
        ([words("# One"), words("Two", tag="other")], "One", "Two"),
        ([words("# One\n\n[![Open](a.svg)](https://b)\n\nTwo")], "Two", "b"),
        ([words(f"{FOLD}\n\n## Two")], "Two", "It"),
        ([words("Earlier\n\n## Two")], "Two", "Earlier"),
        ([words("## One"), words(FOLD)], "<em>is</em>", "|"),
        ([words("# One"), code("paint()", painted())], 'alt="A &lt;"', "paint"),
        ([words("# One"), code("x = 6", printed("4 < 6"))], "4 &lt; 6", "|"),
        ([words("# One"), code('need(a="One")\nx = 6')], "x", "need"),
        ([words(r"# One $\tfrac12 \big[\mathbb E\, x \ge 1\big]$")], 'class="math"', "|"),
        ([words(r"# $A = \begin{pmatrix} w & 0 \\ 0 & h \end{pmatrix}$")], "--columns:2", "|"),
        ([words("## Two", tag="other"), words("Three")], "<p class='section'>Two</p>", "|"),
    ],
)
def test_what_is_shown_and_what_not(cells, seen, unseen):
    (slide,) = made(*cells)
    page = deck([slide], "01")
    (body,) = re.findall(r"<section>.*</section>", page, re.S)
    assert seen in body and unseen not in re.sub(r"<[^>]*>|\|", "", body)


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ([code("1")], "cell 1: a cell for the slides, before any words"),
        ([words("# One"), code("1", run=None)], "cell 2: a cell for the slides, not run"),
        ([words("# One $x^2^2$")], "the formula 'x^2^2' cannot be drawn"),
    ],
)
def test_what_cannot_be_shown_is_named(cells, said):
    with pytest.raises(CourseError) as error:
        made(*cells)
    assert said in str(error.value)


@pytest.mark.parametrize(("size", "wide"), [((60, 20), True), ((30, 20), False)])
def test_a_wide_picture_lies_below_the_words_and_another_beside_them(size, wide):
    file = io.BytesIO()
    Image.new("L", size).save(file, "PNG")
    data = {"image/png": base64.b64encode(file.getvalue()).decode()}
    (slide,) = made(words("# One"), code("1", v4.new_output("display_data", data)))
    assert (bool(slide.below), bool(slide.beside)) == (wide, not wide)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapters_slides_can_be_shown_without_a_network(path):
    found = slides_of(read_notebook(path), path.stem)
    assert not found or len(found) >= 8
    page = deck(found, path.stem)
    assert set(re.findall(r'src="(\w+:)', page)) <= {"data:"}
    assert not re.search(r"<script src|<link|@import|url\(", page)
