"""Assignments: instant checks for students, and a grader that survives what students hand in.

- :mod:`~course_lib.grading.check`: ``check("04.2", my_function)`` in a student's notebook;
- :mod:`~course_lib.grading.checks`: what these checks look at, a module per assignment;
- :mod:`~course_lib.grading.hidden`, :mod:`~course_lib.grading.asking`: tests, and how they ask;
- :mod:`~course_lib.grading.assignment`, :mod:`~course_lib.grading.build`: one source, three forms;
- :mod:`~course_lib.grading.submission`: functions found by name in whatever was handed in;
- :mod:`~course_lib.grading.sandbox`: the wall, with :mod:`~course_lib.grading.zygote`,
  :mod:`~course_lib.grading.guard` and :mod:`~course_lib.grading.serve` behind it;
- :mod:`~course_lib.grading.grade`, :mod:`~course_lib.grading.marks`,
  :mod:`~course_lib.grading.report`: a class, and its marks.
"""

from course_lib.grading.asking import Wrong, alike, parts, same
from course_lib.grading.check import check
from course_lib.grading.hidden import hidden

__all__ = ["Wrong", "alike", "check", "hidden", "parts", "same"]
