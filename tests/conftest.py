"""What every test can rely on: one thread, no settings of the person who runs it, a summary."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: workers share the cores


def pytest_configure(config: pytest.Config) -> None:
    """Notebooks under test write to a temporary folder, too, and never go on with a real run."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # begun by a script in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # nohup
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    runs = tempfile.TemporaryDirectory()
    config.add_cleanup(runs.cleanup)
    os.environ["COURSE_RUNS"] = runs.name


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each test has a folder of its own for runs; the profile is what the test says."""
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("COURSE_PROFILE", raising=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The size of the course at the end of every full run, with what it may be."""
    from tests.sizes import size_table

    if "tests" in terminalreporter.config.args:  # not where a few files were chosen
        terminalreporter.section("lines of code")
        terminalreporter.write_line(size_table())
