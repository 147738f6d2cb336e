"""Masks of edges learnt by gradient descent: which edges can be corrupted while the answer stays (edge pruning).

Each edge has a gate between 0 and 1, drawn from a hard concrete distribution (Louizos et al. 2018); the answer's
divergence from the clean one and the expected number of open gates fall together (Bhaskar et al. 2024). Gates are soft
only while they are learnt; a circuit is the edges of the highest log-odds, and is measured with gates open or shut.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hooke.circuits.acdc import divergence, last_logprobs
from hooke.circuits.components import open_components, run_weighted
from hooke.circuits.edge_scores import EdgeScores, chunks, runs_of
from hooke.circuits.pairs import Pairs
from hooke.errors import BadRequest, HookeError
from hooke.models.model import Model
from hooke.progress import track

_TEMPERATURE, _LOW, _HIGH = 2 / 3, -0.1, 1.1
"""Of the hard concrete distribution, as Louizos et al. set them."""
_START = 2.0
"""Log-odds of every gate at first: open."""


def learn_masks(
    model: Model,
    pairs: Pairs,
    *,
    n_steps: int = 200,
    sparsity: float = 1.0,
    learning_rate: float = 0.1,
    seed: int = 0,
) -> EdgeScores:
    """Log-odds of each edge's gate, less the lowest, so that scores are not negative; one score for the whole set.

    Args:
        sparsity: nats of divergence that the whole of the edges may cost.

    Raises:
        BadRequest: there are no steps.
        HookeError: the loss is not finite.
        UnsupportedModel: see `open_components`.
    """
    if n_steps < 1:
        raise BadRequest(f"Masks cannot be learnt in {n_steps} steps.", "", "Give at least one.")
    components = open_components(model)
    graph, generator = components.graph, torch.Generator().manual_seed(seed)
    runs = [runs_of(components, some) for _, some in chunks(pairs, "runs")]
    with torch.no_grad():
        clean = [last_logprobs(model, one, one.clean.final) for one in runs]
    odds = torch.full(graph.exists.shape, _START, requires_grad=True)
    exists = graph.exists.float()
    optimiser = torch.optim.Adam([odds], lr=learning_rate)
    for step in track(range(n_steps), "masks", unit="steps"):
        at = step % len(runs)
        weights = _drawn(odds, generator) * exists
        final = run_weighted(components, runs[at].clean_batch, runs[at].corrupted, weights)
        found = last_logprobs(model, runs[at], final)
        open_share = (_chance_open(odds) * exists).sum() / graph.n_edges
        loss = divergence(clean[at], found) + sparsity * open_share
        if not bool(loss.isfinite()):
            raise HookeError("Masks cannot be learnt on these pairs.", "The loss is not a finite number.", "")
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    scores = torch.where(graph.exists, odds.detach() - odds.detach()[graph.exists].min(), 0.0)
    return EdgeScores(graph, "masks", scores[None].numpy().astype(np.float32))


def _drawn(odds: Tensor, generator: torch.Generator) -> Float[Tensor, "receiver sender"]:
    uniform = torch.rand(odds.shape, generator=generator).clamp(1e-6, 1 - 1e-6)
    soft = torch.sigmoid((uniform.log() - (1 - uniform).log() + odds) / _TEMPERATURE)
    return (soft * (_HIGH - _LOW) + _LOW).clamp(0, 1)


def _chance_open(odds: Tensor) -> Float[Tensor, "receiver sender"]:
    return torch.sigmoid(odds - _TEMPERATURE * float(np.log(-_LOW / _HIGH)))
