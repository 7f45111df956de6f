"""A Jupyter whose kernel ``python3`` is this interpreter."""

from __future__ import annotations

import os

from course_lib.paths import repository


def own_kernel(folder: str, *more: str) -> dict[str, str]:
    """Variables for Jupyter, with a kernel written to ``folder``.

    A kernel called python3 may be registered for another interpreter; a folder of our own comes
    first, then those of ``more``.
    """
    from ipykernel.kernelspec import write_kernel_spec

    kernel = os.path.join(folder, "kernels", "python3")
    write_kernel_spec(kernel, extra_arguments=["--log-level=ERROR"])
    variables = {
        "IPYTHONDIR": os.path.join(folder, "ipython"),  # nobody's start-up files
        "JUPYTER_PATH": _before("JUPYTER_PATH", folder, *more),
    }
    if (root := repository()) is not None:  # a checkout may run without being installed
        variables["PYTHONPATH"] = _before("PYTHONPATH", str(root))
    return variables


def _before(variable: str, *folders: str) -> str:
    return os.pathsep.join(filter(None, (*folders, os.environ.get(variable))))
