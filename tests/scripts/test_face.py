"""The course's face is made by a command, the same every time, from nothing selected."""

from __future__ import annotations

import numpy as np
from PIL import Image

from scripts import face
from tests.company import company


def test_a_picture_for_every_painter_that_is_installed(monkeypatch, tmp_path):
    painters = company()
    monkeypatch.setattr(face, "five", lambda: painters | {"opgan": None})
    for name in ("one.png", "two.png"):
        assert face.main(["--out", str(tmp_path / "deep" / name)]) == 0
    files = (tmp_path / "deep" / name for name in ("one.png", "two.png"))
    one, two = (np.asarray(Image.open(file).convert("RGB")) for file in files)
    assert (one == two).all()
    assert one.shape[1] == 4 * face.SIDE + 3 * face.GAP  # one is not installed


def test_the_face_that_is_shown_has_the_scene_and_the_painters():
    with Image.open(face.FACE) as picture:
        assert picture.width == 5 * face.SIDE + 4 * face.GAP  # all five
    assert "docs/images/face.png" in (face.FACE.parents[2] / "README.md").read_text("utf-8")
