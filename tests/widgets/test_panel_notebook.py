"""A panel in a notebook: it runs headless, and what is saved shows the picture everywhere."""

from __future__ import annotations

import base64
import io

import nbformat
import pytest
from nbconvert import HTMLExporter
from PIL import Image

from scripts.notebooks import WIDGET_VIEW, execute, tidy

CODE = """
from course_lib.widgets.storybook import storybook_panel
panel = storybook_panel(size=32)
panel.set(season="winter", seed=5)
panel.controls["things"].value = 6
panel
"""


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    """What a notebook without a front end keeps of a panel."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CODE)])
    execute(notebook, tmp_path_factory.mktemp("folder"), "smoke", timeout=120)
    return notebook.cells[0].outputs[0]


def as_html(output, template: str) -> str:
    cell = nbformat.v4.new_code_cell("panel", outputs=[output])
    notebook = nbformat.v4.new_notebook(cells=[cell])
    return HTMLExporter(template_name=template).from_notebook_node(notebook)[0]


def test_the_saved_output_is_a_described_picture(output):
    assert set(output.data) == {WIDGET_VIEW, "image/png", "text/plain"}
    text = output.data["text/plain"]
    assert text.startswith("Storybook: ")
    assert "season winter, hour day, palette plain, things 6, seed 5" in text
    assert output.metadata["image/png"]["alt"] == text
    assert Image.open(io.BytesIO(base64.b64decode(output.data["image/png"]))).width == 384


def test_a_reader_without_widgets_sees_the_picture(output):
    (clean,) = tidy([nbformat.from_dict(output)])
    assert WIDGET_VIEW not in clean.data
    for saved in (output, clean):
        assert 'src="data:image/png;base64,' in as_html(saved, "lab")
        assert f'alt="{output.data["text/plain"]}"' in as_html(saved, "classic")
