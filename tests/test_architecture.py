"""Who may lean on whom, what nobody may do, and how large the rooms may be: read from the source.

A wing is a package with ``networks.py``; a new one is covered by being there.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.sizes import COURSE, COURSE_LIMIT, code_lines, code_lines_of, course_lines, limits, wings

ROOT = COURSE.parent
WINGS = {wing.name for wing in wings()}
FILES = sorted(COURSE.rglob("*.py"))
OTHER_FILES = [p for room in ("scripts", "notebooks", "benchmarks", "assignments")
               for p in sorted((ROOT / room).rglob("*.py"))]  # fmt: skip

# Arrows only go down: what a room may import besides itself and the contracts. `wing` stands for
# the own wing alone. Whoever is not in the table stands on top and may import anything.
CONTRACTS = {"address", "errors", "objective", "painter", "paths", "profile", "scene"}
MAY_IMPORT = {
    **{contract: set() for contract in CONTRACTS},
    "data": {"nn", "storage", "foreign"},
    "foreign": {"nn"},
    "nn": set(),
    "text": {"nn", "storage"},
    "segment": {"data", "storage", "foreign"},
    "wing": {"nn", "text"},  # networks, and whatever else a wing splits off
    "wing.objective": {"wing", "nn", "text", "foreign", "storage"},
    "wing.official": {"wing", "nn", "text", "foreign"},
    "storage": set(),
    "devices": set(),
    "memory": {"storage"},
    "training": {"storage", "memory", "devices"},
    "wing.painter": {
        *("wing", "wing.objective", "wing.official"),
        *("training", "storage", "nn", "text", "data"),
    },
    "judges": {"training", "storage", "nn", "data"},
    "metrics": {"judges", "training", "storage", "nn", "data", "foreign"},
    "registry": {
        *("wing", "wing.objective", "wing.official", "wing.painter"),
        *("training", "storage", "data", "foreign"),
    },
    "postcard": {"registry", "data"},
    "timelapse": {"registry"},
    "ensemble": {"registry"},
    "widgets": {
        *("wing.painter", "registry", "postcard", "ensemble"),
        *("training", "metrics", "judges", "data"),
    },
}
TOP = {"", "__main__", "cli", "demo", "doctor", "grading", "run"}

# What `import course_lib`, painting and training may need. A widget is a class of ipywidgets, so
# its file cannot import that later; everybody else imports where the thing is used.
LIGHT = {"torch", "torchvision", "numpy", "PIL", "safetensors", "course_lib"}
WIDGETS = {"anywidget", "ipywidgets", "traitlets"}


def module(path: Path) -> str:
    """``dcgan.networks`` for ``course_lib/dcgan/networks.py``; empty for the package itself."""
    parts = path.relative_to(COURSE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module(path): path for path in FILES}


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), filename=str(path))


def imported(node: ast.AST) -> Iterator[str]:
    """The modules that one statement imports; ``from a import b`` names ``a.b``."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert not node.level, "relative imports hide who leans on whom"
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def leans_on(path: Path) -> set[str]:
    """The modules of the course that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(tree(path)):
        for name in imported(node):
            inside = name.partition(".")[2] if name.partition(".")[0] == "course_lib" else None
            while inside and inside not in MODULES:
                inside = inside.rpartition(".")[0]
            if inside is not None and name != "course_lib.__version__":
                found.add(inside)
    return found


def room(name: str, wing: str | None) -> str:
    """The row of the table that a module belongs to, seen from ``wing``; None sees every wing."""
    package, _, rest = name.partition(".")
    if package not in WINGS:
        return package
    own = "wing" if wing in (None, package) else f"other wing {package}"
    last = rest.rpartition(".")[2]  # a room within a room, as in opgan.damsm.objective
    return f"{own}.{last}" if last in ("objective", "official", "painter") else own


def wrong_arrows(name: str, targets: set[str]) -> set[str]:
    """Which of these modules the module ``name`` must not import."""
    package = name.partition(".")[0]
    own = room(name, wing=package)
    if name in WINGS or own in TOP:  # a wing's __init__ shows what is in it
        return set()
    wing = package if package in WINGS else None  # the registry and the widgets know every wing
    allowed = MAY_IMPORT[own] | CONTRACTS | {own}
    return {target for target in targets if room(target, wing) not in allowed}


@pytest.mark.parametrize("name", MODULES)
def test_arrows_only_go_down(name: str) -> None:
    assert not wrong_arrows(name, leans_on(MODULES[name]))


@pytest.mark.parametrize(
    ("name", "target", "fine"),
    [
        ("dcgan.objective", "dcgan.networks", True),
        ("dcgan.objective", "judges.digits", False),
        ("dcgan.objective", "metrics.features", False),
        ("dcgan.objective", "nn.perceptual", True),
        ("training.loop", "judges.things", False),
        ("dcgan.networks", "dcgan.objective", False),
        ("dcgan.networks", "spade.networks", False),
        ("dcgan.painter", "spade.painter", False),
        ("dcgan.painter", "storage.checkpoint", True),
        ("dcgan.networks", "devices.pick", False),
        ("training.loop", "dcgan.objective", False),
        ("training.loop", "objective", True),
        ("widgets.panel", "spade.painter", True),
        ("widgets.panel", "spade.networks", False),
        ("judges.digits", "registry", False),
        ("scene", "devices.pick", False),
        ("cli", "spade.networks", True),
    ],
)
def test_an_arrow_that_goes_up_is_seen(
    monkeypatch: pytest.MonkeyPatch, name: str, target: str, fine: bool
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "WINGS", {"dcgan", "spade"})
    assert (not wrong_arrows(name, {target})) is fine


def test_every_room_has_its_place() -> None:
    rooms = {name.partition(".")[0] for name in MODULES} - WINGS
    assert rooms <= MAY_IMPORT.keys() | TOP


def test_there_are_no_circles() -> None:
    graph = {name: leans_on(path) - {name} for name, path in MODULES.items()}
    graph[""] = set()  # the package's __init__ imports on demand
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' -> '.join(error.args[1])}")


def at_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run when a module is imported, without those for type checkers."""
    for node in body:
        yield node
        for_checkers = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if isinstance(node, (ast.If, ast.Try, ast.With, ast.ClassDef)) and not for_checkers:
            yield from at_import(node.body)


@pytest.mark.parametrize("name", MODULES)
def test_importing_needs_five_packages_only(name: str) -> None:
    fine = LIGHT | sys.stdlib_module_names
    if name.startswith("widgets."):
        fine |= WIDGETS
    found = {full.partition(".")[0] for node in at_import(tree(MODULES[name]).body)
             for full in imported(node)}  # fmt: skip
    assert found <= fine


# --- what nobody may do --------------------------------------------------------------------------


def called(node: ast.Call) -> str:
    return ast.unparse(node.func)


def keywords(node: ast.Call) -> dict[str, str]:
    return {keyword.arg or "**": ast.unparse(keyword.value) for keyword in node.keywords}


RUNS_CODE = {
    *("pickle.load", "pickle.loads", "pickle.Unpickler", "dill.load", "dill.loads", "joblib.load"),
    *("torch.load", "torch.jit.load", "np.load", "numpy.load", "yaml.load", "yaml.unsafe_load"),
    *("marshal.load", "marshal.loads", "shelve.open", "pd.read_pickle", "pandas.read_pickle"),
}


def runs_code_from_files(node: ast.AST, path: Path) -> bool:
    """Pickles are read by ``foreign.py`` alone, and never without its restrictions."""
    foreign = path == COURSE / "foreign.py"
    forbidden = RUNS_CODE - {"torch.load", "pickle.Unpickler"} if foreign else RUNS_CODE
    if isinstance(node, ast.ImportFrom):
        return any(f"{node.module}.{alias.name}" in RUNS_CODE for alias in node.names)
    if isinstance(node, ast.Attribute):
        return ast.unparse(node) in forbidden
    if not isinstance(node, ast.Call):
        return False
    safe = keywords(node).get("weights_only", "" if called(node) == "torch.load" else "True")
    return safe != "True" or called(node) in {"eval", "exec"}


def says_nothing(node: ast.AST, path: Path) -> bool:
    """A bare assert tells a learner nothing; a ``CourseError`` does."""
    return isinstance(node, ast.Assert)


def loads_half(node: ast.AST, path: Path) -> bool:
    """``strict=False`` loads nothing at all where no name fits, and says nothing."""
    return (
        isinstance(node, ast.Call)
        and called(node).endswith("load_state_dict")
        and "strict" in keywords(node)
    )


def hangs_headless(node: ast.AST, path: Path) -> bool:
    """``Output`` as a context and ``interact`` hang headless runs by chance."""
    name = called(node).rpartition(".")[2] if isinstance(node, ast.Call) else ""
    return name in {"Output", "interact", "interactive", "interactive_output"}


def leaves_geometry_open(node: ast.AST, path: Path) -> bool:
    """Defaults of ``align_corners`` have changed before; a mode is part of the method."""
    if not isinstance(node, ast.Call):
        return False
    name, given = called(node).rpartition(".")[2], keywords(node)
    if name in {"grid_sample", "affine_grid"}:
        return "align_corners" not in given
    if name in {"interpolate", "Upsample"}:
        mode = given.get("mode", "")
        return not mode or ("nearest" not in mode and "area" not in mode
                            and "align_corners" not in given)  # fmt: skip
    return False


FORBIDDEN = [
    runs_code_from_files,
    says_nothing,
    loads_half,
    hangs_headless,
    leaves_geometry_open,
]


@pytest.mark.parametrize("fault", FORBIDDEN, ids=lambda fault: fault.__name__)
def test_nobody(fault: Callable[[ast.AST, Path], bool]) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}"
        for path in FILES + (OTHER_FILES if fault is runs_code_from_files else [])
        for node in ast.walk(tree(path))
        if fault(node, path)
    ]
    assert not found, fault.__doc__


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (runs_code_from_files, "torch.load(path)"),
        (runs_code_from_files, "read(path, weights_only=False)"),
        (runs_code_from_files, "read(path, weights_only=trusted)"),
        (runs_code_from_files, "from pickle import load as read"),
        (runs_code_from_files, "class Reader(pickle.Unpickler): ..."),
        (runs_code_from_files, "eval(text)"),
        (runs_code_from_files, "yaml.load(text, yaml.Loader)"),
        (says_nothing, "assert dataset"),
        (loads_half, "model.load_state_dict(weights, strict=False)"),
        (hangs_headless, "widgets.Output()"),
        (leaves_geometry_open, "F.grid_sample(x, grid)"),
        (leaves_geometry_open, "F.interpolate(x, size)"),
        (leaves_geometry_open, "nn.Upsample(scale_factor=2, mode='bilinear')"),
    ],
)
def test_a_fault_is_seen(fault: Callable[[ast.AST, Path], bool], code: str) -> None:
    assert any(fault(node, COURSE / "new.py") for node in ast.walk(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        "F.interpolate(x, size, mode='nearest-exact')",
        "F.interpolate(x, size, mode='bilinear', align_corners=False)",
        "F.affine_grid(theta, size, align_corners=False)",
        "model.load_state_dict(weights)",
        "yaml.safe_load(text)",
    ],
)
def test_what_is_right_is_no_fault(code: str) -> None:
    for node in ast.walk(ast.parse(code)):
        assert not [fault for fault in FORBIDDEN if fault(node, COURSE / "new.py")]


# --- the tree ------------------------------------------------------------------------------------

NOT_OURS = {".git", ".hypothesis", ".venv", "build", "datasets", "dist", "runs"}
TEXT = {"", ".cfg", ".cff", ".css", ".ipynb", ".js", ".json", ".md", ".py", ".sh", ".toml", ".txt"}
# Put together here, so that this file does not find itself.
FOREIGN_WORDS = {
    "a machine's folder": re.compile(r"(?<![\w.…/-])/(?:wo" r"rk|ro" r"ot)/\w"),
    "a folder beside the repository": re.compile(r"\.\./sha" r"red"),
    "how the work was organised": re.compile(
        r"\bissue" r" \d|\bthis ses" r"sion\b|\bthe bri" r"ef\b"
    ),
}


def texts() -> Iterator[Path]:
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        hidden = any(part in NOT_OURS or part.endswith(("_cache", ".egg-info")) for part in parts)
        if not hidden and path.is_file() and path.suffix in TEXT:
            yield path


@pytest.mark.parametrize("what", FOREIGN_WORDS)
def test_the_tree_speaks_of_nothing_outside(what: str) -> None:
    pattern, exempt = FOREIGN_WORDS[what], ROOT / ".ci" / "run"
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in texts()
        for match in [pattern.search(path.read_text("utf-8"))]
        if match and path != exempt
    ]
    assert not found


@pytest.mark.parametrize(("folder", "limit"), limits().items(), ids=lambda value: str(value)[-16:])
def test_rooms_stay_small(folder: Path, limit: int) -> None:
    assert code_lines(folder) <= limit


def test_the_course_stays_small() -> None:
    assert course_lines() <= COURSE_LIMIT


def test_explanations_are_not_counted_as_code() -> None:
    source = '"""What\nit does."""\n\n# why\ndef f():\n    """How."""\n    return """a\nb"""\n'
    assert code_lines_of(source) == 3
