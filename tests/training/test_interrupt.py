"""Ctrl-C and SIGTERM end the round, save and return; a second one ends at once."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from course_lib.errors import CourseError
from course_lib.storage.checkpoint import read_checkpoint
from course_lib.training import train
from tests.training.toy import Dots, ToyConfig, ToyObjective

ROOT = Path(__file__).parents[2]
CONFIG = ToyConfig(rounds=9, save_every=100)
SIGNALS = [signal.SIGINT, signal.SIGTERM]


class Knocking(Dots):
    """Sends signals to this process while it reads the scenes of a round, counted from 1."""

    def __init__(self, round, *signals):
        super().__init__()
        self.round, self.signals, self.seen = round, signals, 0

    def batch(self, indices):
        self.seen += 1
        for number in self.signals if self.seen == self.round else ():
            os.kill(os.getpid(), number)
        return super().batch(indices)


def saved_round(folder):
    return read_checkpoint(folder / "last.safetensors").header["round"]


@pytest.fixture(autouse=True)
def _handlers_are_restored():
    before = [signal.getsignal(number) for number in SIGNALS]
    yield
    assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_the_round_saves_and_returns(tmp_path, number, capsys):
    history = train(ToyObjective(CONFIG), Knocking(3, number), tmp_path)
    assert history.rounds == [1, 2, 3] and saved_round(tmp_path) == 3
    assert "stopping after this round" in capsys.readouterr().out


@pytest.mark.parametrize("first", SIGNALS)
@pytest.mark.parametrize("second", SIGNALS)
def test_a_second_signal_ends_at_once(tmp_path, first, second):
    with pytest.raises(KeyboardInterrupt):
        train(ToyObjective(CONFIG), Knocking(3, first, second), tmp_path)
    assert saved_round(tmp_path) == 0  # the round was left half played, and was not saved
    assert len(train(ToyObjective(CONFIG), Dots(), tmp_path)) == 9


def test_a_signal_that_is_ignored_stays_ignored(tmp_path):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert len(train(ToyObjective(CONFIG), Knocking(3, signal.SIGINT), tmp_path)) == 9
    finally:
        signal.signal(signal.SIGINT, before)


def test_in_another_thread_nothing_is_installed(tmp_path):
    handlers, lengths = [], []

    class Watching(Dots):
        def batch(self, indices):
            handlers.append([signal.getsignal(number) for number in SIGNALS])
            return super().batch(indices)

    def work():
        lengths.append(len(train(ToyObjective(CONFIG), Watching(), tmp_path)))

    before = [signal.getsignal(number) for number in SIGNALS]
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert lengths == [9] and all(installed == before for installed in handlers)


# --- saving by time ---


class Slow(Dots):
    """Reads for half a minute, by a clock of its own; the power fails in round 8."""

    now = 1000.0

    def batch(self, indices):
        self.now += 30
        if self.now >= 1000 + 8 * 30:
            raise KeyError("the power failed")
        return super().batch(indices)


@pytest.mark.parametrize(("minutes", "saved"), [(0.0, 0), (1.0, 6), (1.5, 6), (2.0, 4), (9.0, 0)])
def test_a_checkpoint_is_written_after_some_minutes(tmp_path, monkeypatch, minutes, saved):
    source = Slow()
    monkeypatch.setattr("course_lib.training.state.time.monotonic", lambda: source.now)
    with pytest.raises(CourseError, match="the power failed"):
        train(ToyObjective(replace(CONFIG, save_minutes=minutes)), source, tmp_path)
    assert saved_round(tmp_path) == saved


def test_two_minutes_are_the_default():
    assert ToyConfig().save_minutes == 2.0


def test_a_clock_that_jumps_disturbs_nobody(tmp_path, monkeypatch):
    """The newest state is the one of the highest round, whatever the files' dates say."""
    train(ToyObjective(replace(CONFIG, rounds=2)), Dots(), tmp_path)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    train(ToyObjective(replace(CONFIG, rounds=4)), Dots(), tmp_path)
    os.utime(tmp_path / "last.safetensors", (0, 0))
    assert len(train(ToyObjective(replace(CONFIG, rounds=5)), Dots(), tmp_path)) == 5
    assert saved_round(tmp_path) == 5


# --- for real ---

PROGRAM = """
import sys, time
from course_lib.training import train
from tests.training.toy import Dots, ToyConfig, ToyObjective

class Slow(Dots):
    pause = 0.05

    def batch(self, indices):
        print("round", flush=True)
        time.sleep(self.pause)
        return super().batch(indices)

config = ToyConfig(rounds=100_000, save_every=100_000, save_minutes=0)
history = train(ToyObjective(config), Slow(), sys.argv[1], show=False)
print("returned", len(history), flush=True)
"""


def test_sigterm_from_a_batch_system(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        stdout=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    while process.stdout.readline() != "round\n":
        pass
    process.terminate()
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert saved_round(tmp_path) == int(said.split("returned ")[1]) >= 1


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    """A real one, with ``course`` as its cells find it."""
    manager = pytest.importorskip("jupyter_client").KernelManager()
    place = tmp_path_factory.mktemp("kernel")
    setting = {"PYTHONPATH": str(ROOT), "COURSE_RUNS": str(place), "COURSE_PROFILE": "smoke"}
    manager.start_kernel(cwd=str(ROOT), env=os.environ | setting)
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=120)
        yield manager, client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_the_stop_button_of_a_notebook(kernel, tmp_path):
    """One interrupt returns the history, two raise, and the kernel goes on."""
    assert played(kernel, PROGRAM.split("history =")[0])["status"] == "ok"
    cell = f"history = train(ToyObjective(config), Slow(), {str(tmp_path)!r}, show=False)"
    assert played(kernel, cell, interrupts=1)["status"] == "ok"
    assert saved_round(tmp_path) >= 1
    stopped = played(kernel, f"Slow.pause = 20; {cell}", interrupts=2)
    assert (stopped["status"], stopped["ename"]) == ("error", "KeyboardInterrupt")
    check = "import signal; assert signal.getsignal(2) is signal.default_int_handler"
    assert played(kernel, f"{check}; assert len(history) >= 1")["status"] == "ok"


@pytest.mark.slow
@pytest.mark.parametrize("magic", [f"!{sys.executable} -m", "%run -m"])
def test_the_stop_button_while_a_command_trains(kernel, tmp_path, magic):
    """A line behind ``!`` is killed a moment after Ctrl-C, and yet its training is saved."""
    numbers = "--rounds 100000 --save_every 100000 --sample_every 100000 --batch_size 1400"
    cell = f"{magic} course_lib train dcgan --data digits {numbers} --out {tmp_path}/run"
    shown: list[str] = []
    assert played(kernel, cell, 1, sign="/100000 [", shown=shown)["status"] == "ok"
    assert "\x1b" not in "".join(shown)
    for _ in range(100):  # it is still at its round
        if saved_round(tmp_path / "run") >= 1:
            break
        time.sleep(0.2)
    assert 1 <= saved_round(tmp_path / "run") < 100_000


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no terminals that hang up")
def test_a_terminal_that_closes_ends_the_round_and_is_never_impatient(tmp_path):
    history = train(ToyObjective(CONFIG), Knocking(3, signal.SIGHUP, signal.SIGHUP), tmp_path)
    assert history.rounds == [1, 2, 3] and saved_round(tmp_path) == 3
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL


def played(kernel, code, interrupts=0, sign="round\n", shown=None):
    """Runs a cell; interrupts it when it has said ``sign``. Its reply.

    ``stop_on_error=False``: after a failed cell, a kernel may refuse one that is sent at once.
    """
    manager, client = kernel
    number = client.execute(code, stop_on_error=False)
    while interrupts:
        message = client.get_iopub_msg(timeout=120)
        if message["parent_header"].get("msg_id") != number:
            continue
        said = str(message["content"].get("text", message["content"].get("data", "")))
        if shown is not None:
            shown.append(said)
        if sign in said:
            for _ in range(interrupts):
                manager.interrupt_kernel()
                time.sleep(0.1)  # two signals of one kind at the same time arrive as one
            break
    while (reply := client.get_shell_msg(timeout=120))["parent_header"]["msg_id"] != number:
        pass
    return reply["content"]
