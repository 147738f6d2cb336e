"""A prompt taken apart: every number against the run that it came from."""

import numpy as np
import pytest
import torch

from hooke.errors import PromptTooLong, ShapeMismatch
from hooke.prompts.attention import unpack
from hooke.prompts.inspect import LIMIT, NO_PATTERNS, features_of, inspect, limit_of
from hooke.sites import Site
from tests.models.tiny import tiny_model
from tests.prompts.small_prompt import small_dictionary

IDS = torch.tensor([3, 14, 15, 9, 26, 5, 35])


def test_streams_and_patterns_are_those_of_the_run():
    model = tiny_model()
    found = inspect(model, model.tokenize(IDS))
    for layer in range(model.n_layers):
        run = model.run(IDS, capture=[f"resid_post.{layer}", f"pattern.{layer}"])
        stream = run[Site("resid_post", layer)][0]
        rebuilt = found.arrays["direction"][layer].astype(np.float32) * found.arrays["norm"][layer][:, None]
        # Half precision keeps eleven bits of each component of a unit vector.
        assert np.abs(rebuilt - stream.numpy()).max() <= 2**-11 * float(stream.norm(dim=-1).max())
        scale = found.arrays[f"scale.{layer}"]
        pattern = unpack(found.arrays[f"pattern.{layer}"], scale)
        assert (np.abs(pattern - run[Site("pattern", layer)][0].numpy()) <= scale[:, :, None]).all()
    assert found.n_heads == 4
    assert found.has_lens


def test_patterns_in_several_runs_are_the_same(monkeypatch: pytest.MonkeyPatch):
    model = tiny_model()
    whole = inspect(model, model.tokenize(IDS))
    monkeypatch.setattr("hooke.prompts.inspect._PATTERN_ELEMENTS", 1)
    parts = inspect(model, model.tokenize(IDS))
    assert sorted(whole.arrays) == sorted(parts.arrays)
    for name, array in whole.arrays.items():
        assert np.array_equal(array, parts.arrays[name], equal_nan=array.dtype.kind == "f"), name


def test_features_and_what_they_leave_over():
    dictionary = small_dictionary()
    x = torch.randn(5, 32, generator=torch.Generator().manual_seed(2))
    found = features_of(dictionary, x)
    acts = dictionary.encode(x)
    assert found["n_active"].tolist() == (acts.values > 0).sum(-1).tolist()
    assert (np.diff(found["act"], axis=1) <= 0).all(), "strongest first"
    dense = acts.dense().numpy()
    rows = np.arange(5)[:, None]
    assert np.allclose(dense[rows, found["id"]] * (found["act"] > 0), found["act"])
    error = (x - dictionary(x)).square().sum(-1) / (x - dictionary.b_dec).square().sum(-1)
    assert np.allclose(found["unexplained"], error.detach().numpy(), rtol=1e-4)


def test_a_dictionary_of_another_model_is_refused():
    model = tiny_model()
    with pytest.raises(ShapeMismatch):
        inspect(model, model.tokenize(IDS), [small_dictionary(width=16)])


def test_too_long_a_prompt_names_the_limit():
    model = tiny_model(max_position_embeddings=2048)
    assert limit_of(model) == LIMIT
    assert limit_of(tiny_model()) == 64
    with pytest.raises(PromptTooLong, match="512"):
        inspect(model, model.tokenize(torch.ones(LIMIT + 1, dtype=torch.int64)))


def test_a_model_without_patterns_says_so():
    model = tiny_model("falcon")
    found = inspect(model, model.tokenize(IDS))
    assert found.n_heads == 0
    assert NO_PATTERNS in found.notes
