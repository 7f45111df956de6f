"""What a run leaves on disk, and how it survives whatever happens to the machine."""

from course_lib.storage.checkpoint import Checkpoint, part, read_checkpoint, write_checkpoint
from course_lib.storage.folder import RunFolder

__all__ = ["Checkpoint", "RunFolder", "part", "read_checkpoint", "write_checkpoint"]
