"""nbval as ``make test`` uses it: checked cells must print what they printed, others must run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode, v4

from scripts.notebooks import ROOT

CHECKED = {"tags": ["nbval-check-output"]}

# name, source, output in the file, checked, passes
CELLS = [
    ("the same", 'print("shape", [4, 3])', "shape [4, 3]\n", True, True),
    ("another shape", 'print("shape", [4, 3])', "shape [5, 3]\n", True, False),
    ("another shape, not checked", 'print("shape", [4, 3])', "shape [5, 3]\n", False, True),
    ("no output", 'print("shape", [4, 3])', "", True, False),
    ("new bar", "print('D: 50%|## | 1/2 [00:01<00:01]')", "D: 9%|# | 1/9 [00:07<?]\n", True, True),
    ("another duration", 'print("trained in 2.5 s")', "trained in 41 s\n", True, True),
    ("another time", 'print("at 12:31:07")', "at 9:05:00\n", True, True),
    ("another folder", 'print("in /srv/course/runs")', "in …/runs\n", True, True),
    ("another address", "print(object())", "<object object at 0x7f00aa00bb00>\n", True, True),
    ("a fraction is no folder", 'print("3/4")', "1/4\n", True, False),
    ("raises", "1 / 0", "", False, False),
]  # fmt: skip


def cell(source: str, output: str, checked: bool) -> NotebookNode:
    outputs = [v4.new_output("stream", name="stdout", text=output)] if output else []
    metadata = CHECKED if checked else {}
    return v4.new_code_cell(source, outputs=outputs, metadata=metadata, execution_count=1)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory) -> list[bool]:
    """Whether each cell of the notebook passed, from one run of nbval."""
    path: Path = tmp_path_factory.mktemp("nbval") / "01_cells.ipynb"
    cells = [cell(source, output, checked) for _, source, output, checked, _ in CELLS]
    nbformat.write(v4.new_notebook(cells=cells), path)
    options = ["--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=60"]
    options.append(f"--nbval-sanitize-with={ROOT / 'tests' / 'nbval.cfg'}")
    command = [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", *options, str(path)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    found = re.findall(r"^(PASSED|FAILED) \S*::Cell (\d+)", told.stdout, flags=re.M)
    assert len(found) == len(CELLS), told.stdout + told.stderr
    return [word == "PASSED" for word, _ in sorted(found, key=lambda pair: int(pair[1]))]


@pytest.mark.parametrize(("number", "passes"), [(n, c[-1]) for n, c in enumerate(CELLS)],
                         ids=[c[0] for c in CELLS])  # fmt: skip
def test_a_cell(number, passes, outcomes):
    assert outcomes[number] is passes
