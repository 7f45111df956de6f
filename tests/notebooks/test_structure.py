"""Every notebook of the course keeps the rules: a new chapter is covered by being there."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.notebooks import ROOT, Chapter, chapters, check_command, differences, read_notebook
from tests.notebooks.rules import RULES, Rule

FOLDER = ROOT / "notebooks"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_notebook_keeps(rule: Rule, path: Path):
    faults = rule(read_notebook(path))
    assert not faults, "\n".join([path.name, *faults])


@pytest.mark.parametrize("chapter", chapters(FOLDER), ids=lambda chapter: chapter.name)
def test_source_and_notebook_are_in_step(chapter: Chapter):
    assert differences(chapter) == []


def test_every_notebook_has_a_source(capsys):
    assert check_command([], FOLDER) == 0, capsys.readouterr().err
