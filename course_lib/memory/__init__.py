"""How much memory training takes, and how the same game is played with less."""

from course_lib.memory.need import Need, estimate_memory, peak_memory
from course_lib.memory.plan import fit_batch_size, plan_memory

__all__ = ["Need", "estimate_memory", "fit_batch_size", "peak_memory", "plan_memory"]
