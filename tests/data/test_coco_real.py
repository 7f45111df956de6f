"""The COCO readers on real pictures, where ``COURSE_DATA`` holds them."""

import pytest
import torch

from course_lib.data.coco import COCO_CLASSES, Coco
from course_lib.data.known import open_data
from course_lib.data.verbs import check
from course_lib.paths import data_dir

coco_there = pytest.mark.skipif(
    not (data_dir() / "coco" / "annotations" / "instances_val2017.json").is_file(),
    reason="COURSE_DATA holds no COCO",
)
spade_there = pytest.mark.skipif(
    not (data_dir() / "coco_stuff_spade" / "val_label").is_dir(),
    reason="COURSE_DATA holds no COCO-Stuff in SPADE's layout",
)


@pytest.fixture(scope="module")
def val():
    return Coco(data_dir() / "coco", "val2017")


def picture(source, number: int):
    names = [source.where(index).stem for index in range(len(source))]
    return source[names.index(f"{number:012}")]


def at(scene, x: int, y: int) -> str:
    return scene.label_map.classes.name(int(scene.label_map.ids[y, x]))


@coco_there
def test_the_table_is_cocos_and_the_edition_is_told(val):
    assert val.classes is COCO_CLASSES
    found = val.found[0]
    assert found.startswith("COCO 2017, val2017: instances:") and "80 classes" in found
    assert "92 classes with 'other'" in found and "label maps: from the stuff JSON" in found


@coco_there
def test_objects_crowds_and_captions_are_counted_as_the_json_has_them(val):
    import json

    def rows(kind):
        path = data_dir() / "coco" / "annotations" / f"{kind}_val2017.json"
        return json.loads(path.read_text())["annotations"]

    scenes = list(val)
    instances = rows("instances")
    crowds = sum(row["iscrowd"] for row in instances)
    assert crowds > 0
    objects = sum(len(scene.layout) for scene in scenes if scene.layout is not None)
    assert objects == len(instances) - crowds
    assert sum(len(scene.captions) for scene in scenes) == len(rows("captions"))
    known = [scene for scene in scenes if scene.masks is not None]
    seen = torch.cat([scene.masks.flatten(1).any(1) for scene in known])
    assert len(seen) == objects and seen.float().mean() > 0.99  # a few are thinner than a pixel
    boxes = torch.cat([scene.layout.fractions() for scene in known])
    assert (boxes[:, 2:] > boxes[:, :2]).all() and boxes.min() >= 0 and boxes.max() <= 1


@coco_there
def test_known_pixels_of_known_pictures(val):
    living_room = picture(val, 139)
    assert at(living_room, 20, 100) == "tv"
    assert at(living_room, 60, 150) == "floor-wood"
    screens = [k for k, name in enumerate(living_room.layout.names) if name == "tv"]
    assert any(living_room.masks[k, 100, 20] for k in screens)
    assert any("woman" in caption for caption in living_room.captions)
    bear = picture(val, 285)
    assert bear.layout.names == ("bear",)
    assert at(bear, 110, 120) == "bear" and at(bear, 20, 30) == "grass"
    assert bear.label_map.instances[120, 110] == 1


@coco_there
def test_a_picture_without_annotations_has_an_empty_layout_and_one_not_listed_has_none():
    train = Coco(data_dir() / "coco", "train2017")
    cat_free = picture(train, 250)
    assert len(cat_free.layout) == 0 and cat_free.masks.shape[0] == 0
    listed = train.parts["instances"].imgs
    other = next(k for k in range(len(train)) if train.order[k] not in listed)
    assert train[other].layout is None and train[other].captions


@coco_there
def test_everything_is_found_well():
    assert check("coco").problems == ()


@spade_there
def test_spades_layout_of_coco_stuff():
    val = open_data("coco_stuff_spade", "val")
    assert len(val) == len(list((data_dir() / "coco_stuff_spade" / "val_label").iterdir()))
    desk = picture(val, 1503)
    assert at(desk, 60, 70) == "window-blind"  # left of the screen
    assert at(desk, 30, 180) == "laptop"
    assert at(desk, 200, 20) == "wall-concrete"
    players = picture(val, 1000)
    assert at(players, 100, 110) == "person" and at(players, 40, 10) == "fence"
    ids, instances = players.label_map.ids, players.label_map.instances
    assert (instances[ids == COCO_CLASSES.id("fence")] == 0).all()
    assert len(instances[ids == COCO_CLASSES.id("person")].unique()) > 5
    assert players.label_map.names()["unlabeled"] == 947
    batch = open_data("coco_stuff_spade", "val", size=32).batch(torch.tensor([0, 3]))
    batch.check()
    assert batch.label_maps.shape == (2, 32, 32) and batch.label_maps.max() <= 182
