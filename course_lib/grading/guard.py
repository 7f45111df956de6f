"""What a submission's process may do: hardly anything but compute.

Four fences, one inside the other. Not every machine has the first two; which ones stood is part of
every report.

1. *Namespaces* (Linux): no network at all, no other process in sight, and every disk read-only but
   a small one in memory, which lies over the folders that must not be read.
2. *seccomp* (Linux): the kernel refuses new processes, sockets, signals to others and tracing.
3. *Limits* on processor time, memory, sizes of files and open files.
4. An *audit hook*, which Python itself cannot take away again: it refuses to write outside the own
   folder, to read the hidden ones, and to begin processes or connections.
"""

from __future__ import annotations

import ctypes
import math
import os
import platform
import resource
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["Refused", "audit", "enter_namespaces", "filter_calls", "limit", "shut_folders"]

NAMESPACES = (
    0x10000000 | 0x20000000 | 0x40000000 | 0x00020000 | 0x08000000
)  # user pid net mount ipc
READ_ONLY, PRIVATE, RECURSIVE, HERE = 1, 1 << 18, 0x8000, -100  # of mount_setattr
MOUNT_SETATTR = 442  # on every architecture
NO_NEW_PRIVILEGES, SET_SECCOMP, FILTER = 38, 22, 2  # of prctl


class Refused(PermissionError):
    """Something that a submission may not do."""


# --- 1: namespaces --------------------------------------------------------------------------------


def enter_namespaces() -> None:
    """Leaves network, processes and mounts of the machine; the next child is the first process.

    Raises:
        OSError: this machine does not let us.
    """
    if sys.platform != "linux":
        raise OSError(f"{sys.platform} has no namespaces")
    user, group = os.getuid(), os.getgid()
    _call("unshare", NAMESPACES)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")


def shut_folders(own: str, hidden: Sequence[str], size: int) -> None:
    """Every disk becomes read-only, hidden folders empty, and ``own`` a small disk in memory.

    Raises:
        OSError: this machine does not let us.
    """
    everything = struct.pack("QQQQ", READ_ONLY, 0, PRIVATE, 0)
    _call("syscall", MOUNT_SETATTR, HERE, b"/", RECURSIVE, everything, len(everything))
    for folder in filter(os.path.isdir, hidden):
        _call("mount", b"none", os.fsencode(folder), b"tmpfs", READ_ONLY, b"size=4k")
    _call("mount", b"none", os.fsencode(own), b"tmpfs", 0, f"size={size}".encode())
    try:  # of this namespace alone: nobody reads the grader's environment or memory
        _call("mount", b"proc", b"/proc", b"proc", READ_ONLY, None)
    except OSError:
        _call("mount", b"none", b"/proc", b"tmpfs", READ_ONLY, b"size=4k")


def _call(name: str, *arguments: Any) -> None:
    """A function of the C library, whose failure is an ``OSError``."""
    library = ctypes.CDLL(None, use_errno=True)
    as_long = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    if getattr(library, name)(*as_long) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


# --- 2: seccomp -----------------------------------------------------------------------------------

# Numbers of system calls: socket, kill, ptrace, process_vm_readv and _writev, io_uring_setup,
# pidfd_open, then fork and vfork where there are such. A clone is refused unless it is a thread.
CALLS = {
    "x86_64": (0xC000003E, 56, (41, 62, 101, 310, 311, 425, 434, 57, 58)),
    "aarch64": (0xC00000B7, 220, (198, 129, 117, 270, 271, 425, 434)),
}
CLONE3, THREAD, X32 = 435, 0x00010000, 0x40000000
LOAD, EQUAL, AT_LEAST, ANY_BIT, ANSWER = 0x20, 0x15, 0x35, 0x45, 0x06  # instructions of BPF
ALLOW, KILL, DENY, UNKNOWN = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026  # EPERM, ENOSYS


def filter_calls() -> None:
    """The kernel refuses processes, sockets, signals and tracing from now on.

    Raises:
        OSError: this machine does not let us, or is of a kind that is not listed.
    """
    if sys.platform != "linux" or platform.machine() not in CALLS:
        raise OSError(f"no list of system calls for {sys.platform} on {platform.machine()}")
    kind, clone, refused = CALLS[platform.machine()]
    program = [
        (LOAD, 0, 0, 4), (EQUAL, 1, 0, kind), (ANSWER, 0, 0, KILL),
        (LOAD, 0, 0, 0), (AT_LEAST, 0, 1, X32), (ANSWER, 0, 0, DENY),
        (EQUAL, 0, 1, CLONE3), (ANSWER, 0, 0, UNKNOWN),  # the C library then takes clone
        *(line for call in refused for line in ((EQUAL, 0, 1, call), (ANSWER, 0, 0, DENY))),
        (EQUAL, 0, 3, clone), (LOAD, 0, 0, 16), (ANY_BIT, 1, 0, THREAD), (ANSWER, 0, 0, DENY),
        (ANSWER, 0, 0, ALLOW),
    ]  # fmt: skip
    code = b"".join(struct.pack("HBBI", *line) for line in program)
    buffer = ctypes.create_string_buffer(code)
    head = struct.pack("HxxxxxxQ", len(program), ctypes.addressof(buffer))
    _call("prctl", NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    _call("prctl", SET_SECCOMP, FILTER, head, 0, 0)


# --- 3: limits ------------------------------------------------------------------------------------


def limit(seconds: float, memory: int, file: int) -> None:
    """Processor time in seconds, memory beyond what is taken now and a file's size in bytes."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file, file))
    whole = math.ceil(seconds)  # no softer limit: a signal could be ignored
    resource.setrlimit(resource.RLIMIT_CPU, (whole, whole))
    if sys.platform == "linux":  # elsewhere the limit is not kept, and cannot be set
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + memory
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


# --- 4: the audit hook ----------------------------------------------------------------------------

NEVER = (
    *("socket.", "subprocess.", "ctypes.", "pty.", "os.fork", "os.exec", "os.posix_spawn"),
    *("os.system", "os.kill", "os.chown", "os.chmod", "os.startfile", "signal.pthread_kill"),
)
CHANGES = ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink",
           "os.truncate", "shutil.")  # fmt: skip
LISTS = ("os.listdir", "os.scandir")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def audit(own: str, hidden: Sequence[str]) -> None:
    """Python refuses from now on what :data:`NEVER` lists, and what concerns others' files."""
    real = os.path.realpath  # the names that a submission could put something else in place of
    home, shut = real(own), tuple(real(folder) for folder in hidden)
    separator, encode = os.sep, os.fsdecode

    def inside(path: Any, *folders: str) -> bool:
        place = real(encode(path)) + separator
        return any(place.startswith(folder + separator) for folder in folders)

    def check(path: Any, writes: bool) -> None:
        if isinstance(path, (str, bytes)) and (
            inside(path, *shut) or (writes and not inside(path, home))
        ):
            raise Refused(f"{encode(path)!r} is out of a graded function's reach")

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event.startswith(NEVER):
            raise Refused(f"{event}: a graded function may not do this")
        if event == "open":
            check(arguments[0], bool((arguments[2] or 0) & WRITES))
        elif event.startswith((*CHANGES, *LISTS)):
            for path in arguments:
                check(path, event not in LISTS)

    sys.addaudithook(hook)
