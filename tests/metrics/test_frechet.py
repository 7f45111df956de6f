"""FID, KID and Inception score against closed forms; and Inception's file."""

import dataclasses
import functools
import hashlib
import io
import math
import pickle
import sys

import pytest
import torch

from course_lib.data.digit_scenes import DigitScenes
from course_lib.data.digits import Digits
from course_lib.data.fetch import Patience, fetch
from course_lib.data.manifest import find
from course_lib.errors import CourseError
from course_lib.foreign import read_weights
from course_lib.metrics import fid, inception_score, kid
from course_lib.metrics.frechet import features_of, fid_of, inception_score_of, kid_of
from course_lib.metrics.inception import (
    Inception,
    average,
    inception_features,
    inception_file,
    resized,
)


def gaussian(mean, std, n=600, seed=0):
    """Samples whose mean and covariance are exactly ``mean`` and ``diag(std ** 2)``."""
    x = torch.randn(n, len(mean), generator=torch.Generator().manual_seed(seed)).double()
    x = x - x.mean(0)
    x = x @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(x.T))).T
    return x * torch.tensor(std) + torch.tensor(mean)


def test_fid_of_two_gaussians():
    """|m1 - m2|^2 + sum (s1 - s2)^2 for diagonal covariances."""
    one, other = gaussian([0.0, 1, 2], [1.0, 2, 3]), gaussian([1.0, 1, 0], [2.0, 2, 1], seed=1)
    assert fid_of(one, other) == pytest.approx(1 + 4 + 1 + 4, rel=1e-6)
    assert fid_of(one, one) == pytest.approx(0, abs=1e-6)


def test_fid_of_correlated_gaussians():
    """Equal covariances, whatever they are, leave the distance of the means."""
    mix = torch.tensor([[2.0, 0.7], [0.0, 1.1]]).double()
    one, other = gaussian([0.0, 0], [1.0, 1]) @ mix, gaussian([0.0, 0], [1.0, 1], seed=1) @ mix
    assert fid_of(one + torch.tensor([3.0, 4.0]), other) == pytest.approx(25, rel=1e-6)


def test_kid_is_zero_for_one_distribution_and_grows_with_the_distance():
    one, other = torch.randn(2, 300, 8, generator=torch.Generator().manual_seed(0))
    near, far = kid_of(one + 0.5, other), kid_of(one + 1.0, other)
    assert abs(kid_of(one, other)) < 0.03 < near < far


def test_kid_by_hand():
    """Single points a and b, twice each: k(a, a) + k(b, b) - 2 k(a, b), with (xy / d + 1)^3."""
    a, b = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0])
    wanted = 1.5**3 + 3.0**3 - 2 * 1.0
    assert kid_of(a.repeat(2, 1), b.repeat(2, 1)) == pytest.approx(wanted, rel=1e-5)


def test_inception_score_of_certain_and_of_clueless_classifiers():
    certain = 100 * torch.eye(10).repeat(20, 1)
    assert inception_score_of(certain) == pytest.approx(10, rel=1e-3)
    assert inception_score_of(torch.zeros(200, 10)) == pytest.approx(1, rel=1e-5)
    half = torch.tensor([[math.log(3.0), 0.0], [0.0, math.log(3.0)]]).repeat(50, 1)
    wanted = math.exp(0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    assert inception_score_of(half) == pytest.approx(wanted, rel=1e-5)


def test_inception_score_of_canvases_counts_digits():
    source = DigitScenes(Digits(32))
    some = source.batch(torch.arange(100)).images
    zeros = source.batch((source.digits[:, 0] == 0).nonzero()[:100, 0]).images
    many, one = inception_score(some, some, "digits"), inception_score(zeros, some, "digits")
    assert many.value == many.ceiling == one.ceiling > 4
    assert 1 <= one.value < 2 and many.floor < 2 and "11 classes" in one.protocol


@pytest.mark.parametrize("measure", [fid_of, kid_of, lambda one, _: inception_score_of(one)])
def test_measuring_takes_nothing_from_the_callers_chance(measure):
    one, other = torch.randn(2, 60, 4)
    state = torch.get_rng_state()
    value = measure(one, other)
    assert torch.equal(state, torch.get_rng_state())
    torch.rand(1)
    assert measure(one, other) == value


def test_without_torchmetrics_one_is_told_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchmetrics.image", None)
    with pytest.raises(CourseError, match=r"FID needs torchmetrics\s.*pip install torchmetrics"):
        fid_of(torch.zeros(9, 2), torch.zeros(9, 2))


@pytest.mark.parametrize(
    ("metric", "n", "features", "least"),
    [(fid, 255, "course", 256), (fid, 2047, "inception", 2048), (kid, 99, "course", 100),
     (inception_score, 99, "course", 100)],
)  # fmt: skip
def test_too_few(metric, n, features, least):
    few = torch.zeros(n, 3, 8, 8)
    with pytest.raises(CourseError, match=f"{n} samples are too few, .* at least {least}"):
        metric(few, few, features)


def test_too_few_real_ones():
    with pytest.raises(CourseError, match="511 samples are too few, .* of real .* at least 512"):
        fid(torch.zeros(256, 3, 8, 8), torch.zeros(511, 3, 8, 8))


def test_unknown_features():
    with pytest.raises(CourseError, match="'curse'.*course"):
        features_of(torch.zeros(2, 3, 64, 64), "curse")


# --- Inception's file ---


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    return tmp_path / "inception"


@pytest.fixture
def offer(tmp_path, monkeypatch):
    """``offer(content)`` puts a file of Inception on this machine in the place of the real one."""
    source = find("inception")
    path = tmp_path / source.files[0].name

    def make(content, sha256=source.files[0].sha256):
        path.write_bytes(content)
        file = dataclasses.replace(source.files[0], urls=(path.as_uri(),), sha256=sha256)
        offered = dataclasses.replace(source, files=(file,))
        monkeypatch.setattr("course_lib.data.fetch.find", lambda _: offered)
        return path

    return make


def test_another_file_is_not_taken_for_inceptions(folder, offer):
    """The file's name tells the first digits of its checksum."""
    path = offer(b"not these")
    with pytest.raises(CourseError, match="expected .* sha256 6726825d"):
        inception_file()
    assert not (folder / path.name).exists() and "6726825d" in path.name
    (folder / path.name).write_bytes(b"put there by hand")
    with pytest.raises(CourseError, match="expected .* sha256 6726825d"):
        inception_file()


def test_without_a_connection_one_is_told_where_to_put_it(folder, offer, monkeypatch):
    once = functools.partial(fetch, patience=Patience(tries=1))
    monkeypatch.setattr("course_lib.metrics.inception.fetch", once)
    offer(b"").unlink()
    with pytest.raises(CourseError) as error:
        inception_file()
    assert str(folder) in str(error.value) and "torch-fidelity" in str(error.value)


class Evil:
    def __reduce__(self):
        return (print, ("it ran",))


@pytest.mark.parametrize("content", [b"", b"junk", pickle.dumps(Evil())])
def test_files_that_are_no_weights(tmp_path, content, capsys):
    path = tmp_path / "x.pth"
    path.write_bytes(content)
    with pytest.raises(CourseError, match=r"x\.pth"):
        read_weights(path)
    assert "it ran" not in capsys.readouterr().out


def test_only_named_tensors_come_in(tmp_path):
    torch.save({"a": torch.ones(2)}, tmp_path / "fine.pth")
    assert read_weights(tmp_path / "fine.pth")["a"].tolist() == [1, 1]
    torch.save({"a": 1}, tmp_path / "more.pth")
    with pytest.raises(CourseError, match="more than named tensors"):
        read_weights(tmp_path / "more.pth")


def saved(weights):
    stream = io.BytesIO()
    torch.save(weights, stream)
    return stream.getvalue()


def test_other_weights_are_refused(folder, offer):
    offer(saved({"fc.weight": torch.ones(1)}), sha256=None)
    with pytest.raises(CourseError, match="not Inception's weights"):
        inception_features(torch.zeros(1, 3, 64, 64))


def test_pictures_are_resized_as_tensorflow_1_did_it():
    """Pixel i of n is read at i * 2 / n: no half pixels, and the border repeats."""
    ramp = torch.tensor([0.0, 1.0]).expand(1, 3, 2, 2)
    assert resized(ramp, 8)[0, 0, 3].tolist() == [0, 0.25, 0.5, 0.75, 1, 1, 1, 1]
    assert torch.equal(resized(ramp.mT, 8), resized(ramp, 8).mT)
    small = resized(torch.arange(8.0).expand(1, 3, 8, 8), 4)
    assert small[0, 0, 0].tolist() == [0, 2, 4, 6]


def test_borders_are_averaged_without_what_lies_beyond():
    assert torch.equal(average(torch.ones(1, 1, 4, 4)), torch.ones(1, 1, 4, 4))


@pytest.mark.slow
def test_a_file_of_the_official_shape_is_fetched_verified_and_gives_features(folder, offer):
    """Weights by chance under the official names, and their own checksum."""
    torch.manual_seed(0)
    weights = {name: value for name, value in Inception().state_dict().items()
               if "num_batches" not in name}  # fmt: skip
    assert sum(value.numel() for value in weights.values()) == 23_885_392
    content = saved(weights)
    offer(content, hashlib.sha256(content).hexdigest()[:8])
    pictures = torch.rand(2, 3, 64, 64) * 2 - 1
    features, logits = inception_features(pictures)
    assert features.shape == (2, 2048) and logits.shape == (2, 1008)
    assert torch.allclose(logits, features @ weights["fc.weight"].T, atol=1e-5)
    assert not torch.equal(features[0], features[1])
    alone, _ = inception_features(pictures[:1])
    assert torch.allclose(alone, features[:1], atol=1e-4)
