"""Setting the weights of a small GPT-2 by hand: directions of the stream, heads, neurons, and idle rest.

The stream is cut into orthonormal directions without a mean, so that layer norms only divide. Every token carries the
same long vector, the ballast: it makes up nearly all of the stream's length, so that norms divide by almost the same
everywhere and what is written as 1 is read as almost 1.
"""

import hashlib
import math
from collections.abc import Collection, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

D_MODEL = 256
N_HEADS = 4
D_HEAD = D_MODEL // N_HEADS
D_MLP = 64
N_LAYERS = 2
"""Number of layers, where a specimen does not say otherwise; so with D_MLP."""
CONTEXT = 64
BALLAST = 20.0
"""Length of the ballast; everything else in the stream has a length of a few units."""
MATCH = 30.0
"""Attention score of a key that a head looks for."""
LOGIT_GAIN = 14.0
"""Logit of a token whose direction stands in the stream with length 1."""
BOTH = -1.4
"""Bias of a neuron that fires only when both of its inputs, each almost 1, are there."""
SCRATCH = 32
"""Number of directions that idle heads and neurons write, and that nothing else reads."""

Weights = dict[str, Tensor]


def directions(sizes: Mapping[str, int]) -> dict[str, Float[Tensor, "n d_model"]]:
    """Named sets of rows; all rows together are orthonormal, and none has a mean.

    They are cosines in a fixed shuffled order: every row is spread over the whole stream, and no linear algebra is
    needed whose last digits differ between machines.
    """
    order = torch.randperm(D_MODEL - 1, generator=torch.Generator().manual_seed(0)) + 1
    places = torch.arange(D_MODEL, dtype=torch.float64) + 0.5
    rows = torch.cos(order[:, None] * places * math.pi / D_MODEL) * math.sqrt(2 / D_MODEL)
    parts = rows[: sum(sizes.values())].split(list(sizes.values()))
    return dict(zip(sizes, parts, strict=True))


def blank(n_vocab: int, *, n_layers: int = N_LAYERS, d_mlp: int = D_MLP) -> Weights:
    """Weights that are all zero but for the norms, which undo the ballast's length."""
    weights = {
        name: torch.zeros_like(value, dtype=torch.float64)
        for name, value in _empty(n_vocab, n_layers, d_mlp).state_dict().items()
    }
    for name in weights:
        if ".ln_" in name and name.endswith("weight"):
            weights[name][:] = BALLAST / math.sqrt(D_MODEL)
    return weights


def _empty(n_vocab: int, n_layers: int, d_mlp: int) -> Any:
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=n_vocab,
        n_positions=CONTEXT,
        n_embd=D_MODEL,
        n_layer=n_layers,
        n_head=N_HEADS,
        n_inner=d_mlp,
        activation_function="relu",
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=0,
    )
    with torch.random.fork_rng():
        return GPT2LMHeadModel(config).eval()


def begin(
    n_words: int,
    rows: Mapping[str, Float[Tensor, "n d_model"]],
    generator: torch.Generator,
    *,
    n_layers: int = N_LAYERS,
    d_mlp: int = D_MLP,
    own_places: Float[Tensor, "pos d_model"] | None = None,
) -> Weights:
    """Blank weights in which every token has scratch of its own and the ballast, BOS `start`.

    Positions have scratch, too, where they are given no rows of their own.
    """
    made = blank(n_words + 2, n_layers=n_layers, d_mlp=d_mlp)
    embedding, places = made["transformer.wte.weight"], made["transformer.wpe.weight"]
    embedding[:] = BALLAST * rows["ballast"] + unit_rows(len(embedding), rows["scratch"], generator)
    embedding[0] += rows["start"][0]
    places[:] = unit_rows(len(places), rows["scratch"], generator) if own_places is None else own_places
    return made


def opened(weights: Weights) -> Any:
    """The transformers model with these weights."""
    hf = _empty(len(weights["transformer.wte.weight"]), *_shape(weights))
    hf.load_state_dict({name: value.float() for name, value in weights.items()})
    return hf


def _shape(weights: Weights) -> tuple[int, int]:
    """Number of layers, and of neurons in each."""
    into = [value for name, value in weights.items() if name.endswith("mlp.c_fc.weight")]
    return len(into), into[0].shape[1]


def write_head(
    weights: Weights,
    layer: int,
    head: int,
    *,
    query: Float[Tensor, "match d_model"],
    key: Float[Tensor, "match d_model"],
    value: Float[Tensor, "moved d_model"],
    output: Float[Tensor, "moved d_model"],
    score: float = MATCH,
) -> None:
    """Make a head look, from where row i of `query` stands, for where row i of `key` stands, and move `value` there."""
    start, gain = head * D_HEAD, math.sqrt(score * math.sqrt(D_HEAD))
    reads = weights[f"transformer.h.{layer}.attn.c_attn.weight"]
    reads[:, start : start + len(query)] = query.T * gain
    reads[:, D_MODEL + start : D_MODEL + start + len(key)] = key.T * gain
    reads[:, 2 * D_MODEL + start : 2 * D_MODEL + start + len(value)] = value.T
    weights[f"transformer.h.{layer}.attn.c_proj.weight"][start : start + len(output)] = output


def always_look_for(
    weights: Weights, layer: int, head: int, key: Float[Tensor, " d_model"], *, score: float, slot: int = D_HEAD - 1
) -> None:
    """Make a head look for a direction from everywhere, by a bias of its queries."""
    gain = math.sqrt(score * math.sqrt(D_HEAD))
    at = head * D_HEAD + slot
    weights[f"transformer.h.{layer}.attn.c_attn.bias"][at] = gain
    weights[f"transformer.h.{layer}.attn.c_attn.weight"][:, D_MODEL + at] = key * gain


def write_fetch(
    weights: Weights,
    layer: int,
    head: int,
    *,
    sought: Float[Tensor, " d_model"],
    start: Float[Tensor, " d_model"],
    value: Float[Tensor, "moved d_model"],
    output: Float[Tensor, "moved d_model"],
) -> None:
    """A head that looks from everywhere for one kind of word, and at the start of the text where there is none."""
    nothing = torch.zeros(0, len(sought), dtype=sought.dtype)
    write_head(weights, layer, head, query=nothing, key=nothing, value=value, output=output)
    always_look_for(weights, layer, head, sought + start / 2, score=MATCH)


def write_neuron(
    weights: Weights,
    layer: int,
    index: int,
    *,
    reads: Float[Tensor, " d_model"],
    writes: Float[Tensor, " d_model"],
    bias: float = 0.0,
) -> None:
    """Make a neuron fire by how far the stream goes along `reads`, plus the bias, and add `writes` times that."""
    weights[f"transformer.h.{layer}.mlp.c_fc.weight"][:, index] = reads
    weights[f"transformer.h.{layer}.mlp.c_fc.bias"][index] = bias
    weights[f"transformer.h.{layer}.mlp.c_proj.weight"][index] = writes


def fill_rest(
    weights: Weights,
    heads: Collection[tuple[int, int]],
    neurons: Collection[tuple[int, int]],
    rows: Mapping[str, Float[Tensor, "n d_model"]],
    generator: torch.Generator,
) -> None:
    """Make all other heads and neurons idle: they read words and scratch, and write scratch."""
    reads, scratch = torch.cat([rows["word"], rows["scratch"]]), rows["scratch"]
    fill_idle_heads(weights, heads, reads=reads, scratch=scratch, generator=generator)
    fill_idle_neurons(weights, neurons, reads=reads, scratch=scratch, generator=generator)


def fill_idle_heads(
    weights: Weights,
    used: Collection[tuple[int, int]],
    *,
    reads: Float[Tensor, "n d_model"],
    scratch: Float[Tensor, "scratch d_model"],
    generator: torch.Generator,
) -> None:
    """Give every head (layer, head) that is not used something to look for, and scratch to write."""
    for layer in range(_shape(weights)[0]):
        for head in range(N_HEADS):
            if (layer, head) not in used:
                query, key, value = (unit_rows(16, reads, generator) for _ in range(3))
                output = unit_rows(16, scratch, generator) / 2
                write_head(weights, layer, head, query=query, key=key, value=value, output=output, score=1.0)


def fill_idle_neurons(
    weights: Weights,
    used: Collection[tuple[int, int]],
    *,
    reads: Float[Tensor, "n d_model"],
    scratch: Float[Tensor, "scratch d_model"],
    generator: torch.Generator,
) -> None:
    """Give every neuron (layer, index) that is not used something to read and scratch to write.

    Their rows are scaled so that each MLP matrix has the Frobenius norm √d_mlp, whatever the used rows have.
    """
    n_layers, d_mlp = _shape(weights)
    for layer in range(n_layers):
        idle = [index for index in range(d_mlp) if (layer, index) not in used]
        into, out = (weights[f"transformer.h.{layer}.mlp.{name}.weight"] for name in ("c_fc", "c_proj"))
        into[:, idle] = (unit_rows(len(idle), reads, generator) * _length_left(into, len(idle), d_mlp)).T
        out[idle] = unit_rows(len(idle), scratch, generator) * _length_left(out, len(idle), d_mlp)


def _length_left(matrix: Tensor, n_rows: int, d_mlp: int) -> float:
    """How long each of so many more rows is when they bring a matrix to the norm √d_mlp."""
    return math.sqrt((d_mlp - float(matrix.square().sum())) / n_rows)


def unit_rows(n: int, source: Float[Tensor, "m d_model"], generator: torch.Generator) -> Float[Tensor, "n d_model"]:
    """Random rows of length 1 within the span of `source`."""
    mixed = torch.randn(n, len(source), dtype=torch.float64, generator=generator)
    return (mixed / mixed.norm(dim=1, keepdim=True)) @ source


def random_like(weights: Weights, generator: torch.Generator) -> Weights:
    """Every matrix drawn at random, as long as it was; norms and biases as they are."""
    found = dict(weights)
    for name, matrix in weights.items():
        if matrix.ndim == 2:
            drawn = torch.randn(matrix.shape, dtype=torch.float64, generator=generator)
            found[name] = drawn * matrix.norm() / drawn.norm()
    return found


def weights_hash(hf: Any) -> str:
    """16 hex digits that identify the weights to the last bit."""
    found = hashlib.sha256()
    for name, value in sorted(hf.state_dict().items()):
        found.update(name.encode())
        found.update(value.contiguous().numpy().tobytes())
    return found.hexdigest()[:16]
