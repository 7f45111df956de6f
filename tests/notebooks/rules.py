"""What must hold for every chapter's notebook: a rule a function, from a notebook to its faults.

``test_structure.py`` applies all of them to every notebook; ``test_rules.py`` plants a fault for
each and sees it found. A rule says what is wrong and where; an empty list means that all is well.
"""

from __future__ import annotations

import ast
import re
import socket
import symtable
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import nbformat
from nbformat import NotebookNode

from course_lib.address import setup_cell
from scripts.notebooks import MAX_NOTEBOOK, WIDGET_VIEW, as_text, cell_ids, code_cells, pictures

Rule = Callable[[NotebookNode], list[str]]

MAX_LINES = 45
MAX_PARAMETERS = 10
SHORTEST_ALT = 20  # characters; "a plot" says nothing


# --- helpers: cells as a reader counts them, from 1 -----------------------------------------------


def numbered(notebook: NotebookNode, kind: str) -> Iterator[tuple[int, NotebookNode]]:
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == kind:
            yield number, cell


def tagged(notebook: NotebookNode, tag: str) -> list[NotebookNode]:
    return [cell for cell in code_cells(notebook) if tag in cell.metadata.get("tags", [])]


def is_start(notebook: NotebookNode) -> bool:
    """Chapter 00 shows the house; it is shorter and has no quiz."""
    return bool(notebook.metadata.get("course", {}).get("kind") == "start")


def without_code(text: str) -> str:
    """Markdown without what stands in back-ticks."""
    text = re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.M | re.S)
    return re.sub(r"(`+).+?\1", "", text, flags=re.S)


def plain_python(code: str) -> str:
    """The cell without IPython's magics and shell commands."""
    return re.sub(r"^(\s*)[%!].*$", r"\1pass", code, flags=re.M)


def texts(cell: NotebookNode) -> Iterator[str]:
    """Everything in a cell that a reader can see as text; pictures inside HTML are left out."""
    yield cell.source
    for output in cell.get("outputs", []):
        yield output.get("text", "")
        for kind, content in output.get("data", {}).items():
            if kind.startswith("text/"):
                yield re.sub(r"base64,[\w+/=\s]+", "", content)


def searched(notebook: NotebookNode, forbidden: dict[str, str], code_only: bool) -> list[str]:
    """Where one of the ``forbidden`` patterns occurs: in sources, or in all texts of all cells."""
    faults = []
    for number, cell in enumerate(notebook.cells, 1):
        if code_only and cell.cell_type != "code":
            continue
        for text in [cell.source] if code_only else texts(cell):
            for what, pattern in forbidden.items():
                if found := re.search(pattern, text):
                    faults.append(f"cell {number}: {what}: {found[0].strip()!r}")
    return faults


# --- the file -------------------------------------------------------------------------------------


def is_valid(notebook: NotebookNode) -> list[str]:
    if notebook.nbformat_minor < 5:
        return ["older than format 4.5: its cells have no ids"]
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        return [str(error).splitlines()[0]]
    return []


def ids_come_from_the_text(notebook: NotebookNode) -> list[str]:
    wanted = list(cell_ids(notebook.cells))
    pairs = enumerate(zip(notebook.cells, wanted, strict=True), 1)
    return [f"cell {n}: id {cell.get('id')}, not {name}" for n, (cell, name) in pairs
            if cell.get("id") != name]  # fmt: skip


def is_small(notebook: NotebookNode) -> list[str]:
    size = len(as_text(notebook).encode())
    return [f"{size} bytes, at most {MAX_NOTEBOOK}"] if size >= MAX_NOTEBOOK else []


def metadata_are_clean(notebook: NotebookNode) -> list[str]:
    known = {"kernelspec", "language_info", "course"}
    faults = [f"metadata {key!r} must go" for key in sorted(set(notebook.metadata) - known)]
    for number, cell in enumerate(notebook.cells, 1):
        if any(WIDGET_VIEW in output.get("data", {}) for output in cell.get("outputs", [])):
            faults.append(f"cell {number}: a saved widget view")
    return faults


def names_no_machine(notebook: NotebookNode) -> list[str]:
    forbidden = {
        "a path of one machine": r"(?<![\w.:/-])/(?:home|root|Users|work|workspace|tmp|private|var"
        r"|mnt|srv|opt|usr)/[\w.-]+|\b[A-Z]:\\+(?:Users|Windows|Temp)\b",
        "a secret": r"\bgh[pousr]_\w{20,}|\bgithub_pat_\w{20,}|\bhf_\w{20,}|\bsk-[\w-]{20,}"
        r"|\bAKIA[0-9A-Z]{16}\b|\bxox[abprs]-[\w-]{10,}|[?&]token=\w+",
        "a local address": r"\b(?:localhost|127\.0\.0\.1):\d+|\b[\w-]+\.(?:internal|lan|corp)\b",
    }
    if len(host := socket.gethostname()) >= 6 and host != "localhost":
        forbidden["the name of this machine"] = re.escape(host)
    return searched(notebook, forbidden, code_only=False)


# --- the special cells ----------------------------------------------------------------------------


def begins_with_the_setup_cell(notebook: NotebookNode) -> list[str]:
    found = tagged(notebook, "colab-setup")
    if len(found) != 1 or found[0] is not code_cells(notebook)[0]:
        return ["the first code cell, and no other, must be tagged colab-setup"]
    same = found[0].source == setup_cell()
    return [] if same else ["the set-up cell is not course_lib.address.setup_cell(): make badges"]


def parameters_are_typed(notebook: NotebookNode) -> list[str]:
    cells = tagged(notebook, "parameters")
    if len(cells) != 1:
        return [f"{len(cells)} code cells are tagged parameters, it must be one"]
    lines = cells[0].source.splitlines()
    statements = ast.parse(plain_python(cells[0].source)).body
    faults = [] if len(statements) <= MAX_PARAMETERS else [f"{len(statements)} parameters are many"]
    for statement in statements:
        line = lines[statement.lineno - 1]
        if not is_typed_literal(statement):
            faults.append(f"not `name: type = literal`: {line}")
        elif "  # " not in line:
            faults.append(f"no comment that says what it means: {line}")
    return faults


def is_typed_literal(statement: ast.stmt) -> bool:
    if not isinstance(statement, ast.AnnAssign) or statement.value is None:
        return False
    kinds = {kind.strip() for kind in ast.unparse(statement.annotation).split("|")}
    try:
        value = ast.literal_eval(statement.value)
    except ValueError:
        return False
    kind = "None" if value is None else type(value).__name__
    return kind in kinds and kinds <= {"int", "float", "str", "bool", "None"}


def checked_cells_are_portable(notebook: NotebookNode) -> list[str]:
    forbidden = {
        "device": r"(?i)\b(?:cuda|cpu|mps|gpu)\b",
        "version": r"\b\d+\.\d+\.\d+",
        "path": r"(?:[~…]|(?<!\w))/\w[\w.-]*/|\b[A-Z]:\\",
        "time": r"\b\d+(?:\.\d+)? ?(?:ms|s|secs?|seconds?|min|minutes?|it/s)\b|\b\d{1,2}:\d\d\b",
        "date": r"\b20\d\d-\d\d-\d\d\b",
        "address in memory": r"\b0x[0-9a-f]{6,}",
    }
    cells = tagged(notebook, "nbval-check-output")
    faults = [] if cells else ["no cell is tagged nbval-check-output"]
    for cell in cells:
        first = cell.source.split("\n")[0]
        output = "\n".join(list(texts(cell))[1:])
        faults += [] if output.strip() else [f"checked, but prints nothing: {first}"]
        for what, pattern in forbidden.items():
            if found := re.search(pattern, output):
                faults.append(f"checked, but shows a {what} ({found[0].strip()}): {first}")
    return faults


# --- the rhythm of prose and code -----------------------------------------------------------------


def has_a_chapters_length(notebook: NotebookNode) -> list[str]:
    cells, fewest = len(notebook.cells), 10 if is_start(notebook) else 40
    return [] if fewest <= cells <= 120 else [f"{cells} cells; a chapter has {fewest} to 120"]


def is_mostly_prose(notebook: NotebookNode) -> list[str]:
    prose, cells = len(list(numbered(notebook, "markdown"))), len(notebook.cells)
    return [] if 2 * prose > cells else [f"{prose} of {cells} cells are prose: half or fewer"]


def code_does_not_pile_up(notebook: NotebookNode) -> list[str]:
    kinds = "".join(cell.cell_type[0] for cell in notebook.cells)
    return [
        f"cells {pile.start() + 1} to {pile.end()}: {len(pile[0])} code cells without prose"
        for pile in re.finditer("c{3,}", kinds)
    ]


def code_cells_are_short(notebook: NotebookNode) -> list[str]:
    counts = [(n, len(cell.source.splitlines())) for n, cell in numbered(notebook, "code")]
    return [f"cell {n}: {c} lines, at most {MAX_LINES}" for n, c in counts if c > MAX_LINES]


def paints_first(notebook: NotebookNode) -> list[str]:
    shown = [number for number, cell in enumerate(notebook.cells, 1) if any(pictures(cell))]
    if is_start(notebook) or (shown and shown[0] < 12):
        return []
    return [f"the first picture is in cell {shown[0] if shown else 'none'}, it must be before 12"]


def headings_are_in_order(notebook: NotebookNode) -> list[str]:
    found = list(headings(notebook))
    tops = [number for number, level, _ in found if level == 1]
    faults = [] if tops == [1] else [f"one `#` heading, in cell 1; found in cells {tops}"]
    for (_, before, _), (number, level, title) in zip(found, found[1:], strict=False):
        if level > before + 1:
            faults.append(f"cell {number}: {title!r} skips a heading level")
    return faults


def headings(notebook: NotebookNode) -> Iterator[tuple[int, int, str]]:
    """Cell number, level and text of each Markdown heading."""
    for number, cell in numbered(notebook, "markdown"):
        visible = re.sub(r"^(```|~~~).*?^\1", "", cell.source, flags=re.M | re.S)
        for marks, title in re.findall(r"^(#{1,6})\s+(.+?)\s*$", visible, flags=re.M):
            yield number, len(marks), title


# --- pictures, formulas, folds --------------------------------------------------------------------


def pictures_have_alt_text(notebook: NotebookNode) -> list[str]:
    faults = []
    for number, cell in numbered(notebook, "code"):
        alts = [output.metadata.get(kind, {}).get("alt", "") for output, kind in pictures(cell)]
        for alt in alts:
            if len(alt.strip()) < SHORTEST_ALT:
                faults.append(f"cell {number}: a picture with alt text {alt!r}")
        if len(set(alts)) < len(alts):
            faults.append(f"cell {number}: two pictures with the same alt text")
    for number, cell in numbered(notebook, "markdown"):
        text = without_code(cell.source)
        bare = re.findall(r"!\[\s*\]\([^)]*\)", text)
        bare += [
            tag for tag in re.findall(r"<img\b[^>]*>", text) if not re.search(r'alt="[^"]', tag)
        ]
        faults += [f"cell {number}: no alt text: {picture}" for picture in bare]
    return faults


def formulas_are_balanced(notebook: NotebookNode) -> list[str]:
    faults = []
    for number, cell in numbered(notebook, "markdown"):
        text = without_code(cell.source).replace(r"\$", "")
        prose_and_displays = text.split("$$")
        if len(prose_and_displays) % 2 == 0:
            faults.append(f"cell {number}: a $$ without its partner")
        for paragraph in re.split(r"\n\s*\n", "\n\n".join(prose_and_displays[::2])):
            pieces = paragraph.split("$")
            if len(pieces) % 2 == 0:
                faults.append(f"cell {number}: a $ without its partner: {paragraph.strip()[:40]!r}")
            faults += [f"cell {number}: {f}" for f in map(unbalanced, pieces[1::2]) if f]
        faults += [f"cell {number}: {f}" for f in map(unbalanced, prose_and_displays[1::2]) if f]
    return faults


def unbalanced(formula: str) -> str:
    """What is open in a LaTeX formula; empty if nothing is."""
    plain = re.sub(r"\\[\\{}]", "", formula)
    depth = 0
    for mark in re.findall(r"[{}]", plain):
        depth += 1 if mark == "{" else -1
        if depth < 0:
            break
    begun = sorted(re.findall(r"\\begin\{(.*?)\}", formula))
    ended = sorted(re.findall(r"\\end\{(.*?)\}", formula))
    lefts, rights = (len(re.findall(rf"\\{side}\b", formula)) for side in ("left", "right"))
    fine = depth == 0 and begun == ended and lefts == rights
    return "" if fine else f"unbalanced formula {formula.strip()[:40]!r}"


def folds_are_closed(notebook: NotebookNode) -> list[str]:
    faults = []
    for number, cell in numbered(notebook, "markdown"):
        text = without_code(cell.source)
        counts = {len(re.findall(tag, text)) for tag in ("<details", "</details>", "</summary>")}
        if len(counts) > 1:
            faults.append(
                f"cell {number}: <details>, <summary> and </details> must close in a cell"
            )
        if re.search(r"</summary>(?!\s*\n[ \t]*\n)", text):
            faults.append(f"cell {number}: Markdown needs an empty line after </summary>")
    return faults


def ends_folded(notebook: NotebookNode) -> list[str]:
    """Quiz, glossary, references and the comparison with the paper's code close a chapter."""
    if is_start(notebook):
        return []
    last = max((number for number, _ in numbered(notebook, "code")), default=0)
    end = "\n".join(cell.source for cell in notebook.cells[last:])
    folded = " ".join(re.findall(r"<summary>(.*?)</summary>", end, flags=re.S)).lower()
    wanted = ("quiz", "glossary", "references", "paper")
    return [f"nothing folded after the last code cell is about: {w}" for w in wanted
            if w not in folded]  # fmt: skip


# --- outputs --------------------------------------------------------------------------------------


def was_run_through(notebook: NotebookNode) -> list[str]:
    counts = [cell.execution_count for cell in code_cells(notebook)]
    if None in counts:
        bare = [n for n, cell in numbered(notebook, "code") if cell.execution_count is None]
        return [f"cells {bare} were not run: python -m scripts.notebooks run"]
    faults = [] if counts == sorted(set(counts)) else ["the cells were not run from top to bottom"]
    for number, cell in numbered(notebook, "code"):
        if prints(cell.source) and not cell.outputs:
            faults.append(f"cell {number} prints, but its output is not kept")
    return faults


def prints(code: str) -> bool:
    """Whether a cell calls ``print`` in any case: outside of functions, loops and branches."""
    calls = [s.value for s in ast.parse(plain_python(code)).body if isinstance(s, ast.Expr)]
    return any(isinstance(c, ast.Call) and ast.unparse(c.func) == "print" for c in calls)


def outputs_are_of_a_real_run(notebook: NotebookNode) -> list[str]:
    profile = notebook.metadata.get("course", {}).get("profile")
    return [] if profile in ("cpu", "gpu", "paper") else [f"outputs of profile {profile!r}"]


def shows_no_errors(notebook: NotebookNode) -> list[str]:
    return [
        f"cell {number}: {output.ename}: {output.evalue}"
        for number, cell in numbered(notebook, "code")
        for output in cell.outputs
        if output.output_type == "error"
    ]


# --- code that hangs or cannot be resumed in the middle -------------------------------------------


def code_cannot_hang(notebook: NotebookNode) -> list[str]:
    forbidden = {
        "interact hangs headless runs": r"\binteract(?:ive|_manual|ive_output)?\b\s*\(|@interact\b",
        "Output() hangs headless runs": r"\bOutput\(|\.capture\(",
        "worker processes hang in notebooks": r"\bnum_workers\s*=\s*(?!0\b)\w+",
    }
    return searched(notebook, forbidden, code_only=True)


@dataclass
class Section:
    """What stands under a heading of level 1 or 2, and what its code makes and uses."""

    title: str
    code: list[str] = field(default_factory=list)

    def made(self) -> set[str]:
        return {name for code in self.code for name in made(code)}

    def used(self) -> set[str]:
        tables = [symtable.symtable(code, "cell", "exec") for code in self.code]
        return {name for table in tables for name in used(table)}

    def guard(self) -> dict[str, str]:
        """The names and sections that its first code cell asks for with ``need(...)``."""
        for node in ast.walk(ast.parse(self.code[0])):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "need":
                return {str(k.arg): ast.literal_eval(k.value) for k in node.keywords}
        return {}


def made(code: str) -> set[str]:
    """The names that a cell leaves behind."""
    symbols = symtable.symtable(code, "cell", "exec").get_symbols()
    return {s.get_name() for s in symbols if s.is_assigned() or s.is_imported()}


def used(table: symtable.SymbolTable) -> Iterator[str]:
    """The names that a cell reads from outside of its functions."""
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (table.get_type() == "module" or symbol.is_global()):
            yield symbol.get_name()
    for inner in table.get_children():
        yield from used(inner)


def sections(notebook: NotebookNode) -> list[Section]:
    found = [Section("the beginning")]
    starts = {number: title for number, level, title in headings(notebook) if level <= 2}
    for number, cell in enumerate(notebook.cells, 1):
        if number in starts:
            found.append(Section(starts[number]))
        if cell.cell_type == "code":
            found[-1].code.append(plain_python(cell.source))
    return [section for section in found if section.code]


def sections_are_guarded(notebook: NotebookNode) -> list[str]:
    """A section that builds upon others begins with ``need(name="the section that makes it")``.

    A guard vouches for the sections that it names and, through their guards, for those below them.
    """
    faults = []
    makers: defaultdict[str, list[str]] = defaultdict(list)  # of a name: the sections that make it
    vouched: dict[str, set[str]] = {}  # sections that have run when this one has
    for section in sections(notebook):
        where, guard = f"section {section.title!r}", section.guard()
        if guard and "need" not in made(section.code[0]):
            faults.append(f"{where}: import need in the cell that calls it")
        for name, title in guard.items():
            if title not in makers[name]:
                faults.append(f"{where}: need({name}={title!r}), but made in {makers[name]}")
        have = set().union(*(vouched.get(title, set()) for title in guard.values()))
        borrowed = (section.used() - section.made()) & set(makers)
        lacking = missing_guards({name: makers[name] for name in borrowed}, have, vouched)
        if lacking:
            faults.append(f"{where}: its first code cell lacks need({', '.join(lacking)})")
        vouched[section.title] = have | {section.title}
        for name in section.made():
            makers[name].append(section.title)
    return faults


def missing_guards(
    borrowed: dict[str, list[str]], have: set[str], vouched: dict[str, set[str]]
) -> list[str]:
    """As few guards as make up for what ``borrowed`` needs beyond ``have``, which they extend."""
    order = list(vouched)
    lacking = []
    for name in sorted(borrowed, key=lambda name: (-order.index(borrowed[name][-1]), name)):
        if not have & set(borrowed[name]):
            lacking.append(f'{name}="{borrowed[name][-1]}"')
            have |= vouched[borrowed[name][-1]]
    return lacking


RULES: tuple[Rule, ...] = (
    is_valid,
    ids_come_from_the_text,
    is_small,
    metadata_are_clean,
    names_no_machine,
    begins_with_the_setup_cell,
    parameters_are_typed,
    checked_cells_are_portable,
    has_a_chapters_length,
    is_mostly_prose,
    code_does_not_pile_up,
    code_cells_are_short,
    paints_first,
    headings_are_in_order,
    pictures_have_alt_text,
    formulas_are_balanced,
    folds_are_closed,
    ends_folded,
    was_run_through,
    outputs_are_of_a_real_run,
    shows_no_errors,
    code_cannot_hang,
    sections_are_guarded,
)
