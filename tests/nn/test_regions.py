"""Regions: units, both conventions of pixel centres, and boxes that would end the process."""

import pytest
import torch
from torchvision.ops import roi_align

from course_lib.errors import CourseError
from course_lib.nn.regions import region_features


@pytest.mark.parametrize("aligned", [True, False])
def test_boxes_are_fractions_of_maps_of_any_shape(aligned):
    maps = torch.rand(2, 3, 8, 16)
    boxes, pictures = torch.tensor([[0.25, 0.5, 0.75, 1.0], [0, 0, 1, 1]]), torch.tensor([1, 0])
    found = region_features(maps, boxes, pictures, 4, aligned=aligned)
    corners = torch.tensor([[1.0, 4, 4, 12, 8], [0, 0, 0, 16, 8]])
    torch.testing.assert_close(found, roi_align(maps, corners, 4, aligned=aligned))
    grey = region_features(maps.bfloat16(), boxes, pictures, 4, aligned=aligned)
    assert grey.dtype == torch.float32


@pytest.mark.parametrize(
    ("box", "picture", "words"),
    [
        ([0.0, 0.0, torch.nan, 1.0], 0, "NaN or infinite"),
        ([-torch.inf, 0.0, 1.0, 1.0], 0, "NaN or infinite"),
        ([0.0, 0.0, 1.0, 1.0], 2, "name others"),
        ([0.0, 0.0, 1.0, 1.0], -1, "name others"),
    ],
)
def test_what_roi_align_must_never_see(box, picture, words):
    with pytest.raises(CourseError, match=words):
        region_features(torch.rand(2, 3, 8, 8), torch.tensor([box]), torch.tensor([picture]), 4,
                        aligned=True)  # fmt: skip
