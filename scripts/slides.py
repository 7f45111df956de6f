"""Slides of a chapter, from its cells tagged ``slide``: one HTML file that needs no network.

A tagged Markdown cell begins a slide. Tagged code cells up to the next one are shown on it: what a
cell painted, if it painted, else its code and what it printed. Folded answers stay folded until
somebody clicks. What stands before a cell's heading, and a fold with which it begins, belongs to
what came before, and is left out; a cell that is a fold and nothing else joins the slide before.
"""

from __future__ import annotations

import base64
import io
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from string import Template

from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode

from course_lib.errors import CourseError
from scripts.notebooks import PICTURES, pictures

__all__ = ["Slide", "deck", "slides_of"]

BADGE = re.compile(r"\[!\[[^]]*\]\([^)]*\)\]\([^)]*\)\n*")
BEFORE = re.compile(r"\A(.*?(?=^##? )|<details>.*?</details>\s*(?=\S))", re.S | re.M)
FOLD = re.compile(r"\s*<details>(?:(?!</details>).)*</details>\s*", re.S)
GUARD = re.compile(r"^(from course_lib\.widgets import need|need\(.*\))\n+", re.M)
HEADING = re.compile(r"^##? (.+)$", re.M)
MATRIX = re.compile(r"\\begin\{pmatrix\}(.*?)\\end\{pmatrix\}", re.S)
WIDE = 1.9  # width by height: such a picture lies below the words, not beside them
PLAIN = (  # what matplotlib's formulas lack, and what stands for it
    (re.compile(r"\\(big|Big)[lr]?(?![a-z])"), ""),
    (re.compile(r"\\[td]frac\s*(\d)\s*(\d)"), r"\\frac{\1}{\2}"),
    (re.compile(r"\\[td]frac"), r"\\frac"),
    (re.compile(r"\\(mathcal|mathbb) ([A-Z])"), r"\\\1{\2}"),
    (re.compile(r"\\(ge|le)(?![a-z])"), r"\\\1q"),
    (re.compile(r"\\[lr]Vert"), r"\\|"),
)


@dataclass
class Slide:
    """Words, and what is seen with them; all of it HTML."""

    section: str
    words: str
    below: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)


def slides_of(notebook: NotebookNode, name: str) -> list[Slide]:
    """The slides, in the chapter's order; none if nothing is tagged.

    Raises:
        CourseError: a tagged code cell before the first tagged Markdown cell, or one that was
            not run; a formula that cannot be drawn.
    """
    found: list[Slide] = []
    section = ""
    for number, cell in enumerate(notebook.cells, 1):
        where = f"{name}, cell {number}"
        headings = HEADING.findall(cell.source) if cell.cell_type == "markdown" else []
        section = headings[-1] if headings else section
        if "slide" not in cell.metadata.get("tags", []):
            continue
        if cell.cell_type == "markdown":
            words = _words(BEFORE.sub("", BADGE.sub("", cell.source)), where)
            if found and FOLD.fullmatch(words):
                found[-1].words += words
            else:
                found.append(Slide("" if headings else section, words))
        elif not found or cell.execution_count is None:
            what = "not run" if found else "before any words"
            raise CourseError(f"a cell for the slides, {what}", where=where)
        else:
            _show(cell, found[-1])
    return found


def deck(slides: list[Slide], title: str) -> str:
    """The page that shows them."""
    from pygments.formatters import HtmlFormatter

    body = "\n".join(_section(slide) for slide in slides)
    frame = Template(Path(__file__).with_name("slides.html").read_text("utf-8"))
    colours = HtmlFormatter(style="friendly").get_style_defs(".code")
    return frame.substitute(title=escape(title), colours=colours, slides=body)


def _section(slide: Slide) -> str:
    columns = f"<div>{slide.words}</div>"
    if slide.beside:
        columns = f"<div class='two'>{columns}<div>{''.join(slide.beside)}</div></div>"
    above = f"<p class='section'>{escape(slide.section)}</p>" if slide.section else ""
    return f"<section>{above}{columns}{''.join(slide.below)}</section>"


# --- what a slide shows ---------------------------------------------------------------------------


def _show(cell: NotebookNode, slide: Slide) -> None:
    painted = list(pictures(cell))
    for output, kind in painted:
        content, alt = output.data[kind], output.metadata.get(kind, {}).get("alt", "")
        tag = f'<img src="data:{kind};base64,{content.strip()}" alt="{escape(alt)}">'
        width, height = _size(content) if kind == "image/png" else (1, 1)
        (slide.below if width > WIDE * height else slide.beside).append(tag)
    if not painted:
        slide.beside.append(_code(GUARD.sub("", cell.source)) + "".join(_printed(cell)))


def _size(png: str) -> tuple[int, int]:
    """Width and height, which stand at the beginning of every PNG."""
    return struct.unpack(">II", base64.b64decode(png)[16:24])


def _code(source: str) -> str:
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    return highlight(source, PythonLexer(), HtmlFormatter(cssclass="code"))


def _printed(cell: NotebookNode) -> Iterator[str]:
    for output in cell.outputs:
        text = output.get("text") or output.get("data", {}).get("text/plain", "")
        if text.strip() and not set(output.get("data", {})) & set(PICTURES):
            yield f"<pre class='printed'>{escape(text.rstrip())}</pre>"


# --- words and formulas ---------------------------------------------------------------------------


class _Renderer(IPythonRenderer):
    """Markdown as Jupyter shows it, with formulas drawn instead of left to MathJax."""

    def block_math(self, body: str) -> str:
        return f"<span class='formula'>{_formula(body)}</span>"

    def inline_math(self, body: str) -> str:
        return _formula(body)

    def heading(self, text: str, level: int, **attributes: object) -> str:
        return f"<h{level}>{text}</h{level}>\n"  # no link to itself


def _words(text: str, where: str) -> str:
    try:
        return str(MarkdownWithMath(renderer=_Renderer(escape=False)).render(text))
    except ValueError as error:
        raise CourseError(str(error), where=where) from None


def _formula(latex: str) -> str:
    """The formula as HTML: a picture, or a row of pictures and matrices."""
    pieces = enumerate(MATRIX.split(latex))
    return " ".join(_matrix(p) if n % 2 else _drawn(p) for n, p in pieces if p.strip())


def _matrix(rows: str) -> str:
    lines = [line.split("&") for line in rows.split(r"\\")]
    cells = "".join(f"<span>{_drawn(cell)}</span>" for line in lines for cell in line)
    return f"<span class='matrix' style='--columns:{len(lines[0])}'>{cells}</span>"


def _drawn(latex: str) -> str:
    """A formula without matrices, drawn on the line; its source is the text for the blind.

    Raises:
        ValueError: matplotlib cannot draw it.
    """
    from matplotlib import rc_context
    from matplotlib.font_manager import FontProperties
    from matplotlib.mathtext import math_to_image

    plain = " ".join(latex.split())
    for pattern, instead in PLAIN:
        plain = pattern.sub(instead, plain)
    svg = io.BytesIO()
    try:
        with rc_context({"mathtext.fontset": "cm"}):
            depth = math_to_image(f"${plain}$", svg, FontProperties(size=10), format="svg")
    except ValueError as error:
        reason = str(error).strip().splitlines()[-1]
        raise ValueError(f"the formula {latex.strip()!r} cannot be drawn: {reason}") from None
    (height,) = re.findall(rb'<svg[^>]*height="([\d.]+)pt"', svg.getvalue())
    content = base64.b64encode(svg.getvalue()).decode()
    style = f"height:{float(height) / 10:.2f}em;vertical-align:-{depth / 10:.2f}em"
    source = f"data:image/svg+xml;base64,{content}"
    return f'<img class="math" style="{style}" alt="{escape(latex.strip())}" src="{source}">'
