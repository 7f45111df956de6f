"""Segmenters: CSAIL's and torchvision's files, transformers' models, how a photograph is read."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision import tv_tensors
from torchvision.models import get_model, resnet50

from course_lib.data.class_lists import ADE20K
from course_lib.errors import CourseError
from course_lib.scene import ClassTable
from course_lib.segment.choose import open_segmenter
from course_lib.segment.csail import Decoder, Encoder, load_csail
from course_lib.segment.others import load_torchvision, load_transformers
from course_lib.segment.segmenter import Segmenter
from course_lib.segment.small import SmallNet, load_small, save_small

CLASSES = ClassTable.of(
    stuff={"sky": (90, 160, 240), "grass": (60, 200, 60)}, things={"house": (220, 40, 40)}
)


@pytest.fixture(autouse=True)
def data_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "data"))


# --- CSAIL's files, in the shapes and with the names of the published ones ------------------------


def convolution(name: str, wide: int, narrow: int, kernel: int) -> Iterator[tuple[str, Tensor]]:
    yield f"{name}.weight", torch.randn(wide, narrow, kernel, kernel) / (narrow * kernel**2) ** 0.5


def normalisation(name: str, wide: int) -> Iterator[tuple[str, Tensor]]:
    """Of batch norm over several GPUs: counters of its own, and none of torch's."""
    for part in ("weight", "running_var", "_tmp_running_var"):
        yield f"{name}.{part}", torch.rand(wide) + 0.5
    for part in ("bias", "running_mean", "_tmp_running_mean"):
        yield f"{name}.{part}", torch.randn(wide) / 4
    yield f"{name}._running_iter", torch.ones(1)


def encoder_of_18() -> Iterator[tuple[str, Tensor]]:
    for number, (narrow, wide) in enumerate(((3, 64), (64, 64), (64, 128)), 1):
        yield from convolution(f"conv{number}", wide, narrow, 3)
        yield from normalisation(f"bn{number}", wide)
    narrow = 128
    for layer, wide in enumerate((64, 128, 256, 512), 1):
        for block in (0, 1):
            name = f"layer{layer}.{block}"
            for conv, inputs in ((1, narrow), (2, wide)):
                yield from convolution(f"{name}.conv{conv}", wide, inputs, 3)
                yield from normalisation(f"{name}.bn{conv}", wide)
            if narrow != wide:
                yield from convolution(f"{name}.downsample.0", wide, narrow, 1)
                yield from normalisation(f"{name}.downsample.1", wide)
            narrow = wide


def decoder_of_18() -> Iterator[tuple[str, Tensor]]:
    for number in range(4):
        yield from convolution(f"ppm.{number}.1", 512, 512, 1)
        yield from normalisation(f"ppm.{number}.2", 512)
    yield from convolution("cbr_deepsup.0", 128, 256, 3)
    yield from normalisation("cbr_deepsup.1", 128)
    yield from convolution("conv_last.0", 512, 512 + 4 * 512, 3)
    yield from normalisation("conv_last.1", 512)
    for name, narrow in (("conv_last.4", 512), ("conv_last_deepsup", 128)):
        yield from convolution(name, 150, narrow, 1)
        yield f"{name}.bias", torch.randn(150)


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("ade20k-resnet18")
    torch.save(dict(encoder_of_18()), folder / "encoder_epoch_20.pth")
    torch.save(dict(decoder_of_18()), folder / "decoder_epoch_20.pth")
    return folder


def by_hand(folder: Path, x: Tensor) -> Tensor:
    """The scores of the two files, computed from their tensors one by one."""
    first = torch.load(folder / "encoder_epoch_20.pth", weights_only=True)
    last = torch.load(folder / "decoder_epoch_20.pth", weights_only=True)

    def conv(w: dict, x: Tensor, name: str, stride: int = 1, dilation: int = 1) -> Tensor:
        kernel = w[f"{name}.weight"]
        padding = dilation * (kernel.shape[-1] // 2)
        return F.conv2d(x, kernel, w.get(f"{name}.bias"), stride, padding, dilation)

    def norm(w: dict, x: Tensor, name: str) -> Tensor:
        parts = [w[f"{name}.{p}"] for p in ("running_mean", "running_var", "weight", "bias")]
        return F.batch_norm(x, *parts)

    for number in (1, 2, 3):
        x = conv(first, x, f"conv{number}", stride=2 if number == 1 else 1)
        x = norm(first, x, f"bn{number}").relu()
    x = F.max_pool2d(x, 3, 2, 1)
    # of each block: the stride, and the dilations of its two convolutions
    plan = {"1.0": (1, 1, 1), "1.1": (1, 1, 1), "2.0": (2, 1, 1), "2.1": (1, 1, 1)}
    plan |= {"3.0": (1, 1, 2), "3.1": (1, 2, 2), "4.0": (1, 2, 4), "4.1": (1, 4, 4)}
    for block, (stride, one, two) in plan.items():
        name, before = f"layer{block}", x
        x = norm(first, conv(first, x, f"{name}.conv1", stride, one), f"{name}.bn1").relu()
        x = norm(first, conv(first, x, f"{name}.conv2", 1, two), f"{name}.bn2")
        if f"{name}.downsample.0.weight" in first:
            before = conv(first, before, f"{name}.downsample.0", stride)
            before = norm(first, before, f"{name}.downsample.1")
        x = (x + before).relu()
    levels = [x]
    for number, parts in enumerate((1, 2, 3, 6)):
        pooled = conv(last, F.adaptive_avg_pool2d(x, parts), f"ppm.{number}.1")
        pooled = norm(last, pooled, f"ppm.{number}.2").relu()
        size = x.shape[-2:]
        levels.append(F.interpolate(pooled, size, mode="bilinear", align_corners=False))
    x = norm(last, conv(last, torch.cat(levels, 1), "conv_last.0"), "conv_last.1").relu()
    return conv(last, x, "conv_last.4")


def test_csails_files_give_the_scores_that_their_tensors_mean(released):
    segmenter = load_csail(released)
    assert segmenter.classes is ADE20K.classes and segmenter.name.startswith("csail-resnet18-")
    x = torch.randn(1, 3, 64, 80)
    scores = segmenter.network(x)
    assert scores.shape == (1, 150, 8, 10)
    torch.testing.assert_close(scores, by_hand(released, x), rtol=1e-4, atol=1e-4)


def test_resnet_50_has_the_sizes_of_the_published_one():
    with torch.device("meta"):
        encoder, decoder = Encoder(50).eval(), Decoder(2048, 150).eval()
        other = resnet50(replace_stride_with_dilation=[False, True, True])
        assert decoder(encoder(torch.empty(1, 3, 64, 96))).shape == (1, 150, 8, 12)
    front = 3 * 64 * 9 + 64 * 64 * 9 + 64 * 128 * 9 + 2 * (64 + 64 + 128)
    usual = sum(p.numel() for n, p in other.named_parameters() if not n.startswith("fc"))
    wider = 64 * 64 + 64 * 256  # layer1 hears of 128 channels, not of 64
    assert (
        sum(p.numel() for p in encoder.parameters()) == usual - (3 * 64 * 49 + 128) + front + wider
    )
    layers = [f"layer{k}" for k in (1, 2, 3, 4)]
    shapes = [
        [(n, m.stride, m.dilation, m.padding) for n, m in net.named_modules() if shaped(n, m)]
        for net in (encoder, other)
    ]
    assert shapes[0] == shapes[1] and any(layers[3] in row[0] for row in shapes[0])


def shaped(name: str, module: nn.Module) -> bool:
    return name.startswith("layer") and isinstance(module, nn.Conv2d)


def test_csails_files_that_do_not_fit_are_named(released, tmp_path):
    with pytest.raises(CourseError, match=r"one encoder\*\.pth is needed; there is none"):
        load_csail(tmp_path)
    (tmp_path / "encoder_epoch_20.pth").symlink_to(released / "encoder_epoch_20.pth")
    weights = torch.load(released / "decoder_epoch_20.pth", weights_only=True)
    weights["conv_last.4.weight"] = weights["conv_last.4.weight"][:21]
    del weights["ppm.3.1.weight"]
    torch.save(weights, tmp_path / "decoder_epoch_20.pth")
    with pytest.raises(CourseError) as caught:
        load_csail(tmp_path)
    assert "ppm.3.1.weight is missing" in str(caught.value)
    assert "conv_last.4.weight is [21, 512, 1, 1], the network has [150" in str(caught.value)


# --- torchvision and transformers -----------------------------------------------------------------


def test_torchvisions_background_stays_unlabeled(tmp_path):
    torch.manual_seed(0)
    options = {"weights": None, "weights_backbone": None, "num_classes": 21}
    original = get_model("lraspp_mobilenet_v3_large", **options).eval()
    torch.save(original.state_dict(), tmp_path / "net.pth")
    segmenter = load_torchvision("voc-mobilenet", tmp_path / "net.pth")
    x = torch.rand(1, 3, 64, 64)
    usual = original(x)["out"].argmax(1)  # 0 is background
    ours = segmenter.network(x).argmax(1)
    assert ours.equal(torch.where(usual == 0, 20, usual - 1)) and segmenter.classes.unlabeled == 20
    assert segmenter.classes.name(14) == "person" and "sky" in segmenter.blind


def test_transformers_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(CourseError, match="pip install transformers"):
        open_segmenter("hf:some/model")


class Model(nn.Module):
    """What transformers' models look like from outside."""

    def __init__(self, labels: list[str]) -> None:
        super().__init__()
        self.config = SimpleNamespace(id2label=dict(enumerate(labels)))
        self.layer = nn.Conv2d(3, len(labels), 1)

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        return {"logits": self.layer(pictures)}


@pytest.fixture
def library(monkeypatch):
    """A stand-in for the library; ``library(labels)`` says what its model knows."""
    module = ModuleType("transformers")
    monkeypatch.setitem(sys.modules, "transformers", module)
    reader = SimpleNamespace(
        size={"height": 96, "width": 96}, image_mean=[0.5] * 3, image_std=[0.25] * 3
    )

    def offer(labels: list[str]) -> None:
        def model(name: str, use_safetensors: bool) -> Model:
            if name == "gone":
                raise OSError("gone is not a local folder\nand more")
            assert use_safetensors
            return Model(labels)

        module.AutoImageProcessor = SimpleNamespace(from_pretrained=lambda name: reader)
        module.AutoModelForSemanticSegmentation = SimpleNamespace(from_pretrained=model)

    return offer


def test_a_model_of_transformers_brings_its_classes(library):
    library(["wall", "sky; heaven", "screen, silver", "screen"])
    segmenter = load_transformers("some/model")
    assert segmenter.classes.names == ("wall", "sky", "screen", "screen 2")
    assert segmenter.sides == (96,) and segmenter.colours == ((0.5,) * 3, (0.25,) * 3)
    assert segmenter.look(picture([[0, 1]])).label_map.canvas == (16, 32)
    library(list(ADE20K.classes.names))
    assert load_transformers("some/model").classes is ADE20K.classes
    with pytest.raises(CourseError, match="cannot open it: gone is not a local folder$"):
        load_transformers("gone")


def test_a_real_model_of_transformers(tmp_path):
    """Two random layers of SegFormer, saved and opened as people do."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    config = transformers.SegformerConfig(
        num_encoder_blocks=2, depths=[1, 1], hidden_sizes=[8, 16], num_attention_heads=[1, 2],
        sr_ratios=[8, 4], patch_sizes=[7, 3], strides=[4, 2], mlp_ratios=[2, 2],
        decoder_hidden_size=16, id2label={0: "wall", 1: "sky"}, label2id={"wall": 0, "sky": 1},
    )  # fmt: skip
    transformers.SegformerForSemanticSegmentation(config).save_pretrained(tmp_path)
    transformers.SegformerImageProcessor(size={"height": 64, "width": 64}).save_pretrained(tmp_path)
    segmenter = open_segmenter(str(tmp_path))
    assert segmenter.classes.names == ("wall", "sky") and segmenter.sides == (64,)
    assert segmenter.look(picture([[0, 1], [1, 0]])).label_map.canvas == (32, 32)


# --- how a photograph is read ---------------------------------------------------------------------


class Nearest(nn.Module):
    """Scores by the distance to the classes' colours; grey is none of them."""

    def __init__(self) -> None:
        super().__init__()
        colours = [*(info.colour for info in CLASSES), (128, 128, 128)]
        self.colours = nn.Parameter(torch.tensor(colours) / 255)
        self.calls: list[tuple[int, ...]] = []

    def forward(self, pictures: Tensor) -> Tensor:
        self.calls.append(tuple(pictures.shape))
        distance = (pictures[:, None] - self.colours[None, :, :, None, None]).square().sum(2)
        return -30 * distance


PLAIN = ((0.0,) * 3, (1.0,) * 3)


def picture(rows: list[list[int]], scale: int = 16) -> tv_tensors.Image:
    """Fields in the classes' colours; 3 is grey."""
    colours = torch.tensor([*(info.colour for info in CLASSES), (128, 128, 128)])
    pixels = colours[torch.tensor(rows)].repeat_interleave(scale, 0).repeat_interleave(scale, 1)
    return tv_tensors.Image(pixels.permute(2, 0, 1).to(torch.uint8))


def test_the_map_has_the_size_of_the_photograph_and_says_how_sure_it_is():
    segmenter = Segmenter("nearest", CLASSES, Nearest(), (32,), PLAIN)
    seen = segmenter.look(picture([[0, 1, 3], [2, 2, 3]]))
    assert seen.label_map.names() == {"house": 512, "unlabeled": 512, "sky": 256, "grass": 256}
    assert seen.confidence.shape == (32, 48) and 0.9 < float(seen.confidence[8, 8]) <= 1
    between = torch.tensor([75, 180, 150], dtype=torch.uint8)[:, None, None].expand(3, 32, 32)
    unsure = segmenter.look(tv_tensors.Image(between.contiguous()))
    assert 0.4 < float(unsure.confidence.mean()) < 0.75
    strict = segmenter.look(tv_tensors.Image(between.contiguous()), least=0.8)
    assert strict.label_map.names() == {"unlabeled": 1024}


def test_it_looks_at_every_side_and_averages_probabilities():
    network = Nearest()
    photo = picture([[0, 1, 2]], 40)  # 40 x 120
    both = Segmenter("nearest", CLASSES, network, (16, 60), PLAIN).look(photo).confidence
    assert network.calls == [(1, 3, 16, 48), (1, 3, 64, 184)]  # multiples of 8
    alone = [Segmenter("n", CLASSES, network, (s,), PLAIN).look(photo).confidence for s in (16, 60)]
    assert (both <= (alone[0] + alone[1]) / 2 + 1e-6).all()
    inner = both[20, [20, 60, 100]]
    torch.testing.assert_close(inner, ((alone[0] + alone[1]) / 2)[20, [20, 60, 100]])


def test_a_large_photograph_is_looked_at_small():
    network = Nearest()
    seen = Segmenter("nearest", CLASSES, network, (450,), PLAIN).look(picture([[0], [2]], 800))
    assert network.calls == [(1, 3, 904, 456)]
    assert seen.label_map.canvas == (1600, 800)
    assert seen.label_map.names() == {"sky": 640000, "house": 640000}


# --- by name --------------------------------------------------------------------------------------


def test_a_small_segmenter_is_kept_with_its_classes(tmp_path):
    torch.manual_seed(0)
    network = SmallNet(len(CLASSES)).eval()
    kept = save_small(Segmenter("any", CLASSES, network, (32,)), tmp_path / "small.safetensors")
    again = open_segmenter(str(kept))
    assert again.classes == CLASSES and again.sides == (32,) and again.name == load_small(kept).name
    x = torch.randn(1, 3, 16, 24)
    assert torch.equal(again.network(x), network(x)) and network(x).shape == (1, 3, 16, 24)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ade20k-resnet51", "did you mean 'ade20k-resnet50'"),
        ("ade20k-resnet18", "course data fetch ade20k-resnet18"),
        ("voc-mobilenet", "course data fetch voc-mobilenet"),
        ("FOLDER", r"one encoder\*\.pth is needed"),
        ("FOLDER/file", "file"),
    ],
)
def test_a_segmenter_that_is_not_here_says_how_to_get_it(tmp_path, name, words):
    (tmp_path / "file").write_text("no weights")
    with pytest.raises(CourseError, match=words):
        open_segmenter(name.replace("FOLDER", str(tmp_path)))


def test_a_fetched_segmenter_is_found_by_its_name(released, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "ade20k-resnet18").symlink_to(released)
    assert open_segmenter("ade20k-resnet18").name == load_csail(released).name
