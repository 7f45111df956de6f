"""Runs notebooks headless, a process each: typed parameters, time limits, a page with the results.

- :mod:`~course_lib.run.chapter`: a notebook and its ``parameters`` cell, read and checked;
- :mod:`~course_lib.run.runner`: everything is checked, then each notebook gets its own process;
- :mod:`~course_lib.run.job`: what goes to that process, and what comes back;
- :mod:`~course_lib.run.process`: what happens in that process;
- :mod:`~course_lib.run.report`: pictures, pages and the table that links them.
"""
