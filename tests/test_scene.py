"""The scene types: names and ids, boxes and units, and transforms that move all parts together."""

from __future__ import annotations

import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision import tv_tensors
from torchvision.transforms import v2

from course_lib.errors import CourseError
from course_lib.scene import (
    ClassInfo,
    ClassTable,
    LabelMap,
    Layout,
    Scene,
    SceneBatch,
    collate,
)

CLASSES = ClassTable.of(
    stuff={"sky": (120, 180, 240), "grass": (90, 170, 70)},
    things={"cat": (200, 120, 40), "tree": (40, 100, 40)},
)


def blocks() -> Scene:
    """A cat and a tree as two rectangles on grass, with everything exactly consistent."""
    masks = torch.zeros(2, 16, 16, dtype=torch.bool)
    masks[0, 8:14, 2:8] = True
    masks[1, 4:12, 10:14] = True
    ids = torch.zeros(16, 16, dtype=torch.int64)
    ids[8:] = CLASSES.id("grass")
    for mask, name in zip(masks, ("cat", "tree"), strict=True):
        ids[mask] = CLASSES.id(name)
    layout = Layout.of(
        ("cat", (2, 8, 8, 14)),
        ("tree", (10, 4, 14, 12)),
        units="pixel",
        format="xyxy",
        canvas=(16, 16),
    )
    return Scene(
        image=tv_tensors.Image(CLASSES.palette()[ids].permute(2, 0, 1).contiguous()),
        captions=("a cat left of a tree", "a tree on the right"),
        layout=layout,
        masks=tv_tensors.Mask(masks),
        label_map=LabelMap.of(ids, CLASSES, instances=masks[0] + 2 * masks[1]),
    )


def assert_consistent(scene: Scene) -> None:
    """Boxes are the masks' bounds, the map is the masks' composition, the image is the map's."""
    assert scene.layout is not None and scene.masks is not None and scene.label_map is not None
    for (name, _), box, mask in zip(scene.layout, scene.layout.boxes, scene.masks, strict=True):
        rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
        bounds = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert box.tolist() == [float(edge) for edge in bounds]
        assert bool((scene.label_map.ids[mask] == CLASSES.id(name)).all())
    assert scene.label_map.coloured().equal(scene.image)
    assert scene.label_map.instances is not None
    assert scene.label_map.instances.bool().equal(scene.masks.any(0))


@pytest.mark.parametrize(
    "change",
    [
        v2.RandomHorizontalFlip(p=1.0),
        v2.RandomVerticalFlip(p=1.0),
        v2.Resize((32, 48), interpolation=v2.InterpolationMode.NEAREST),
        v2.Compose(
            [v2.RandomHorizontalFlip(p=1.0), v2.Resize((32, 32), v2.InterpolationMode.NEAREST)]
        ),
    ],
)
def test_v2_moves_all_parts_together(change: v2.Transform) -> None:
    assert_consistent(blocks().transform(change))


def test_resize_never_invents_a_class() -> None:
    small = blocks().resize(11, 7)
    assert small.label_map is not None and small.canvas == (11, 7)
    assert set(small.label_map.names()) <= set(CLASSES.names)
    assert small.masks is not None and small.masks.dtype == torch.bool


def test_a_label_map_doubles_and_halves_without_blending() -> None:
    label_map = blocks().label_map
    assert label_map is not None
    doubled = label_map.resize(32, 32)
    assert doubled.ids[::2, 1::2].equal(label_map.ids)
    back = doubled.resize(16, 16)
    assert back.ids.equal(label_map.ids) and back.instances is not None
    assert label_map.instances is not None and back.instances.equal(label_map.instances)
    assert isinstance(back.ids, tv_tensors.Mask)


def test_flip_mends_the_captions() -> None:
    flipped = blocks().flip()
    assert_consistent(flipped)
    assert flipped.captions == ("a cat right of a tree", "a tree on the left")
    assert flipped.flip().image.equal(blocks().image)


def test_edge_lies_between_objects_and_nowhere_else() -> None:
    ids = torch.zeros(4, 6, dtype=torch.int64)
    instances = torch.tensor([[1, 1, 1, 2, 2, 2]] * 4)
    with pytest.warns(UserWarning, match="one class only"):
        touching = LabelMap.of(ids + 2, CLASSES, instances=instances).edge()
    assert touching.shape == (1, 4, 6)
    assert touching[0].tolist() == [[False, False, True, True, False, False]] * 4
    with pytest.warns(UserWarning, match="one class only"):
        assert not LabelMap.of(ids, CLASSES).edge().any()


def test_collate_pads_and_says_so() -> None:
    one = blocks()
    assert one.layout is not None and one.masks is not None
    none = Scene(one.image, one.captions, Layout.empty((16, 16)), one.masks[:0], one.label_map)
    batch = collate([none, one], max_objects=5)
    batch.check()
    assert batch.present is not None and batch.objects is not None and batch.boxes is not None
    assert batch.present.sum(1).tolist() == [0, 2]
    assert batch.objects[1, :2].tolist() == [CLASSES.id("cat"), CLASSES.id("tree")]
    assert not batch.objects[~batch.present].any() and not batch.boxes[~batch.present].any()
    assert batch.boxes[1, 0].tolist() == [2 / 16, 8 / 16, 8 / 16, 14 / 16]
    assert batch.masks()[1, :2].equal(one.masks.as_subclass(torch.Tensor))
    assert not batch.masks()[0].any() and not batch.masks()[1, 2:].any()
    assert batch.images.aminmax()[1] <= 1 and batch.images.dtype == torch.float32


def test_batch_moves_between_devices() -> None:
    batch = collate([blocks()]).to("meta")
    tensors = [batch.images, batch.label_maps, batch.objects, batch.boxes, batch.present]
    assert all(tensor is not None and tensor.device.type == "meta" for tensor in tensors)
    assert batch.captions == (blocks().captions,) and batch.labels is None
    digits = SceneBatch(torch.zeros(3, 1, 8, 8), torch.arange(3)).to("cpu")
    assert len(digits) == 3 and digits.labels is not None


def test_class_table_speaks_both_directions() -> None:
    table = ClassTable(
        (
            ClassInfo(0, "person", (1, 1, 1), "thing", {"coco": 1, "png": 0}),
            ClassInfo(1, "sky", (2, 2, 2), "stuff", {"coco": 157, "png": 156}),
        )
    )
    ids = torch.tensor([[0, 1], [1, table.unlabeled]])
    for numbering, void in (("coco", 0), ("png", 255)):
        theirs = table.to_source(ids, numbering, void=void)
        assert table.from_source(theirs, numbering, void=(void,)).equal(ids)
    assert table.to_source(ids[0], "coco").tolist() == [1, 157]
    assert ClassTable.from_json(table.to_json()) == table
    assert table.digest != CLASSES.digest
    with pytest.raises(CourseError, match="unlabeled"):
        table.to_source(ids, "coco")


def test_class_table_refuses_twins() -> None:
    info = ClassInfo(0, "cat", (1, 1, 1), "thing")
    with pytest.raises(CourseError) as caught:
        ClassTable((info, info))
    assert all(word in str(caught.value) for word in ("3 problems", "0, 1, 2", "cat", "(1, 1, 1)"))


start, side = st.floats(0, 0.75, width=32), st.floats(0.125, 0.25, width=32)
boxes = st.tuples(start, start, side, side).map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3]))


@given(st.lists(st.tuples(st.sampled_from(CLASSES.names), boxes), max_size=4))
def test_units_and_formats_mean_the_same_box(objects: list) -> None:
    layout = Layout.of(*objects, units="fraction", format="xyxy", classes=CLASSES)
    sizes = [(n, (a, b, c - a, d - b)) for n, (a, b, c, d) in objects]
    centres = [(n, ((a + c) / 2, (b + d) / 2, c - a, d - b)) for n, (a, b, c, d) in objects]
    pixels = [(n, (a * 96, b * 64, c * 96, d * 64)) for n, (a, b, c, d) in objects]
    same = [
        Layout.of(*sizes, units="fraction", format="xywh"),
        Layout.of(*centres, units="fraction", format="cxcywh"),
        layout.on((64, 96)),
        Layout.of(*layout, units="fraction", format="xyxy"),
    ]
    if any(max(box) > 1 for _, box in pixels):
        same.append(Layout.of(*pixels, units="pixel", format="xyxy", canvas=(64, 96)))
    for other in same:
        torch.testing.assert_close(other.fractions(), layout.fractions(), atol=1e-5, rtol=0)


def test_errors_survive_worker_processes() -> None:
    with pytest.raises(CourseError) as caught:
        CLASSES.id("cats")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_scene_without_objects_is_resized_and_flipped() -> None:
    image = tv_tensors.Image(torch.zeros(3, 16, 16, dtype=torch.uint8))
    empty = Scene(image=image, layout=Layout.empty((16, 16)))
    assert empty.resize(8, 8).layout.canvas == (8, 8)
    assert len(empty.flip().layout) == 0


def test_a_scene_shows_its_picture_in_a_painters_range() -> None:
    image = tv_tensors.Image(torch.tensor([0, 255, 51], dtype=torch.uint8).view(3, 1, 1))
    shown = Scene(image=image.expand(3, 8, 8).contiguous()).picture.image
    torch.testing.assert_close(shown[:, 0, 0], torch.tensor([-1.0, 1.0, -0.6]))
