"""``run`` executes a chapter and keeps what every reader may see."""

from __future__ import annotations

from pathlib import Path

import pytest
from nbformat import v4

from course_lib.errors import CourseError
from scripts import notebooks
from scripts.notebooks import code_cells, execute, main, read_notebook

SOURCE = """
# %% [markdown]
# # A run

# %%
import os, sys
print(os.environ["COURSE_PROFILE"], os.path.basename(os.getcwd()))
print(os.getcwd())

# %%
from tqdm.auto import tqdm
print(sum(tqdm(range(4))), file=sys.stderr)

# %% alt="A line that rises from left to right"
import matplotlib.pyplot as plt
plt.plot([1, 2]);

# %% alt="A square, as Pillow shows it"
from PIL import Image
Image.new("L", (4, 4))

# %%
sys.executable
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("été ")  # spaces and accents must not matter
    (folder / "source").mkdir()
    (folder / "source" / "01_run.py").write_text(SOURCE.lstrip(), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(broken_kernel(tmp_path_factory.mktemp("jupyter"))))
        assert main(["--folder", str(folder), "run", "01", "--profile", "smoke"]) == 0
    return folder


def broken_kernel(folder: Path) -> Path:
    """A machine where somebody installed another ``python3`` kernel, which is not ours."""
    kernel = folder / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text('{"argv": ["false"], "display_name": "Python 3", "language": "python"}')
    return folder


def test_a_run_keeps_tidy_outputs(folder):
    where, bar, drawn, square, python = code_cells(read_notebook(folder / "01_run.ipynb"))
    profile_and_folder, path = where.outputs[0].text.splitlines()
    assert profile_and_folder == f"smoke {folder.name}"
    assert path.startswith("…")  # the rest of it is nobody's business
    assert [output.text for output in bar.outputs] == ["6\n"]  # the bar is gone
    assert "image/png" in square.outputs[0].data and "image/jpeg" not in square.outputs[0].data
    assert drawn.outputs[0].metadata["image/png"]["alt"] == "A line that rises from left to right"
    assert python.outputs[0].data["text/plain"].startswith("'…/bin/python")
    counts = [cell.execution_count for cell in (where, bar, drawn, square, python)]
    assert counts == [1, 2, 3, 4, 5]


def test_a_run_says_its_profile_and_is_in_step(folder):
    assert read_notebook(folder / "01_run.ipynb").metadata.course == {"profile": "smoke"}
    assert main(["--folder", str(folder), "check"]) == 0


def test_a_cell_that_fails_leaves_the_notebook_alone(folder, capsys):
    before = (folder / "01_run.ipynb").read_bytes()
    (folder / "source" / "01_run.py").write_text("# %%\n1 / 0\n", encoding="utf-8")
    assert main(["--folder", str(folder), "run", "01"]) == 2
    assert "ZeroDivisionError" in capsys.readouterr().err
    assert (folder / "01_run.ipynb").read_bytes() == before


def test_a_notebook_that_grows_too_large_is_not_written(folder, monkeypatch, capsys):
    before = (folder / "01_run.ipynb").read_bytes()
    monkeypatch.setattr(notebooks, "execute", lambda *_: None)
    monkeypatch.setattr(notebooks, "MAX_NOTEBOOK", 100)
    assert main(["--folder", str(folder), "run", "01"]) == 2
    assert "MB at most" in capsys.readouterr().err
    assert (folder / "01_run.ipynb").read_bytes() == before


def test_a_cell_that_never_ends_is_stopped(tmp_path):
    endless = v4.new_notebook(cells=[v4.new_code_cell("while True: pass")])
    with pytest.raises(CourseError, match="(?i)timed out"):
        execute(endless, tmp_path, "smoke", timeout=2)
