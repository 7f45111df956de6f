"""The authors' files: recognised, read without any flag, and what does not fit is told apart."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import course_lib
from course_lib.data.coco import COCO_CLASSES
from course_lib.errors import CourseError
from course_lib.lostgan.networks import Generator, Sizes
from course_lib.lostgan.official import generator_names, generator_of, recognises, sizes_of
from tests.parity.cases import FOLDER, NO_CASES

SMALL = Sizes(labels=9, z_dim=5, label_dim=4, width=2, mask_width=6, mask_labels=12)
KINDS = {
    "G64_v1": {"version": 1, "size": 64},
    "G128_v1": {"version": 1, "size": 128},
    "G128_v2": {"version": 2, "size": 128},
    "G256_v2": {"version": 2, "size": 256},
}
THEIRS = [
    (r"parametrizations\.weight\.original", "weight_orig"),
    (r"parametrizations\.weight\.0\.", "weight_"),
    (r"norm([12])\.norm\.", r"norm\1.batch_norm2d."),
    (r"norm([12])\.", r"b\1."),
    (r"to_gamma\.", "weight_proj."),
    (r"to_beta\.", "bias_proj."),
    (r"shortcut\.", "c_sc."),
    (r"^embedding\.", "label_embedding."),
    (r"^masks\.", "mask_regress."),
]


def as_published(generator):
    """Its weights as the authors' program writes them: their names, behind ``module.``."""
    first = 2 if generator.sizes.size == 64 else 1
    found = {}
    for ours, value in generator.state_dict().items():
        name = re.sub(r"^blocks\.(\d)", lambda m: f"res{int(m[1]) + first}", ours)
        for pattern, word in THEIRS:
            name = re.sub(pattern, word, name)  # noqa: PLW2901
        name = re.sub(r"^refinements\.(\d)\.alpha", lambda m: f"alpha{int(m[1]) + 1}", name)
        name = re.sub(
            r"^refinements\.(\d)\.to_maps", lambda m: f"res{int(m[1]) + first}.conv_mask", name
        )
        found[f"module.{name}"] = value
    return found


def network(kind, **other):
    torch.manual_seed(4)
    return Generator(replace(SMALL, **KINDS[kind], **other)).eval()


@pytest.mark.parametrize("kind", KINDS)
def test_a_released_file_loads_and_paints_without_any_flag(tmp_path, kind):
    ours = network(kind, labels=184, mask_labels=184)
    path = tmp_path / "G_coco.pth"
    torch.save(as_published(ours), path)
    painter = course_lib.load(path)
    read = {"map_size": 64, "mask_hidden": 100, "align_corners": True}
    known = ours.sizes if ours.sizes.version == 2 else replace(ours.sizes, mask_labels=184)
    assert painter.sizes == replace(known, **read) and painter.classes is COCO_CLASSES
    layout = [("dog", (0.1, 0.2, 0.6, 0.9)), ("grass", (0.0, 0.5, 1.0, 1.0))]
    picture = painter.generate(layout, seed=1)
    assert picture.image.shape == (3, ours.sizes.size, ours.sizes.size)
    boxes, labels = torch.tensor([[box for _, box in layout]]), torch.tensor([[18, 124]])
    with torch.no_grad():
        known = ours(picture.styles[None], picture.steps["z"][None], boxes, labels)
    torch.testing.assert_close(known.pictures[0], picture.image, rtol=0, atol=1e-5)


def test_corners_are_aligned_unless_one_says_otherwise():
    weights = {n.removeprefix("module."): w for n, w in as_published(network("G64_v1")).items()}
    boxes, labels = torch.tensor([[[0.0, 0.0, 1.0, 1.0]]]), torch.tensor([[2]])
    masks = [
        g.eval()(torch.ones(1, 1, 5), torch.ones(1, 5), boxes, labels).masks
        for g in (generator_of(weights), generator_of(weights, align_corners=False))
    ]
    assert (masks[0] - masks[1]).abs().max() > 1e-3


def test_visual_genome_has_classes_of_its_own_and_masks_of_184(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    path = tmp_path / "G_vg.pth"
    torch.save(as_published(network("G128_v2", labels=179, mask_labels=184)), path)
    painter = course_lib.load(path)
    assert (painter.sizes.labels, painter.sizes.mask_labels) == (179, 184)
    with pytest.raises(CourseError, match="vocab.json"):
        painter.generate([("dog", (0.1, 0.2, 0.6, 0.9))])
    names = ["__image__", *(f"thing {k}" for k in range(178))]
    (tmp_path / "visual_genome").mkdir()
    (tmp_path / "visual_genome" / "vocab.json").write_text(
        json.dumps({"object_idx_to_name": names})
    )
    painted = painter.generate([("thing 0", (0.1, 0.2, 0.6, 0.9))])
    assert painted.steps["masks"].shape == (1, 64, 64)
    assert painter.classes.names == tuple(names[1:])
    whole = torch.tensor([[[0.1, 0.2, 0.6, 0.9], [0.0, 0.0, 1.0, 1.0]]])  # __image__ comes last
    styles, z = torch.stack([painted.styles[0], painted.steps["z"]]), painted.steps["z"]
    with torch.no_grad():
        known = painter.generator(styles[None], z[None], whole, torch.tensor([[1, 0]]))
    torch.testing.assert_close(known.pictures[0], painted.image)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda w: w.pop("res3.conv1.bias"), "blocks.1.conv1.bias is missing"),
        (lambda w: w.update({"extra.bias": torch.zeros(1)}), "extra.bias is one too many"),
        (lambda w: w.update({"res4.conv2.bias": torch.zeros(9)}), "is \\[9\\]"),
        (lambda w: w.pop("mask_regress.conv1.0.bias"), "mask_regress.conv1.0.bias is missing"),
    ],
)
def test_what_does_not_fit_is_named(change, words):
    weights = {n.removeprefix("module."): w for n, w in as_published(network("G64_v1")).items()}
    assert recognises(weights) and not recognises({"conv.weight": torch.zeros(1)})
    change(weights)
    with pytest.raises(CourseError, match=words):
        generator_of(weights)


@pytest.mark.skipif(not FOLDER, reason=NO_CASES)
@pytest.mark.parametrize("data", ["coco", "vg"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_recorded_lists_of_tensors_are_those_of_our_networks(kind, data):
    """Of the full sizes: every name and every shape."""
    files = list(Path(FOLDER).rglob(f"manifest_{kind}_{data}.json"))
    assert files, "no list of this kind"
    keys = json.loads(files[0].read_text("utf-8"))["keys"]
    with torch.device("meta"):
        weights = {n.removeprefix("module."): torch.empty(v["shape"]) for n, v in keys.items()}
        sizes = sizes_of(weights)
        own = Generator(sizes).state_dict()
    named = generator_names(weights, sizes.size)
    assert (sizes.version, sizes.size) == tuple(KINDS[kind].values())
    assert {n: w.shape for n, w in named.items()} == {n: w.shape for n, w in own.items()}
