"""Make, run and check the notebooks.

A chapter is *written* as ``notebooks/source/NN_name.py`` (jupytext's percent format: a diff that a
person can read) and *read* as ``notebooks/NN_name.ipynb`` (outputs kept, so that it can be read
without being run)::

    python -m scripts.notebooks build    # sources -> .ipynb; unchanged cells keep outputs
    python -m scripts.notebooks run 01   # build, execute, store tidy outputs
    python -m scripts.notebooks check    # are sources and .ipynb in step?

What a cell's header may hold: ``# %% [markdown]``, ``# %% tags=["parameters"]`` and
``# %% alt="what the picture shows"``, the text for those who cannot see the picture. A cell tagged
``slide`` is shown in lessons, too (:mod:`scripts.slides`).
"""

from __future__ import annotations

import argparse
import ast
import base64
import hashlib
import io
import os
import re
import sys
import tempfile
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbformat import NotebookNode

from course_lib.errors import CourseError, Problems, suggestion
from course_lib.profile import PROFILES

ROOT = Path(__file__).resolve().parents[1]

CELL_TIMEOUT = 3600  # seconds; a cell that needs longer belongs on the command line
MAX_NOTEBOOK = 1_500_000  # bytes: what GitHub still renders
MAX_PICTURE = 150_000  # bytes of one PNG

TAGS = {"parameters", "colab-setup", "nbval-check-output", "slide"}
HEADER = {"tags", "alt"}
EDITOR_ONLY = {"title", "lines_to_next_cell"}  # said in a source, not carried into the notebook
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml")
NEW_CELL = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")  # colours and cursor moves of a terminal
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


@dataclass(frozen=True)
class Chapter:
    """A source and the notebook that is made from it."""

    source: Path

    @property
    def name(self) -> str:
        return self.source.stem

    @property
    def notebook(self) -> Path:
        return self.source.parent.parent / f"{self.name}.ipynb"

    def answers_to(self, name: str) -> bool:
        """``01``, ``01_gans_from_zero`` and the path of the notebook all name this chapter."""
        return Path(name).stem in (self.name, self.name.partition("_")[0])


def chapters(folder: Path, names: Sequence[str] = ()) -> list[Chapter]:
    """The chapters of ``folder`` that were asked for: all of them if no name is given."""
    known = [Chapter(source) for source in sorted((folder / "source").glob("*.py"))]
    with Problems("notebooks") as problems:
        for name in names:
            found = any(chapter.answers_to(name) for chapter in known)
            problems.check(
                found, f"no chapter {name!r}", suggestion(name, [chapter.name for chapter in known])
            )
    return [c for c in known if not names or any(c.answers_to(name) for name in names)]


# --- build: from the source, with the outputs that are still true --------------------------------


def build(chapter: Chapter) -> NotebookNode:
    """The notebook of the source; what was kept of the outputs comes from the existing .ipynb."""
    notebook = read_source(chapter.source)
    if chapter.notebook.exists():
        keep_outputs(notebook, read_notebook(chapter.notebook))
    return notebook


def read_source(source: Path) -> NotebookNode:
    """Cells with stable ids, no outputs, and no metadata but the course's own."""
    text = jupytext.read(source, fmt="py:percent")
    check_cells(text.cells, source)
    notebook = nbformat.v4.new_notebook(metadata=deepcopy(METADATA))
    notebook.metadata.course = text.metadata.get("course", NotebookNode())
    for cell, name in zip(text.cells, cell_ids(text.cells), strict=True):
        metadata = {key: cell.metadata[key] for key in sorted(HEADER & set(cell.metadata))}
        new = NEW_CELL[cell.cell_type]
        notebook.cells.append(new(cell.source, id=name, metadata=metadata))
    return notebook


def check_cells(cells: list[NotebookNode], source: Path) -> None:
    """A misspelt key or tag would be lost in silence, and with it what it was for."""
    with Problems(str(source)) as problems:
        for number, cell in enumerate(cells, 1):
            for key in sorted(set(cell.metadata) - HEADER - EDITOR_ONLY):
                problems.add(f"cell {number}: unknown key {key!r}", suggestion(key, HEADER))
            for tag in sorted(set(cell.metadata.get("tags", [])) - TAGS):
                problems.add(f"cell {number}: unknown tag {tag!r}", suggestion(tag, TAGS))
            kind = cell.cell_type
            problems.check(kind in NEW_CELL, f"cell {number} is {kind}", "known: code, markdown")
            problems.check(bool(cell.source.strip()), f"cell {number} is empty")


def cell_ids(cells: list[NotebookNode]) -> Iterator[str]:
    """An id per cell that depends on its text alone: the same on every machine, every time."""
    seen: Counter[str] = Counter()
    for cell in cells:
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
        seen[digest] += 1
        yield digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"


def keep_outputs(notebook: NotebookNode, old: NotebookNode) -> None:
    """Gives each cell of ``notebook`` the outputs of the cell in ``old`` that means the same."""
    kept: defaultdict[str, deque[NotebookNode]] = defaultdict(deque)
    for cell in code_cells(old):
        kept[meaning(cell.source)].append(cell)
    for cell in code_cells(notebook):
        if same := kept[meaning(cell.source)]:
            before = same.popleft()
            cell.outputs, cell.execution_count = before.outputs, before.execution_count
            describe_pictures(cell, outdated=before.metadata.get("alt"))
    if profile := old.metadata.get("course", {}).get("profile"):
        notebook.metadata.course.profile = profile


def meaning(code: str) -> str:
    """What a cell does: comments and line breaks may change without making its output untrue."""
    try:
        quiet = code.rstrip().endswith(";")  # IPython shows no value then
        return f"{ast.dump(ast.parse(code))}{quiet}"
    except SyntaxError:  # a line magic or a shell command
        return code


def describe_pictures(cell: NotebookNode, outdated: str | None = None) -> None:
    """Copies the cell's ``alt`` to its pictures, where nbconvert looks for it.

    A picture that was displayed with its own text (``display(Image(png, alt=...))``) keeps that.
    """
    for output, kind in pictures(cell):
        described = output.metadata.setdefault(kind, NotebookNode())
        if "alt" in cell.metadata and described.get("alt") in (None, outdated):
            described["alt"] = cell.metadata.alt


def pictures(cell: NotebookNode) -> Iterator[tuple[NotebookNode, str]]:
    """The picture outputs of a cell with their MIME types."""
    for output in cell.get("outputs", []):
        for kind in PICTURES:
            if kind in output.get("data", {}):
                yield output, kind


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


# --- run: execute it and keep only what every reader may see -------------------------------------


def run(chapter: Chapter, profile: str) -> NotebookNode:
    """The built notebook with the outputs of a whole run in ``profile``.

    Raises:
        CourseError: a cell fails or takes too long, or the notebook grows too large.
    """
    notebook = read_source(chapter.source)
    executed = deepcopy(notebook)  # the kernel also writes metadata, which is not wanted
    execute(executed, chapter.notebook.parent, profile)
    for cell, done in zip(code_cells(notebook), code_cells(executed), strict=True):
        cell.outputs, cell.execution_count = tidy(done.outputs), done.execution_count
        describe_pictures(cell)
    notebook.metadata.course.profile = profile
    check_size(notebook, chapter.name)
    return notebook


def execute(
    notebook: NotebookNode, folder: Path, profile: str, timeout: float = CELL_TIMEOUT
) -> None:
    """Runs every cell in ``folder`` with the interpreter at hand, not with an installed kernel."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    client = NotebookClient(
        notebook,
        kernel_manager_class=this_python(),
        timeout=timeout,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        coalesce_streams=True,
        on_cell_executed=report_progress(len(notebook.cells)),
    )
    try:
        client.execute(env=kernel_environment(profile))
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        what = ANSI.sub("", str(error)).strip()
        raise CourseError(f"the notebook does not run through:\n{what}") from error


def kernel_environment(profile: str) -> dict[str, str]:
    """The kernel imports the ``course_lib`` of this checkout, whichever one is installed."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "COURSE_PROFILE": profile, "PYTHONPATH": os.pathsep.join(paths)}


def this_python() -> type:
    """A kernel manager that knows one kernel: ipykernel under the interpreter at hand."""
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from traitlets import default

    class ThisPython(AsyncKernelManager):
        @default("kernel_spec_manager")
        def _installed_kernels_are_not_asked(self) -> KernelSpecManager:
            return KernelSpecManager(kernel_dirs=[])

    return ThisPython


def report_progress(cells: int) -> Callable[..., None]:
    """A line for each cell that takes more than a second."""
    began = time.monotonic()

    def report(cell_index: int, **_: Any) -> None:
        nonlocal began
        seconds = time.monotonic() - began
        if seconds > 1:
            line = f"  cell {cell_index + 1} of {cells}: {seconds:.0f} s"
            print(line, file=sys.stderr, flush=True)
        began = time.monotonic()

    return report


def tidy(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Outputs without progress bars, widget views, this machine's folders, oversized pictures."""
    kept = []
    for output in outputs:
        if output.output_type == "stream":
            output.text = without_machine(without_progress(output.text))
            worth_keeping = bool(output.text.strip())
        else:
            was_widget = output.data.pop(WIDGET_VIEW, None) is not None
            worth_keeping = not (was_widget and set(output.data) <= {"text/plain"})
            tidy_data(output.data)
        if worth_keeping:
            kept.append(output)
    return kept


def tidy_data(data: NotebookNode) -> None:
    if "image/png" in data:
        data.pop("image/jpeg", None)  # Pillow hands a notebook every picture in both forms
    for kind, content in data.items():
        if kind == "image/png":
            data[kind] = smaller_png(content)
        elif kind.startswith("text/"):
            data[kind] = without_machine(content)


def without_progress(text: str) -> str:
    """What stays on a screen: overwritten lines and tqdm's bars are gone."""
    text = ANSI.sub("", text)
    lines = [line.rpartition("\r")[2] for line in text.replace("\r\n", "\n").split("\n")]
    return "\n".join(line for line in lines if not re.search(r"\d+%\|.*\|\s*\S+/\S+ \[", line))


def without_machine(text: str) -> str:
    """Folders that name this machine or its user become ``…``."""
    text = re.sub(r"[^\s'\"]*ipykernel_\d+[/\\]\d+\.py", "<cell>", text)
    places = {str(ROOT), str(Path.home()), sys.prefix, tempfile.gettempdir()}
    for place in sorted(places | {os.path.realpath(p) for p in places}, key=len, reverse=True):
        text = re.sub(rf"(?<![\w.-]){re.escape(place)}(?![\w-])", "…", text)
    return text


def smaller_png(content: str) -> str:
    """The picture in at most ``MAX_PICTURE`` bytes: 256 colours first, then fewer pixels."""
    from PIL import Image

    encoded = base64.b64decode(content)
    if len(encoded) <= MAX_PICTURE:
        return content
    picture = Image.open(io.BytesIO(encoded)).convert("RGBA")
    paper = Image.new("RGBA", picture.size, "white")
    picture = Image.alpha_composite(paper, picture).convert("RGB")
    while len(encoded := palette_png(picture)) > MAX_PICTURE and picture.width > 300:
        size = (round(picture.width * 0.9), round(picture.height * 0.9))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    return base64.b64encode(encoded).decode()


def palette_png(picture: Any) -> bytes:
    buffer = io.BytesIO()
    picture.quantize(256).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def check_size(notebook: NotebookNode, name: str) -> None:
    size = len(as_text(notebook).encode())
    if size < MAX_NOTEBOOK:
        return
    sizes = [(len(str(cell.get("outputs", ""))), n) for n, cell in enumerate(notebook.cells, 1)]
    largest = [f"cell {n}: {weight // 1000} kB" for weight, n in sorted(sizes, reverse=True)[:3]]
    raise CourseError(
        f"{size / 1e6:.1f} MB, but a notebook has {MAX_NOTEBOOK / 1e6:.1f} MB at most",
        where=name,
        fix="show less in the largest cells: " + ", ".join(largest),
    )


# --- files ---------------------------------------------------------------------------------------


def read_notebook(path: Path) -> NotebookNode:
    try:
        return nbformat.read(path, as_version=4)
    except (ValueError, AttributeError) as error:  # a merge conflict, half a file, nbformat 3
        raise CourseError(
            f"not a readable notebook ({error})",
            where=str(path),
            fix=f"`git checkout -- {path.name}` in its folder, or delete it and build it anew",
        ) from error


def as_text(notebook: NotebookNode) -> str:
    nbformat.validate(notebook)
    return nbformat.writes(notebook) + "\n"


def write(notebook: NotebookNode, path: Path) -> bool:
    """Writes atomically, and only if something changed; says whether."""
    text = as_text(notebook)
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    unfinished = path.with_suffix(".ipynb.part")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
    return True


def differences(chapter: Chapter) -> list[str]:
    """Where the source and the notebook are out of step; empty if they are in step."""
    if not chapter.notebook.exists():
        return [f"{chapter.notebook.name} is missing"]
    found, wanted = read_notebook(chapter.notebook), build(chapter)
    if as_text(wanted) == chapter.notebook.read_text(encoding="utf-8"):
        return []
    for number, (old, new) in enumerate(zip(found.cells, wanted.cells, strict=False), 1):
        if old != new:
            line = (new.source or old.source).split("\n")[0]
            return [f"{chapter.notebook.name}: cell {number} ({line!r}) differs from its source"]
    if len(found.cells) != len(wanted.cells):
        counts = f"{len(found.cells)} cells, its source {len(wanted.cells)}"
        return [f"{chapter.notebook.name} has {counts}"]
    return [f"{chapter.notebook.name}: its metadata are not those of a built notebook"]


# --- the commands --------------------------------------------------------------------------------


def build_command(found: list[Chapter]) -> int:
    for chapter in found:
        notebook = build(chapter)
        news = "written" if write(notebook, chapter.notebook) else "unchanged"
        print(f"{chapter.notebook.name}: {news}{outputs_wanted(notebook, chapter)}")
    return 0


def outputs_wanted(notebook: NotebookNode, chapter: Chapter) -> str:
    counts = [cell.execution_count for cell in code_cells(notebook)]
    if None not in counts:
        return ""
    command = f"python -m scripts.notebooks run {chapter.name.partition('_')[0]}"
    return f"; {counts.count(None)} of {len(counts)} code cells have no outputs: `{command}`"


def run_command(found: list[Chapter], profile: str) -> int:
    for chapter in found:
        print(f"{chapter.name}: running in profile {profile}", file=sys.stderr, flush=True)
        write(run(chapter, profile), chapter.notebook)
        print(f"{chapter.notebook.name}: {chapter.notebook.stat().st_size // 1000} kB")
    return 0


def check_command(found: list[Chapter], folder: Path) -> int:
    sources = {chapter.name for chapter in chapters(folder)}
    orphans = [path for path in sorted(folder.glob("*.ipynb")) if path.stem not in sources]
    problems = [f"{path.name} has no source" for path in orphans]
    for chapter in found:
        problems += differences(chapter)
    if problems:
        print(*problems, "To mend it: `make notebooks`.", sep="\n", file=sys.stderr)
    return 1 if problems else 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="notebooks.py", description="Make the notebooks.")
    parser.add_argument("--folder", type=Path, default=ROOT / "notebooks", help=argparse.SUPPRESS)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, description in (
        ("build", "make the .ipynb of each source; unchanged cells keep their outputs"),
        ("run", "build, execute, and store tidy outputs"),
        ("check", "are sources and .ipynb in step?"),
    ):
        command = commands.add_parser(name, help=description, description=description)
        count = "+" if name == "run" else "*"
        command.add_argument("names", nargs=count, metavar="NAME", help="01 or 01_gans_from_zero")
        if name == "run":
            command.add_argument("--profile", choices=PROFILES, default="cpu", help="how much work")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    options = parse(argv)
    try:
        found = chapters(options.folder, options.names)
        if options.command == "build":
            return build_command(found)
        if options.command == "run":
            return run_command(found, options.profile)
        return check_command(found, options.folder)
    except CourseError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
