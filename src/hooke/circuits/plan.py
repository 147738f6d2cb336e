"""What a trace takes, reckoned before its rows are swept: memory, so that it is refused instead of killed, and time."""

import time
from dataclasses import dataclass
from statistics import median

import psutil
import torch

from hooke.circuits.graph import TraceSettings
from hooke.errors import BadRequest
from hooke.models.model import Model
from hooke.sites import Site

_NUMBER = 4
_COPIES_OF_ROWS = 2
"""Edges as they come, and as the graph has them."""
_STREAMS, _NEURONS, _SWEPT = 12, 10, 5
"""Tensors of the stream's width, of the MLP's and of a sweep's gradients that are alive at once, at most."""
_LEFT = 0.9
"""Share of the free memory that a trace may take."""
_REACHED = 0.4
"""Share of a plain matrix product's speed that a trace's rows reach, all in all."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a trace is about to do."""

    n_tokens: int
    n_sources: int
    """Features that are told apart."""
    n_rows: int
    """Features that get incoming edges of their own, at most."""
    n_bytes: int
    """Memory, over what the model itself takes."""
    seconds: float
    """Time from its begin to its end, on this machine as it is now."""

    def __str__(self) -> str:
        return (
            f"{self.n_rows:,} of {self.n_sources:,} features at {self.n_tokens} tokens, about {self.seconds:.1f} s and "
            f"at most {self.n_bytes / 1e9:.2f} GB"
        )


def frozen_bytes(model: Model, n_tokens: int, settings: TraceSettings) -> int:
    """Of the frozen model on a prompt, with the sweep of one batch."""
    heads = int(getattr(model.config, "num_attention_heads", 1) or 1)
    inner = model.width(Site("neurons", 0)) if model.has(Site("neurons", 0)) else 0
    streams = model.n_layers * n_tokens * (_STREAMS * model.d_model + _NEURONS * inner)
    patterns = 2 * model.n_layers * heads * n_tokens**2
    swept = _SWEPT * n_tokens * settings.batch * model.d_model
    logits = 2 * n_tokens * model.d_vocab
    return _NUMBER * (streams + patterns + swept + logits)


def rows_bytes(n_layers: int, n_tokens: int, n_sources: int, n_targets: int, settings: TraceSettings) -> int:
    """Of the edges: a row of all sources for each expanded node and target."""
    n_rows = min(settings.max_nodes, n_sources) + n_targets
    return _NUMBER * _COPIES_OF_ROWS * n_rows * (n_sources + (n_layers + 1) * n_tokens)


def require_memory(needed: int, what: str, do: str) -> None:
    """Raises:
    BadRequest: more is needed than is free.
    """
    free = psutil.virtual_memory().available
    if needed > _LEFT * free:
        raise BadRequest(
            f"{what} would take about {needed / 1e9:,.1f} GB of memory.", f"{free / 1e9:,.1f} GB are free.", do
        )


def plan_of(
    model: Model, n_tokens: int, n_sources: int, n_targets: int, settings: TraceSettings, *, passed: float
) -> Plan:
    """What a trace is about to do, of which some seconds have passed. A matrix product is timed for it.

    Raises:
        BadRequest: it needs more memory than is free.
    """
    n_rows = min(settings.max_nodes, n_sources)
    edges = rows_bytes(model.n_layers, n_tokens, n_sources, n_targets, settings)
    what = f"A graph of {settings.max_nodes:,} nodes among {n_sources:,} active features"
    require_memory(edges, what, "Ask for fewer nodes (max_nodes), or shorten the prompt.")
    heads = int(getattr(model.config, "num_attention_heads", 1) or 1)
    shared = int(getattr(model.config, "num_key_value_heads", heads) or heads)
    # Rows begin in the middle of the model on average; attention's outputs and values are its two projections.
    cells = (n_rows + n_targets) * n_tokens * model.n_layers / 2
    projections = 2 * cells * model.d_model**2 * (1 + shared / heads)
    sources = (n_rows + n_targets) * n_sources * model.d_model
    seconds = passed + (projections + sources) / (_REACHED * _speed(model.device, model.d_model))
    return Plan(n_tokens, n_sources, n_rows, frozen_bytes(model, n_tokens, settings) + edges, seconds)


def _speed(device: torch.device, width: int) -> float:
    """Operations per second of a matrix product with as many rows as a batch has gradients."""
    one, other = torch.ones(2048, width, device=device), torch.ones(width, width, device=device)
    taken = []
    for _ in range(4):
        began = time.perf_counter()
        # Reading a number off waits until it is there.
        float((one @ other)[0, 0])
        taken.append(time.perf_counter() - began)
    return 2 * one.numel() * width / median(taken[1:])
