"""COCO: Storybook through COCO's files and back without loss, and what is wrong with others."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision import tv_tensors

from course_lib.data.coco import COCO_CLASSES, Coco, write_coco
from course_lib.data.folder import check_folder, open_folder
from course_lib.data.storybook import Storybook
from course_lib.errors import CourseError
from course_lib.scene import ClassTable, LabelMap, Scene, to_image


def assert_same(one: Scene, other: Scene) -> None:
    assert torch.equal(one.image, other.image)
    assert one.captions == other.captions
    assert one.layout.names == other.layout.names
    assert torch.equal(one.layout.boxes, other.layout.boxes)
    assert one.layout.canvas == other.layout.canvas
    assert torch.equal(one.masks, other.masks)
    assert torch.equal(one.label_map.ids, other.label_map.ids)
    assert torch.equal(one.label_map.instances, other.label_map.instances)
    assert one.label_map.classes == other.label_map.classes


@pytest.mark.parametrize("maps", ["png", "json"])
def test_storybook_comes_back_from_coco_files_exactly(tmp_path, maps):
    scenes = [Storybook(seed=5, size=48)[index] for index in range(30)]
    write_coco(scenes, tmp_path, "val2017")
    if maps == "json":  # without COCO-Stuff's PNG, the map is made of stuff and masks
        for path in (tmp_path / "stuffthingmaps" / "val2017").iterdir():
            path.unlink()
    coco = Coco(tmp_path)
    assert len(coco) == 30 and coco.classes == Storybook.classes
    for scene, again in zip(scenes, coco, strict=True):
        assert_same(scene, again)


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(32, 48), most=st.integers(0, 6))
def test_any_book_comes_back_exactly(tmp_path_factory, seed, size, most):
    folder = tmp_path_factory.mktemp("coco")
    scenes = [Storybook(seed=seed, size=size, things=(0, most))[index] for index in range(2)]
    write_coco(scenes, folder)
    for scene, again in zip(scenes, Coco(folder), strict=True):
        assert_same(scene, again)


def test_the_files_are_what_pycocotools_and_coco_stuff_expect(tmp_path):
    from pycocotools.coco import COCO

    scene = Storybook(seed=5, size=48)[1]
    write_coco([scene], tmp_path, "val2017")
    instances = COCO(tmp_path / "annotations" / "instances_val2017.json")
    stuff = COCO(tmp_path / "annotations" / "stuff_val2017.json")
    assert instances.cats.keys().isdisjoint(stuff.cats.keys())
    (x, y, width, height) = instances.anns[1]["bbox"]
    assert [x, y, x + width, y + height] == scene.layout.boxes[0].tolist()
    assert instances.anns[1]["area"] == int(scene.masks[0].sum())
    covered = sum(stuff.annToMask(row).astype(int) for row in stuff.anns.values())
    assert (covered == 1).all()  # every pixel is one kind of stuff, or "other"
    pixels = np.array(Image.open(tmp_path / "stuffthingmaps/val2017/000000000001.png"))
    assert pixels.dtype == np.uint8
    names = {row["id"]: row["name"] for row in (*instances.cats.values(), *stuff.cats.values())}
    assert {names[int(pixel) + 1] for pixel in np.unique(pixels)} == set(scene.label_map.names())


def test_what_is_not_known_stays_unknown_and_no_object_is_an_empty_layout(tmp_path):
    story = Storybook(seed=5, size=32)
    bare = Scene(story[0].image)
    empty = next(story[i] for i in range(200) if not len(story[i].layout))
    no_masks = replace(Scene(story[1].image, layout=story[1].layout))
    write_coco([bare, empty, no_masks], tmp_path, classes=story.classes)
    one, two, three = Coco(tmp_path)
    assert (one.layout, one.masks, one.label_map, one.captions) == (None, None, None, ())
    assert len(two.layout) == 0 and two.masks.shape == (0, 32, 32)
    assert three.masks is None and three.layout.names == story[1].layout.names


def test_unlabeled_pixels_are_void_in_the_files_and_unlabeled_again(tmp_path):
    scene = Storybook(seed=5, size=32)[0]
    ids = scene.label_map.ids.clone()
    ids[:4] = scene.label_map.classes.unlabeled
    masks = scene.masks.clone()
    masks[:, :4] = False
    instances = scene.label_map.instances.clone()
    instances[:4] = 0
    label_map = replace(scene.label_map, ids=tv_tensors.Mask(ids), instances=instances)
    holed = replace(scene, masks=tv_tensors.Mask(masks), label_map=label_map)
    write_coco([holed], tmp_path)
    png = Image.open(tmp_path / "stuffthingmaps/train2017/000000000001.png")
    assert png.getpixel((0, 0)) == 255
    assert torch.equal(Coco(tmp_path)[0].label_map.ids, label_map.ids)


def test_cocos_numbers_have_holes_and_every_numbering_finds_its_class():
    assert (len(COCO_CLASSES), COCO_CLASSES.unlabeled) == (182, 182)
    assert COCO_CLASSES["toothbrush"].source_ids == {"coco": 90, "cocostuff_png": 89, "coco80": 79}
    assert COCO_CLASSES["stop sign"].source_ids == {"coco": 13, "cocostuff_png": 12, "coco80": 11}
    assert COCO_CLASSES["banner"].source_ids == {"coco": 92, "cocostuff_png": 91}
    assert COCO_CLASSES["wood"].source_ids["coco"] == 182
    assert len(COCO_CLASSES.things) == 91 and len(COCO_CLASSES.stuff) == 91
    assert sum("coco80" in c.source_ids for c in COCO_CLASSES) == 80
    void = COCO_CLASSES.from_source(torch.tensor([0, 255]), "cocostuff_png", void=(255,))
    assert [COCO_CLASSES.name(int(i)) for i in void] == ["person", "unlabeled"]


def small_coco(folder, **changes):
    """Two pictures of 8 x 8 with a cat each; ``changes`` replace parts of the JSON."""
    (folder / "images").mkdir(parents=True)
    for name in ("a.png", "b.png"):
        pixels = np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "images" / name)
    cat = {"category_id": 3, "bbox": [1, 1, 4, 4], "iscrowd": 0, "area": 16}
    square = [[1, 1, 5, 1, 5, 5, 1, 5]]
    content = {
        "images": [
            {"id": k, "file_name": name, "height": 8, "width": 8}
            for k, name in ((7, "a.png"), (9, "b.png"))
        ],
        "categories": [{"id": 3, "name": "cat"}, {"id": 8, "name": "dog"}],
        "annotations": [
            {"id": 1, "image_id": 7, "segmentation": square, **cat},
            {"id": 2, "image_id": 9, "segmentation": square, **cat},
        ],
    }
    content |= changes
    (folder / "boxes.json").write_text(json.dumps(content))
    return folder


def test_a_crowd_is_no_object_and_polygons_and_run_lengths_are_masks(tmp_path):
    crowd = {"size": [8, 8], "counts": [0, 32, 32]}  # the left half
    square = [[2, 2, 6, 2, 6, 6, 2, 6]]
    rows = [
        {"id": 1, "image_id": 7, "category_id": 8, "iscrowd": 1, "bbox": [0, 0, 4, 8],
         "segmentation": crowd, "area": 32},
        {"id": 2, "image_id": 7, "category_id": 3, "iscrowd": 0, "bbox": [2, 2, 4, 4],
         "segmentation": square, "area": 16},
    ]  # fmt: skip
    folder = small_coco(tmp_path / "own", annotations=rows)
    source = open_folder(folder)
    assert "1 objects, 1 crowds" in source.found[0]
    first, second = source
    assert first.layout.names == ("cat",) and first.masks.sum() == 16
    assert first.masks[0, 2:6, 2:6].all()
    assert len(second.layout) == 0  # a picture without annotations
    assert source.classes["dog"].source_ids == {"coco": 8}
    # among COCO's own files, the crowd's pixels are dogs in the label map, and no instance
    images = folder.rename(tmp_path / "val2017")
    annotations = tmp_path / "annotations"
    annotations.mkdir()
    content = json.loads((images / "boxes.json").read_text())
    (annotations / "instances_val2017.json").write_text(json.dumps(content))
    stuff = {"categories": [{"id": 9, "name": "lawn"}], "annotations": []}
    (annotations / "stuff_val2017.json").write_text(json.dumps(content | stuff))
    for picture in (images / "images").iterdir():
        picture.rename(images / picture.name)
    label_map = Coco(tmp_path)[0].label_map
    assert label_map.classes.name(int(label_map.ids[0, 0])) == "dog"
    assert label_map.instances[0, 0] == 0 and label_map.instances[3, 3] == 1
    assert label_map.names() == {"dog": 24, "unlabeled": 24, "cat": 16}


BROKEN = {
    "unknown picture": (
        {"annotations": [{"id": 5, "image_id": 99, "category_id": 3, "bbox": [0, 0, 1, 1]}]},
        ["1 annotations", "image_id", "5"],
    ),
    "unknown category": (
        {"annotations": [{"id": 5, "image_id": 7, "category_id": 4, "bbox": [0, 0, 1, 1]}]},
        ["category_id", "5"],
    ),
    "corners, not sizes": (
        {"annotations": [{"id": 5, "image_id": 7, "category_id": 3, "bbox": [4, 4, 8, 8]}]},
        ["leaves its picture", "x, y, width, height"],
    ),
    "too low by 4": (
        {"annotations": [{"id": 5, "image_id": 7, "category_id": 3, "bbox": [0, 6, 4, 6]}]},
        ["1 annotations", "leaves its picture"],
    ),
    "no finite box": (
        {"annotations": [{"id": 5, "image_id": 7, "category_id": 3, "bbox": [0, 0, None, 1]}]},
        ["four finite numbers"],
    ),
    "several at once": (
        {"annotations": [{"id": 5, "image_id": 99, "category_id": 4, "bbox": [0]}]},
        ["3 problems", "image_id", "category_id", "bbox"],
    ),
    "no size": ({"images": [{"id": 7, "file_name": "a.png"}]}, ["height and width"]),
    "panoptic": ({"annotations": [{"image_id": 7, "segments_info": []}]}, ["panoptic"]),
    "missing pictures": (
        {"images": [{"id": k, "file_name": f"{k}.png", "height": 8, "width": 8} for k in (7, 9)]},
        ["0 of 2 pictures", "7.png, 9.png"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("changes, words", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_json_says_what_is_wrong(tmp_path, changes, words):
    folder = small_coco(tmp_path / "own", **changes)
    with pytest.raises(CourseError) as caught:
        open_folder(folder)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert check_folder(folder).problems


def test_a_picture_of_another_size_and_a_bad_segmentation_are_named_by_check(tmp_path):
    rows = [
        {"id": 5, "image_id": 9, "category_id": 3, "bbox": [0, 0, 2, 2], "segmentation": [["x"]]}
    ]
    folder = small_coco(tmp_path / "own", annotations=rows)
    path = folder / "boxes.json"
    content = json.loads(path.read_text())
    content["images"][0] |= {"width": 16}
    path.write_text(json.dumps(content))
    first, second = check_folder(folder).problems
    assert "a.png: the picture is 8x8, its JSON says 16x8" in first
    assert "b.png: annotation 5 has a segmentation" in second


def test_json_cut_short_names_the_file(tmp_path):
    folder = small_coco(tmp_path / "own")
    path = folder / "boxes.json"
    path.write_text(path.read_text()[:-20])
    with pytest.raises(CourseError, match=r"boxes\.json: this is no JSON"):
        open_folder(folder)


def test_writing_refuses_what_it_would_destroy_or_cannot_say(tmp_path):
    scene = Storybook(size=32)[0]
    write_coco([scene], tmp_path)
    with pytest.raises(CourseError, match="train2017 is there already"):
        write_coco([scene], tmp_path)
    with pytest.raises(CourseError, match="class table"):
        write_coco([Scene(scene.image, layout=scene.layout)], tmp_path / "other")
    pixels = to_image(torch.arange(64).reshape(1, 8, 8).to(torch.uint8))
    many = ClassTable.of(stuff={f"class {i}": (i, 0, 0) for i in range(256)})
    with pytest.warns(UserWarning, match="one class only"):
        label_map = LabelMap.of(torch.zeros(8, 8, dtype=torch.int64), many)
    with pytest.raises(CourseError, match="label maps go up to 255"):
        write_coco([Scene(pixels, label_map=label_map)], tmp_path / "many")
