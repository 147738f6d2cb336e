"""Circuits of components as files, in the field's JSON: what EAP-IG writes and the MIB benchmark reads.

{"cfg": {"n_layers", "n_heads", "parallel_attn_mlp", "d_model"},
 "nodes": {"a0.h1": {"in_graph": true}, ...}, "edges": {"input->a0.h1<q>": {"score": 0.1, "in_graph": true}, ...}}
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from torch import Tensor

from hooke.circuits.edges import EdgeGraph
from hooke.errors import BadRequest, HookeError
from hooke.lab import staged


@dataclass(frozen=True, slots=True)
class Circuit:
    """Edges of a model, scored, and which of them are in."""

    graph: EdgeGraph
    d_model: int
    scores: Float[ndarray, "receiver sender"]
    kept: Bool[Tensor, "receiver sender"]


def circuit_json(circuit: Circuit) -> dict[str, Any]:
    """A circuit in the field's form."""
    graph = circuit.graph
    nodes = set(graph.nodes(circuit.kept))
    edges = {
        graph.name(receiver, sender): {
            "score": float(circuit.scores[receiver, sender]),
            "in_graph": bool(circuit.kept[receiver, sender]),
        }
        for receiver, sender in graph.exists.nonzero().tolist()
    }
    return {
        "cfg": {
            "n_layers": graph.n_layers,
            "n_heads": graph.n_heads,
            "parallel_attn_mlp": graph.is_parallel,
            "d_model": circuit.d_model,
        },
        "nodes": {name: {"in_graph": name in nodes} for name in graph.senders} | {"logits": {"in_graph": True}},
        "edges": edges,
    }


def save_circuit(circuit: Circuit, path: Path) -> None:
    """Write a circuit; the file is whole or not there.

    Raises:
        OutOfSpace: the disk is full.
    """
    with staged(path) as aside:
        aside.write_text(json.dumps(circuit_json(circuit)), encoding="utf-8")


def load_circuit(path: Path) -> Circuit:
    """A circuit from a file.

    Raises:
        BadRequest: the file is not there, is not such JSON, or has edges that its own model lacks.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadRequest(f"'{path}' cannot be read.", f"{error.strerror}.", "Give the path of a circuit.") from error
    except ValueError as error:
        raise BadRequest(f"'{path}' is no circuit.", f"It is not JSON: {error}.", "It may be cut short.") from error
    try:
        graph, d_model = _graph(data["cfg"])
        scores, kept = np.zeros(graph.exists.shape, dtype=np.float32), torch.zeros_like(graph.exists)
        for name, edge in data["edges"].items():
            at = graph.places(name)
            scores[at], kept[at] = _edge(edge)
    except HookeError as error:
        raise BadRequest(f"'{path}' is no circuit of its own model.", str(error), "") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadRequest(
            f"'{path}' is no circuit.", f"It lacks or misuses {error}.", "It needs cfg, nodes and edges, as EAP-IG has."
        ) from error
    if not np.isfinite(scores).all():
        raise BadRequest(f"'{path}' holds scores that are not finite.", "", "Score the edges anew.")
    return Circuit(graph, d_model, scores, kept)


def _graph(cfg: Mapping[str, Any]) -> tuple[EdgeGraph, int]:
    sizes = [int(cfg[name]) for name in ("n_layers", "n_heads", "d_model")]
    if not all(0 < size < 2**20 for size in sizes):
        raise ValueError(f"sizes {sizes}")
    return EdgeGraph(sizes[0], sizes[1], bool(cfg.get("parallel_attn_mlp", False))), sizes[2]


def _edge(edge: Any) -> tuple[float, bool]:
    """Score and membership; older files hold the membership alone."""
    if isinstance(edge, bool):
        return 0.0, edge
    score = edge.get("score")
    return 0.0 if score is None else float(score), bool(edge["in_graph"])
