"""What is done to a site between two halves of a run."""

import pytest
import torch

from hooke.dictionaries import Dictionary, DictionaryConfig
from hooke.dictionaries.sparse import sparsify
from hooke.models.split import SplitRun, split_run
from hooke.sites import Site
from hooke.specimens import build
from hooke.studies.changes import Added, Removed, Silenced, activations, alike_in_rate


@pytest.fixture(scope="module")
def run() -> SplitRun:
    """Two prompts of unlike length."""
    specimen = build("sycophancy")
    texts = sorted({one.clean for one in specimen.pairs}, key=len)
    return split_run(specimen.model, [texts[0], texts[-1]], Site("resid_post", 1))


@pytest.fixture(scope="module")
def dictionary(run: SplitRun) -> Dictionary:
    """Random features of the stream."""
    width = run.value.shape[-1]
    config = DictionaryConfig(
        name="random", model="m", kind="relu", reads=("resid_post.1",), writes=("resid_post.1",), n_features=20,
        d_in=width, d_out=width,
    )  # fmt: skip
    draw = torch.Generator().manual_seed(0)
    rows = torch.randn(20, width, generator=draw)
    return Dictionary(config, W_enc=rows.T.contiguous(), b_enc=torch.zeros(20), W_dec=rows, b_dec=torch.zeros(width))


def inside(run: SplitRun) -> torch.Tensor:
    mask = run.tokens.mask.clone()
    mask[:, 0] = False
    return mask


def test_nothing_is_left_in_the_span_of_what_was_taken_out(run: SplitRun):
    vectors = torch.randn(3, run.value.shape[-1], generator=torch.Generator().manual_seed(0))
    left = Removed(vectors).of(run)
    assert float((left[inside(run)] @ vectors.T).abs().max()) < 1e-3
    assert torch.equal(left[~inside(run)], run.value[~inside(run)])
    assert not torch.allclose(left, run.value)


def test_features_lose_what_they_wrote_and_nothing_else(run: SplitRun, dictionary: Dictionary):
    acts = activations(dictionary, run.value)
    without = acts.clone()
    without[..., [2, 5]] = 0
    expected = run.value - dictionary.decode(sparsify(acts)) + dictionary.decode(sparsify(without))
    left = Silenced(dictionary, (2, 5)).of(run)
    assert torch.allclose(left[inside(run)], expected[inside(run)], atol=1e-3)
    assert torch.equal(left[~inside(run)], run.value[~inside(run)])
    assert not torch.allclose(left, run.value)


def test_a_step_is_added_as_long_as_it_is(run: SplitRun):
    vector = torch.arange(run.value.shape[-1], dtype=torch.float32)
    moved = Added(vector).of(run) - run.value
    assert torch.allclose(moved[inside(run)], vector.expand(int(inside(run).sum()), -1), atol=1e-4)
    assert not moved[~inside(run)].any()


def test_twins_fire_as_often_and_are_others():
    rates = torch.tensor([0.5, 0.01, 0.49, 0.0, 0.015, 0.55])
    twins = alike_in_rate((0, 1), rates, generator=torch.Generator().manual_seed(0), n_near=1)
    assert twins == (2, 4)
    assert not {0, 1} & set(alike_in_rate((0, 1), rates, generator=torch.Generator().manual_seed(0)))
