"""A small chapter that keeps every rule: tests build it, break it, and see the fault found."""

from __future__ import annotations

from pathlib import Path

from nbformat import NotebookNode, v4

from course_lib.address import setup_cell
from scripts.notebooks import code_cells, describe_pictures, read_source

DOT = (  # a PNG of one pixel
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)

BEGINNING = f"""
# %% [markdown]
# # A small chapter
#
# ![A drawn painter](painter.png)

# %% [markdown]
# ## Set-up

# %% tags=["colab-setup"]
{setup_cell()}

# %% [markdown]
# What may be changed:

# %% tags=["parameters"]
profile: str | None = None  # how much work
seed: int = 7  # of the noise

# %% [markdown]
# ## 1 Paint

# %% alt="One grey point on a white ground"
from course_lib.widgets import need
need(seed="Set-up")
display(seed)

# %% [markdown]
# ### Why $x^{{2}}$
#
# $$\\begin{{aligned}} a &= b \\end{{aligned}}$$

# %% tags=["nbval-check-output"]
print("shape", [4, 3])

"""
MIDDLE = """
# %% [markdown]
# Some more prose.

"""
END = """
# %% [markdown]
# ## The end
#
# <details><summary>Quiz</summary>
#
# 1. What is $x$?
#
# </details>
# <details><summary>Glossary</summary>
#
# Words.
#
# </details>
# <details><summary>References</summary>
#
# Papers.
#
# </details>
# <details><summary>Paper against code</summary>
#
# A table.
#
# </details>
"""
SOURCE = BEGINNING.lstrip() + MIDDLE * 30 + END


def sample_chapter(folder: Path) -> NotebookNode:
    """The notebook of :data:`SOURCE` as a run would have left it."""
    source = folder / "source" / "01_sample.py"
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text(SOURCE, encoding="utf-8")
    notebook = read_source(source)
    _, _, painted, checked = code_cells(notebook)
    painted.outputs = [v4.new_output("display_data", {"image/png": DOT, "text/plain": "7"})]
    checked.outputs = [v4.new_output("stream", name="stdout", text="shape [4, 3]\n")]
    for count, cell in enumerate(code_cells(notebook), 1):
        cell.execution_count = count
        describe_pictures(cell)
    notebook.metadata.course.profile = "cpu"
    return notebook
