"""What a picture is made of, and how a batch of it travels.

Pixels and geometry are torchvision's ``tv_tensors``, so that ``torchvision.transforms.v2`` moves
picture, boxes and maps together. Classes go by their names: ids stay inside :class:`ClassTable`.
"""

from course_lib.scene.batch import SceneBatch, Source, collate
from course_lib.scene.classes import ClassInfo, ClassTable
from course_lib.scene.label_map import LabelMap
from course_lib.scene.layout import Layout
from course_lib.scene.pictures import load_image, to_image
from course_lib.scene.scenes import Scene

__all__ = [
    "ClassInfo",
    "ClassTable",
    "LabelMap",
    "Layout",
    "Scene",
    "SceneBatch",
    "Source",
    "collate",
    "load_image",
    "to_image",
]
