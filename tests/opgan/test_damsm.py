"""DAMSM: its losses against plain loops, its eyes, its training, and AttnGAN's files."""

import math
import pickle

import pytest
import torch
import torch.nn.functional as F

from course_lib.errors import CourseError
from course_lib.opgan.damsm.losses import (
    Gammas,
    attend,
    damsm_loss,
    exchanged_loss,
    sentence_agreement,
    two_ways,
    word_agreement,
)
from course_lib.opgan.damsm.networks import InceptionEye, SmallEye
from course_lib.opgan.damsm.objective import DAMSMConfig, DAMSMObjective, load_damsm
from course_lib.registry import configure, load, wing
from course_lib.scene import SceneBatch
from course_lib.text.recurrent import Heard, RecurrentEncoder
from course_lib.text.vocabulary import Vocabulary
from course_lib.training import train

DICE = torch.Generator().manual_seed(0)
REGIONS = torch.randn(3, 4, 2, 3, generator=DICE)
HEARD = Heard(
    torch.randn(3, 4, 5, generator=DICE), torch.randn(3, 4, generator=DICE), torch.tensor([5, 2, 3])
)


def test_agreement_of_words_is_that_of_a_loop():
    """Each caption against each picture, each word by itself (AttnGAN, eq. 8 to 10)."""
    gammas = Gammas(4.0, 5.0, 10.0)
    found, looks = word_agreement(REGIONS, HEARD, gammas)
    for i, regions in enumerate(REGIONS.flatten(2)):  # [D, R]
        for c, (words, length) in enumerate(zip(HEARD.words, HEARD.lengths, strict=True)):
            among_words = (regions.T @ words[:, :length]).softmax(dim=1)  # [R, T]
            shares = (gammas.regions * among_words).softmax(dim=0)
            contexts = regions @ shares  # [D, T]
            alike = F.cosine_similarity(contexts, words[:, :length], dim=0)
            expected = (gammas.words * alike).exp().sum().log()
            torch.testing.assert_close(found[i, c], expected)
            if i == c:
                torch.testing.assert_close(looks[i, :length].flatten(1), shares.T)


def test_a_words_look_is_shared_out_among_regions():
    _, attention = attend(HEARD.words, REGIONS.flatten(2), 4.0, HEARD.padding)
    torch.testing.assert_close(attention.sum(3), torch.ones(3, 3, 5))


def test_pairs_that_show_the_same_are_left_out():
    agreement = torch.tensor([[1.0, 9.0, 0.0], [9.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    plain, apart = (two_ways(agreement, 1.0, same)[0] for same in (None, torch.tensor([7, 7, 8])))
    assert plain > 4 and apart == pytest.approx(0.3927, abs=1e-3)


def test_all_four_cross_entropies_count():
    whole = torch.randn(3, 4, generator=DICE)
    words, _ = word_agreement(REGIONS, HEARD, Gammas())
    parts = [*two_ways(words, 10.0), *two_ways(sentence_agreement(whole, HEARD.sentence), 10.0)]
    torch.testing.assert_close(damsm_loss(REGIONS, whole, HEARD), sum(parts))


def test_a_caption_wrong_in_one_word_must_agree_less():
    whole, own = torch.tensor([[1.0, 0.0]]), torch.tensor([[2.0, 0.0]])
    loss = exchanged_loss(whole, own, torch.tensor([[0.0, 3.0]]), 10.0)
    assert loss.item() == pytest.approx(math.log1p(math.exp(-10)), rel=1e-3)
    same = exchanged_loss(whole, own, own, 10.0)
    assert same.item() == pytest.approx(math.log(2))


# --- eyes ---


def test_the_inception_eye_has_the_published_sizes_and_learns_two_layers():
    with torch.device("meta"):
        eye, reader = InceptionEye(), RecurrentEncoder()
        regions, whole = eye.eval()(torch.zeros(2, 3, 64, 64))
    assert sum(p.numel() for p in eye.parameters()) == 22_506_720
    assert sum(p.numel() for p in eye.parameters() if p.requires_grad) == 721_152
    assert sum(p.numel() for p in reader.parameters()) == 8_629_420
    assert regions.shape == (2, 256, 17, 17) and whole.shape == (2, 256)


@pytest.mark.parametrize("side", [32, 64])
def test_the_small_eye_has_regions_of_an_eighth_of_the_side(side):
    regions, whole = SmallEye(6, 2)(torch.zeros(2, 3, side, side))
    assert regions.shape == (2, 6, side // 8, side // 8) and whole.shape == (2, 6)


def light(code):
    """All tensors of an Inception eye, ones that take no room in a file."""
    with torch.device("meta"):
        shapes = {name: w.shape for name, w in InceptionEye(code).state_dict().items()}
    return {name: torch.ones(()).expand(shape) for name, shape in shapes.items()}


# --- training ---


def test_smoke_trains_encoders_that_load_with_their_words(tmp_path):
    config = configure("damsm", "smoke", {"vocabulary": 12})
    history = train(DAMSMObjective(config), wing("damsm").source(config), tmp_path, show=False)
    assert len(history) == 2
    damsm = load_damsm(str(tmp_path))
    assert len(damsm.text.vocabulary.words) == 11  # and the end
    assert damsm.text.read(["a red house"]).sentence.shape == (1, 8)
    assert not any(p.requires_grad for p in damsm.parameters())
    with pytest.raises(CourseError, match="paints nothing"):
        load(tmp_path)


def test_captions_that_are_the_same_are_not_pushed_apart():
    """Two pictures with one caption: nothing can be learnt, and the loss is that of a right one."""
    objective = DAMSMObjective(configure("damsm", "smoke"))
    objective.damsm.text.vocabulary = Vocabulary.of(["a red car"])
    seen = {}

    class Step:
        round = 0

        def __call__(self, player, loss, **figures):
            seen["loss"] = loss.item()

    images = torch.rand(4, 3, 32, 32)
    objective.round(SceneBatch(images, captions=(("a red car",),) * 4), Step())
    assert seen["loss"] == pytest.approx(0, abs=1e-5)


def test_inceptions_weights_must_be_named_and_are_taken(tmp_path, monkeypatch):
    source = wing("damsm").source(configure("damsm", "smoke"))
    config = configure("damsm", "smoke", {"eye": "inception"})
    with pytest.raises(CourseError, match="eye=small"):
        DAMSMObjective(config).prepare(source)
    file = tmp_path / "inception_v3_google.pth"
    theirs = {name: w for name, w in light(8).items() if "emb_" not in name}
    torch.save({**theirs, "fc.weight": torch.ones(2), "AuxLogits.fc.bias": torch.ones(1)}, file)
    config = configure("damsm", "smoke", {"eye": "inception", "inception": str(file)})
    eye = DAMSMObjective(config).damsm.image
    assert (eye.Mixed_7c.branch1x1.conv.weight == 1).all() and eye.emb_features.weight.std() > 0


def test_bad_configurations_are_listed_at_once():
    with pytest.raises(CourseError) as error:
        DAMSMConfig(code=7, eye="third", gammas=(1.0, 0.0, 1.0), words=0, lr=2.0)
    names = ("code is 7", "eye is 'third', it must be inception, small", "gammas", "words", "lr")
    assert all(name in str(error.value) for name in names)


# --- AttnGAN's files ---


@pytest.mark.parametrize(("cell", "place"), [("LSTM", "."), ("GRU", "..")])
def test_attngans_encoders_load_from_their_folder(tmp_path, cell, place):
    """Files as they were released in 2018, without counters of batches; words beside or above."""
    folder = tmp_path / "coco"
    folder.mkdir()
    torch.manual_seed(0)
    text = RecurrentEncoder(4, 5, 6, cell)
    told = {k: v for k, v in text.state_dict().items() if k != "_extra_state"}
    seen = {k: v for k, v in light(6).items() if "num_batches" not in k}
    torch.save(told, folder / "text_encoder100.pth")
    torch.save(seen, folder / "image_encoder100.pth")
    words = {0: "<end>", 1: "a", 2: "red", 3: "car"}
    by_word = {word: number for number, word in words.items()}
    held = [[[1, 2, 3]], [[1, 3]], words, by_word]
    (folder / place / "captions.pickle").write_bytes(pickle.dumps(held, protocol=2))
    damsm = load_damsm(str(folder))
    assert list(damsm.text.vocabulary.words) == ["a", "red", "car"]
    ids, lengths = damsm.text.ids(["A red car"], 9)
    assert ids.tolist() == [[1, 2, 3]]
    expected = text.eval()(ids, lengths).sentence
    torch.testing.assert_close(damsm.text.read(["A red car"]).sentence, expected)
    (folder / "image_encoder100.pth").unlink()
    with pytest.raises(CourseError, match="no such file"):
        load_damsm(str(folder))


def test_words_of_another_encoder_are_refused(tmp_path):
    told = RecurrentEncoder(4, 5, 6).state_dict()
    del told["_extra_state"]
    torch.save(told, tmp_path / "text_encoder100.pth")
    torch.save({"emb_cnn_code.bias": torch.ones(6)}, tmp_path / "image_encoder100.pth")
    (tmp_path / "captions.pickle").write_bytes(pickle.dumps([[], [], {0: "<end>"}, {}]))
    with pytest.raises(CourseError, match="1 words for an encoder of 4"):
        load_damsm(str(tmp_path))
