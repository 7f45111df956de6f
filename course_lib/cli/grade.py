"""``course assignments`` and ``course grade``: what instructors hand out, and what comes back."""

from __future__ import annotations

from pathlib import Path

from course_lib.cli.arguments import count, parser_of, size


def grade(arguments: list[str]) -> int:
    """Grades a folder of submissions: ada.ipynb, or ada/ with a notebook in it.

    Each question runs in a fenced process of its own. The marks are PASS, FAIL and NOT GRADED,
    which is a fault of the grader: the next run tries again, and keeps what has not changed.
    """
    parser = parser_of(grade)
    parser.add_argument("folder", type=Path, help="a file or a folder for each student")
    parser.add_argument("assignment", help="01, a source, or a grader's part")
    parser.add_argument("--out", type=Path, help="folder of marks and pages (default: beside it)")
    parser.add_argument("-j", "--jobs", type=count, default=2, help="submissions side by side")
    parser.add_argument("--outer", choices=["docker", "bubblewrap", "none"],
                        help="what submissions lie in (default: what is there)")  # fmt: skip
    limits = parser.add_argument_group("what the functions of one question may use")
    limits.add_argument("--seconds", type=count, default=20, help="of processor time (20)")
    limits.add_argument("--wall", type=count, help="seconds by the clock (twice the above)")
    limits.add_argument("--memory", type=size, default="2GB", help="beyond torch's own (2GB)")
    limits.add_argument("--file-size", type=size, default="16MB", help="written to disk (16MB)")
    parser.add_argument("--again", action="store_true", help="also what was graded before")
    options = parser.parse_args(arguments)
    from course_lib.grading.assignment import find_assignment
    from course_lib.grading.grade import grade_class
    from course_lib.grading.report import isolation
    from course_lib.grading.sandbox import Limits, pick_outer

    assignment, outer = find_assignment(options.assignment), pick_outer(options.outer)
    folder = options.folder.resolve()
    out = options.out or folder.with_name(f"{folder.name}-{assignment.name}")
    wall = options.wall or 2 * options.seconds
    limit = Limits(options.seconds, wall, options.memory, options.file_size)
    graded = grade_class(folder, assignment, out, jobs=options.jobs, outer=outer, limits=limit,
                         again=options.again)  # fmt: skip
    faults = sum(not one.complete for one in graded)
    print(isolation(graded, outer))
    print(f"{len(graded)} submissions, {faults} NOT GRADED; results: {out / 'summary.html'}")
    return 1 if faults else 0


def assignments(arguments: list[str]) -> int:
    """Makes students' notebooks, solutions and hidden tests from the assignments' sources."""
    parser = parser_of(assignments)
    parser.add_argument("action", choices=["build"])
    parser.add_argument("--folder", type=Path, help="where source/ lies (default: assignments)")
    options = parser.parse_args(arguments)
    from course_lib.grading.build import build_all

    print(*build_all(options.folder), sep="\n")
    return 0
