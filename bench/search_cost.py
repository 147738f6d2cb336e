"""Processor time of searches in an index that is made up: what a search costs, whatever else the machine does.

    python bench/search_cost.py LAB          # a lab with the index 'million' of bench/million.py, prepared

The number is of the search and of the page of answers with labels and scores, without HTTP. Prints one JSON object.
"""

import argparse
import json
import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from server import _some_labels

from hooke.features.query import Index
from hooke.features.search import Mode, search, shown
from hooke.lab import Lab
from hooke.server.routes.search import hits_of

N_CALLS = 60


def cost(index: Index, query: str, mode: Mode) -> float:
    """Milliseconds of the processor."""
    started = time.process_time()
    found = search(index, query, mode)
    part = shown(index, found, max_density=0.01, start=0, limit=20)
    for hit in hits_of(index, found, part, query, mode, "promoted"):
        hit.model_dump_json()
    return 1000 * (time.process_time() - started)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("lab", type=Path)
    index = Index.open("million", lab=Lab(parser.parse_args().lab))
    draw = random.Random(0)
    words = [word for label in _some_labels(index) for word in label.split()]
    asked: dict[str, tuple[Mode, Callable[[], str]]] = {
        "one word": ("words", lambda: draw.choice(words)),
        "two words": ("words", lambda: f"{draw.choice(words)} {draw.choice(words)[:3]}"),
        "meaning": ("meaning", lambda: f"{draw.choice(words)} {draw.choice(words)}"),
    }
    found = {}
    for name, (mode, make) in asked.items():
        cost(index, make(), mode)
        taken = [cost(index, make(), mode) for _ in range(N_CALLS)]
        found[name] = {"p50_ms": round(float(np.median(taken)), 1), "p95_ms": round(float(np.quantile(taken, 0.95)), 1)}
    print(json.dumps({"tool": "hooke", "n_features": len(index), **found}))


if __name__ == "__main__":
    main()
