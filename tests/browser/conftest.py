"""A JupyterLab of its own and a headless Chromium, for tests that need a real front end."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit

import nbformat
import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip
PATIENCE = 60_000  # milliseconds; machines that test are busy
# anywidget gives every model two seconds, also those that an earlier test left in the kernel. A
# widget of the test itself that does not come up is missed by the test.
HURRY = "[anywidget] Failed to initialize model"


class Lab:
    """A running JupyterLab that serves one folder."""

    def __init__(self, folder: Path, url: str, token: str) -> None:
        self.folder, self.url, self.token = folder, url, token

    def put(self, name: str, *cells: str) -> str:
        """Writes a notebook with these code cells; returns the address that opens it."""
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
            metadata={"kernelspec": {"display_name": "Python 3", "name": "python3"}},
        )
        nbformat.write(notebook, self.folder / name)
        return f"{self.url}/lab/tree/{name}?token={self.token}&reset"


@pytest.fixture(scope="session")
def lab(chromium, tmp_path_factory) -> Iterator[Lab]:
    """JupyterLab on 127.0.0.1, with settings, kernels and files of its own."""
    home = tmp_path_factory.mktemp("jupyter")
    folder, port, token = home / "notebooks", free_port(), secrets.token_hex(16)
    folder.mkdir()
    server = Lab(folder, f"http://127.0.0.1:{port}", token)
    options = {
        "ServerApp.ip": "127.0.0.1", "ServerApp.port": port, "ServerApp.port_retries": 0,
        "ServerApp.root_dir": folder, "IdentityProvider.token": token,
    }  # fmt: skip
    command = [sys.executable, "-m", "jupyterlab", "--allow-root", "--no-browser"]
    with open(home / "log.txt", "wb") as log:
        process = subprocess.Popen(
            [*command, *(f"--{name}={value}" for name, value in options.items())],
            stdout=log, stderr=subprocess.STDOUT, env=own_environment(home),
        )  # fmt: skip
        try:
            wait_for(server, process, home / "log.txt")
            yield server
        finally:
            process.terminate()
            process.wait(30)


def own_environment(home: Path) -> dict[str, str]:
    """Nothing of the person's own Jupyter; the kernel is this Python and finds the course."""
    notices = home / "jupyterlab_settings_dir" / "@jupyterlab" / "apputils-extension"
    notices.mkdir(parents=True)  # no question about news, which lie outside
    (notices / "notification.jupyterlab-settings").write_text(
        '{"fetchNews": "false", "checkForUpdates": false}'
    )
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR",
             "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR")  # fmt: skip
    folders = {name: str(home / name.lower()) for name in names}
    return os.environ | folders | {"PYTHONPATH": str(Path(__file__).parents[2])}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(lab: Lab, process: subprocess.Popen, log: Path) -> None:
    status = f"{lab.url}/api/status?token={lab.token}"
    for _ in range(PATIENCE // 500):
        try:
            with urllib.request.urlopen(status, timeout=5) as answer:
                return json.load(answer)
        except (URLError, ConnectionError, TimeoutError):
            if process.poll() is not None:
                break
            time.sleep(0.5)
    pytest.fail("JupyterLab did not start:\n" + log.read_text()[-3000:])


@pytest.fixture(scope="session")
def chromium():
    """Debian's Chromium, driven by playwright."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium, tmp_path):
    """A page that may speak to this machine only, and must not complain; its end is kept."""
    context = chromium.new_context(viewport={"width": 1100, "height": 900}, accept_downloads=True)
    page, complaints, strangers = context.new_page(), [], []
    page.set_default_timeout(PATIENCE)
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: None if HURRY in str(e) else complaints.append(str(e)))
    page.on("request", lambda r: strangers.append(r.url) if is_outside(r.url) else None)
    yield page
    page.screenshot(path=tmp_path / "end.png")
    context.close()
    assert complaints == []
    assert strangers == []


def is_outside(url: str) -> bool:
    return urlsplit(url).scheme in ("http", "https", "ws", "wss") and (
        urlsplit(url).hostname != "127.0.0.1"
    )


@pytest.fixture
def notebook(lab, page):
    """Opens a notebook with the given cells, runs all of them, and waits for the kernel."""

    def open_and_run(name: str, *cells: str):
        page.goto(lab.put(name, *cells))
        page.locator(".jp-NotebookPanel .jp-Cell").first.wait_for()
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()  # cells run now, not before
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()
        return page

    return open_and_run
