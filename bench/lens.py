"""Every layer's prediction at every token of a prompt of 256 tokens, in seconds. Prints one JSON object.

    python bench/lens.py [--model smollm2-135m] [--tokens 256] [--repeats 3] [--threads 2]

Timed: the forward pass with every layer's stream kept, and the lens of all of them: ten likeliest tokens, rank and
log-probability of the actual next token, entropy. Fitted lenses are timed where the lab has them. On a machine that is
shared, seconds of processor time say more than seconds on the clock; both are given, with the speed of a
square float32 matrix product in the same process.
"""

import argparse
import json
import time
from statistics import median

import torch
from peers.measure import matmul_gflops

from hooke.lab import open_lab
from hooke.models.load import load
from hooke.models.model import Model
from hooke.prompts.fitted_lens import FittedLens, lens_kinds, open_lens, translated
from hooke.prompts.lens import logit_lens
from hooke.sites import Site


def grid(model: Model, ids: torch.Tensor, lens: FittedLens | None) -> None:
    """The whole of it, once."""
    sites = [Site("resid_post", layer) for layer in range(model.n_layers)]
    run = model.run(ids, capture=sites, logits=False)
    streams = [run[site][0] for site in sites]
    logit_lens(model, translated(lens, streams, range(model.n_layers)), run.tokens.ids[0])


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    lab = open_lab()
    model = load(asked.model, lab=lab)
    ids = torch.randint(3, model.d_vocab, (1, asked.tokens), generator=torch.Generator().manual_seed(0))
    found: dict[str, object] = {"tokens": asked.tokens, "layers": model.n_layers, "threads": asked.threads}
    for kind in lens_kinds(lab, model.name):
        lens = None if kind == "logit" else open_lens(lab, model, kind)
        grid(model, ids[:, :16], lens)
        clocks, processor = [], []
        for _ in range(asked.repeats):
            before = time.perf_counter(), time.process_time()
            grid(model, ids, lens)
            clocks.append(time.perf_counter() - before[0])
            processor.append(time.process_time() - before[1])
        found[kind] = {"seconds": median(clocks), "processor_seconds": median(processor)}
    found["matmul_gflops"] = matmul_gflops()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
