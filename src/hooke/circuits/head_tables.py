"""What one head's weights say of tokens, on the direct path from the embedding: which it raises, which it matches.

    OV   from a source token through the head's values and outputs to the logits
    QK   the score of a query token and a key token at a stated distance, before soft cap, mask and softmax

A token stands for its embedding behind the norm in front of the layer, as if no layer lay between: the deeper a head,
the less its tables say. Elhage et al., "A Mathematical Framework for Transformer Circuits" (2021).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from hooke.errors import BadRequest, UnsupportedModel
from hooke.findings import Finding, bootstrap_interval
from hooke.models.architectures import relative_error
from hooke.models.linear_maps import AttentionMap, linear_maps
from hooke.models.model import Model
from hooke.models.score_maps import score_map

NEAR_TOP = 10
_SAME_MAP = 1e-2


@dataclass(frozen=True, slots=True)
class TokenPair:
    """Two tokens and what a head gives them."""

    first: int
    """Source, or query."""
    second: int
    """Token of the logit, or key."""
    value: float


@dataclass(frozen=True, slots=True)
class OutputTable:
    """What a head writes when it reads tokens."""

    raised: dict[int, tuple[TokenPair, ...]]
    """By source token: the logits it raises most, over the mean logit."""
    lowered: dict[int, tuple[TokenPair, ...]]
    strongest: tuple[TokenPair, ...]
    """Of a sample of source tokens and all logits."""
    shuffled: tuple[TokenPair, ...]
    """The same of the circuit whose inner dimensions are shuffled: what chance gives."""
    copying: Finding
    """How often a token is among those that it raises most itself."""
    rank: Finding
    """How far up a token stands among those that it raises, 1 at the top: a weaker sign than `copying`."""


@dataclass(frozen=True, slots=True)
class MatchTable:
    """Which query tokens look for which key tokens."""

    distance: int
    strongest: tuple[TokenPair, ...]
    """Of a sample of tokens on both sides."""
    shuffled: tuple[TokenPair, ...]
    """The same with the dimensions of the keys shuffled: what chance gives."""
    mean: float
    """Over all pairs of the sample."""
    deviation: float


def require_head(model: Model, layer: int, head: int) -> None:
    """Nothing where the model has such a head.

    Raises:
        BadRequest: it has no such layer, or the layer no such head.
    """
    n_heads = 0
    if 0 <= layer < model.n_layers:
        n_heads = len(linear_maps(model).blocks[layer].attention.outputs)
    if not 0 <= head < n_heads:
        found = f"It has layers 0 to {model.n_layers - 1}"
        found += f"; layer {layer} has heads 0 to {n_heads - 1}." if n_heads else "."
        raise BadRequest(f"{model.name} has no head {layer}.{head}.", found, "Name a head as layer and number: 0.0.")


def output_table(
    model: Model,
    layer: int,
    head: int,
    sources: Sequence[int],
    tokens: Int[Tensor, " token"],
    *,
    top: int = 8,
    n_sampled: int = 1000,
    seed: int = 0,
) -> OutputTable:
    """The output tokens that a head raises and lowers; `tokens` are those that can stand in a text.

    Raises:
        BadRequest: there is no such head.
        UnsupportedModel: the model has no linear maps of values and outputs.
    """
    require_head(model, layer, head)
    generator = torch.Generator().manual_seed(seed)
    attention = linear_maps(model).blocks[layer].attention
    group = head * len(attention.values) // len(attention.outputs)
    outputs = attention.outputs[head].cpu()
    outputs = outputs if attention.post_norm is None else outputs * attention.post_norm.gain.cpu()
    writes = outputs @ model.unembed_directions().cpu()[tokens].T
    writes = writes - writes.mean(1, keepdim=True)  # what all logits share changes no probability

    def inner(ids: Tensor) -> Tensor:
        return _read(model, attention, ids) @ attention.values[group].cpu().T + attention.value_bias[group].cpu()

    sampled = _sample(tokens, n_sampled, generator)
    found = inner(tokens[sampled])
    order = torch.randperm(found.shape[1], generator=generator)
    effects = found @ writes
    high = effects.topk(min(NEAR_TOP, len(tokens)), dim=1).indices
    own = (high == sampled[:, None]).any(1).float().numpy()
    others = (high == sampled.roll(1)[:, None]).any(1).float().numpy()
    ranks, other_ranks = (
        (effects < effects.gather(1, at[:, None])).float().mean(1).numpy() for at in (sampled, sampled.roll(1))
    )
    raised, lowered = {}, {}
    for source, row in zip(sources, inner(torch.tensor(list(sources), dtype=torch.long)) @ writes, strict=True):
        raised[source], lowered[source] = (
            tuple(TokenPair(source, int(tokens[at]), float(row[at])) for at in (sign * row).topk(top).indices)
            for sign in (1, -1)
        )
    return OutputTable(
        raised=raised,
        lowered=lowered,
        strongest=_strongest(effects, tokens[sampled], tokens, top),
        shuffled=_strongest(found[:, order] @ writes, tokens[sampled], tokens, top),
        copying=_finding(
            f"Head {layer}.{head} raises the token that it reads",
            f"share of tokens among the {NEAR_TOP} that they raise most",
            own,
            others,
            seed,
        ),
        rank=_finding(
            f"Head {layer}.{head} raises the token that it reads over others",
            "share of tokens that a token raises less than itself",
            ranks,
            other_ranks,
            seed,
        ),
    )


def _finding(claim: str, method: str, own: np.ndarray, others: np.ndarray, seed: int) -> Finding:
    generator = np.random.default_rng(seed)
    return Finding(
        claim=claim,
        value=float(own.mean()),
        interval=bootstrap_interval(own, generator=generator),
        n=len(own),
        control=float(others.mean()),
        control_interval=bootstrap_interval(others, generator=generator),
        control_name="another token of the sample",
        method=method,
        seed=seed,
    )


def match_table(
    model: Model,
    layer: int,
    head: int,
    tokens: Int[Tensor, " token"],
    *,
    distance: int = 1,
    top: int = 8,
    n_sampled: int = 1000,
    seed: int = 0,
) -> MatchTable:
    """The query and key tokens with the highest score at a distance.

    Raises:
        BadRequest: there is no such head, or the distance does not fit into the context.
        UnsupportedModel: its attention cannot be split, or norms its queries and keys, so that no table of one token
            against one other holds in all prompts.
    """
    require_head(model, layer, head)
    if not 0 <= distance <= model.context - 2:
        raise BadRequest(
            f"No key stands {distance} tokens before a query.",
            f"{model.name} reads {model.context} tokens.",
            f"Give a distance of 0 to {model.context - 2}.",
        )
    generator = torch.Generator().manual_seed(seed)
    prompts = [tokens[torch.randint(len(tokens), (distance + 2,), generator=generator)] for _ in range(2)]
    first, second = (score_map(model, prompt, layer, head, distance + 1, 1) for prompt in prompts)
    for one, other in ((first.query, second.query), (first.key, second.key)):
        if relative_error(one.matrix, other.matrix) > _SAME_MAP:
            raise UnsupportedModel(
                f"Head {layer}.{head} of {model.name} has no table of query and key tokens.",
                "Its queries or keys are normed, so that their maps differ from prompt to prompt.",
                "See `hooke graph attention` for the score in one prompt.",
            )
    attention = linear_maps(model).blocks[layer].attention
    sampled = tokens[_sample(tokens, n_sampled, generator)]
    read = _read(model, attention, sampled)
    queries, keys = (read @ side.matrix.cpu().T + side.bias.cpu() for side in (first.query, first.key))
    order = torch.randperm(keys.shape[1], generator=generator)
    scores = first.scale * queries @ keys.T
    return MatchTable(
        distance=distance,
        strongest=_strongest(scores, sampled, sampled, top),
        shuffled=_strongest(first.scale * queries @ keys[:, order].T, sampled, sampled, top),
        mean=float(scores.mean()),
        deviation=float(scores.std()),
    )


def _read(model: Model, attention: AttentionMap, ids: Int[Tensor, " some"]) -> Float[Tensor, "some d_model"]:
    """What attention reads of tokens whose embeddings nothing was added to."""
    embedding = model.hf.get_input_embeddings().weight.detach()  # pyright: ignore
    x = embedding[ids.to(embedding.device)].float().cpu()
    norm = attention.norm
    if norm is None:
        return x
    x = x - x.mean(-1, keepdim=True) if norm.is_centred else x
    x = x / x.square().mean(-1, keepdim=True).sqrt().clamp_min(1e-30)
    return x * norm.gain.cpu() + norm.bias.cpu()


def _sample(tokens: Tensor, n: int, generator: torch.Generator) -> Int[Tensor, " sampled"]:
    return torch.randperm(len(tokens), generator=generator)[:n]


def _strongest(values: Tensor, first: Tensor, second: Tensor, top: int) -> tuple[TokenPair, ...]:
    found = values.flatten().topk(min(top, values.numel()))
    return tuple(
        TokenPair(int(first[at // values.shape[1]]), int(second[at % values.shape[1]]), float(value))
        for value, at in zip(found.values, found.indices.tolist(), strict=True)
    )
