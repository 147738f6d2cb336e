"""Attention scores: pairs sum to the model's own score everywhere, marginals are sums of pairs, and parts are real."""

import math

import pytest
import torch

from hooke.circuits.frozen import FrozenModel, attend, freeze
from hooke.circuits.graph import TraceSettings
from hooke.circuits.qk import attention_score, split_score
from hooke.circuits.trace import trace
from hooke.errors import BadRequest, UnsupportedModel
from hooke.models.model import Model
from hooke.models.score_maps import score_map
from tests.circuits.random_transcoders import random_crosslayer, random_set
from tests.circuits.test_trace import DENSE
from tests.models.tiny import tiny_model

PROMPT = torch.arange(7)[None] * 5 + 3
FORMS = {
    "plain": lambda: random_set("mlp_in", skip=False),
    "skip": lambda: random_set("mlp_in", skip=True),
    "stream": lambda: random_set("resid_mid", skip=True),
    "cross": random_crosslayer,
}
SCALES = {"gemma2": 1 / 4, "gemma3_text": 1 / 4, "qwen3": 1 / 4, "qwen3_moe": 1 / 4, "gpt_oss": 1 / 4}
"""1 / sqrt(d_head) where heads are not of width 8."""


def own_score(model: Model, layer: int, head: int, query: int, key: int) -> float:
    """From the model's queries and keys as they enter the product."""
    run = model.run(PROMPT, capture=[f"q.{layer}", f"k.{layer}"])
    queries, keys = run[f"q.{layer}"][0], run[f"k.{layer}"][0]
    group = head // (queries.shape[1] // keys.shape[1])
    scale = SCALES.get(model.name.removeprefix("tiny-"), 1 / math.sqrt(8))
    return float(queries[query, head] @ keys[key, group]) * scale


@pytest.mark.parametrize(("layer", "head", "query", "key"), [(0, 1, 4, 4), (1, 0, 5, 2), (2, 3, 6, 0)])
@pytest.mark.parametrize("architecture", DENSE)
def test_pairs_of_neurons_sum_to_the_models_own_score(architecture: str, layer: int, head: int, query: int, key: int):
    model = tiny_model(architecture)
    found = split_score(freeze(model, PROMPT), "neurons", layer=layer, head=head, query=query, key=key, candidates=100)
    expected = own_score(model, layer, head, query, key)
    scale = max(abs(expected), 1e-3 * float(found.by_pair.abs().sum()))
    assert abs(float(found.by_pair.sum()) - expected) <= 1e-4 * scale
    assert abs(found.score - expected) <= 1e-4 * scale
    assert found.error <= 1e-4


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("architecture", ["llama", "gemma2", "gpt2", "qwen3_moe", "gpt_oss"])
def test_pairs_of_transcoder_features_sum_to_the_models_own_score(architecture: str, form: str):
    model = tiny_model(architecture)
    found = split_score(freeze(model, PROMPT), FORMS[form](), layer=2, head=1, query=6, key=3)
    expected = own_score(model, 2, 1, 6, 3)
    scale = max(abs(expected), 1e-3 * float(found.by_pair.abs().sum()))
    assert abs(float(found.by_pair.sum()) - expected) <= 1e-4 * scale
    kinds = {node.kind for node in found.query_nodes}
    assert kinds == {"feature", "error", "token", "constant"}


def test_marginals_are_sums_of_pairs_and_the_strongest_come_first():
    found = split_score(freeze(tiny_model(), PROMPT), "neurons", layer=2, head=3, query=6, key=1, candidates=50)
    pairs = found.by_pair
    torch.testing.assert_close(found.by_query, pairs.sum(1), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.by_key, pairs.sum(0), rtol=1e-4, atol=1e-5)
    kinds = found.by_kinds()
    assert sum(kinds.values()) == pytest.approx(found.total, rel=1e-4)
    tokens = [[node.kind == "token" for node in nodes] for nodes in (found.query_nodes, found.key_nodes)]
    assert kinds["token", "token"] == pytest.approx(float(pairs[tokens[0]][:, tokens[1]].sum()), rel=1e-4)
    strongest = found.pairs(5)
    assert [abs(pair.score) for pair in strongest] == pytest.approx(pairs.abs().flatten().topk(5).values.tolist())
    first = strongest[0]
    at = found.query_nodes.index(first.query), found.key_nodes.index(first.key)
    assert float(pairs[at]) == pytest.approx(first.score)


def stream_without(frozen: FrozenModel, taken_off: torch.Tensor, layer: int) -> torch.Tensor:
    """The stream that a layer reads when something is taken off the embeddings, attention and MLPs held."""
    stream = frozen.embed + frozen.place - taken_off
    for block, mlp_out in zip(frozen.blocks[:layer], frozen.mlp_out, strict=False):
        stream = stream + attend(block, stream) + mlp_out
    return stream


def test_a_tokens_part_is_what_the_score_loses_without_it():
    model = tiny_model()
    frozen = freeze(model, PROMPT)
    found = split_score(frozen, "neurons", layer=2, head=0, query=6, key=2)
    off = torch.zeros_like(frozen.embed)
    off[1] = frozen.embed[1]
    lost = frozen.pre[2][2] - stream_without(frozen, off, 2)[2]
    norm = frozen.blocks[2].attention_norm
    assert norm is not None
    maps = score_map(model, frozen.tokens, 2, 0, 6, 2)
    expected = maps.scale * maps.query.value @ maps.key.matrix @ norm.apply_at(torch.tensor([2]), lost[None])[0]
    number = next(at for at, node in enumerate(found.key_nodes) if node.id == "token@1")
    assert float(found.by_key[number]) == pytest.approx(float(expected), rel=1e-3, abs=1e-5)


def test_nothing_of_later_positions_or_layers_takes_part():
    found = split_score(freeze(tiny_model(), PROMPT), "neurons", layer=1, head=0, query=4, key=2)
    for nodes, last in ((found.query_nodes, 4), (found.key_nodes, 2)):
        assert max(node.position or 0 for node in nodes) == last
        assert max(node.layer or 0 for node in nodes) == 0


def test_against_another_key_it_is_the_difference():
    frozen = freeze(tiny_model("gpt2"), PROMPT)
    one, other = (split_score(frozen, "neurons", layer=1, head=2, query=6, key=key) for key in (3, 5))
    both = split_score(frozen, "neurons", layer=1, head=2, query=6, key=3, against=5)
    assert both.score == pytest.approx(one.score - other.score, abs=1e-5)
    assert both.total == pytest.approx(both.score, rel=1e-4, abs=1e-5)
    assert both.against == 5
    with pytest.raises(BadRequest, match="against itself"):
        split_score(frozen, "neurons", layer=1, head=2, query=6, key=3, against=3)


def test_features_of_the_graph_stand_alone_with_their_names():
    model = tiny_model()
    graph = trace(model, "neurons", PROMPT, settings=TraceSettings(max_nodes=30))
    found = attention_score(graph, model, "neurons", layer=2, head=0, query=-1, key=3, candidates=10)
    # What layer 1 writes elsewhere has no attention left to travel by.
    places = {(0, position) for position in range(7)} | {(1, 6)}
    own = {node.id: node for node in graph.nodes if node.kind == "feature" and (node.layer, node.position) in places}
    assert len(own) > 3
    there = {node.id: node for node in found.query_nodes if node.kind == "feature"}
    assert set(there) > set(own)
    assert all(there[id] is node for id, node in own.items())
    assert len(there) < 10 + 30
    assert found.weight == pytest.approx(float(freeze(model, PROMPT).blocks[2].pattern[0, 6, 3]))


@pytest.mark.parametrize(
    ("layer", "head", "query", "key", "words"),
    [(3, 0, 6, 0, "no head 3.0"), (0, 4, 6, 0, "4 heads"), (0, 0, 2, 5, "lies behind"), (0, 0, 9, 0, "no position 9")],
)
def test_what_is_not_there_is_refused(layer: int, head: int, query: int, key: int, words: str):
    with pytest.raises(BadRequest, match=words):
        split_score(freeze(tiny_model(), PROMPT), "neurons", layer=layer, head=head, query=query, key=key)


def test_what_cannot_be_split_is_refused():
    model = tiny_model()
    with pytest.raises(BadRequest, match="'soup'"):
        split_score(freeze(model, PROMPT), "soup", layer=0, head=0, query=1, key=0)
    with pytest.raises(BadRequest, match="one token"):
        split_score(freeze(model, PROMPT[:, :1]), "neurons", layer=0, head=0, query=0, key=0)
    with pytest.raises(UnsupportedModel, match="transcoders"):
        split_score(freeze(tiny_model("mixtral"), PROMPT), "neurons", layer=0, head=0, query=1, key=0)


@pytest.mark.slow
def test_pairs_sum_to_the_score_of_the_real_model(real_model: Model):
    frozen = freeze(real_model, "When Mary and John went to the store, John gave a drink to")
    run = real_model.run(frozen.tokens[None], capture=["q.*", "k.*"])
    for layer, head, query, key in ((1, 0, 13, 12), (12, 4, 10, 4), (29, 8, 13, 2)):
        found = split_score(frozen, "neurons", layer=layer, head=head, query=query, key=key)
        expected = float(run[f"q.{layer}"][0, query, head] @ run[f"k.{layer}"][0, key, head // 3]) / 8
        assert found.score == pytest.approx(expected, rel=1e-5)
        scale = max(abs(expected), 1e-3 * float(found.by_pair.abs().sum()))
        assert abs(found.total - expected) <= 1e-4 * scale
        assert found.error <= 1e-4
