"""Versions, pins and ranges; the wheel in an empty environment; the course on Colab."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import course_lib
from course_lib import address

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
RANGES = [Requirement(text) for text in PROJECT["dependencies"]]
EXTRAS = [
    Requirement(text) for group in PROJECT["optional-dependencies"].values() for text in group
]
UPPER, LOWER = (ROOT / "requirements.txt").read_text("utf-8").split("# ---- below")
FIVE = ("torch", "torchvision", "numpy", "pillow", "safetensors")


@pytest.fixture(scope="module", autouse=True)
def _only_what_is_installed() -> Iterator[None]:
    """`make` points PYTHONPATH to this checkout; what is tried here must do without."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONPATH", raising=False)
        yield


def run(*command: object, **options: object) -> str:
    """Runs a command that must succeed, and returns what it printed."""
    words = [str(word) for word in command]
    found = subprocess.run(words, capture_output=True, text=True, **options)  # type: ignore
    assert found.returncode == 0, f"{words}\n{found.stdout}\n{found.stderr}"
    return found.stdout


# --- versions ------------------------------------------------------------------------------------


def pins(text: str) -> dict[str, str]:
    """Name and version of every pin; the first one where systems differ."""
    rows = [re.split(r"==|[\s;]", row) for row in text.splitlines() if re.match(r"[\w-]+==", row)]
    return {canonicalize_name(row[0]): row[1] for row in reversed(rows)}


def test_the_version_is_the_same_everywhere() -> None:
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    assert PROJECT["version"] == course_lib.__version__
    assert f"\nversion: {course_lib.__version__}\n" in citation


def test_the_pins_fit_the_ranges() -> None:
    chosen = pins(UPPER)
    for wanted in [*RANGES, *EXTRAS]:
        assert wanted.specifier.contains(chosen[canonicalize_name(wanted.name)]), wanted


def test_every_chosen_package_says_what_it_is_for() -> None:
    silent = [row for row in UPPER.splitlines() if "==" in row and not re.search(r"# \w+", row)]
    assert not silent


def test_what_the_chosen_packages_need_is_pinned_too() -> None:
    missing = {
        f"{name} needs {need}"
        for name in pins(UPPER)
        for need in map(Requirement, metadata.requires(name) or ())
        if need.marker is None or need.marker.evaluate({"extra": ""})
        if not re.match("nvidia|cuda|triton", need.name)  # torch pins these itself
        if canonicalize_name(need.name) not in pins(UPPER) | pins(LOWER)
    }
    assert not missing, "run `python scripts/pins.py`"


# --- the wheel -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: building leaves things behind."""
    copy, out = tmp_path_factory.mktemp("Übung 1 (копия)"), tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT / "course_lib", copy / "course_lib")
    for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-TEXT"):
        shutil.copy(ROOT / name, copy / name)
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", out]
    run(sys.executable, "-m", "pip", "wheel", *options, copy)
    (built,) = out.glob("*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_holds_code_configurations_and_weights(wheel: Path) -> None:
    ours = [path for path in (ROOT / "course_lib").rglob("*") if path.is_file()]
    expected = {str(path.relative_to(ROOT)) for path in ours if "__pycache__" not in path.parts}
    held = set(zipfile.ZipFile(wheel).namelist())
    assert expected == {name for name in held if name.startswith("course_lib/")}
    assert {"LICENSE", "LICENSE-TEXT"} <= {Path(name).name for name in held}


@pytest.fixture(scope="module")
def empty(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that has the wheel, the five packages, and what those five need."""
    folder = tmp_path_factory.mktemp("empty é") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin" / "python"
    run(
        sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel
    )
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(run(python, "-c", code).strip())
    for name in closure(set(FIVE)):
        for top in {file.parts[0] for file in metadata.files(name) or () if file.parts[0] != ".."}:
            if not (site / top).exists() and top not in ("__pycache__", "bin"):
                (site / top).symlink_to(metadata.distribution(name).locate_file(top))
    return folder / "bin"


def closure(names: set[str]) -> set[str]:
    """The distributions and everything they need here."""
    found: set[str] = set()
    while names - found:
        name = (names - found).pop()
        found.add(name)
        for need in map(Requirement, metadata.requires(name) or ()):
            extras = {"", *Requirement(name).extras}
            if need.marker is None or any(need.marker.evaluate({"extra": e}) for e in extras):
                names = names | {need.name} | cuda_parts(need)
    return found


def cuda_parts(need: Requirement) -> set[str]:
    """Wheels of CUDA that ``cuda-toolkit[cublas,...]`` stands for."""
    if need.name != "cuda-toolkit":
        return set()
    return {dist.name for dist in metadata.distributions() if dist.name.startswith("nvidia-")}


PAINT = """
import importlib.util, sys
import course_lib

assert "site-packages" in course_lib.__file__, course_lib.__file__
assert importlib.util.find_spec("matplotlib") is None
for kind, told in {"dcgan": [], "stackgan": ["a large red house on the grass"]}.items():
    picture = course_lib.load(kind).generate(*told, seed=7)
    print(kind, *picture.image.shape)
"""

TRAIN = """
import sys
from pathlib import Path
import torch
from course_lib.dcgan.objective import DCGANConfig, DCGANObjective
from course_lib.scene import SceneBatch
from course_lib.training import train

class Grey:
    name = "grey"
    def __len__(self): return 8
    def batch(self, indices): return SceneBatch(torch.zeros(len(indices), 1, 16, 16))

config = DCGANConfig(rounds=2, batch_size=4, size=16, width_g=8, width_d=8, data="digits")
print(len(train(DCGANObjective(config), Grey(), Path(sys.argv[1]))))
"""


@pytest.mark.slow
def test_five_packages_are_enough_to_paint(empty: Path, tmp_path: Path) -> None:
    painted = run(empty / "python", "-I", "-c", PAINT, cwd=tmp_path).split()
    assert painted[::4] == ["dcgan", "stackgan"]


@pytest.mark.slow
def test_five_packages_are_enough_to_train(empty: Path, tmp_path: Path) -> None:
    assert (
        run(empty / "python", "-I", "-c", TRAIN, tmp_path / "run", cwd=tmp_path).split()[-1] == "2"
    )


@pytest.mark.slow
def test_the_command_answers_where_almost_everything_is_missing(empty: Path) -> None:
    assert "doctor" in run(empty / "course", "--help")
    found = subprocess.run([empty / "course", "doctor"], capture_output=True, text=True)
    assert found.returncode == 1
    assert found.stderr == ""
    assert "!!  widgets" in found.stdout
    assert f'pip install "git+{address.URL}"' in found.stdout


# --- Colab ---------------------------------------------------------------------------------------

LEFT_OUT = {"jedi"}  # IPython asks for it, and Colab leaves it out
MORE = {"papermill"}
PARITY = os.environ.get("COURSE_PARITY")
FREEZES = sorted(Path(PARITY).parent.glob("reference/colab_freeze*.txt")) if PARITY else []
needs_freeze = pytest.mark.skipif(
    not FREEZES, reason="Colab's package list is not beside COURSE_PARITY"
)


def colab() -> dict[str, str]:
    """What Colab has, without CUDA's own packages, which clash with those of the index."""
    rows = [row.split("==") for row in FREEZES[-1].read_text("utf-8").split() if "==" in row]
    has = {canonicalize_name(name): version for name, version in rows}
    return {n: v for n, v in has.items() if not re.match("nvidia|cuda|triton", n)}


@pytest.mark.slow
@needs_freeze
@pytest.mark.parametrize(
    "extras", [["metrics"], ["run", "metrics", "tracking"]], ids=["chapters", "commands"]
)
def test_nothing_that_colab_has_is_changed(tmp_path: Path, extras: list[str]) -> None:
    wanted = [str(need) for need in RANGES]
    wanted += [text for extra in extras for text in PROJECT["optional-dependencies"][extra]]
    (tmp_path / "in.txt").write_text("\n".join(wanted))
    (tmp_path / "has.txt").write_text("\n".join(f"{n}=={v}" for n, v in colab().items()))
    options = ["--python-version=3.13", "--python-platform=linux", "--no-header", "-q"]
    resolved = run(
        *(sys.executable, "-m", "uv", "pip", "compile", *options, "--no-annotate"),
        *("-c", tmp_path / "has.txt", tmp_path / "in.txt"),
    )
    found = {n: v for n, v in pins(resolved).items() if not re.match("nvidia|cuda|triton", n)}
    assert not {name for name, version in found.items() if colab().get(name, version) != version}
    new = found.keys() - colab().keys() - LEFT_OUT
    assert new == {*address.COLAB_LACKS} | (MORE if "run" in extras else set())


def python_313() -> str | None:
    """An interpreter of Colab's version, from the path or from pyenv."""
    installed = sorted(Path.home().glob(".pyenv/versions/3.13*/bin/python3.13"))
    for candidate in [shutil.which("python3.13"), *map(str, installed)]:
        if candidate and not subprocess.run([candidate, "-V"], capture_output=True).returncode:
            return candidate
    return None


@pytest.fixture(scope="module")
def colab_python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Python 3.13 with Colab's versions of all that the course and a kernel need there."""
    folder = tmp_path_factory.mktemp("colab")
    python = folder / "env" / "bin" / "python"
    (folder / "has.txt").write_text("\n".join(f"{n}=={v}" for n, v in colab().items()))
    names = [need.name for need in RANGES if need.name not in address.COLAB_LACKS]
    uv = [sys.executable, "-m", "uv", "-q"]
    run(*uv, "venv", "--seed", "--python", python_313(), folder / "env")
    more = ["ipykernel", "ipython", "nbconvert", "traitlets"]
    run(*uv, "pip", "install", "--python", python, "-c", folder / "has.txt", *names, *more)
    yield python
    shutil.rmtree(folder)  # 5 GB


def installed(python: Path) -> dict[str, str]:
    rows = json.loads(run(python, "-m", "pip", "list", "--format=json"))
    return {canonicalize_name(row["name"]): row["version"] for row in rows}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which git finds this working tree at the course's public address."""
    folder = tmp_path_factory.mktemp("published") / "course"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".venv", ".git", "runs", "*cache*"))
    who = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    run("git", "init", "-q", cwd=folder)
    run("git", "add", "-A", cwd=folder)
    run("git", *who, "commit", "-q", "-m", "published", cwd=folder)
    redirect = {"GIT_CONFIG_KEY_0": f"url.{folder.as_uri()}.insteadOf"}
    return {**os.environ, "GIT_CONFIG_COUNT": "1", **redirect, "GIT_CONFIG_VALUE_0": address.URL}


ON_COLAB = """
import sys, types
sys.modules["google.colab"] = types.ModuleType("google.colab")
exec(sys.argv[1])
import course_lib
print(course_lib.__file__)
"""


@pytest.mark.slow
@pytest.mark.timeout(1500)
@needs_freeze
@pytest.mark.skipif(not python_313(), reason="there is no Python 3.13")
def test_the_chapters_run_on_colabs_versions(
    colab_python: Path, published: dict[str, str], tmp_path: Path
) -> None:
    """The set-up cell adds what is missing and moves nothing; then every chapter runs."""
    before = installed(colab_python)
    code = ["-c", ON_COLAB, address.setup_cell()]
    where = run(colab_python, *code, env=published, cwd=tmp_path).strip().splitlines()[-1]
    assert where == str(tmp_path / "five-painters" / "course_lib" / "__init__.py")
    after = installed(colab_python)
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() == {*address.COLAB_LACKS, PROJECT["name"]}
    notebooks = sorted((tmp_path / "five-painters" / "notebooks").glob("*.ipynb"))
    options = ["--to=notebook", "--execute", "--ExecutePreprocessor.timeout=300"]
    settings = {"COURSE_PROFILE": "smoke", "COURSE_RUNS": str(tmp_path / "runs")}
    for notebook in notebooks:
        run(
            *(colab_python, "-m", "nbconvert", *options, "--output-dir", tmp_path, notebook),
            env={**os.environ, **settings, "PYTHONPATH": ""},
        )
