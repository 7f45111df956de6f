"""``course run``: chapters, headless."""

from __future__ import annotations

from pathlib import Path

from course_lib.cli.arguments import parser_of


def run(arguments: list[str]) -> int:
    """Runs chapters headless and writes a page with their results.

    Everything is checked before the first cell. A value given with -p must be known to one
    notebook at least, and goes to those that know it.
    """
    parser = parser_of(run)
    parser.add_argument("notebooks", nargs="*", help="01 02, or paths; default: every chapter")
    parser.add_argument("--profile", help="smoke (default), cpu, gpu or paper: how much work")
    parser.add_argument(
        "-p",
        dest="parameters",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="a value for the notebook's parameters cell",
    )
    parser.add_argument("-j", "--jobs", type=int, default=1, help="notebooks side by side")
    parser.add_argument("--timeout", type=float, help="seconds that a cell may take")
    parser.add_argument("--out", type=Path, help="folder of results (default: a new one)")
    options = vars(parser.parse_args(arguments))
    from course_lib.run.runner import run_notebooks

    results = run_notebooks(**options | {"parameters": dict(options["parameters"])})
    return 0 if all(result.status == "done" for result in results) else 1
