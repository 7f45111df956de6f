"""One scene is told whole; each painter hears its part, and nothing else moves its picture."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from course_lib import ensemble
from course_lib.data.storybook import Look, Storybook
from course_lib.data.storybook.painter import StorybookPainter
from course_lib.ensemble import HEARS, Told, five
from course_lib.errors import CourseError
from course_lib.postcard import Postcard
from course_lib.scene import Layout, Scene
from tests.company import company

SCENE = Storybook(seed=1, size=64)[14]
OTHER = Storybook(seed=1, size=64)[15]
TOLD = Told(Scene(SCENE.image, ("a red house",), SCENE.layout, label_map=SCENE.label_map))


@pytest.fixture(scope="module")
def painters():
    return company()


def changed(**parts) -> Told:
    return replace(TOLD, scene=replace(TOLD.scene, **parts))


CHANGES = {
    "caption": changed(captions=("two cats and a car",)),
    "layout": changed(layout=Layout.of(("cat", (0.2, 0.4, 0.5, 0.9)), units="fraction",
                                       format="xyxy").on((64, 64))),
    "label_map": changed(label_map=OTHER.label_map),
    "style": replace(TOLD, style=SCENE.redraw(look=Look("winter", "night")).image),
    "styles": replace(TOLD, styles={0: 99}),
    "seed": replace(TOLD, seed=8),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("name", HEARS)
def test_each_hears_its_part_and_nothing_else(painters, name, what):
    hears = {*HEARS[name], "seed"} | ({"styles"} if name == "lostgan" else set())
    before, after = (told.paint(painters[name]).image for told in (TOLD, CHANGES[what]))
    assert torch.equal(before, after) == (what not in hears)


@pytest.mark.parametrize("name", HEARS)
def test_a_postcard_of_what_was_heard_paints_it_again(painters, name):
    told = replace(CHANGES["style"], styles={0: 99})
    card = Postcard.of(painters[name], **told.inputs(painters[name]))
    again = Postcard.from_json(card.to_json()).repaint(painters[name])
    assert torch.equal(again.image, told.paint(painters[name]).image)


def test_a_thing_keeps_its_style_whatever_stuff_there_is(painters):
    styles = []
    for told in (TOLD, CHANGES["label_map"]):
        inputs = told.inputs(painters["lostgan"])
        names = [name for name, _ in inputs["layout"]]
        place = names.index(SCENE.layout.names[0])
        styles.append((place, painters["lostgan"].generate(**inputs).styles[place]))
    assert styles[0][0] != styles[1][0]  # other stuff came before it
    assert torch.equal(styles[0][1], styles[1][1])


def test_strangers_are_refused():
    with pytest.raises(CourseError, match="storybook is none of the five: stackgan"):
        TOLD.paint(StorybookPainter())


def test_who_has_no_weights_is_told_apart(monkeypatch, tmp_path):
    known = ensemble.shipped_weights
    monkeypatch.setattr(
        ensemble, "shipped_weights", lambda name: known(name if name == "lrgan" else "nobody")
    )
    found = five()
    assert list(found) == list(HEARS) and found["lrgan"].kind == "lrgan"
    assert [name for name, painter in found.items() if painter is None] == [
        "stackgan", "spade", "opgan", "lostgan",
    ]  # fmt: skip
    assert "course train opgan" in ensemble.not_installed("opgan")
