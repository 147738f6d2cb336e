"""What features carry and what their error carries, where both are known."""

import pytest
import torch

from hooke.dictionaries import Dictionary, DictionaryConfig
from hooke.evaluate.completeness import completeness
from hooke.evaluate.quality import Subject, UnitScores
from hooke.models.model import Model
from hooke.specimens import build
from hooke.text.windows import WindowConfig, Windows, windows
from tests.features.planted import SITE, planted_corpus, planted_model


@pytest.fixture(scope="module")
def model() -> Model:
    return planted_model()


def subject(model: Model, kept: torch.Tensor) -> Subject:
    """A dictionary that rebuilds these coordinates of the stream exactly, and says nothing of the others."""
    config = DictionaryConfig(
        name="d", model="planted", kind="relu", reads=(SITE,), writes=(SITE,), n_features=model.d_model,
        d_in=model.d_model, d_out=model.d_model,
    )  # fmt: skip
    zeros = torch.zeros(model.d_model)
    return Subject(
        "d", Dictionary(config, W_enc=torch.eye(model.d_model), b_enc=zeros, W_dec=torch.diag(kept), b_dec=zeros), model
    )


def shares(model: Model, kept: torch.Tensor, **options: bool) -> dict[str, float]:
    batches = list(windows(planted_corpus(), model.tokenizer, WindowConfig(context=32, batch=3), stop=9))
    found = completeness(subject(model, kept), batches, **options)
    assert all(isinstance(one, UnitScores) and len(one.parts) == 9 for one in found.values())
    return {name: float(one.parts.sum() / one.wholes.sum()) for name, one in found.items()}


def test_a_perfect_dictionary_leaves_nothing_to_its_error(model: Model):
    found = shares(model, torch.ones(model.d_model))
    assert found["share of the loss that features alone carry"] == pytest.approx(1, abs=1e-5)
    assert found["share of the loss that error alone carries"] == pytest.approx(0, abs=1e-5)
    assert found["KL divergence with features alone, nats"] == pytest.approx(0, abs=1e-6)
    assert found["KL divergence with error alone, nats"] > 0.01


def test_a_dictionary_that_says_nothing_leaves_all_to_its_error(model: Model):
    found = shares(model, torch.zeros(model.d_model))
    assert found["share of the loss that error alone carries"] == pytest.approx(1, abs=1e-5)
    assert found["KL divergence with error alone, nats"] == pytest.approx(0, abs=1e-6)


def test_half_of_the_stream_carries_a_part(model: Model):
    kept = torch.ones(model.d_model)
    kept[::2] = 0
    found = shares(model, kept)
    both = [found[f"share of the loss that {name}"] for name in ("features alone carry", "error alone carries")]
    assert all(0.02 < one < 0.98 for one in both)


def test_the_first_token_is_replaced_only_where_asked():
    deep = build("two-hop").model
    generator = torch.Generator().manual_seed(0)
    counted = torch.ones(4, 8, dtype=torch.bool)
    counted[:, 0] = False
    tokens = torch.randint(0, deep.d_vocab, (4, 8), generator=generator)
    batch = Windows(tokens=tokens, document=torch.zeros_like(tokens), counted=counted, first=0)
    # It rebuilds nothing, so that only what lies before the second block's attention tells the two apart.
    silent = subject(deep, torch.zeros(deep.d_model))
    found = [completeness(silent, [batch], first_token=one) for one in (False, True)]
    kept, replaced = (one["KL divergence with features alone, nats"].parts for one in found)
    assert abs(kept - replaced).max() > 1e-3
