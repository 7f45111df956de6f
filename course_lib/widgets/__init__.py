"""What notebooks show and let people touch."""

from course_lib.widgets.caption import caption_panel
from course_lib.widgets.guard import need
from course_lib.widgets.layers import layers_panel
from course_lib.widgets.lostgan import lostgan_panel
from course_lib.widgets.milestones import milestones_panel
from course_lib.widgets.noise import noise_panel
from course_lib.widgets.opgan import opgan_panel
from course_lib.widgets.panel import Panel
from course_lib.widgets.quiz import your_turn
from course_lib.widgets.spade import spade_panel
from course_lib.widgets.storybook import storybook_panel
from course_lib.widgets.studio import Studio

__all__ = [
    "Panel", "Studio", "caption_panel", "layers_panel", "lostgan_panel", "milestones_panel", "need",
    "noise_panel", "opgan_panel", "spade_panel", "storybook_panel", "your_turn",
]  # fmt: skip
