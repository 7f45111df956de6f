"""Sources become notebooks: stable ids, kept outputs, tidy outputs, and faults that are named."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode, v4
from PIL import Image

from course_lib.errors import CourseError
from scripts import notebooks
from scripts.notebooks import Chapter, build, chapters, code_cells, main, read_notebook
from tests.notebooks.sample import DOT, SOURCE, sample_chapter


@pytest.fixture
def chapter(tmp_path) -> Chapter:
    """The sample chapter in ``tmp_path``, built, with the outputs of a run."""
    notebook = sample_chapter(tmp_path)
    nbformat.write(notebook, tmp_path / "01_sample.ipynb")
    (found,) = chapters(tmp_path)
    assert main(["--folder", str(tmp_path), "build"]) == 0
    return found


def edit(chapter: Chapter, old: str, new: str) -> None:
    text = chapter.source.read_text(encoding="utf-8")
    assert old in text
    chapter.source.write_text(text.replace(old, new), encoding="utf-8")


def in_step(chapter: Chapter) -> bool:
    return main(["--folder", str(chapter.notebook.parent), "check"]) == 0


# --- build and check ------------------------------------------------------------------------------


def test_a_second_build_changes_nothing(chapter, capsys):
    before = chapter.notebook.read_bytes(), chapter.notebook.stat().st_mtime_ns
    assert main(["--folder", str(chapter.notebook.parent), "build", "01"]) == 0
    assert before == (chapter.notebook.read_bytes(), chapter.notebook.stat().st_mtime_ns)
    assert capsys.readouterr().out.splitlines()[-1] == "01_sample.ipynb: unchanged"
    assert in_step(chapter)
    assert [path.name for path in chapter.notebook.parent.iterdir()].count("01_sample.ipynb") == 1


def test_ids_depend_on_the_text_alone(chapter, tmp_path):
    again = build(Chapter(tmp_path / "source" / "01_sample.py"))
    ids = [cell.id for cell in read_notebook(chapter.notebook).cells]
    assert ids == [cell.id for cell in again.cells]
    assert len(set(ids)) == len(ids)  # though thirty cells have the same text
    edit(chapter, "# What may be changed:", "# What you may change:")
    changed = [old != new.id for old, new in zip(ids, build(chapter).cells, strict=True)]
    assert sum(changed) == 1


def test_a_changed_cell_loses_its_outputs_and_the_others_keep_theirs(chapter, capsys):
    edit(chapter, 'print("shape", [4, 3])', 'print("shape", [5, 3])')
    assert not in_step(chapter)
    assert "cell 9 ('print(\"shape\", [5, 3])') differs" in capsys.readouterr().err
    main(["--folder", str(chapter.notebook.parent), "build"])
    told = "1 of 4 code cells have no outputs: `python -m scripts.notebooks run 01`"
    assert told in capsys.readouterr().out
    *_, painted, checked = code_cells(read_notebook(chapter.notebook))
    assert (checked.outputs, checked.execution_count) == ([], None)
    assert painted.outputs[0].data["image/png"] == DOT
    assert in_step(chapter)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('print("shape", [4, 3])', 'print("shape", [4, 3])  # a comment'),
        ('print("shape", [4, 3])', 'print(\n    "shape",\n    [4, 3]\n)'),
        ("# ### Why", "# ### Why is"),
    ],
)
def test_comments_layout_and_prose_cost_no_outputs(chapter, old, new):
    edit(chapter, old, new)
    assert all(cell.outputs for cell in code_cells(build(chapter))[2:])


def test_cells_that_move_take_their_outputs_along(chapter):
    first = '# %% alt="One'
    edit(chapter, first, "# %%\nnew = 1\n\n# %% [markdown]\n# Prose.\n\n" + first)
    assert [len(cell.outputs) for cell in code_cells(build(chapter))] == [0, 0, 0, 1, 1]


def test_a_semicolon_changes_what_a_cell_shows():
    assert notebooks.meaning("plot()") != notebooks.meaning("plot();")
    assert notebooks.meaning("%matplotlib inline") == "%matplotlib inline"


def test_only_the_courses_metadata_is_kept(chapter):
    notebook = read_notebook(chapter.notebook)
    assert set(notebook.metadata) == {"kernelspec", "language_info", "course"}
    assert notebook.metadata.course == {"profile": "cpu"}
    notebook.metadata.widgets = {"state": {}}
    nbformat.write(notebook, chapter.notebook)
    assert not in_step(chapter)
    main(["--folder", str(chapter.notebook.parent), "build"])
    assert "widgets" not in read_notebook(chapter.notebook).metadata


def test_the_header_of_a_source_reaches_the_metadata(chapter):
    header = "# ---\n# jupyter:\n#   course:\n#     kind: start\n#     timeout: 60\n# ---\n\n"
    chapter.source.write_text(header + SOURCE, encoding="utf-8")
    assert build(chapter).metadata.course == {"kind": "start", "timeout": 60, "profile": "cpu"}


def test_check_names_missing_and_orphaned_notebooks(chapter, capsys):
    chapter.notebook.rename(chapter.notebook.with_name("02_other.ipynb"))
    assert not in_step(chapter)
    told = capsys.readouterr().err
    assert "01_sample.ipynb is missing" in told and "02_other.ipynb has no source" in told


def test_check_notices_cells_that_are_too_many(chapter, capsys):
    notebook = read_notebook(chapter.notebook)
    notebook.cells.append(v4.new_markdown_cell("more", id="more"))
    nbformat.write(notebook, chapter.notebook)
    assert not in_step(chapter)
    assert "cells, its source" in capsys.readouterr().err


# --- faults are named -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ('# %% tags=["paramters"]', "unknown tag 'paramters'.*did you mean 'parameters'"),
        ('# %% atl="A grid of digits"', "unknown key 'atl'.*did you mean 'alt'"),
        ("# %% [raw]", "is raw"),
        ("# %%\n\n# %%", "cell 9 is empty"),
    ],
)
def test_a_faulty_source_is_an_error(chapter, header, message, capsys):
    edit(chapter, '# %% tags=["nbval-check-output"]', header)
    assert main(["--folder", str(chapter.notebook.parent), "build"]) == 2
    assert re.search(message, capsys.readouterr().err, flags=re.S)


def test_an_unknown_chapter_is_an_error(chapter, capsys):
    assert main(["--folder", str(chapter.notebook.parent), "build", "01_smaple"]) == 2
    assert "did you mean '01_sample'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["01", "01_sample", "notebooks/01_sample.ipynb"])
def test_a_chapter_has_several_names(chapter, name):
    assert chapters(chapter.notebook.parent, [name]) == [chapter]


@pytest.mark.parametrize("text", ['{"cells": [', "<<<<<<< HEAD\n{}", ""])
def test_a_damaged_notebook_is_named(chapter, text):
    chapter.notebook.write_text(text, encoding="utf-8")
    with pytest.raises(CourseError, match="01_sample.ipynb: not a readable notebook"):
        build(chapter)


def test_a_failed_write_leaves_the_old_notebook(chapter, monkeypatch):
    before = chapter.notebook.read_bytes()
    edit(chapter, "seed: int = 7", "seed: int = 8")
    monkeypatch.setattr(Path, "replace", lambda self, target: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        notebooks.write(build(chapter), chapter.notebook)
    assert chapter.notebook.read_bytes() == before


# --- alt text -------------------------------------------------------------------------------------


def test_alt_text_reaches_the_picture_and_follows_the_source(chapter):
    edit(chapter, "One grey point on a white ground", r"One \"grey\" point")
    (output,) = code_cells(build(chapter))[2].outputs
    assert output.metadata["image/png"]["alt"] == 'One "grey" point'


def test_a_pictures_own_text_is_kept(chapter):
    notebook = read_notebook(chapter.notebook)
    cell = code_cells(notebook)[2]
    cell.outputs[0].metadata["image/png"]["alt"] = "Said by display()"
    notebooks.describe_pictures(cell)
    assert cell.outputs[0].metadata["image/png"]["alt"] == "Said by display()"


@pytest.mark.parametrize("executed_again", [False, True])
def test_nbconvert_shows_the_alt_text(chapter, executed_again):
    exporters = pytest.importorskip("nbconvert.exporters")
    notebook = read_notebook(chapter.notebook)
    if executed_again:  # by papermill, say: the new picture has no text, but its cell has
        code_cells(notebook)[2].outputs[0].metadata.clear()
    page, _ = exporters.HTMLExporter(template_name="classic").from_notebook_node(notebook)
    assert 'alt="One grey point on a white ground"' in page
    assert "No description" not in page


# --- tidy outputs ---------------------------------------------------------------------------------


def stream(text: str) -> list[NotebookNode]:
    return notebooks.tidy([v4.new_output("stream", name="stderr", text=text)])


@pytest.mark.parametrize(
    "text",
    [
        "\rD:   0%|    | 0/20 [00:00<?, ?round/s]\rD: 100%|████| 20/20 [00:01<00:00, 9]\n",
        "\r  5%|▌  | 1.2M/24.0M [00:01<00:20, 1.1MB/s]\x1b[A\n",
        " \n",
    ],
)
def test_progress_bars_leave_nothing(text):
    assert stream(text) == []


def test_what_was_printed_beside_a_bar_stays():
    (output,) = stream("ready\n\r 50%|██  | 1/2 [00:00<00:00]\nfirst\rlast\nten of 100%|\n")
    assert output.text == "ready\nlast\nten of 100%|\n"


def test_widget_views_go_and_what_stands_beside_them_stays():
    view = {notebooks.WIDGET_VIEW: {"model_id": "1"}, "text/plain": "HBox(...)"}
    bare = v4.new_output("display_data", dict(view))
    drawn = v4.new_output("display_data", view | {"image/png": DOT})
    (kept,) = notebooks.tidy([bare, drawn])
    assert set(kept.data) == {"image/png", "text/plain"}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (f"saved {notebooks.ROOT}/runs/01", "saved …/runs/01"),
        (f"saved '{Path.home()}'", "saved '…'"),
        (f"{os.path.realpath(sys.prefix)}/lib/x.py:3: UserWarning", "…/lib/x.py:3: UserWarning"),
        ("/tmp/ipykernel_77/123.py:2: UserWarning", "<cell>:2: UserWarning"),
        (f"{Path.home()}-made and data{Path.home()}", f"{Path.home()}-made and data{Path.home()}"),
    ],
)
def test_folders_of_this_machine_become_dots(text, wanted):
    assert notebooks.without_machine(text) == wanted


def test_folders_in_values_and_html_are_covered():
    data = {
        "text/plain": f"PosixPath('{notebooks.ROOT}/runs')",
        "text/html": f"<p>{Path.home()}</p>",
    }
    (output,) = notebooks.tidy([v4.new_output("display_data", data)])
    assert output.data == {"text/plain": "PosixPath('…/runs')", "text/html": "<p>…</p>"}


def png(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def test_a_large_picture_is_made_small_and_stays_what_it_was():
    noise = Image.effect_noise((900, 600), 60).convert("RGBA")
    noise.paste("red", (0, 0, 450, 600))
    small = notebooks.smaller_png(png(noise))
    encoded = base64.b64decode(small)
    assert len(encoded) <= notebooks.MAX_PICTURE < len(base64.b64decode(png(noise)))
    picture = Image.open(io.BytesIO(encoded)).convert("RGB")
    assert picture.width / picture.height == pytest.approx(1.5, abs=0.01)
    assert picture.getpixel((picture.width // 4, picture.height // 2)) == (255, 0, 0)


def test_a_transparent_picture_stands_on_white():
    clear = Image.effect_noise((900, 600), 60).convert("RGBA")
    clear.paste((0, 0, 0, 0), (0, 0, 450, 600))
    small = Image.open(io.BytesIO(base64.b64decode(notebooks.smaller_png(png(clear)))))
    assert small.convert("RGB").getpixel((50, 50)) == (255, 255, 255)


def test_a_small_picture_is_not_touched():
    assert notebooks.smaller_png(DOT) is DOT


def test_a_notebook_that_is_too_large_names_its_largest_cells(chapter):
    notebook = read_notebook(chapter.notebook)
    cell = code_cells(notebook)[3]
    cell.outputs[0].text = "x" * notebooks.MAX_NOTEBOOK
    with pytest.raises(CourseError, match=r"1\.5 MB at most(.|\n)*cell 9: 1500 kB"):
        notebooks.check_size(notebook, "01_sample")
    assert json.loads(chapter.notebook.read_text())["nbformat_minor"] == 5
