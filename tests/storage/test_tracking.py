"""Figures reach the file, TensorBoard and MLflow: every round once, whatever happened between."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from course_lib.errors import CourseError
from course_lib.painter import Picture
from course_lib.storage import tracking
from course_lib.storage.tracking import Tracking

CONFIG = {"track": "file", "rounds": 9, "betas": (0.5, 0.999)}


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "figures.jsonl").read_text().splitlines()]


def noted(folder: Path, rounds: range, track: str = "file", done: int = 0, **more) -> None:
    followed = Tracking(folder, "dcgan", CONFIG | {"track": track}, done)
    for number in rounds:
        followed.note(number, {"D": 1 / number, "G": float(number)} | more)
    followed.close()


def test_every_round_has_a_line_and_pictures_go_by_their_place_in_the_run(tmp_path):
    picture = Picture(torch.zeros(1, 8, 8)).save(tmp_path / "0000002.png")
    noted(tmp_path, range(1, 3), samples=picture, health="D wins")
    assert lines(tmp_path) == [
        {"round": n, "D": 1 / n, "G": n, "samples": "0000002.png", "health": "D wins"}
        for n in (1, 2)
    ]


def test_a_run_that_goes_on_forgets_what_it_will_play_again(tmp_path):
    noted(tmp_path, range(1, 6))
    noted(tmp_path, range(4, 8), done=3)
    assert [row["round"] for row in lines(tmp_path)] == [1, 2, 3, 4, 5, 6, 7]
    noted(tmp_path, range(1, 2), done=0)
    assert [row["round"] for row in lines(tmp_path)] == [1]


@pytest.mark.parametrize(
    "torn", ['{"round": 3, "D"', "\x00\x00", '{"D": 1.0}\n', "[3]\n", '{"round": 3}']
)
def test_a_line_that_was_torn_is_dropped(tmp_path, torn):
    noted(tmp_path, range(1, 3))
    with open(tmp_path / "figures.jsonl", "a") as file:
        file.write(torn)
    noted(tmp_path, range(3, 4), done=2)
    assert [row["round"] for row in lines(tmp_path)] == [1, 2, 3]


def test_a_process_that_does_not_write_leaves_nothing(tmp_path):
    quiet = Tracking(tmp_path, "dcgan", CONFIG | {"track": "tensorboard"}, 0, writes=False)
    quiet.note(1, {"D": 1.0})
    quiet.close()
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_full_disk_is_named(tmp_path):
    followed = Tracking(tmp_path, "dcgan", CONFIG, 0)
    followed.path = Path("/dev/full")
    with pytest.raises(CourseError, match=r"No space left.*checkpoint is unchanged"):
        followed.note(1, {"D": 1.0})


@pytest.mark.parametrize("name", ["tensorboard", "mlflow"])
def test_a_tracker_that_is_not_installed_is_named_before_anything_is_written(
    tmp_path, monkeypatch, name
):
    monkeypatch.setattr(tracking, "find_spec", lambda package: None)
    with pytest.raises(CourseError, match=f"pip install {name}"):
        Tracking(tmp_path, "dcgan", CONFIG | {"track": name}, 0)
    assert not list(tmp_path.iterdir())


def test_tensorboard_has_curves_words_and_pictures_and_no_round_twice(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    picture = Picture(torch.zeros(1, 8, 8)).save(tmp_path / "samples.png")
    noted(tmp_path, range(1, 6), "tensorboard", samples=picture, health="D wins")
    noted(tmp_path, range(4, 8), "tensorboard", done=3)
    events = EventAccumulator(str(tmp_path / "logs" / "tensorboard"))
    events.Reload()
    curve = events.Scalars("G")
    assert [event.step for event in curve] == [1, 2, 3, 4, 5, 6, 7]
    assert [event.value for event in curve] == [1, 2, 3, 4, 5, 6, 7]
    assert [event.step for event in events.Images("samples")] == [1, 2, 3]
    assert "health/text_summary" in events.Tags()["tensors"]


def figures_in(database: Path, key: str) -> list[tuple[int, float]]:
    with sqlite3.connect(database) as store:
        found = store.execute("select step, value from metrics where key = ? order by step", [key])
        return found.fetchall()


@pytest.fixture(scope="module")
def followed_run(tmp_path_factory) -> Path:
    """The folder of runs, with one that was stopped after its round 5 and went on from round 3."""
    pytest.importorskip("mlflow")
    runs = tmp_path_factory.mktemp("runs")
    run = runs / "a run"
    run.mkdir()
    picture = Picture(torch.zeros(1, 8, 8)).save(run / "samples.png")
    noted(run, range(1, 6), "mlflow", samples=picture, health="D wins")
    noted(run, range(4, 41), "mlflow", done=3)
    return runs


@pytest.mark.slow
def test_mlflow_has_every_round_once_in_one_file(followed_run):
    database = followed_run / "mlflow.db"
    assert figures_in(database, "G") == [(n, float(n)) for n in range(1, 41)]
    assert figures_in(database, "D") == [(n, 1 / n) for n in range(1, 41)]
    with sqlite3.connect(database) as store:
        assert store.execute("select name, status from runs").fetchall() == [("a run", "FINISHED")]
        assert ("betas", "(0.5, 0.999)") in store.execute(
            "select key, value from params"
        ).fetchall()
        assert ("health", "D wins") in store.execute("select key, value from tags").fetchall()
    assert list(followed_run.glob("mlflow/*/artifacts/samples/samples.png"))


@pytest.mark.slow
@pytest.mark.browser
def test_mlflows_page_shows_the_curves(followed_run, tmp_path):
    """The command of the documentation, and a browser that may speak to this machine only."""
    from tests.browser.conftest import CHROMIUM

    sync_api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "ui", "--port", str(port), "--workers", "1"]
    store = ["--backend-store-uri", f"sqlite:///{followed_run / 'mlflow.db'}"]
    quiet = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    with open(tmp_path / "log.txt", "wb") as log:
        server = subprocess.Popen([*command, *store], env=quiet, stdout=log, stderr=log)
    try:
        # In a thread, since the other browser tests' playwright lives in this one.
        with ThreadPoolExecutor(1) as thread:
            address = f"http://127.0.0.1:{port}"
            thread.submit(open_browser, sync_api, address, tmp_path / "curves.png").result()
    finally:
        server.terminate()
        server.wait(30)


def open_browser(sync_api, address: str, picture: Path) -> None:
    from tests.browser.conftest import ARGUMENTS, CHROMIUM, is_outside

    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1300, "height": 900})
        page.set_default_timeout(180_000)
        page.route(is_outside, lambda request: request.abort())
        see_curves(page, address, picture)
        browser.close()


def see_curves(page, address: str, picture: Path) -> None:
    for _ in range(240):  # the server takes its time
        try:
            page.goto(f"{address}/#/experiments/1/runs")
            break
        except Exception as error:
            assert "ERR_CONNECTION_REFUSED" in str(error)
            page.wait_for_timeout(500)
    page.get_by_text("a run", exact=True).first.click()
    page.get_by_text("Model metrics").first.click()
    page.locator(".js-plotly-plot .scatterlayer .trace").first.wait_for()
    page.wait_for_timeout(1000)
    page.screenshot(path=picture)
    assert page.locator(".js-plotly-plot").count() >= 2  # D and G
