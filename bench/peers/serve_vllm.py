"""Hold the vLLM engine of the gateway against the reference engine, in vLLM's environment.

    python bench/environments.py vllm
    PYTHONPATH=src bench/.envs/vllm/bin/python bench/peers/serve_vllm.py MODEL_FOLDER

Fifty prompts of mixed lengths are asked of both, greedily, all at once, each watched by two probes at layers 7 and 15
and one over both, half of them steered by a vector at layer 10; with vLLM's prefix cache and chunked prefill on and
off. What must be equal: the tokens, and each monitor's score at every token.
"""

import argparse
import json
import queue
import sys
import time
from collections.abc import Sequence

import torch

import hooke
from hooke.directions.pooling import Pooling
from hooke.models.edits import Add, Edit
from hooke.models.generate import Sampling
from hooke.monitors.scorers import Opened
from hooke.monitors.spec import Action, MonitorSpec, Scorer
from hooke.monitors.stream import OpenMonitor
from hooke.server.gateway.asks import Ask, Ended, Event, Failed, Scored, Spoke
from hooke.server.gateway.engine import Engine
from hooke.server.gateway.vllm_engine import VllmConfig, VllmEngine
from hooke.sites import parse_site

N_PROMPTS, N_NEW = 50, 16
WORDS = (
    "The capital of France is",
    "Once upon a time there was a little girl who lived at the edge of a forest and",
    "1 2 3 4 5 6 7",
    "Dear Sir or Madam, I am writing to complain about the train that I took on Monday, because it",
    "def add(a, b):",
    "Water boils at",
    "The old bridge over the river was built of iron, and every spring the whole town came to see it. One day",
    "Q: Who wrote Hamlet? A:",
)


def prompts() -> list[str]:
    """Fifty prompts: eight beginnings, alone and after others, from 4 to some 120 tokens."""
    found = []
    for at in range(N_PROMPTS):
        before = " ".join(WORDS[(at + one) % len(WORDS)] for one in range(at // len(WORDS)))
        found.append(f"{before} {WORDS[at % len(WORDS)]}".strip())
    return found


def monitor(name: str, sites: Sequence[str], width: int, seed: int, how: str) -> OpenMonitor:
    """A monitor of random directions."""
    draw = torch.Generator().manual_seed(seed)
    vectors = {parse_site(site): torch.randn(width, generator=draw) / width**0.5 for site in sites}
    spec = MonitorSpec(
        name=name,
        about="Random directions.",
        scorers=(Scorer(probe=name),),
        pooling=Pooling(how=how),  # pyright: ignore[reportArgumentType]
        action=Action(do="annotate"),
        watch=0.0,
        act=1e9,
    )
    opened = Opened(
        sites=tuple(vectors),
        score=lambda rows: torch.stack([rows[site].float() @ one for site, one in vectors.items()]).sum(0)[:, None],
        n_products=width * len(sites),
    )
    return OpenMonitor(spec, (opened,))


def ask_all(
    engine: Engine | VllmEngine, asks: Sequence[Ask]
) -> tuple[list[list[int]], list[list[dict[str, float]]], float]:
    """Ask everything at once; tokens, scores at every step, seconds."""
    told: queue.Queue[tuple[int, Event]] = queue.Queue()
    began = time.perf_counter()
    for at, ask in enumerate(asks):
        engine.submit(ask, lambda event, at=at: told.put((at, event)))
    tokens: list[list[int]] = [[] for _ in asks]
    scores: list[list[dict[str, float]]] = [[] for _ in asks]
    n_open = len(asks)
    while n_open:
        at, event = told.get(timeout=600)
        match event:
            case Spoke():
                tokens[at] += [one.token for one in event.said]
            case Scored():
                scores[at].append({one.name: one.score for one in event.verdicts})
            case Ended():
                n_open -= 1
            case Failed():
                raise event.error
            case _:
                pass
    return tokens, scores, time.perf_counter() - began


def held(found: list, expected: list, name: str) -> dict[str, float | str | int]:
    """How far one engine's answers are from the other's."""
    same = sum(one == other for one, other in zip(found[0], expected[0], strict=True))
    worst, n = 0.0, 0
    for place, (mine, theirs) in enumerate(zip(found[1], expected[1], strict=True)):
        if found[0][place] != expected[0][place]:
            continue
        assert len(mine) == len(theirs), (name, place, len(mine), len(theirs))
        for one, other in zip(mine, theirs, strict=True):
            for key, value in other.items():
                worst = max(worst, abs(one[key] - value) / max(abs(value), 1.0))
                n += 1
    return {"settings": name, "same_answers": same, "of": len(expected[0]), "n_scores": n, "largest_error": worst}


def main() -> None:
    """Ask both engines, and print what differs as JSON lines."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model")
    model = hooke.load(parser.parse_args().model)
    watching = [
        monitor("one", ["resid_post.15"], model.d_model, 1, "mean"),
        monitor("two", ["resid_post.7"], model.d_model, 2, "max"),
        monitor("both", ["resid_post.7", "resid_post.15"], model.d_model, 3, "ema"),
    ]
    push = torch.randn(model.d_model, generator=torch.Generator().manual_seed(4))
    steering: tuple[Edit, ...] = (Add(site="resid_post.10", vector=push, scale=1.0, positions="1:"),)
    asks = [
        Ask(
            ids=tuple(model.tokenize(text).ids[0].tolist()),
            max_tokens=N_NEW,
            sampling=Sampling(),
            edits=steering if at % 2 else (),
            monitors=tuple(watching),
        )
        for at, text in enumerate(prompts())
    ]
    reference = Engine(model, monitors=watching, max_rows=8, max_waiting=N_PROMPTS)
    expected = ask_all(reference, asks)
    reference.close()
    print(json.dumps({"settings": "reference", "seconds": round(expected[2], 1)}), flush=True)
    for cache in (False, True):
        for chunk in (0, 48):
            config = VllmConfig(context=512, prefix_cache=cache, chunk=chunk)
            engine = VllmEngine(model, monitors=watching, max_rows=4, max_waiting=N_PROMPTS, config=config)
            try:
                found = ask_all(engine, asks)
                name = f"prefix cache {'on' if cache else 'off'}, chunks {chunk or 'off'}"
                print(json.dumps(held(list(found), list(expected), name) | {"seconds": round(found[2], 1)}), flush=True)
            finally:
                engine.close()


if __name__ == "__main__":
    main()
    sys.stdout.flush()
