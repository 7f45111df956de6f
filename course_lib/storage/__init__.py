"""What a run leaves on disk, and how it survives whatever happens to the machine."""

from course_lib.storage.checkpoint import Checkpoint, part, read_checkpoint, write_checkpoint

__all__ = ["Checkpoint", "part", "read_checkpoint", "write_checkpoint"]
