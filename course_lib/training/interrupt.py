"""Ctrl-C, SIGTERM and a lost terminal ask for the end of the round; twice Ctrl-C ends at once."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

__all__ = ["Interrupt"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)  # Ctrl-C and a notebook's stop button; a batch system
HANG_UPS = (signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()  # there is none on Windows


class Interrupt:
    """Inside its ``with`` block the first signal sets :attr:`asked`, the second raises.
    A terminal that closes, as of a lost connection, sets it too, and never raises.

    So D and G are never left half a round apart. Python delivers signals to the main thread only;
    in any other thread nothing is installed. A signal that is ignored (``nohup``) stays ignored.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._on_signal)
            for number in HANG_UPS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._on_hang_up)
            self.terminals = [output for output in (1, 2) if os.isatty(output)]
        return self

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        with contextlib.suppress(RuntimeError):  # the signal came while something was being printed
            print("stopping after this round; once more stops at once", flush=True)

    def _on_hang_up(self, number: int, frame: FrameType | None) -> None:
        """Nobody listens any more: what is said goes nowhere, instead of failing."""
        self.asked, nowhere = True, os.open(os.devnull, os.O_WRONLY)
        for output in self.terminals:
            os.dup2(nowhere, output)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():  # None: it was not set by Python
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
