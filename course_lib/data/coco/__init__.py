"""COCO, both ways: scenes to JSON and PNG files in COCO's format, and such files to scenes."""

from course_lib.data.coco.classes import COCO_CLASSES
from course_lib.data.coco.read import Coco
from course_lib.data.coco.write import write_coco

__all__ = ["COCO_CLASSES", "Coco", "write_coco"]
