"""The demo in a browser, as visitors have it: a page, two people at once, postcards, a training."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from course_lib.data.storybook import Storybook
from course_lib.lrgan.objective import LRGANConfig, LRGANObjective
from course_lib.postcard import read_postcard
from course_lib.registry import load
from course_lib.training import train

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
READY = 300_000  # milliseconds: three painters are loaded, on a machine that has more to do
PICTURES = ".demo-pictures .widget-image"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Two rounds of a small painter, each kept."""
    folder = tmp_path_factory.mktemp("runs") / "layers"
    small = {"size": 32, "z_dim": 4, "width_g": 4, "width_d": 4, "batch_size": 4, "rounds": 2}
    config = LRGANConfig(**small, milestone_every=1, ema=0.0, lr_g=0.05, device="cpu")
    train(LRGANObjective(config), Storybook(size=32), folder, show=False)
    return folder


@pytest.fixture(scope="module")
def demo(run):
    """The address of a demo of three painters; Ctrl-C ends it well."""
    command = [sys.executable, "-m", "course_lib", "demo", "--no-browser", "--port", "8970"]
    command += ["--painters", "stackgan", "spade", "--run", str(run)]
    path = os.environ | {"PYTHONPATH": str(ROOT)}
    server = subprocess.Popen(command, env=path, text=True, stdout=subprocess.PIPE)
    said = iter(server.stdout.readline, "")
    yield next(found[0] for line in said if (found := re.search(r"http://127[^ ]+/", line)))
    server.send_signal(signal.SIGINT)
    assert server.wait(60) == 0


def visit(page, demo):
    page.goto(demo, timeout=READY)
    page.locator(PICTURES).wait_for(timeout=READY)
    page.locator(".stage canvas").wait_for()
    return page


def source(page, selector: str = PICTURES) -> str:
    """Another address for another picture."""
    return page.locator(selector).first.get_attribute("src")


def changes(page, before: str) -> str:
    for _ in range(600):
        if (now := source(page)) != before:
            return now
        page.wait_for_timeout(100)
    pytest.fail("the picture stays")


def say(page, caption: str) -> None:
    field = page.get_by_role("textbox", name="caption")
    field.fill(caption)
    field.press("Enter")


def test_two_visitors_a_postcard_and_a_training(demo, page, chromium, tmp_path, run):
    """One test, because every visit costs a kernel."""
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(demo, wait_until="commit", timeout=READY)
    page.get_by_text("setting up their easels").wait_for()
    visit(page, demo)
    assert page.title() == "One scene, five painters"
    assert page.locator(".jp-InputArea, .jp-Toolbar, #loading").count() == 0
    page.screenshot(path=tmp_path / "1280.png", full_page=True)

    # Another person, on a phone, whose page is like the first one's was, whatever is done there.
    phone = chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    other = visit(phone.new_page(), demo)
    untouched = source(other)
    assert other.evaluate("document.documentElement.scrollWidth") == 390
    other.screenshot(path=tmp_path / "390.png", full_page=True)

    begin = source(page)
    say(page, "a small yellow boat on the water")
    said = changes(page, begin)
    page.get_by_text("caption changed").wait_for()
    say(page, "?!")
    page.get_by_role("alert").get_by_text("no word").wait_for()
    page.screenshot(path=tmp_path / "message.png")
    say(page, "a small yellow boat on the water")
    page.get_by_role("alert").wait_for(state="detached")

    page.get_by_role("button", name="what changed").click()
    page.locator(".demo-whole").wait_for()
    trained = source(page)
    page.locator(".demo-tools .noUi-handle").focus()
    page.keyboard.press("ArrowLeft")
    changes(page, trained)
    page.locator(".demo-tools .widget-readout").get_by_text("1", exact=True).wait_for()
    page.screenshot(path=tmp_path / "whole.png", full_page=True)

    page.get_by_role("button", name="postcards").click()
    with page.expect_download() as download:
        page.get_by_text("spade.png", exact=True).click()
    download.value.save_as(tmp_path / "spade.png")
    card = read_postcard(tmp_path / "spade.png")
    assert card.painter == "spade"

    assert source(other) == untouched and said != untouched
    say(other, "a red house at night")
    changes(other, untouched)
    with other.expect_file_chooser() as chooser:
        other.get_by_role("button", name="open a postcard").click()
    chooser.value.set_files(tmp_path / "spade.png")
    other.get_by_text(f"painted by spade from the seed {card.seed}").wait_for()
    shown = source(other, ".demo-card .widget-hbox > .widget-image")
    read = "url => fetch(url).then(r => r.arrayBuffer()).then(b => [...new Uint8Array(b)])"
    data = other.evaluate(read, shown)
    assert bytes(data)[:4] == b"\x89PNG"
    (tmp_path / "again.png").write_bytes(bytes(data))
    assert read_postcard(tmp_path / "again.png") == card
    assert card.repaint(load("spade")).pil().tobytes()
    phone.close()
