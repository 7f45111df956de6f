"""The process that has torch loaded, and splits off a fenced process for every question.

``python -m course_lib.grading.zygote SOCKET``, begun by :mod:`~course_lib.grading.sandbox`. To load
torch takes seconds, to split off milliseconds; and since it never runs a line of a submission
itself, what one question does can touch no other.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import sys
import tempfile
from contextlib import suppress
from typing import Any

import torch

from course_lib.grading import guard
from course_lib.grading.serve import quiet, serve
from course_lib.grading.values import Closed, receive, send

DIE_WITH_PARENT, ADOPT_ORPHANS = 1, 36  # of prctl


def main(address: str) -> None:
    """Follows the grader's orders until it hangs up."""
    torch.set_num_threads(1)  # a process with threads cannot be split safely
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(ADOPT_ORPHANS, 1)
    own: dict[int, str] = {}
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(address)
        while True:
            try:
                order = receive(control)
            except Closed:
                return
            if order["do"] == "begin":
                _, (number,), *_ = socket.recv_fds(control, 1, 1)
                folder = tempfile.mkdtemp(prefix="question-")
                child = os.fork()
                if not child:
                    control.close()
                    _child(socket.socket(fileno=number), folder, order)
                os.close(number)
                own[child] = folder
                send(control, {"child": child})
            else:
                send(control, _end(order["child"]))
                shutil.rmtree(own.pop(order["child"]), ignore_errors=True)


def _end(child: int) -> dict[str, Any]:
    """Kills the child with all its processes, and says what it has used."""
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:  # it has not yet made its group
        os.kill(child, signal.SIGKILL)
    seconds = 0.0
    with suppress(ChildProcessError):
        while True:  # the whole group: an inner one is ours once the outer one is gone
            _, _, used = os.wait4(-child, 0)
            seconds += used.ru_utime + used.ru_stime
    return {"cpu": seconds}


def _child(channel: socket.socket, folder: str, order: dict[str, Any]) -> None:
    """Puts up the fences, then answers for the submission; never returns."""
    try:
        os.setsid()
        _die_with_parent()
        guard.limit(order["seconds"], order["memory"], order["file"])
        fences = ["limits", *_namespaces(folder, order), *_fences(folder, order)]
        send(channel, {"fences": fences})
        serve(channel, order["source"], order["function"])
    finally:
        os._exit(1)


def _die_with_parent() -> None:
    """Nothing is left running when the grader itself is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)


def _namespaces(folder: str, order: dict[str, Any]) -> list[str]:
    """Where the machine lets us: the caller goes on as the first process of a world of its own."""
    try:
        guard.enter_namespaces()
        inner = os.fork()
    except OSError:
        return []
    if inner:  # the outer one waits; when it is killed, the inner one dies as well
        os._exit(os.waitstatus_to_exitcode(os.waitpid(inner, 0)[1]) & 0xFF)
    _die_with_parent()
    try:
        guard.shut_folders(folder, order["hidden"], order["file"])
    except OSError:
        return ["no network", "no other processes in sight"]
    return ["no network", "no other processes in sight", "disks read-only"]


def _fences(folder: str, order: dict[str, Any]) -> list[str]:
    os.chdir(folder)
    os.environ.update(HOME=folder, TMPDIR=folder)
    tempfile.tempdir = folder
    quiet()
    fences = ["audit hook"]
    try:
        guard.filter_calls()
        fences.append("system calls filtered")
    except OSError:
        pass
    guard.audit(folder, order["hidden"])
    return fences


if __name__ == "__main__":
    main(sys.argv[1])
