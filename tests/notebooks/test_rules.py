"""Each rule finds the fault that is planted for it, and finds none in a chapter without one."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from copy import deepcopy

import pytest
from nbformat import NotebookNode, v4

from scripts.notebooks import WIDGET_VIEW, code_cells
from tests.notebooks import rules
from tests.notebooks.sample import sample_chapter

Plant = Callable[[NotebookNode], object]


@pytest.fixture(scope="module")
def chapter(tmp_path_factory) -> NotebookNode:
    return sample_chapter(tmp_path_factory.mktemp("chapter"))


@pytest.mark.parametrize("rule", rules.RULES)
def test_a_good_chapter_has_no_fault(rule, chapter):
    assert rule(chapter) == []


def code(index: int, source: str) -> Plant:
    """Replaces the source of the code cell ``index``."""
    return lambda chapter: code_cells(chapter)[index].update(source=source)


def prose(source: str) -> Plant:
    """Replaces a cell in the middle of the chapter."""
    return lambda chapter: chapter.cells[20].update(source=source)


def printed(text: str) -> Plant:
    """Replaces what the checked cell prints."""
    return lambda chapter: code_cells(chapter)[3].outputs[0].update(text=text)


def more_code(count: int, source: str = "1") -> Plant:
    return lambda chapter: chapter.cells.extend(v4.new_code_cell(source) for _ in range(count))


def without_alt(chapter: NotebookNode) -> None:
    code_cells(chapter)[2].outputs[0].metadata = {}


def same_alt(chapter: NotebookNode) -> None:
    code_cells(chapter)[2].outputs *= 2


def paint_later(chapter: NotebookNode) -> None:
    chapter.cells[5:5] = [v4.new_markdown_cell("prose") for _ in range(8)]


def shuffled_counts(chapter: NotebookNode) -> None:
    code_cells(chapter)[0].execution_count = 9


def error_output(chapter: NotebookNode) -> None:
    error = v4.new_output("error", ename="NameError", evalue="name 'G'", traceback=[])
    code_cells(chapter)[3].outputs.append(error)


def widget_view(chapter: NotebookNode) -> None:
    code_cells(chapter)[2].outputs[0].data[WIDGET_VIEW] = {"model_id": "1"}


def no_quiz(chapter: NotebookNode) -> None:
    chapter.cells[-1].source = chapter.cells[-1].source.replace("Quiz", "Questions")


def guard(source: str) -> Plant:
    return code(2, f"from course_lib.widgets import need\n{source}\ndisplay(seed)")


PLANTED: list[tuple[str, str, Plant]] = [
    # rule, what its message says, how the fault is planted
    ("is_valid", "additional prop|metadata", lambda c: code_cells(c)[0].pop("metadata")),
    ("is_valid", "4.5", lambda c: c.update(nbformat_minor=4)),
    ("ids_come_from_the_text", "cell 1: id", lambda c: c.cells[0].update(id="abc")),
    ("ids_come_from_the_text", "cell 21: id", prose("changed in JupyterLab")),
    ("is_small", "bytes", printed("x" * 1_500_000)),
    ("metadata_are_clean", "'widgets'", lambda c: c.metadata.update(widgets={})),
    ("metadata_are_clean", "cell 7: a saved widget", widget_view),
    ("names_no_machine", "/home/ada", printed("saved to /home/ada/run.png")),
    ("names_no_machine", "path", code(3, 'open("C:\\\\Users")')),
    ("names_no_machine", "secret", prose("`hf_" + "a" * 30 + "`")),
    ("names_no_machine", "local address", printed("http://127.0.0.1:8888/lab")),
    ("begins_with_the_setup_cell", "setup_cell", code(0, "import torch")),
    ("begins_with_the_setup_cell", "first", lambda c: code_cells(c)[0].metadata.pop("tags")),
    ("parameters_are_typed", "0 code cells", lambda c: code_cells(c)[1].metadata.pop("tags")),
    ("parameters_are_typed", "not `name", code(1, "seed = 7  # of the noise")),
    ("parameters_are_typed", "not `name", code(1, "seed: int = 7.5  # of the noise")),
    ("parameters_are_typed", "not `name", code(1, "seed: int = 3 + 4  # of the noise")),
    ("parameters_are_typed", "not `name", code(1, "sizes: list = []  # of layers")),
    ("parameters_are_typed", "no comment", code(1, "seed: int = 7")),
    ("parameters_are_typed", "many", code(1, "seed: int = 7  # of it\n" * 11)),
    ("checked_cells_are_portable", "no cell", lambda c: code_cells(c)[3].metadata.pop("tags")),
    ("checked_cells_are_portable", "prints nothing", printed("")),
    ("checked_cells_are_portable", "device", printed("on cuda:0")),
    ("checked_cells_are_portable", "version", printed("torch 2.15.0")),
    ("checked_cells_are_portable", "path", printed("saved …/runs/01/x.png")),
    ("checked_cells_are_portable", "time", printed("took 12.5 s")),
    ("checked_cells_are_portable", "time", printed("ends at 12:31")),
    ("checked_cells_are_portable", "date", printed("2026-11-22")),
    ("checked_cells_are_portable", "address", printed("<G at 0x7f3a2b1c>")),
    ("has_a_chapters_length", "39 cells", lambda c: c.update(cells=c.cells[:39])),
    ("has_a_chapters_length", "121 cells", more_code(81)),
    ("is_mostly_prose", "half or fewer", more_code(40)),
    ("code_does_not_pile_up", "3 code cells", more_code(3)),
    ("code_cells_are_short", "46 lines", code(3, "1\n" * 45 + "1")),
    ("paints_first", "cell 15", paint_later),
    ("paints_first", "none", lambda c: code_cells(c)[2].update(outputs=[])),
    ("headings_are_in_order", r"\[1, 21\]", prose("# A second title")),
    ("headings_are_in_order", "skips", prose("##### Too deep")),
    ("pictures_have_alt_text", "alt text ''", without_alt),
    ("pictures_have_alt_text", "same alt", same_alt),
    ("pictures_have_alt_text", r"!\[\]", prose("![](a.png)")),
    ("pictures_have_alt_text", "<img", prose('<img src="a.png">')),
    ("formulas_are_balanced", r"\$\$", prose("$$a = b")),
    ("formulas_are_balanced", "without its partner", prose("the value $z of")),
    ("formulas_are_balanced", "unbalanced", prose("$x_{1$")),
    ("formulas_are_balanced", "unbalanced", prose("$x}{1$")),
    ("formulas_are_balanced", "unbalanced", prose("$$\\begin{aligned} a$$")),
    ("formulas_are_balanced", "unbalanced", prose("$\\left( a$")),
    ("folds_are_closed", "must close", prose("<details><summary>A</summary>\n\ntext")),
    ("folds_are_closed", "empty line", prose("<details><summary>A</summary>\ntext</details>")),
    ("ends_folded", "quiz", no_quiz),
    ("ends_folded", "glossary", more_code(1)),
    ("was_run_through", r"\[9\]", lambda c: code_cells(c)[3].update(execution_count=None)),
    ("was_run_through", "top to bottom", shuffled_counts),
    ("was_run_through", "not kept", lambda c: code_cells(c)[3].update(outputs=[])),
    ("outputs_are_of_a_real_run", "smoke", lambda c: c.metadata.course.update(profile="smoke")),
    ("shows_no_errors", "NameError", error_output),
    ("code_cannot_hang", "interact", code(3, "interact(paint, seed=(0, 9))")),
    ("code_cannot_hang", "interact", code(3, "@interact\ndef paint(seed): ...")),
    ("code_cannot_hang", "Output", code(3, "with widgets.Output():\n    paint()")),
    ("code_cannot_hang", "worker", code(3, "DataLoader(digits, num_workers=2)")),
    ("sections_are_guarded", r"1 Paint.* lacks need\(seed=.Set-up.\)", code(2, "display(seed)")),
    ("sections_are_guarded", r"made in \['Set-up'\]", guard('need(seed="2 The game")')),
    ("sections_are_guarded", r"made in \[\]", guard('need(G="Set-up")')),
    ("sections_are_guarded", "import need", code(2, 'need(seed="Set-up")\ndisplay(seed)')),
]


@pytest.mark.parametrize(("name", "message", "plant"), PLANTED)
def test_a_planted_fault_is_found(name, message, plant, chapter):
    faulty = deepcopy(chapter)
    plant(faulty)
    faults = getattr(rules, name)(faulty)
    assert any(re.search(message, fault) for fault in faults), faults


def test_every_rule_has_a_planted_fault():
    assert {rule.__name__ for rule in rules.RULES} == {name for name, _, _ in PLANTED}


def test_the_host_name_is_found(chapter, monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "ada-laptop")
    faulty = deepcopy(chapter)
    printed("trained on ada-laptop")(faulty)
    assert "ada-laptop" in rules.names_no_machine(faulty)[0]


def sectioned(chapter: NotebookNode, *sections: tuple[str, str]) -> NotebookNode:
    """The chapter with more sections: each a heading and a code cell, one after the other."""
    longer = deepcopy(chapter)
    for title, source in sections:
        longer.cells += [v4.new_markdown_cell(f"## {title}"), v4.new_code_cell(source)]
    return longer


TRAIN = ("2 Train", "from course_lib.widgets import need\nneed(seed='Set-up')\nG = profile")


@pytest.mark.parametrize(
    ("source", "lacks"),
    [
        ("need(G='2 Train')\nprint(G, seed, profile)", []),  # section 2 vouches for the set-up
        ("need(seed='Set-up')\nprint(G, seed)", ['G="2 Train"']),
        ("print(seed, G)", ['G="2 Train"']),  # the guard of section 2 asks for the seed
        ("G = profile", ['profile="Set-up"']),
        ("def f(seed, x=[G for G in 'ab']):\n    profile = 1\n    return profile", []),
        ("def f():\n    return seed", ['seed="Set-up"']),
    ],
)
def test_guards_vouch_for_the_sections_below(source, lacks, chapter):
    code = f"from course_lib.widgets import need\n{source}"
    faults = rules.sections_are_guarded(sectioned(chapter, TRAIN, ("3 Look", code)))
    said = f"section '3 Look': its first code cell lacks need({', '.join(lacks)})"
    assert faults == ([said] if lacks else [])


GOOD_CODE = [
    "interaction = 1",
    "loader = DataLoader(digits, num_workers=0)",
    "%matplotlib inline\n!ls\nx = 1",
    "def f(seed):\n    return [seed for seed in range(3)]",  # its own `seed`, not the section's
]


@pytest.mark.parametrize("source", GOOD_CODE)
@pytest.mark.parametrize("rule", [rules.code_cannot_hang, rules.sections_are_guarded])
def test_harmless_code_is_not_suspected(rule, source, chapter):
    fine = deepcopy(chapter)
    fine.cells[20] = v4.new_markdown_cell("## 2 A section of its own")
    fine.cells[21] = v4.new_code_cell(source)
    assert rule(fine) == []


GOOD_PROSE = [
    "It costs \\$5.",
    "`$HOME` and `<details>`",
    "```\n# not a heading $\n```",
    "$a$\n\n$b$",
]


@pytest.mark.parametrize("source", GOOD_PROSE)
@pytest.mark.parametrize("rule", rules.RULES)
def test_harmless_prose_is_not_suspected(rule, source, chapter):
    fine = deepcopy(chapter)
    prose(source)(fine)
    if rule is not rules.ids_come_from_the_text:
        assert rule(fine) == []


def test_chapter_00_may_be_short_and_has_no_quiz(chapter):
    start = deepcopy(chapter)
    del start.cells[14:]
    start.metadata.course.kind = "start"
    code_cells(start)[2].outputs = []
    for rule in rules.has_a_chapters_length, rules.paints_first, rules.ends_folded:
        assert rule(start) == []
