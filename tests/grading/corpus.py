"""What students' functions have done to graders: each is a body for ``power_step(weight, u)``.

None may pass, none may harm its neighbours or anything outside, and all end in bounded time.
``{home}`` is a folder with files that must stay as they are.
"""

from __future__ import annotations

RIGHT = """
    v = F.normalize(weight.T @ u, dim=0)
    return v, F.normalize(weight @ v, dim=0)
"""

HOSTILE = {
    "infinite loop": "while True: pass",
    "fork bomb": "while True: os.fork()",
    "memory hog": "return torch.ones(2**34), torch.ones(3)",
    "leaves with code 0": "os._exit(0)",
    "forges grades": """
        for folder in ("{home}", "."):
            pathlib.Path(folder, "grades.csv").write_text("student,points\\nme,100")
        return 100, "PASS" """,
    "prints the result channel": """
        for number in range(3, 64):
            try: os.write(number, struct.pack(">QQ", 4, 0) + b"true")
            except OSError: pass
        return "PASS" """,
    "calls home": """
        with socket.create_connection(("127.0.0.1", {port}), timeout=1) as line:
            line.sendall(b"help")
            return torch.frombuffer(line.recv(64)), u""",
    "deletes files": """
        shutil.rmtree("{home}", ignore_errors=True)
        pathlib.Path("{home}", "thesis.txt").unlink()""",
    "patches torch": """
        torch.allclose = torch.equal = lambda *a, **k: True
        builtins.print = lambda *a: None
        return torch.zeros(weight.shape[1]), torch.zeros(weight.shape[0])""",
    "reads the hidden tests": """
        found = [p.read_text() for p in pathlib.Path("{home}").rglob("*.py")]
        return found[0], u""",
    "takes the library's": """
        from course_lib.nn.spectral import SpectralNorm
        layer = SpectralNorm(weight, 1e-12)
        layer.u.copy_(u)
        layer(weight)
        return layer.v, layer.u""",
}

# The rest of what is known; `make test-slow` goes through it.
MORE = {
    "swallows every exception": """
        while True:
            try: time.sleep(10)
            except BaseException: pass""",
    "leaves politely": "sys.exit(0)",
    "a list of 2 GB": "return [0] * 2**33, u",
    "a file of 10 GB": """
        with open("large", "wb") as file:
            for _ in range(10_000): file.write(bytes(2**20))
        return u, u""",
    "deletes its own folder": """
        shutil.rmtree(".")
        return u, u""",
    "reads the parent's environment": """
        return pathlib.Path("/proc", str(os.getppid()), "environ").read_text(), u""",
    "raises in __repr__": """
        class Odd(Exception):
            def __str__(self): raise ValueError
            __repr__ = __eq__ = __str__
        raise Odd""",
    "an object whose __array__ lies": """
        class Liar:
            def __array__(self, *a, **k): return (weight.T @ u).numpy()
        return Liar(), Liar()""",
    "broadcasts": """
        v = F.normalize(weight.T @ u, dim=0)
        return v[:, None], F.normalize(weight @ v, dim=0)[:, None]""",
    "returns its input": "return u, u",
    "changes its input": """
        weight.zero_()
        return weight[0], weight[:, 0]""",
    "a thread that goes on": """
        threading.Thread(target=lambda: [time.sleep(1) for _ in range(1000)]).start()
        return u, u""",
    "says farewell": """
        atexit.register(lambda: time.sleep(1000))
        return u, u""",
    "ignores signals": """
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGXCPU, signal.SIG_IGN)
        signal.alarm(0)
        while True: pass""",
    "prints bytes that are no text": """
        os.write(1, bytes(range(256)))
        return u, u""",
    "prints 100 MB": """
        for _ in range(100): print("x" * 2**20)
        return u, u""",
    "needs a GPU": "return (weight.cuda().T @ u.cuda()), u",
    "needs a package": """
        import no_such_package_at_all
        return u, u""",
    "float64": """
        v = F.normalize(weight.T.double() @ u.double(), dim=0)
        return v, F.normalize(weight.double() @ v, dim=0)""",
    "NaN": "return u * float('nan'), u * float('nan')",
    "numpy": """
        v = F.normalize(weight.T @ u, dim=0)
        return v.numpy(), F.normalize(weight @ v, dim=0).numpy()""",
    "correct, but slow": """
        time.sleep(1000)
        v = F.normalize(weight.T @ u, dim=0)
        return v, F.normalize(weight @ v, dim=0)""",
    "kills everybody": """
        os.kill(os.getppid(), 9)
        os.kill(-1, 9)""",
    "begins a program": """
        subprocess.run(["touch", "{home}/was_here"])
        return u, u""",
    "loads C": """
        import ctypes
        ctypes.CDLL(None).remove(b"{home}/thesis.txt")
        return u, u""",
    "hard-coded": "return torch.tensor([0.6, 0.8]), torch.tensor([1.0, 0.0])",
}

IMPORTS = """
import atexit, builtins, os, pathlib, shutil, signal, socket, struct, subprocess, sys
import threading, time
import torch
import torch.nn.functional as F
"""


def body(text: str) -> str:
    """A function with this body, at the right depth."""
    lines = text.strip("\n").rstrip().splitlines()
    depth = len(lines[0]) - len(lines[0].lstrip())
    return "def power_step(weight, u):\n" + "\n".join("    " + line[depth:] for line in lines)
