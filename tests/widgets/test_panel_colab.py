"""Panels under the versions that Colab has: the same tests, in an environment of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COLAB = ["ipywidgets==7.7.1", "traitlets==5.7.1", "ipython==7.34.0", "ipykernel==6.17.1"]
OLD_NEEDS = ["backcall", "decorator", "ipython-genutils", "pickleshare"]
TESTS = [
    f"tests/widgets/{name}.py"
    for name in (
        "test_canvas",
        "test_layout_editor",
        "test_panel",
        "test_panels",
        "test_panel_notebook",
        "test_spade_panel",
    )  # fmt: skip
]
VERSIONS = """
import IPython, ipykernel, ipywidgets, traitlets
print(*[m.__version__ for m in (ipywidgets, traitlets, IPython, ipykernel)])
"""


@pytest.fixture(scope="module")
def colab(tmp_path_factory) -> Path:
    """A Python with Colab's widgets; all else is this Python's."""
    folder = tmp_path_factory.mktemp("colab") / "env"
    python = folder / "bin" / "python"
    uv = [sys.executable, "-m", "uv"]
    install = [*uv, "pip", "install", "-q", "--no-deps", "--python", str(python)]
    try:
        subprocess.run([*uv, "venv", "-q", "--python", sys.executable, str(folder)], check=True)
        subprocess.run([*install, *COLAB, *OLD_NEEDS], check=True, timeout=300)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"Colab's widgets cannot be installed here: {error}")
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "ours.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


@pytest.mark.slow
def test_panels_work_with_colabs_widgets(colab):
    found = subprocess.run([colab, "-c", VERSIONS], capture_output=True, text=True, check=True)
    assert found.stdout.split() == [name.partition("==")[2] for name in COLAB]
    run = subprocess.run(
        [colab, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS],
        env=os.environ | {"JUPYTER_PATH": f"{sys.prefix}/share/jupyter"},  # nbconvert's templates
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-5000:]
    assert " passed" in run.stdout
