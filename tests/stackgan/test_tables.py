"""The four networks against the published layer tables, row by row and line by line."""

import re

import pytest
import torch
import torchinfo

from course_lib.stackgan.counting import published_counts
from course_lib.stackgan.networks import Discriminator, StageOne, StageTwo
from tests.stackgan.tables import DISCRIMINATOR_ONE, DISCRIMINATOR_TWO, STAGE_ONE, STAGE_TWO

NETWORKS = {
    "Stage-I generator": (StageOne, STAGE_ONE),
    "Stage-I discriminator": (Discriminator, DISCRIMINATOR_ONE),
    "Stage-II generator": (StageTwo, STAGE_TWO),
    "Stage-II discriminator": (lambda: Discriminator(size=256), DISCRIMINATOR_TWO),
}
ROW = re.compile(r"─(\w+): (\d+-\d+) +\[\d+, ([\d, ]+)\] +(--|[\d,]+)$", re.MULTILINE)


def printed(network, *shapes, batch=1):
    """torchinfo's table, and its rows as ours are written."""
    given = [torch.zeros(batch, *shape) for shape in shapes]
    summary = torchinfo.summary(network, input_data=given, mode="eval", verbose=0, device="cpu")
    found = ROW.findall(str(summary))
    return summary, tuple(
        (a, b, c.replace(", ", "x"), d.replace("--", "-")) for a, b, c, d in found
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_every_row_and_line_is_the_published_one(name):
    make, table = NETWORKS[name]
    network = make()
    summary, found = printed(network, *table.shapes)
    assert found == table.rows
    assert summary.total_params == summary.trainable_params == table.params

    counts = published_counts(network, *table.shapes)
    unit = {"G": 1e9, "M": 1e6}[table.mult_adds[-1]]
    assert f"{counts.mult_adds / unit:.2f}" == table.mult_adds[:-1]
    megabytes = counts.input_mb, counts.passes_mb, counts.params_mb, counts.total_mb
    assert tuple(f"{value:.2f}" for value in megabytes) == table.megabytes


@pytest.mark.parametrize(
    ("count", "lines"),
    [(22, STAGE_ONE), (18, DISCRIMINATOR_ONE), (39, STAGE_TWO), (24, DISCRIMINATOR_TWO)],
)
def test_no_row_of_our_transcription_is_missing(count, lines):
    assert len(lines.rows) == count and all(len(row) == 4 for row in lines.rows)
    figures = [int(row[3].replace(",", "")) for row in lines.rows if row[3] != "-"]
    assert sum(figures) == lines.params


def test_the_short_cut_changes_no_row():
    """With 32 pictures the convolutions after doublings run as one layer, except when watched."""
    network = StageOne(8, 4, 4, width=16)
    rows = [printed(network, (8,), (4,), batch=batch)[1] for batch in (1, 32)]
    assert rows[0] == rows[1]
    assert [row[0] for row in rows[0]] == [row[0] for row in STAGE_ONE.rows]


def test_counting_leaves_the_network_as_it_was():
    network = Discriminator(8, 4, 16)
    before = [buffer.clone() for buffer in network.buffers()]
    published_counts(network, (3, 64, 64), (8,))
    assert network.training and not network.conv1._forward_hooks
    assert all(torch.equal(a, b) for a, b in zip(before, network.buffers(), strict=True))
