"""Attribution graphs of hooke on one prompt: seconds, rows per second, memory. Prints one JSON object.

    python bench/tracing.py MODEL_FOLDER TOKENS.npy [--transcoders FOLDER] [--nodes 1000] [--edges EDGES.npz]

Without transcoders the neurons are traced. The first trace of a process also finds the model's linear maps; it is
reported apart, and the second one timed. With --edges the edges between features are compared with those of a file.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from peers.measure import forget_peak, matmul_gflops, peak_megabytes, report, seconds, versions

from hooke.circuits.graph import Graph, TraceSettings
from hooke.circuits.trace import trace
from hooke.dictionaries.formats.circuit_tracer import open_circuit_tracer
from hooke.dictionaries.replacement import Replacement
from hooke.dictionaries.sparse import SparseActs
from hooke.lab import open_lab
from hooke.models.load import load


class WithoutFirst:
    """A replacement that is silent on the first token, as circuit-tracer has it."""

    def __init__(self, inner: Replacement) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def encode(self, layer: int, x: torch.Tensor) -> SparseActs:
        acts = self.inner.encode(layer, x)
        values = acts.values.clone()
        values[0] = 0
        return SparseActs(values, acts.indices, acts.n_features)


def agreement(graph: Graph, path: Path) -> dict[str, float]:
    """How far edges between features are from those of another tool, on what makes 99 % of its mass."""
    other = np.load(path)
    theirs = {tuple(row): at for at, row in enumerate(other["features"].tolist())}
    ours = {
        (node.layer, node.position, node.index): at for at, node in enumerate(graph.nodes) if node.kind == "feature"
    }
    shared = [key for key in theirs if key in ours]
    a = graph.weights[np.ix_([ours[key] for key in shared], [ours[key] for key in shared])]
    b = other["edges"][np.ix_([theirs[key] for key in shared], [theirs[key] for key in shared])]
    size = np.sort(np.abs(b).flatten())[::-1]
    least = size[np.searchsorted(size.cumsum(), 0.99 * size.sum())]
    large = np.abs(b) >= least
    return {
        "shared_nodes": len(shared),
        "compared_edges": int(large.sum()),
        "largest_relative_difference": float((np.abs(a - b)[large] / np.abs(b)[large]).max()),
        "median_relative_difference": float(np.median(np.abs(a - b)[large] / np.abs(b)[large])),
        "difference_of_mass": float(np.abs(a - b)[large].sum() / np.abs(b)[large].sum()),
    }


def main() -> None:
    """Trace and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("tokens", type=Path)
    parser.add_argument("--transcoders", type=Path)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--edges", type=Path)
    parser.add_argument("--repetitions", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        model = load(asked.model, device="cpu", lab=open_lab(place))
    dictionary = "neurons" if asked.transcoders is None else WithoutFirst(open_circuit_tracer(asked.transcoders))
    tokens = torch.from_numpy(np.load(asked.tokens))
    forget_peak()
    before = peak_megabytes()
    settings = TraceSettings(max_nodes=asked.nodes)
    began = time.perf_counter()
    graph = trace(model, dictionary, tokens[None], settings=settings)
    first = time.perf_counter() - began
    peak = peak_megabytes()
    taken = [
        seconds(lambda: trace(model, dictionary, tokens[None], settings=settings)) for _ in range(asked.repetitions)
    ]
    forward = median(seconds(lambda: model.run(tokens[None])) for _ in range(5))
    found = agreement(graph, asked.edges) if asked.edges is not None else {}
    report(
        tool="hooke",
        versions=versions("hooke"),
        n_tokens=len(tokens),
        dictionary="neurons" if asked.transcoders is None else "transcoders",
        nodes=graph.measures["expanded"],
        active=graph.measures["active"],
        seconds=median(taken),
        first_seconds=first,
        forward_seconds=forward,
        rows_per_second=graph.measures["expanded"] / median(taken),
        peak_megabytes=peak,
        loaded_megabytes=before,
        conservation_error=graph.measures["conservation_error"],
        matmul_gflops=matmul_gflops(),
        **found,
    )


if __name__ == "__main__":
    sys.exit(main())
