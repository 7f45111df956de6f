"""Serves the studio: voila runs a notebook of one cell, for each visitor in a kernel of its own."""

from __future__ import annotations

import os
import signal
import tempfile
import webbrowser
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from course_lib.errors import CourseError
from course_lib.run.kernel import own_kernel

__all__ = ["serve"]

# Browsers then refuse what would go to another machine. Widgets' scripts arrive as blobs.
NOTHING_FROM_OUTSIDE = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' blob: data: ws:; frame-ancestors 'self'"
)
# Of JupyterLab's extensions, widgets alone: others may miss what is in JupyterLab and not here.
WIDGETS = ["@jupyter-widgets/jupyterlab-manager", "@voila-dashboards/widgets-manager8", "anywidget"]
FORGOTTEN = 600  # seconds after which the kernel of a page that was left without a word ends


def serve(told: Mapping[str, Any], *, port: int, address: str, browser: bool) -> None:
    """Serves the page until Ctrl-C or SIGTERM; then all kernels end, too.

    Args:
        told: the arguments of :func:`course_lib.demo.page.page`.
        port: the first that is tried.
        address: of this machine, ``127.0.0.1`` for itself alone.

    Raises:
        CourseError: voila is not installed; an address or a port that cannot be had.
    """
    if not find_spec("voila"):
        fix = "python -m pip install 'voila>=0.5.8'"
        raise CourseError(
            "voila is not installed; it serves the page", where="course demo", fix=fix
        )
    with tempfile.TemporaryDirectory(prefix="course-demo-") as folder:
        os.environ |= own_kernel(folder, str(Path(__file__).parent))
        notebook = Path(folder) / "studio.ipynb"
        notebook.write_text(notebook_of(told), encoding="utf-8")
        server = _server(notebook, address, port)

        def opened() -> None:
            url = f"http://{address}:{server.port}/"
            if server.port != port:
                print(f"port {port} is taken, perhaps by another demo; {server.port} is free")
            print(f"the studio is open: {url}   (Ctrl-C closes it)", flush=True)
            if browser:
                webbrowser.open(url)

        server.launch_browser = opened  # voila's own shows a page with style sheets from outside
        try:
            server.start()
        except (OSError, OverflowError) as error:
            fix = "--address 127.0.0.1 --port 8866"
            raise CourseError(str(error), where=f"{address}:{port}", fix=fix) from error
    print("closed")


def notebook_of(told: Mapping[str, Any]) -> str:
    """A notebook with one cell, which shows the page."""
    from nbformat import v4, writes

    source = f"from course_lib.demo.page import page\n\npage(**{dict(told)!r})"
    kernel = {"name": "python3", "display_name": "Python 3"}
    about = {"kernelspec": kernel, "title": "One scene, five painters"}
    return writes(v4.new_notebook(cells=[v4.new_code_cell(source)], metadata=about))


def _server(notebook: Path, address: str, port: int) -> Any:
    """Voila for this notebook alone, whatever it is configured to elsewhere."""
    from traitlets.config import Config
    from voila.app import Voila

    settings = {
        "Voila": {
            "ip": address,
            "port": port,
            "log_level": "WARN",
            "config_file_paths": [],
            "tornado_settings": {"headers": {"Content-Security-Policy": NOTHING_FROM_OUTSIDE}},
        },
        "VoilaConfiguration": {
            "template": "studio",
            "extension_allowlist": WIDGETS,
            "allow_template_override": "NO",
            "allow_theme_override": "NO",
        },
        "MappingKernelManager": {"cull_idle_timeout": FORGOTTEN, "cull_interval": 60},
    }
    server = Voila(config=Config(settings), notebook_path=str(notebook))
    server.initialize([])
    signal.signal(signal.SIGINT, signal.getsignal(signal.SIGTERM))  # ends between two callbacks
    return server
