"""What a trace takes in memory, reckoned before it starts, so that it is refused instead of killed."""

import psutil

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
