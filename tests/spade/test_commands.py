"""``course sample`` of a painter of label maps, its options, and what they complain of."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib import cli
from course_lib.data.storybook import Storybook
from course_lib.scene import load_image
from course_lib.spade.objective import Artist
from course_lib.storage.checkpoint import Checkpoint, write_checkpoint
from tests.spade.test_objective import SMALL

BOOK = Storybook(size=32)


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """Two painters that nobody has trained, a map and a photo."""
    place = tmp_path_factory.mktemp("desk")
    torch.manual_seed(0)
    for name, config in (("styled", SMALL), ("plain", replace(SMALL, use_vae=False))):
        weights = {f"G/{key}": value for key, value in Artist(config).state_dict().items()}
        header = {"kind": "spade", "config": asdict(config),
                  "tables": {"classes": BOOK.classes.to_json()}}  # fmt: skip
        write_checkpoint(place / f"{name}.safetensors", Checkpoint(header, weights))
    BOOK[0].label_map.save(place / "map.png")
    BOOK[1].picture.save(place / "photo.png")
    Image.fromarray(np.full((32, 32), 77, dtype=np.uint8)).save(place / "wrong.png")
    (place / "no.png").write_text("no picture")
    return place


def sample(desk, capsys, painter, *told):
    paths = [str(desk / word) if str(word).endswith("png") else word for word in told]
    code = cli.main(["sample", str(desk / f"{painter}.safetensors"), *paths])
    return code, capsys.readouterr().err


def test_a_map_in_the_style_of_a_photo(desk, capsys):
    told = ["--label-map", "map.png", "--n", "4", "--seed", "3"]
    assert sample(desk, capsys, "styled", *told, "--style", "photo.png", "--out", "a.png")[0] == 0
    assert sample(desk, capsys, "styled", *told, "--out", "b.png")[0] == 0
    one, many = (load_image(desk / name).as_subclass(torch.Tensor) for name in ("a.png", "b.png"))
    assert one.shape == many.shape == (3, 70, 70)

    def tiles(sheet):
        return [sheet[:, y : y + 32, x : x + 32].float() for y in (2, 36) for x in (2, 36)]

    assert all(torch.equal(tile, tiles(one)[0]) for tile in tiles(one)[1:])  # one style, no grain
    assert not torch.equal(tiles(many)[1], tiles(many)[0])  # each seed has its own


def test_without_a_map_unseen_pages_are_painted(desk, capsys):
    assert sample(desk, capsys, "styled", "--n", "4", "--out", "unseen.png")[0] == 0
    assert load_image(desk / "unseen.png").shape == (3, 70, 70)


@pytest.mark.parametrize(
    ("painter", "told", "complaint"),
    [
        ("styled", ["--label-map", "wrong.png"], "id 77 at 1024 pixels"),
        ("styled", ["--label-map", "nowhere.png"], "nowhere.png"),
        ("styled", ["--label-map", "no.png"], "no picture that can be read"),
        ("styled", ["--label-map", "map.png", "--style", "gone.png"], "gone.png"),
        ("styled", ["--caption", "a tree"], "spade listens to no caption"),
        ("plain", ["--label-map", "map.png", "--style", "photo.png"], "without an encoder"),
    ],
)
def test_what_cannot_be_painted_is_named(desk, capsys, painter, told, complaint):
    code, said = sample(desk, capsys, painter, *told, "--n", "1")
    assert code == 2 and complaint in said


def test_other_painters_listen_to_no_map(desk, capsys):
    assert cli.main(["sample", "dcgan", "--label-map", str(desk / "map.png")]) == 2
    assert "dcgan listens to no label map" in capsys.readouterr().err


def test_the_options_of_generator_encoder_and_discriminator_are_listed(capsys):
    with pytest.raises(SystemExit):
        cli.main(["train", "spade", "--help"])
    listed = capsys.readouterr().out
    for name in ("upsampling", "use_vae", "norm_e", "scales_d", "relief", "data", "profile"):
        assert f"--{name}" in listed


def test_a_runs_configuration_is_written_and_repeats_it(tmp_path, capsys):
    few = ["--profile", "smoke", "--rounds", "1", "--width_d", "4", "--workers", "0"]
    first, second = tmp_path / "first", tmp_path / "second"
    assert cli.main(["train", "spade", *few, "--out", str(first)]) == 0
    written = json.loads((first / "config.json").read_text())
    assert written["painter"] == "spade" and written["width_d"] == 4 and written["size"] == 32
    again = ["--profile", "paper", "--config", str(first), "--seed", "1", "--out", str(second)]
    assert cli.main(["train", "spade", *again]) == 0
    assert json.loads((second / "config.json").read_text()) == written | {"seed": 1}
    capsys.readouterr()
    assert cli.main(["train", "lrgan", "--config", str(first / "config.json")]) == 2
    assert "no settings of lrgan" in capsys.readouterr().err
