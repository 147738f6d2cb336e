"""Automatic circuit discovery by removal, edge by edge from the logits back (ACDC: Conmy et al. 2023).

Each edge is given its corrupted value; it stays so where the answer's distribution moves away from the clean one by
less than a threshold. What is found depends on the threshold, and on the order in which edges that do the same work
are visited: the first to be tried goes.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hooke.circuits.components import open_components, run_weighted
from hooke.circuits.edge_scores import EdgeScores, PairRuns, chunks, runs_of
from hooke.circuits.pairs import Pairs
from hooke.errors import BadRequest
from hooke.models.model import Model
from hooke.progress import track

_MOST_EDGES = 5000


def acdc(model: Model, pairs: Pairs, *, threshold: float = 0.01) -> EdgeScores:
    """How far the removal of each edge moved the answer when its turn came, in nats; 0 where it was removed.

    One score for the whole set.

    Raises:
        BadRequest: the model has too many edges to visit one by one, or the threshold is not positive.
        UnsupportedModel, HookeError: see `hooke.circuits.edge_scores.eap`.
    """
    components = open_components(model)
    graph = components.graph
    if graph.n_edges > _MOST_EDGES:
        raise BadRequest(
            f"{model.name} has {graph.n_edges} edges.",
            f"ACDC runs the whole set once for each; at most {_MOST_EDGES} are visited.",
            "Use eap-ig-inputs.",
        )
    if not threshold > 0:
        raise BadRequest(f"A threshold of {threshold} keeps every edge.", "", "Give a positive number of nats.")
    runs = [runs_of(components, some) for _, some in chunks(pairs, "runs")]
    weights = graph.exists.float()
    found = np.zeros((1, *weights.shape), dtype=np.float32)
    with torch.no_grad():
        clean = torch.cat([last_logprobs(model, one, one.clean.final) for one in runs])
        now = 0.0
        for receiver in track(range(len(graph.receivers) - 1, -1, -1), "edges", unit="receivers"):
            # The latest senders first: what stands nearest to the receiver.
            for sender in range(graph.n_before(receiver) - 1, -1, -1):
                weights[receiver, sender] = 0.0
                finals = (run_weighted(components, one.clean_batch, one.corrupted, weights) for one in runs)
                now_said = [last_logprobs(model, one, end) for one, end in zip(runs, finals, strict=True)]
                moved = float(divergence(clean, torch.cat(now_said)))
                if moved - now >= threshold:
                    weights[receiver, sender] = 1.0
                    found[0, receiver, sender] = moved - now
                else:
                    now = moved
    return EdgeScores(graph, "acdc", found)


def last_logprobs(
    model: Model, runs: PairRuns, final: Float[Tensor, "pair pos d_model"]
) -> Float[Tensor, "pair vocab"]:
    """Log-probabilities of the next token behind each prompt."""
    rows = torch.arange(len(final), device=final.device)
    return model.unembed(final[rows, runs.pairs.clean.lengths.to(final.device) - 1]).float().log_softmax(-1)


def divergence(clean: Float[Tensor, "pair vocab"], found: Float[Tensor, "pair vocab"]) -> Float[Tensor, ""]:
    """Mean KL divergence of what is found from the clean distribution, in nats."""
    return (clean.exp() * (clean - found)).sum(-1).mean()
