"""The paper's size within a memory budget, in a process of its own."""

import re
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_version_2_at_128_pixels_trains_within_4_gb(tmp_path):
    """98 million weights with Adam's memory; the plan's promise beside what the process took."""
    options = {
        "data": "storybook", "rounds": 1, "batch_size": 14, "memory": "4GB", "device": "cpu",
        "flip": "false", "workers": 0, "out": tmp_path,
    }  # fmt: skip
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "course_lib", "train", "lostgan", "--profile", "paper", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert re.search(r"4GB allowed; with (checkpointing|accumulate)=", done.stdout), done.stdout
    took = re.search(r"this process took ([\d.]+) GB at most", done.stdout)
    assert took and 1.5 < float(took[1]) <= 4.0, done.stdout
