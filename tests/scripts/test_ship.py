"""What ships is half as large, knows no path of another machine, may be a mean of milestones."""

import pytest
import torch

from course_lib.storage.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from scripts.ship import ship


@pytest.fixture
def run(tmp_path):
    """A run whose one weight was 1, 2 and 6 at its milestones, and 9 in the end."""
    for number, value in enumerate((1.0, 2.0, 6.0, 9.0), 1):
        header = {"kind": "lrgan", "config": {"start": "/my/run", "size": 32}, "round": number}
        tensors = {"G/weight": torch.full((2,), value), "G/count": torch.tensor(number)}
        name = "painter" if number == 4 else f"milestones/000{number}000"
        (tmp_path / "milestones").mkdir(exist_ok=True)
        write_checkpoint(tmp_path / f"{name}.safetensors", Checkpoint(header, tensors))
    return tmp_path


@pytest.mark.parametrize(("mean", "value", "count"), [(0, 9, 4), (1, 6, 3), (2, 4, 3), (3, 3, 3)])
def test_the_last_weights_or_the_mean_of_the_last_milestones(run, tmp_path, mean, value, count):
    shipped = read_checkpoint(ship(run, "mine", tmp_path, mean=mean))
    assert shipped.tensors["G/weight"].dtype == torch.float16
    assert shipped.tensors["G/weight"].tolist() == [value, value]
    assert shipped.tensors["G/count"] == count  # what is counted has no mean
    assert shipped.header["config"] == {"start": "", "size": 32}
