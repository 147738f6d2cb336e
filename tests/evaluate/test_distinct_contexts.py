import numpy as np
import pytest
import torch

from hooke.errors import BadRequest
from hooke.evaluate.distinct_contexts import VIEWS, Contexts, effective_number


def text(n_documents: int = 40, length: int = 60, seed: int = 0) -> Contexts:
    """Random tokens of 50, but for token 49, which always stands behind token 48."""
    generator = np.random.default_rng(seed)
    tokens = generator.integers(0, 48, (n_documents, length))
    tokens[:, 20:22] = 48, 49
    document = np.repeat(np.arange(n_documents), length)
    counted = np.ones(document.shape, bool)
    return Contexts(tokens.ravel(), document, counted, torch.eye(50), n=16, generator=generator)


def places(at: int, n: int = 16) -> np.ndarray:
    return np.arange(n) * 60 + at


def test_the_effective_number_is_that_of_what_is_unlike():
    eye = torch.eye(6)
    assert float(effective_number(eye[[0] * 6])) == pytest.approx(1)
    assert float(effective_number(eye)) == pytest.approx(6)
    assert float(effective_number(eye[[0, 0, 0, 3, 3, 3]])) == pytest.approx(2)
    # As alike as a cosine of 0.6 makes them: eigenvalues 0.8 and 0.2.
    near = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    assert float(effective_number(near)) == pytest.approx(np.exp(-0.8 * np.log(0.8) - 0.2 * np.log(0.2)))


@pytest.mark.parametrize(("at", "view"), [(21, "token"), (21, "token before"), (20, "token behind"), (20, "token")])
def test_firings_that_are_alike_in_one_way_are_one_context_there(at: int, view: str):
    found = text()
    shares = found.shares(places(at)[None])[0]
    which = VIEWS.index(view)
    assert shares[which] == pytest.approx(1 / found.by_chance[which])
    assert shares[VIEWS.index("text before")] > 0.8


def test_tokens_at_random_are_as_unlike_as_by_chance():
    found = text()
    assert found.at_random.mean(0) == pytest.approx(np.ones(len(VIEWS)), abs=0.05)


def test_texts_about_one_thing_are_alike():
    generator = np.random.default_rng(0)
    tokens = generator.integers(0, 40, (40, 60))
    # Every second document draws two thirds of its words from three of its own topic.
    topical = generator.random((20, 60)) < 0.67
    tokens[::2][topical] = generator.integers(40, 43, int(topical.sum()))
    document = np.repeat(np.arange(40), 60)
    found = Contexts(tokens.ravel(), document, np.ones(2400, bool), torch.eye(50), n=16, generator=generator)
    topic, others = np.arange(16) * 120 + 50, np.arange(16) * 120 + 110
    about, without = found.shares(np.stack([topic, others]))[:, VIEWS.index("text before")]
    assert about < 0.85 * without


def test_every_token_is_of_another_document_and_has_some_of_it_around():
    found = text()
    assert found.chosen(np.arange(60 * 15)) is None
    chosen = found.chosen(np.arange(60 * 40))
    assert chosen is not None
    assert len({one // 60 for one in chosen.tolist()}) == len(chosen) == 16
    assert not found.usable[:8].any()
    assert not found.usable[59::60].any()
    assert found.usable[8:59].all()


def test_too_few_documents():
    with pytest.raises(BadRequest, match=r"on 5 documents.*Give more text"):
        text(n_documents=5)
