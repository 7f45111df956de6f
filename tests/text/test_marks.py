"""What the shipped encoder tells of a caption to a layer as simple as a painter's first one."""

import pytest
import torch

from course_lib.data.sources import open_source
from course_lib.metrics.one_thing import NAMED, named
from course_lib.text.encoder import TextEncoder


def readable(embeddings, words, fitted):
    """Share of the captions behind the ``fitted`` ones whose word a linear layer reads (ridge)."""
    names = sorted(set(words))
    wanted = torch.tensor([names.index(word) for word in words])
    one_hot = torch.nn.functional.one_hot(wanted).double()
    known, asked = embeddings[:fitted], embeddings[fitted:]
    gram = known.T @ known + 3 * torch.eye(known.shape[1], dtype=torch.float64)
    layer = torch.linalg.solve(gram, known.T @ one_hot[:fitted])
    return ((asked @ layer).argmax(dim=1) == wanted[fitted:]).double().mean().item()


def marks(encoder, count=1000):
    pages = open_source("storybook-alone", 32, "test").batch(torch.arange(count))
    captions = [several[0] for several in pages.captions]
    with torch.no_grad():
        embeddings = torch.cat(
            [encoder(captions[k : k + 100]) for k in range(0, count, 100)]
        ).double()
    said = zip(*(named(caption) for caption in captions), strict=True)
    centred = embeddings - embeddings.mean(dim=0)
    fitted = 7 * count // 10
    return {name: readable(centred, words, fitted) for name, words in zip(NAMED, said, strict=True)}


@pytest.mark.slow
def test_thing_colour_and_ground_are_directions_of_the_shipped_encoders_space():
    found = marks(TextEncoder.load())
    assert found["thing"] >= 0.98 and found["colour"] >= 0.98 and found["ground"] >= 0.93, found
