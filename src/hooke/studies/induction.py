"""Induction: what followed before follows again, on random tokens that repeat and on words."""

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from hooke.circuits.heads import head_scores, usable_tokens
from hooke.circuits.pairs import readable_pairs
from hooke.findings import Finding, bootstrap_interval
from hooke.models.model import Model, Tokens
from hooke.studies.evidence import N_HEADS, Evidence, gather, halves
from hooke.studies.graphs import graph_evidence
from hooke.text.tasks import task

ABOUT = "Which heads make what followed before follow again, and do they look where an induction head looks?"
_LENGTH = 40
_SEQUENCES = 30


def study(model: Model, *, seed: int = 0) -> Evidence:
    """What repetition does to the loss, the circuit on words that repeat, and where its heads look on random tokens.

    Raises:
        BadRequest: the model's tokenizer fits none of the prompts, or its context is too short.
        UnsupportedModel, HookeError: see `gather` and `graph_evidence`.
    """
    pairs, _ = readable_pairs(model, task("repeated-words").pairs())
    first, second = halves(pairs, seed=seed)
    found = gather(model, "induction", first, second, seed=seed)
    chosen = found.heads.strongest(N_HEADS)
    unrelated, _ = readable_pairs(model, task("agreement").pairs())
    graphs = graph_evidence(model, first, second, found.handed_over, unrelated=unrelated, seed=seed)
    return found.with_more(loss_of_repeats(model, seed=seed), look_back(model, chosen, seed=seed)).with_graphs(graphs)


def loss_of_repeats(model: Model, *, seed: int = 0) -> Finding:
    """Loss on random tokens that come again in the same order, beside other random tokens in their place."""
    generator = torch.Generator().manual_seed(seed)
    usable = usable_tokens(model)
    drawn = torch.stack([usable[torch.randperm(len(usable), generator=generator)] for _ in range(_SEQUENCES)])
    first, other = drawn[:, :_LENGTH], drawn[:, _LENGTH : 2 * _LENGTH]
    again, fresh = (_losses(model, torch.cat([first, second], dim=1)) for second in (first, other))
    draws = np.random.default_rng(seed)
    return Finding(
        claim="Loss on random tokens that come again",
        value=float(again.mean()),
        interval=bootstrap_interval(again, generator=draws),
        n=_SEQUENCES,
        control=float(fresh.mean()),
        control_interval=bootstrap_interval(fresh, generator=draws),
        control_name="other random tokens in their place",
        unit=" nats",
        method=f"mean over the second {_LENGTH} tokens of a sequence",
        seed=seed,
    )


def _losses(model: Model, ids: torch.Tensor) -> Float[ndarray, " sequence"]:
    found = []
    for row in ids:
        logits = model.run(Tokens(row[None], torch.ones(1, len(row), dtype=torch.bool))).logits
        assert logits is not None
        said = logits[0, _LENGTH - 1 : -1].float().log_softmax(-1)
        found.append(-float(said.gather(1, row[_LENGTH:, None].to(said.device)).mean()))
    return np.array(found)


def look_back(model: Model, heads: list[tuple[int, int]], *, seed: int = 0) -> Finding:
    """How much the heads of the circuit attend, on random tokens, to what followed before; beside all heads."""
    scores = head_scores(model, seed=seed).repeated["induction"]
    own = scores[:, [layer for layer, _ in heads], [head for _, head in heads]].mean(1)
    every = scores.reshape(len(scores), -1).mean(1)
    generator = np.random.default_rng(seed)
    return Finding(
        claim=f"Attention of heads {', '.join(f'{layer}.{head}' for layer, head in heads)} to what followed before",
        value=float(own.mean()),
        interval=bootstrap_interval(own, generator=generator),
        n=len(own),
        control=float(every.mean()),
        control_interval=bootstrap_interval(every, generator=generator),
        control_name="mean over all heads",
        method="induction score on random tokens that repeat",
        seed=seed,
    )
