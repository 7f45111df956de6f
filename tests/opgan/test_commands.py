"""OP-GAN by command: settings in a YAML file, as its authors have them."""

import json

import pytest

from course_lib import cli


def test_a_yaml_file_has_what_differs_and_the_line_goes_first(tmp_path):
    settings, run = tmp_path / "train.yaml", tmp_path / "run"
    settings.write_text("norm_d: spectral\nrounds: 5\n", "utf-8")
    line = ["--profile", "smoke", "--config", str(settings), "--rounds", "1", "--out", str(run)]
    assert cli.main(["train", "opgan", *line, "--workers", "0"]) == 0
    written = json.loads((run / "config.json").read_text("utf-8"))
    assert written["norm_d"] == "spectral" and written["rounds"] == 1


@pytest.mark.parametrize(("text", "words"), [("norm: batch", "norm_d"), ("a: [", "no YAML")])
def test_a_yaml_file_that_cannot_be_meant_is_refused(tmp_path, capsys, text, words):
    settings = tmp_path / "train.yaml"
    settings.write_text(text, "utf-8")
    assert cli.main(["train", "opgan", "--profile", "smoke", "--config", str(settings)]) == 2
    assert words in capsys.readouterr().err
