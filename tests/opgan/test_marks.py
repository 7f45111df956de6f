"""What the shipped painter reaches on scenes that it has not seen."""

from dataclasses import replace

import pytest
import torch

import course_lib
from course_lib.data.sources import open_source
from course_lib.metrics.soa import difference, soa_c, storybook_soa
from course_lib.opgan.damsm.losses import sentence_agreement
from course_lib.opgan.damsm.objective import load_damsm


def painted(count):
    try:
        painter = course_lib.load("opgan")
    except course_lib.CourseError as error:
        pytest.skip(str(error))
    pages = open_source("storybook", 64, "test").batch(torch.arange(count))
    return painter.repaint(pages, range(count)), pages


@pytest.mark.slow
def test_things_that_captions_name_are_there_and_where_their_boxes_are():
    pictures, pages = painted(1000)
    found, ceiling = (storybook_soa(shown, pages) for shown in (pictures, pages.images))
    assert soa_c(found.rows) >= 0.9 * soa_c(ceiling.rows)
    assert found.detected_iou() >= 0.8


@pytest.mark.slow
def test_without_its_layout_the_same_painter_shows_far_less():
    """The twin that was trained without pathways is in the card; here they are told of nothing."""
    pictures, pages = painted(200)
    painter = course_lib.load("opgan")
    painter.config = replace(painter.config, pathway=False)
    deaf = storybook_soa(painter.repaint(pages, range(200)), pages)
    apart, (low, _) = difference(storybook_soa(pictures, pages).rows, deaf.rows)
    assert apart >= 0.5 and low > 0.1


def test_some_things_of_sixty_scenes_are_there():
    pictures, pages = painted(60)
    blank = storybook_soa(torch.zeros_like(pictures), pages)
    assert soa_c(storybook_soa(pictures, pages).rows) > 0.25 > soa_c(blank.rows)


def retrieved(count):
    """How often a picture's own caption agrees more than 99 others: chance is 1 %."""
    try:
        damsm = load_damsm("shipped")
    except course_lib.CourseError as error:
        pytest.skip(str(error))
    pages = open_source("storybook", 64, "test").batch(torch.arange(count))
    captions = [several[1] for several in pages.captions]  # all things, with their colours
    with torch.no_grad():
        whole = torch.cat([damsm.image(part)[1] for part in pages.images.split(50)])
        said = damsm.text.read(captions, 24).sentence
    agree, hits = sentence_agreement(whole, said), 0
    for own, caption in enumerate(captions):
        others = [k for k, other in enumerate(captions) if other != caption][:99]
        hits += int(agree[own, own] > agree[own, others].max())
    return hits / count


@pytest.mark.slow
def test_a_picture_finds_its_caption_among_a_hundred():
    assert retrieved(500) >= 0.55  # chance is 0.01
