"""All heads of a model scored, beside one plain forward pass of the same tokens, in turns.

    python bench/heads.py [--repeats 3] [--threads 2]

270 heads of SmolLM2-135M on 12 sequences of 40 random tokens that come again, and on as many that do not; copying is
read off the weights. Prints one JSON object.
"""

import argparse
import json
from statistics import median

import torch
from peers.measure import matmul_gflops, seconds

from hooke.circuits.heads import head_scores
from hooke.models.load import load


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    model = load("smollm2-135m")
    tokens = torch.randint(1000, 40_000, (24, 80))

    def forward() -> None:
        with torch.no_grad():
            model.hf(tokens)

    forward()
    turns = [{"forward": seconds(forward), "heads": seconds(lambda: head_scores(model))} for _ in range(asked.repeats)]
    told = {name: median(turn[name] for turn in turns) for name in turns[0]}
    print(json.dumps({"threads": asked.threads, "seconds": told, "matmul_gflops": matmul_gflops()}))


if __name__ == "__main__":
    main()
