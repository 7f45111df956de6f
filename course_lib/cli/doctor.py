"""``course doctor``."""

from __future__ import annotations

from course_lib.cli.arguments import parser_of


def doctor(arguments: list[str]) -> int:
    """Looks at this machine, and says what to mend and how."""
    parser_of(doctor).parse_args(arguments)
    from course_lib.doctor import doctor as examine

    report = examine()
    print(report)
    return 1 if report.problems else 0
