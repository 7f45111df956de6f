"""Our networks against the authors': one test a recorded case.

A wing's checks stand in ``tests/parity/<wing>.py`` as ``CHECKS``, a function for each kind.
"""

from importlib import import_module
from pathlib import Path

import pytest

from tests.parity.cases import FOLDER, NO_CASES, find
from tests.sizes import wings

CASES = find()
NONE = [pytest.param(None, marks=pytest.mark.skip(reason=NO_CASES), id="no cases")]


@pytest.mark.skipif(not FOLDER, reason=NO_CASES)
def test_the_folder_holds_cases():
    assert CASES, f"COURSE_PARITY names {FOLDER}, and there is no JSON with a kind below it"


@pytest.mark.parametrize(
    "case", CASES or NONE, ids=lambda case: str(case.path.relative_to(Path(FOLDER)))
)
def test_a_recorded_case(case):
    if case.wing not in {wing.name for wing in wings()}:
        pytest.skip("wing not built")
    checks = import_module(f"tests.parity.{case.wing}").CHECKS
    assert case.kind in checks, f"the wing exists, and nothing checks {case.kind!r}"
    checks[case.kind](case)
