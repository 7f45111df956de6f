"""Makes the lower part of requirements.txt: what the packages of the upper part bring along.

Change a version above the line, then run ``python scripts/pins.py``. Versions below the line stay
as they are unless they must move; delete the lower part first to get the newest of everything.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

REQUIREMENTS = Path(__file__).parents[1] / "requirements.txt"
LINE = "# ---- below: brought along by the above, made by scripts/pins.py ----\n"
COMMAND = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-header", "--universal"]
PINNED_BY_TORCH = ("cuda-", "nvidia-", "triton")  # exactly, and for Linux alone


def main() -> None:
    upper, line, _ = REQUIREMENTS.read_text("utf-8").partition(LINE)
    if not line:
        sys.exit(f"{REQUIREMENTS} has no line {LINE!r}")
    chosen = {row.split("==")[0] for row in upper.splitlines() if "==" in row}
    rows = [
        row
        for row in resolve(upper).splitlines()
        if row.split("==")[0] not in chosen and not row.startswith(PINNED_BY_TORCH)
    ]
    REQUIREMENTS.write_text("\n".join([upper + LINE.rstrip(), *rows, ""]), encoding="utf-8")
    print(f"{len(chosen)} chosen, {len(rows)} brought along")


def resolve(upper: str) -> str:
    """All packages for Python 3.11 and later on every system, each with ``# via ...``."""
    with tempfile.TemporaryDirectory() as folder:
        wanted, found = Path(folder) / "wanted.in", Path(folder) / "found.txt"
        wanted.write_text(upper, encoding="utf-8")
        found.write_text(REQUIREMENTS.read_text("utf-8"), encoding="utf-8")  # to be kept if it fits
        options = ["--python-version=3.11", "--annotation-style=line", f"--output-file={found}"]
        subprocess.run([*COMMAND, *options, str(wanted)], check=True)
        text = found.read_text("utf-8")
    return text.replace(f", -r {wanted}", "")


if __name__ == "__main__":
    main()
