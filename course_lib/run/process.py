"""What happens in a notebook's own process: execute it, watch it, say how it went.

``python -m course_lib.run.process JOB.json`` reads a :class:`Job` and writes its :class:`Result`. A
process of its own knows its kernel's peak memory, and whatever happens to it harms no other.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from course_lib.run.job import Job, Result, in_words
from course_lib.run.report import extract_images, write_page

__all__ = ["execute"]

HEARTBEAT = 60.0  # seconds after which a cell that is still running says so


class Watch:
    """Prints a line per code cell, and remembers the one that is running."""

    def __init__(self, job: Job) -> None:
        self.name, self.number, self.total = job.name, 0, job.cells
        self.heading = ""
        self.started = 0.0
        self._heart: threading.Timer | None = None

    def on_cell_start(self, cell: Any, cell_index: int) -> None:
        """nbclient's hook for every cell; prose only moves the heading."""
        for line in cell.source.splitlines() if cell.cell_type == "markdown" else ():
            if line.startswith("#"):
                self.heading = line.lstrip("# ")

    def on_cell_execute(self, cell: Any, cell_index: int) -> None:
        """nbclient's hook for a code cell that is about to run."""
        self.number += 1
        self.started = time.monotonic()
        self._beat_later()

    def on_cell_executed(self, cell: Any, cell_index: int, execute_reply: Any) -> None:
        """nbclient's hook for a code cell that has answered, well or not."""
        self.stop()
        lines = (line.strip() for line in cell.source.splitlines())
        first = next((line for line in lines if line and not line.startswith("#")), "")
        self.say(f"{self.heading}: {first}")

    def stop(self) -> None:
        if self._heart is not None:
            self._heart.cancel()

    def say(self, text: str) -> None:
        seconds = time.monotonic() - self.started
        line = f"{self.name}  [{self.number}/{self.total}] {seconds:6.1f} s  {text}"
        print(line[:120], flush=True)

    def _beat_later(self) -> None:
        self._heart = threading.Timer(HEARTBEAT, self._beat)
        self._heart.daemon = True
        self._heart.start()

    def _beat(self) -> None:
        self.say(f"{self.heading}: still running")
        self._beat_later()


def execute(job: Job) -> Result:
    """Executes the notebook; what it had painted before a failure is kept."""
    output = Path(job.folder) / f"{job.name}.ipynb"
    watch, began = Watch(job), time.monotonic()
    message = _execute(job, output, watch)
    result = Result(job.name, "failed" if message else "done", message=message)
    result.seconds, result.cells = time.monotonic() - began, watch.number
    result.failed_cell = watch.number if message else None
    result.peak_memory = _peak_memory()
    if output.is_file():
        result.images = extract_images(output, Path(job.folder) / "images")
        write_page(output)
    return result


def _execute(job: Job, output: Path, watch: Watch) -> str:
    """Executes and returns what went wrong, nothing if nothing did."""
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # what it warns of, we check or say
    try:
        papermill.execute_notebook(
            job.notebook,
            str(output),
            parameters=job.parameters,
            kernel_name="python3",
            language="python",
            cwd=str(Path(job.notebook).parent),
            execution_timeout=job.timeout,
            progress_bar=False,
            on_cell_start=watch.on_cell_start,
            on_cell_execute=watch.on_cell_execute,
            on_cell_executed=watch.on_cell_executed,
        )
    except papermill.PapermillExecutionError as error:
        return f"{error.ename}: {error.evalue}"
    except CellTimeoutError:
        return f"the cell ran longer than {job.timeout:g} s (--timeout SECONDS allows more)"
    except DeadKernelError:
        return f"the kernel died, at a peak of {in_words(_peak_memory())}. Killed: out of memory?"
    finally:
        watch.stop()
    return ""


def _peak_memory() -> int | None:
    """The largest resident set of any child of this process, in bytes."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in KiB


def main(path: Path) -> None:
    job = Job(**json.loads(path.read_text(encoding="utf-8")))
    result = execute(job)
    path.write_text(json.dumps(asdict(result)), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
