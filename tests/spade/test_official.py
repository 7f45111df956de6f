"""The authors' files: every published shape loads with no flags; what no shape tells is asked for.

The names and shapes below are those of the released files in small, written down here once more.
"""

import json
from pathlib import Path

import pytest
import torch

import course_lib
from course_lib.data.coco.classes import COCO_CLASSES
from course_lib.errors import CourseError
from course_lib.spade import official
from course_lib.spade.official import discriminator_of, encoder_of, generator_of, recognises
from course_lib.spade.painter import SPADEPainter
from tests.parity.cases import FOLDER, NO_CASES

BLOCKS = {"head_0": (16, 16), "G_middle_0": (16, 16), "G_middle_1": (16, 16), "up_0": (16, 8),
          "up_1": (8, 4), "up_2": (4, 2), "up_3": (2, 1)}  # fmt: skip


def spectral(name, *shape):
    columns = torch.Size(shape[1:]).numel()
    return {
        f"{name}.weight_orig": torch.randn(shape),
        f"{name}.weight_u": torch.randn(shape[0]),
        f"{name}.weight_v": torch.randn(columns),
    }


def norm(name, channels, planes, hidden=8):
    weights = {
        f"{name}.param_free_norm.running_mean": torch.randn(channels),
        f"{name}.param_free_norm.running_var": torch.rand(channels),
        f"{name}.param_free_norm.num_batches_tracked": torch.tensor(0),
    }
    for layer, out, into in (("mlp_shared.0", hidden, planes), ("mlp_gamma", channels, hidden),
                             ("mlp_beta", channels, hidden)):  # fmt: skip
        weights[f"{name}.{layer}.weight"] = torch.randn(out, into, 3, 3)
        weights[f"{name}.{layer}.bias"] = torch.randn(out)
    return weights


def generator_file(planes=184, width=2, z_dim=0, pixels=1, most=False):
    """A ``net_G.pth`` as the authors' program writes it."""
    torch.manual_seed(0)
    seed = 16 * width
    shape = (seed * pixels, z_dim) if z_dim else (seed, planes, 3, 3)
    weights = {"fc.weight": torch.randn(shape), "fc.bias": torch.randn(shape[0])}
    for name, times in (BLOCKS | ({"up_4": (1, 0.5)} if most else {})).items():
        into, out = (int(n * width) for n in times)
        middle = min(into, out)
        weights |= spectral(f"{name}.conv_0", middle, into, 3, 3)
        weights |= spectral(f"{name}.conv_1", out, middle, 3, 3)
        weights |= {f"{name}.conv_0.bias": torch.randn(middle)}
        weights |= {f"{name}.conv_1.bias": torch.randn(out)}
        weights |= norm(f"{name}.norm_0", into, planes) | norm(f"{name}.norm_1", middle, planes)
        if into != out:
            weights |= spectral(f"{name}.conv_s", out, into, 1, 1)
            weights |= norm(f"{name}.norm_s", into, planes)
    last = width // 2 if most else width
    return weights | {
        "conv_img.weight": torch.randn(3, last, 3, 3),
        "conv_img.bias": torch.randn(3),
    }


def encoder_file(width=2, z_dim=256):
    widths = [3, width, 2 * width, 4 * width, 8 * width, 8 * width, 8 * width]
    weights = {}
    for level, (into, out) in enumerate(zip(widths, widths[1:], strict=False), 1):
        weights |= spectral(f"layer{level}.0", out, into, 3, 3)
    for head in ("fc_mu", "fc_var"):
        weights[f"{head}.weight"] = torch.randn(z_dim, 8 * width * 16)
        weights[f"{head}.bias"] = torch.randn(z_dim)
    return weights


def discriminator_file(planes=184, width=2):
    weights = {}
    for scale in ("discriminator_0", "discriminator_1"):
        weights[f"{scale}.model0.0.weight"] = torch.randn(width, planes + 3, 4, 4)
        weights[f"{scale}.model0.0.bias"] = torch.randn(width)
        for level in (1, 2, 3):
            wide = width << level
            weights |= spectral(f"{scale}.model{level}.0.0", wide, wide // 2, 4, 4)
        weights[f"{scale}.model4.0.weight"] = torch.randn(1, 8 * width, 4, 4)
        weights[f"{scale}.model4.0.bias"] = torch.randn(1)
    return weights


@pytest.mark.parametrize(
    ("planes", "seed", "picture"), [(184, (8, 8), (256, 256)), (36, (4, 8), (256, 512))]
)
def test_released_generators_need_no_flags(planes, seed, picture):
    theirs = generator_file(planes)
    ours = generator_of(theirs)
    sizes = ours.sizes
    assert (sizes.planes, sizes.width, sizes.hidden, sizes.kernel) == (planes, 2, 8, 3)
    assert (sizes.start, sizes.picture, sizes.norm, sizes.z_dim) == (seed, picture, "syncbatch", 0)
    weights = ours.state_dict()
    same = {
        "stem.bias": "fc.bias",
        "blocks.2.norm_1.mlp_beta.bias": "G_middle_1.norm_1.mlp_beta.bias",
        "blocks.3.norm_s.mlp_shared.weight": "up_0.norm_s.mlp_shared.0.weight",
        "blocks.6.conv_s.parametrizations.weight.original": "up_3.conv_s.weight_orig",
        "blocks.0.conv_0.parametrizations.weight.0.u": "head_0.conv_0.weight_u",
        "to_picture.weight": "conv_img.weight",
    }
    for mine, name in same.items():
        assert torch.equal(weights[mine], theirs[name])
    assert len(weights) == len(theirs)


def test_shapes_tell_of_most_upsampling_and_of_styles():
    assert generator_of(generator_file(184, most=True), size=256).sizes.upsampling == "most"
    styled = generator_of(generator_file(184, z_dim=256, pixels=64)).sizes
    assert (styled.z_dim, styled.start, styled.picture) == (256, (8, 8), (256, 256))
    wide = generator_of(generator_file(36, z_dim=256, pixels=32)).sizes
    assert (wide.start, wide.picture) == ((4, 8), (256, 512))


@pytest.mark.parametrize(
    ("file", "told", "found", "asked"),
    [
        ({}, {}, "doubles the side 5 times or 6", "upsampling="),
        ({}, {"upsampling": "normal"}, "the size of its pictures", "size=256"),
        ({"z_dim": 8, "pixels": 8}, {"upsampling": "more"}, "how 8 pixels.*lie", "aspect="),
    ],
)
def test_what_no_shape_tells_is_asked_for(file, told, found, asked):
    with pytest.raises(CourseError, match=rf"{found}[\s\S]*{asked}"):
        generator_of(generator_file(50, **file), **told)


def test_and_is_taken():
    sizes = generator_of(generator_file(50), upsampling="more", size=128, aspect=2.0).sizes
    assert sizes.picture == (64, 128)
    styled = generator_file(50, z_dim=8, pixels=8)
    assert generator_of(styled, upsampling="more", aspect=2.0).sizes.start == (2, 4)


def test_ade20ks_unknown_is_put_behind_its_classes():
    """Their planes are unknown, wall, building, ...; ours are wall, building, ..., unlabelled."""
    theirs = generator_file(151)
    ours, as_they_stand = generator_of(theirs), generator_of(theirs, shifted=True)
    for layer in ("stem", "blocks.5.norm_s.mlp_shared"):
        moved, stood = (g.get_submodule(layer).weight for g in (ours, as_they_stand))
        assert torch.equal(moved[:, :-1], stood[:, 1:]) and torch.equal(moved[:, -1], stood[:, 0])


def test_every_misfit_is_listed():
    broken = generator_file()
    del broken["up_0.conv_0.bias"]
    broken["conv_img.weight"] = torch.zeros(1, 2, 3, 3)
    broken["fc.extra"] = torch.zeros(1)
    with pytest.raises(CourseError) as caught:
        generator_of(broken)
    assert "3 problems" in str(caught.value)


def test_encoder_and_discriminator_are_told_by_shapes():
    encoder, d = encoder_of(encoder_file()), discriminator_of(discriminator_file())
    assert (encoder.side, encoder.fc_mu.out_features, len(encoder.layers)) == (256, 256, 6)
    assert len(d.scales) == 2 and len(d.scales[0].layers) == 5
    assert all(recognises(f) for f in (generator_file(), encoder_file(), discriminator_file()))
    assert not recognises({"lstmcell.weight_ih": torch.zeros(1)})


def test_load_paints_with_their_file_and_their_classes(tmp_path):
    torch.save(generator_file(184, width=1), tmp_path / "latest_net_G.pth")
    painter = course_lib.load(tmp_path / "latest_net_G.pth")
    assert painter.classes.names == COCO_CLASSES.names and painter.config.edges
    ids = torch.full((64, 64), COCO_CLASSES.id("tree"))
    ids[:32] = COCO_CLASSES.unlabeled
    assert painter.generate(ids).image.shape == (3, 256, 256)
    with pytest.raises(CourseError, match="without an encoder"):
        painter.generate(ids, style=torch.zeros(256))


def test_a_generator_with_styles_takes_the_encoders_file(tmp_path):
    painter = SPADEPainter.from_official(generator_file(184, 1, z_dim=256, pixels=64))
    torch.save(encoder_file(1), tmp_path / "latest_net_E.pth")
    torch.save(encoder_file(1, z_dim=8), tmp_path / "other_net_E.pth")
    torch.save(discriminator_file(width=1), tmp_path / "latest_net_D.pth")
    styled = painter.with_encoder(tmp_path / "latest_net_E.pth")
    assert styled.encode(torch.rand(3, 64, 64)).shape == (256,)
    with pytest.raises(CourseError, match="8 numbers, the generator takes 256"):
        painter.with_encoder(tmp_path / "other_net_E.pth")
    with pytest.raises(CourseError, match="no encoder"):
        painter.with_encoder(tmp_path / "latest_net_D.pth")
    with pytest.raises(CourseError, match=r"paints nothing[\s\S]*_net_G\.pth"):
        course_lib.load(tmp_path / "latest_net_D.pth")


def test_the_licence_of_their_weights_is_named_once():
    source = Path(official.__file__).read_text("utf-8")
    assert source.count("CC BY-NC-SA 4.0") == 1


# --- every key and shape of the released files ---


def manifests():
    files = sorted(Path(FOLDER).rglob("manifest_[GDE]_*.json")) if FOLDER else []
    return [file for file in files if "SPADE" in file.read_text() or file.parent.name == "spade"]


@pytest.mark.filterwarnings("ignore:.*copying from a non-meta parameter:UserWarning")
@pytest.mark.skipif(not FOLDER, reason=NO_CASES)
@pytest.mark.parametrize("file", manifests() or [None], ids=lambda f: f.stem if f else "none")
def test_every_published_file_loads_with_no_flags(file):
    told = json.loads(file.read_text())
    read = {"G": generator_of, "D": discriminator_of, "E": encoder_of}[file.stem.split("_")[1]]
    with torch.device("meta"):
        weights = {name: torch.empty(of["shape"]) for name, of in told["keys"].items()}
        counters = [name for name in weights if name.endswith("num_batches_tracked")]
        network = read(weights | {name: torch.zeros((), device="cpu") for name in counters})
    assert sum(p.numel() for p in network.parameters()) == told["total_params"]
    assert len(network.state_dict()) == told["n_keys"]
