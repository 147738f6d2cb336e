"""A head's token tables: known circuits are read off, chance stands beside, wrong heads are refused."""

from typing import Any, cast

import pytest
import torch

from hooke.circuits.head_tables import match_table, output_table, require_head
from hooke.errors import BadRequest, UnsupportedModel
from hooke.models.linear_maps import linear_maps
from hooke.sites import Site
from tests.models.tiny import tiny_model

TOKENS = torch.arange(128)


def test_a_head_that_hands_the_stream_through_raises_what_it_reads(monkeypatch: pytest.MonkeyPatch):
    model = tiny_model()
    attention = linear_maps(model).blocks[1].attention
    embedding = cast(Any, model.hf).get_input_embeddings()
    monkeypatch.setattr(embedding.weight, "data", model.unembed_directions().clone())
    kept = torch.eye(32)[: attention.outputs.shape[1]]
    for name in ("values", "outputs"):
        object.__setattr__(attention, name, kept.expand_as(getattr(attention, name)).clone())
    found = output_table(model, 1, 0, [5], TOKENS, top=3)
    assert found.copying.value > 0.9
    assert found.copying.control is not None
    assert found.copying.control < 0.4
    assert found.rank.value > 0.9
    assert abs((found.rank.control or 0) - 0.5) < 0.15
    assert found.strongest[0].value > found.shuffled[0].value
    assert found.raised[5][0].value > 0 > found.lowered[5][0].value
    object.__setattr__(attention, "outputs", -attention.outputs)
    turned = output_table(model, 1, 0, [5], TOKENS, top=3)
    assert turned.copying.value < 0.1
    assert turned.rank.value < 0.1


def test_effects_are_those_of_the_linear_map():
    model = tiny_model()
    attention = linear_maps(model).blocks[0].attention
    read = model.run(torch.tensor([[7, 9]]), capture=["attn_in.0"])[Site("attn_in", 0)][0, 0]
    logits = (attention.outputs[3].T @ (attention.values[1] @ read)) @ model.unembed_directions().T
    logits = logits - logits.mean()
    pair = output_table(model, 0, 3, [7], TOKENS, top=1).raised[7][0]
    assert pair.second == int(logits.argmax())
    assert pair.value == pytest.approx(float(logits.max()), rel=1e-3)


@pytest.mark.parametrize("architecture", ["llama", "gemma2", "gpt_neox"])
def test_scores_are_the_models_own_where_nothing_lies_between(architecture: str):
    model = tiny_model(architecture)
    best = match_table(model, 0, 1, TOKENS, distance=3, top=1, n_sampled=40).strongest[0]
    ids = torch.tensor([2, best.second, 4, 6, best.first])
    run = model.run(ids[None], capture=["q.0", "k.0"])
    queries, keys = run[Site("q", 0)][0], run[Site("k", 0)][0]
    key = keys[1, 1 // (queries.shape[1] // keys.shape[1])]
    raw = float(queries[4, 1] @ key)
    width = 16 if architecture == "gemma2" else key.shape[0]
    assert best.value == pytest.approx(raw / width**0.5, rel=1e-2)


def test_normed_queries_have_no_table():
    with pytest.raises(UnsupportedModel, match="no table of query and key"):
        match_table(tiny_model("qwen3"), 0, 0, TOKENS)


def test_heads_and_distances_that_do_not_exist_are_refused():
    model = tiny_model()
    for layer, head in ((3, 0), (-1, 0), (0, 4), (0, -1)):
        with pytest.raises(BadRequest, match="has no head"):
            require_head(model, layer, head)
    with pytest.raises(BadRequest, match="before a query"):
        match_table(model, 0, 0, TOKENS, distance=64)
