"""Slides in a browser: keys turn them, answers unfold, nothing is cut off or fetched."""

from __future__ import annotations

import pytest
from nbformat import v4

from scripts.notebooks import ROOT, chapters, read_notebook
from scripts.slides import deck, slides_of

pytestmark = pytest.mark.browser
CHAPTERS = [c.notebook for c in chapters(ROOT / "notebooks") if c.notebook.exists()]
CUT = "slide => slide.scrollHeight > slide.clientHeight + 1 || slide.scrollWidth > innerWidth"


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_every_slide_is_seen_whole(path, page, tmp_path):
    slides = slides_of(read_notebook(path), path.stem)
    assert slides
    page.set_viewport_size({"width": 1280, "height": 720})
    (tmp_path / "deck.html").write_text(deck(slides, path.stem), encoding="utf-8")
    page.goto(f"file://{tmp_path}/deck.html")
    shown = page.locator("section:visible")
    for number in range(1, len(slides) + 1):
        assert page.locator("#at").inner_text() == f"{number} / {len(slides)}"
        assert shown.count() == 1
        assert not shown.evaluate(CUT), f"slide {number} is too long"
        assert shown.evaluate("s => [...s.querySelectorAll('img')].every(i => i.naturalWidth)")
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Home")
    assert page.locator("#at").inner_text() == f"1 / {len(slides)}"


def test_an_answer_unfolds_on_a_click(page):
    fold = "<details><summary>Answer</summary>\n\nSix.\n\n</details>"
    cell = v4.new_markdown_cell(f"# What is it?\n\n{fold}", metadata={"tags": ["slide"]})
    page.set_content(deck(slides_of(v4.new_notebook(cells=[cell]), "01"), "01"))
    assert not page.get_by_text("Six.").is_visible()
    page.locator("summary").click()
    page.get_by_text("Six.").wait_for()
