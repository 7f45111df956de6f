"""The demo without a browser: what it is told, what its page does, how it begins and ends."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest
import torch
from PIL import Image

from course_lib import cli
from course_lib.data.storybook import Storybook
from course_lib.demo import page as demo_page
from course_lib.demo import serve
from course_lib.painter import Picture
from course_lib.postcard import Postcard, png_bytes
from course_lib.widgets.studio import Studio
from tests.company import company

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "course_lib/demo/voila/templates/studio/index.html.j2"


@pytest.fixture(scope="module")
def painters():
    return company()


@pytest.fixture
def shown(painters, monkeypatch):
    """The page, the studio in it, and what lies in the page by its class."""
    made = []
    monkeypatch.setattr(demo_page, "company", lambda *_: dict(painters))
    monkeypatch.setattr(
        "course_lib.widgets.studio.Studio", lambda *a, **k: made.append(Studio(*a, **k)) or made[0]
    )

    def show(**told):
        page = demo_page.page(**told)
        found = {type(widget).__name__: widget for widget in below(page)}
        return page, made[0], found

    return show


def below(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from below(child)


@pytest.fixture
def no_server(monkeypatch):
    """Voila does not start; what it was told is noted."""
    noted = {}

    class Server:
        port = 8866

        def start(self):
            noted["notebook"] = noted["file"].read_text()
            self.launch_browser()

    def server(notebook, address, port):
        noted.update(file=notebook, address=address)
        return Server()

    for name in ("JUPYTER_PATH", "IPYTHONDIR", "PYTHONPATH"):  # as they were, afterwards
        monkeypatch.setenv(name, "")
    monkeypatch.setattr(serve, "_server", server)
    monkeypatch.setattr("webbrowser.open", lambda url: noted.update(url=url))
    return noted


# --- the command ---------------------------------------------------------------------------------


def test_it_serves_this_machine_alone_and_opens_a_browser(no_server, capsys):
    assert cli.main(["demo", "--painters", "lrgan"]) == 0
    assert no_server["address"] == "127.0.0.1" and no_server["url"] == "http://127.0.0.1:8866/"
    assert "page(**{'names': ['lrgan'], 'run': ''})" in no_server["notebook"]
    assert "Ctrl-C closes it" in capsys.readouterr().out
    del no_server["url"]
    assert cli.main(["demo", "--painters", "lrgan", "--no-browser", "--port", "8867"]) == 0
    assert "port 8867 is taken" in capsys.readouterr().out and "url" not in no_server


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "0"], "'0' is not a whole number from 1"),
        (["--painters", "dcgan", "nobody"], "2 problems"),
        (["--painters", "dcgan"], "dcgan paints no scenes"),
        (["--run", "gone"], "no such folder"),
        (["--painters", "dcgan", "nobody", "--run", "gone"], "3 problems"),
    ],
)
def test_what_cannot_be_shown_is_refused_before_anything_starts(
    no_server, capsys, arguments, words
):
    assert cli.main(["demo", *arguments]) == 2
    assert words in capsys.readouterr().err and not no_server


def test_a_missing_voila_is_named_with_the_line_that_brings_it(monkeypatch, capsys):
    monkeypatch.setattr(serve, "find_spec", lambda name: None)
    assert cli.main(["demo", "--painters", "lrgan"]) == 2
    assert "pip install 'voila" in capsys.readouterr().err


def test_nothing_in_the_page_points_to_another_machine():
    assert not re.search(r"https?:|//\w+\.", TEMPLATE.read_text("utf-8"))
    sources = serve.NOTHING_FROM_OUTSIDE.partition(";")[0].split()[1:]
    assert set(sources) == {"'self'", "'unsafe-inline'", "'unsafe-eval'", "blob:", "data:", "ws:"}


# --- the page ------------------------------------------------------------------------------------


def test_a_postcard_shows_its_very_picture_and_brings_its_scene(shown, painters, tmp_path):
    _, studio, found = shown()
    scene = Storybook(seed=1)[12]
    ids = scene.label_map.ids.as_subclass(torch.Tensor)
    style = torch.linspace(-1, 1, painters["spade"].z_dim)
    card = Postcard.of(painters["spade"], label_map=ids, style=style, seed=4)
    picture = card.repaint(painters["spade"])

    def bring(name: str, data: bytes) -> str:
        found["PostcardInput"]._on_message(None, {"do": "open", "name": name}, [data])
        return found["PostcardInput"].message

    assert bring("spade.png", png_bytes(picture, card)) == "painted by spade from the seed 4"
    (tmp_path / "shown.png").write_bytes(found["Image"].value)
    with Image.open(tmp_path / "shown.png") as shown_picture:
        assert shown_picture.tobytes() == picture.pil().tobytes()
    assert torch.equal(studio.scene.label_map.ids, scene.label_map.ids)
    assert studio.state["seed"] == 4

    before = dict(studio.pictures)
    assert "not a readable PNG" in bring("me.png", b"no picture")
    other = Postcard("dcgan", "", 1)
    assert "'dcgan', who is not here" in bring("dcgan.png", png_bytes(picture, other))
    strange = Postcard.of(painters["stackgan"], seed=1, caption="?!")
    assert "no word" in bring("none.png", png_bytes(picture, strange))
    assert studio.pictures == before

    words = Postcard.of(painters["stackgan"], seed=2, caption="a red house")
    bring("stackgan.png", png_bytes(picture, words))
    assert studio.state["caption"] == "a red house"
    again = words.repaint(painters["stackgan"])
    assert torch.equal(studio.pictures["stackgan"].image, again.image)
    pair = [("cat", [0.1, 0.5, 0.4, 0.9])]
    boxes = Postcard.of(painters["opgan"], seed=2, caption="two cats", layout=pair)
    bring("opgan.png", png_bytes(picture, boxes))
    assert studio.scene.layout.names == ("cat",)


def test_the_slider_lets_each_milestone_paint_in_its_turn(shown, monkeypatch, tmp_path, painters):
    files = {100: tmp_path / "100", 200: tmp_path / "200"}
    old = company()["spade"]
    with torch.no_grad():
        next(old.generator.parameters()).mul_(-1)
    monkeypatch.setattr(demo_page, "milestones", lambda run: files)
    by_file = {files[100]: old, files[200]: painters["spade"]}
    monkeypatch.setattr(demo_page, "load", by_file.__getitem__)
    _, studio, found = shown(run=str(tmp_path))
    first, others = studio.pictures["spade"].image, {**studio.pictures}
    slider = found["SelectionSlider"]
    assert slider.value == 200
    slider.value = 100
    assert torch.equal(studio.pictures["spade"].image, old.generate(**inputs(studio)).image)
    assert not torch.equal(studio.pictures["spade"].image, first)
    assert all(studio.pictures[name] is others[name] for name in others if name != "spade")
    slider.value = 200
    assert torch.equal(studio.pictures["spade"].image, first)


def inputs(studio):
    return studio._told(**studio.state).inputs(studio.painters["spade"])


def test_a_photo_is_read_by_the_small_segmenter(shown, monkeypatch):
    _, studio, _ = shown()
    page = Storybook(seed=1)[12]
    asked = []

    class Segmenter:
        def look(self, photo):
            asked.append(photo)
            return page

    monkeypatch.setattr(demo_page, "open_segmenter", lambda name: asked.append(name) or Segmenter())
    data = png_bytes(Picture(page.image.float() / 127.5 - 1), Postcard("x", "", 1))
    studio.canvas._on_message(None, {"do": "photo", "name": "me.png"}, [data])
    assert asked[0] == "storybook" and asked[1].shape == (3, 64, 64)
    assert torch.equal(studio.scene.label_map.ids, page.label_map.ids)


def test_what_changed_is_shown_on_demand(shown):
    page, _, found = shown()
    card = page.children[0]
    found["ToggleButton"].value = True
    assert "demo-whole" in card._dom_classes
    found["ToggleButton"].value = False
    assert "demo-whole" not in card._dom_classes


# --- from beginning to end -----------------------------------------------------------------------


@pytest.mark.slow
def test_a_taken_port_is_passed_over_and_ctrl_c_ends_the_server_with_its_kernels():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        command = [
            sys.executable,
            "-m",
            "course_lib",
            "demo",
            "--no-browser",
            "--painters",
            "lrgan",
        ]
        demo = subprocess.Popen([*command, "--port", str(taken)], cwd=ROOT, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
        said = demo.stdout.readline()
        assert said.startswith(f"port {taken} is taken")
        port = int(re.search(r"127\.0\.0\.1:(\d+)/", demo.stdout.readline())[1])
        me = psutil.Process(demo.pid)
        places = {c.laddr.ip for c in me.net_connections() if c.status == psutil.CONN_LISTEN}
        with urlopen(f"http://127.0.0.1:{port}/", timeout=240) as page:
            assert b"setting up their easels" in page.read()  # all of it: the cell has run
        kernels = me.children(recursive=True)
        demo.send_signal(signal.SIGINT)
        assert demo.wait(60) == 0
        said = demo.stdout.read()
        assert "closed\n" in said and "Traceback" not in said
    assert kernels and not [one for one in kernels if one.is_running()]
    assert "127.0.0.1" in places and places <= {"127.0.0.1"}
