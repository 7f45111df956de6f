"""A section says what it needs: names that are missing, names that mean something else by now."""

from __future__ import annotations

import math

import pytest
from nbformat import v4

from course_lib.errors import CourseError
from course_lib.widgets import need
from course_lib.widgets.guard import BUILTINS, MODULES, overwritten
from scripts.notebooks import code_cells, execute

trainer = object()  # `need` looks at the names of the module that calls it


def test_what_is_there_is_fine():
    need(trainer="3 Training")
    need()


def test_all_missing_names_are_told_with_their_sections():
    with pytest.raises(CourseError) as caught:
        need(trainer="3 Training", G="2 The generator", judge="6 Measuring")
    told = str(caught.value)
    assert "2 problems" in told and "`trainer`" not in told
    assert "`G` is not there yet (run section “2 The generator” first, or all cells above" in told
    assert "`judge` is not there yet (run section “6 Measuring” first" in told


@pytest.mark.parametrize("name", MODULES)
def test_an_overwritten_module_is_told(name):
    ((what, mend),) = overwritten({name: 3.5})
    assert what == f"`{name}` is no longer the module but your float"
    assert name in mend and "import" in mend
    assert overwritten({name: math}) == []  # any module will do


@pytest.mark.parametrize("name", BUILTINS)
def test_an_overwritten_builtin_is_told(name):
    assert overwritten({name: [1, 2]}) == [
        (f"`{name}` is no longer Python's own `{name}`", f"`del {name}`")
    ]


def test_the_mend_mends():
    names = {"list": [1, 2], "np": 3}
    for _, mend in overwritten(names):
        exec(mend.strip("`"), names)
    names.pop("__builtins__")
    assert overwritten(names) == []


CELLS = [
    # source, and what the error says ("" for none)
    ("from course_lib.widgets import need\nneed(G='2 The generator')", "run section “2 The gener"),
    ("import torch\nG = torch.nn.Linear(1, 1)\nneed(G='2 The generator')", ""),
    (
        "torch = 'a torch'\nneed(G='2 The generator')",
        "`torch` is no longer the module but your str",
    ),
    ("import torch\nlist = [1, 2]\nneed()", "`list` is no longer Python's own"),
    ("del list\nneed(G='2 The generator')", ""),
]


def test_in_a_kernel_the_learners_own_names_count(tmp_path):
    failing = {"tags": ["raises-exception"]}
    cells = [v4.new_code_cell(source, metadata=failing if told else {}) for source, told in CELLS]
    notebook = v4.new_notebook(cells=cells)
    execute(notebook, tmp_path, "smoke", timeout=60)
    for cell, (_, told) in zip(code_cells(notebook), CELLS, strict=True):
        errors = [output for output in cell.outputs if output.output_type == "error"]
        assert len(errors) == (1 if told else 0)
        if told:
            assert errors[0].ename == "CourseError" and told in errors[0].evalue
            assert len(errors[0].traceback) == 1  # the message, not our code
