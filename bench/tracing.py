"""An attribution graph of hooke on one prompt: seconds, rows per second, memory. Prints one JSON object.

    python bench/tracing.py MODEL_FOLDER PROMPT.npy --length 13 [--transcoders FOLDER] [--rows 1000] [--edges EDGES.npz]

Without transcoders the neurons are traced. The first trace of a process also finds the model's linear maps; it is
reported apart, and later ones timed. With --edges the edges between features are compared with those of a file.
"""

import argparse
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from peers.arguments import tracing_arguments, tracing_parser
from peers.measure import forget_peak, interleaved, matmul_gflops, peak_megabytes, report, seconds, versions

from hooke.circuits.graph import Graph, TraceSettings
from hooke.circuits.trace import trace
from hooke.dictionaries.formats.circuit_tracer import open_circuit_tracer
from hooke.dictionaries.replacement import Replacement
from hooke.dictionaries.sparse import SparseActs
from hooke.lab import open_lab
from hooke.models.load import load
from hooke.models.model import Model


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


def open_model(folder: Path) -> Model:
    """The model, without a lab of its own."""
    with tempfile.TemporaryDirectory() as place:
        return load(folder, device="cpu", lab=open_lab(place))


def open_transcoders(folder: Path) -> Any:
    """The transcoders of a folder, silent on the first token."""
    return WithoutFirst(open_circuit_tracer(folder))


def edge_agreement(ours: np.ndarray, theirs: np.ndarray) -> dict[str, float]:
    """How far edges are from a reference's, on the largest ones that make 99 % of its mass."""
    size = np.sort(np.abs(theirs), axis=None)[::-1]
    mass = size.cumsum(dtype=np.float64)
    large = np.abs(theirs) >= size[np.searchsorted(mass, 0.99 * mass[-1])]
    off = np.abs(ours - theirs)[large] / np.abs(theirs)[large]
    return {
        "compared_edges": int(large.sum()),
        "largest_relative_difference": float(off.max()),
        "median_relative_difference": float(np.median(off)),
        "difference_of_mass": float(np.abs(ours - theirs).sum(dtype=np.float64) / mass[-1]),
    }


def graph_agreement(graph: Graph, path: Path) -> dict[str, float]:
    """The agreement with a file's edges, between the features that both graphs have expanded."""
    other = np.load(path)
    theirs = {tuple(row): at for at, row in enumerate(other["features"].tolist())}
    ours = {
        (node.layer, node.position, node.index): at for at, node in enumerate(graph.nodes) if node.kind == "feature"
    }
    shared = [key for key in theirs if key in ours]
    at_ours, at_theirs = [ours[key] for key in shared], [theirs[key] for key in shared]
    return {"shared_nodes": len(shared)} | edge_agreement(
        graph.weights[np.ix_(at_ours, at_ours)], other["edges"][np.ix_(at_theirs, at_theirs)]
    )


def measured(model: Model, dictionary: Any, asked: argparse.Namespace) -> tuple[Graph, dict[str, Any]]:
    """The graph of the first trace; memory over the loaded model, and times in turns with the model's own pass."""
    settings = TraceSettings(max_nodes=asked.rows)
    graphs: list[Graph] = []
    forget_peak()
    before = peak_megabytes()
    first = seconds(lambda: graphs.append(trace(model, dictionary, asked.prompt[None], settings=settings)))
    peak = peak_megabytes()
    hf: Any = model.hf
    with torch.no_grad():
        taken = interleaved(
            {
                "trace": lambda: trace(model, dictionary, asked.prompt[None], settings=settings),
                "pass": lambda: hf(input_ids=asked.prompt[None], use_cache=False),
            },
            asked.repetitions,
        )
    (graph,) = graphs
    n_rows, middle = graph.measures["expanded"], median(taken["trace"])
    return graph, {
        "n_rows": n_rows,
        "n_active": graph.measures["active"],
        "first_seconds": first,
        "seconds": middle,
        "rows_per_second": n_rows / middle,
        "pass_seconds": median(taken["pass"]),
        "rows_per_pass": median(n_rows * bare / one for one, bare in zip(taken["trace"], taken["pass"], strict=True)),
        "loaded_megabytes": before,
        "own_megabytes": peak - before,
        "conservation_error": graph.measures["conservation_error"],
        "matmul_gflops": matmul_gflops(),
    }


def main() -> None:
    """Trace and report."""
    parser = tracing_parser()
    parser.add_argument("--transcoders", type=Path)
    parser.add_argument("--edges", type=Path, help="edges of another tool, to compare with")
    asked = tracing_arguments(parser)
    dictionary = "neurons" if asked.transcoders is None else open_transcoders(asked.transcoders)
    graph, facts = measured(open_model(asked.model), dictionary, asked)
    part = "length"
    if asked.edges is not None:
        part = "peer"
        facts["agreement"] = graph_agreement(graph, asked.edges)
    basis = "neurons" if asked.transcoders is None else "transcoders"
    report(task="tracing", part=part, tool="hooke", basis=basis, versions=versions("hooke"), **asked.facts, **facts)


if __name__ == "__main__":
    main()
