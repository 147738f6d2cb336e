"""What monitors and steering add to a token: the gateway's engine in turns with and without them.

    python bench/gateway.py [--streams 1 4 16] [--repeats 5] [--tokens 48] [--threads 1] [--model smollm2-135m]

Each mode answers the same prompts, as many at once as there are streams, A B C, A B C, ...; `added` is the median over
turns of its time a token beside that of `off` in the same turn, with a bootstrap interval over turns; `scoring` is what
the engine itself clocked in its monitors, for each step. Probes are random: what a probe costs does not depend on its
numbers. Prints one JSON object.
"""

import argparse
import json
import queue
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np
import torch
from peers.measure import matmul_gflops

from hooke.directions.direction import Made
from hooke.directions.pooling import Pooling
from hooke.directions.probe import Probe, save_probe
from hooke.findings import bootstrap_interval
from hooke.lab import Lab
from hooke.models.edits import Add, Edit
from hooke.models.load import load
from hooke.models.model import Model
from hooke.monitors.digests import digests_of
from hooke.monitors.spec import MonitorSpec, Scorer
from hooke.monitors.stream import Monitor, open_monitor
from hooke.server.gateway.asks import Ask, Ended, Event, Spoke
from hooke.server.gateway.engine import Engine
from hooke.sites import Site

TEXT = "The old bridge over the river was built of iron, and every spring the whole town came to see it. " * 2
DICTIONARY = "smollm2-res"


def monitor(model: Model, lab: Lab, name: str, sites: Sequence[str]) -> Monitor:
    draw = torch.Generator().manual_seed(len(name) + sum(map(ord, name)))
    widths = [model.row_width(site) for site in model.expand(sites)]
    made = Made(method="random", concept="none", model=model.name, model_fingerprint=model.fingerprint)
    vectors = tuple(torch.randn(width, generator=draw) for width in widths)
    pooling = Pooling(how="ema")
    save_probe(lab, Probe(name=name, sites=tuple(sites), vectors=vectors, bias=0.0, pooling=pooling, made=made))
    return opened(model, lab, name, Scorer(probe=name))


def opened(model: Model, lab: Lab, name: str, scorer: Scorer) -> Monitor:
    spec = MonitorSpec(
        name=name, about="Random.", scorers=(scorer,), pooling=Pooling(how="ema"), watch=1e6, act=1e9,
        valid_for=digests_of(model),
    )  # fmt: skip
    return open_monitor(spec, model, lab)


def answer(engine: Engine, ask: Ask, n: int) -> dict[str, list[float]]:
    """Seconds to each request's first token, and between its tokens; and new tokens a second of all."""
    before = engine.gauge.seconds_in_monitors, engine.gauge.n_steps
    heard: list[queue.Queue[tuple[float, Event]]] = [queue.Queue() for _ in range(n)]
    began = time.perf_counter()
    for own in heard:
        engine.submit(ask, lambda event, own=own: own.put((time.perf_counter(), event)))
    first, between, last = [], [], began
    for own in heard:
        times = []
        while True:
            at, event = own.get(timeout=600)
            if isinstance(event, Spoke) and event.said:
                times.append(at)
            if isinstance(event, Ended):
                last = max(last, at)
                break
        first.append(times[0] - began)
        between.extend(np.diff(times).tolist())
    scoring, steps = engine.gauge.seconds_in_monitors - before[0], engine.gauge.n_steps - before[1]
    rate = n * ask.max_tokens / (last - began)
    return {"first": first, "between": between, "rate": [rate], "scoring": [scoring / max(steps, 1)]}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--model", default="smollm2-135m")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    model = load(asked.model)
    model.hf.generation_config.eos_token_id, model.tokenizer.eos_token = None, None
    ids = tuple(model.tokenize(TEXT).ids[0].tolist())
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(Path(folder))
        modes, edits = modes_of(model, lab)
        every = [one for monitors in modes.values() for one in monitors]
        engine = Engine(model, monitors=every, max_rows=max(asked.streams), max_waiting=max(asked.streams))
        told = {str(n): measured(engine, ids, modes, edits, n, asked.repeats, asked.tokens) for n in asked.streams}
        engine.close()
    print(json.dumps({"model": model.name, "prompt_tokens": len(ids), "threads": asked.threads, "streams": told,
                      "matmul_gflops": matmul_gflops()}))  # fmt: skip


def modes_of(model: Model, lab: Lab) -> tuple[dict[str, list[Monitor]], dict[str, tuple[Edit, ...]]]:
    last, middle = model.n_layers - 1, model.n_layers // 2
    at = [middle // 2, middle, (middle + last) // 2, last]
    eight = [monitor(model, lab, f"of-eight-{n}", [f"resid_post.{at[n % 4]}"]) for n in range(8)]
    modes = {
        "off": [],
        "one probe": [monitor(model, lab, "one", [f"resid_post.{middle}"])],
        "eight probes at four layers": eight,
        "one probe at all layers": [monitor(model, lab, "all", [f"resid_post.{n}" for n in range(model.n_layers)])],
        "steering": [],
    }
    if model.name == "smollm2-135m":
        features = (f"resid_post.15/7@{DICTIONARY}",)
        modes["features of a dictionary"] = [opened(model, lab, "features", Scorer(features=features))]
    vector = torch.randn(model.width(Site("resid_post", middle)), generator=torch.Generator().manual_seed(0))
    return modes, {"steering": (Add(site=f"resid_post.{middle}", vector=vector, positions="1:"),)}


def measured(
    engine: Engine, ids: tuple[int, ...], modes: dict[str, list[Monitor]], edits: dict[str, tuple[Edit, ...]],
    n: int, repeats: int, n_tokens: int,
) -> dict[str, dict[str, object]]:  # fmt: skip
    asks = {
        name: Ask(ids=ids, max_tokens=n_tokens, monitors=tuple(monitors), edits=edits.get(name, ()))
        for name, monitors in modes.items()
    }
    turns: list[dict[str, dict[str, list[float]]]] = []
    for turn in range(repeats + 1):
        # Each turn begins with another mode, so that none is always behind the same one.
        order = [*list(asks)[turn % len(asks) :], *list(asks)[: turn % len(asks)]]
        found = {name: answer(engine, asks[name], n) for name in order}
        if turn:  # the first warms up
            turns.append(found)
    return {name: told(turns, name) for name in modes}


def told(turns: list[dict[str, dict[str, list[float]]]], name: str) -> dict[str, object]:
    first = [one for turn in turns for one in turn[name]["first"]]
    between = [one for turn in turns for one in turn[name]["between"]]
    share = [median(turn[name]["between"]) / median(turn["off"]["between"]) - 1 for turn in turns]
    to_first = [median(turn[name]["first"]) / median(turn["off"]["first"]) - 1 for turn in turns]
    draw = np.random.default_rng(0)
    return {
        "first_ms": milliseconds(first),
        "token_ms": milliseconds(between),
        "scoring_ms": round(median(turn[name]["scoring"][0] for turn in turns) * 1e3, 3),
        "tokens_per_second": round(median(turn[name]["rate"][0] for turn in turns), 2),
        "added": round(median(share), 4),
        "added_interval": [round(one, 4) for one in bootstrap_interval(
            share, generator=draw, statistic=lambda drawn: np.median(drawn, axis=-1))],
        "added_to_first": round(median(to_first), 4),
        "n_turns": len(turns),
    }  # fmt: skip


def milliseconds(taken: list[float]) -> dict[str, float]:
    return {f"p{share}": round(float(np.percentile(taken, share)) * 1e3, 2) for share in (50, 95, 99)}


if __name__ == "__main__":
    main()
