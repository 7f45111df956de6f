"""``course demo``: the studio in a browser."""

from __future__ import annotations

from pathlib import Path

from course_lib.cli.arguments import count, parser_of


def demo(arguments: list[str]) -> int:
    """Opens the studio in a browser: one scene, five painters, served by this machine alone.

    Whoever opens the page has a studio of their own. Ctrl-C closes all of them.
    """
    parser = parser_of(demo)
    parser.add_argument("--port", type=count, default=8866, help="or the next free (default: 8866)")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser here")
    who = "names or files of painters (default: the five that ship)"
    parser.add_argument("--painters", nargs="+", default=[], metavar="PAINTER", help=who)
    parser.add_argument("--run", type=Path, help="a run: a slider shows its painter's milestones")
    others = "of this machine, for others to see the page: 0.0.0.0 (default: 127.0.0.1)"
    parser.add_argument("--address", default="127.0.0.1", help=others)
    options = parser.parse_args(arguments)
    from course_lib.demo.page import company
    from course_lib.demo.serve import serve

    company(options.painters, options.run)  # whatever is wrong with them is said here
    run = str(options.run.resolve()) if options.run else ""
    told = {"names": options.painters, "run": run}
    serve(told, port=options.port, address=options.address, browser=not options.no_browser)
    return 0
