"""hooke's TopK training, through its own `train`, on rows from a file. Prints one JSON object.

    python bench/training.py ROWS.npy [--held-out ROWS.npy] [--features 4608] [--k 32] [--batch 4096] [--steps 12]

Beside the speed stands what the step costs against the least that it must do: the encoder's product and the choice of
the k largest, timed in turns with it in the same process.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import torch
from peers.arguments import training_arguments
from peers.measure import Clock, interleaved, paired_ratio, quality, report, rows_file, step_facts, versions
from torch import Tensor

from hooke.training.config import TrainConfig
from hooke.training.state import advance, start
from hooke.training.train import train
from hooke.training.weights import calibrate


def against_the_least(config: TrainConfig, batch: Tensor, repetitions: int) -> dict[str, Any]:
    """Seconds of a step, of the encoder's product and of the k largest alone, and the ratio of the first to these."""
    state = start(config, calibrate(batch, config), device=torch.device("cpu"))
    encoder = torch.randn(config.n_features, batch.shape[1])
    pre = torch.empty(len(batch), config.n_features)
    with torch.no_grad():
        torch.mm(batch, encoder.t(), out=pre)
    works = {
        "step": lambda: advance(state, batch),
        "encoder": lambda: torch.mm(batch, encoder.t(), out=pre),
        "largest": lambda: pre.topk(config.k, dim=-1),
    }
    interleaved(works, 2)
    taken = interleaved(works, repetitions)
    least = [encoder + largest for encoder, largest in zip(taken["encoder"], taken["largest"], strict=True)]
    return {
        "step_seconds": median(taken["step"]),
        "encoder_seconds": median(taken["encoder"]),
        "largest_seconds": median(taken["largest"]),
        "step_over_encoder_and_largest": paired_ratio(taken["step"], least),
    }


def main() -> None:
    """Train as the command line says and report speed, or speed and quality."""
    asked = training_arguments()
    rows = rows_file(asked.rows)
    clock = Clock(rows, asked.batch, asked.steps)
    config = TrainConfig(
        n_features=asked.features,
        k=asked.k,
        batch=asked.batch,
        n_tokens=asked.steps * asked.batch,
        lr=asked.lr,
        warm_up=0.0,
        decay=0.0,
        calibration_tokens=asked.batch,
    )

    def batches(_skip: int) -> Iterator[Tensor]:
        return iter(clock)

    with tempfile.TemporaryDirectory() as folder:
        dictionary = train(config, batches, site="resid_post.15", model_name="none", folder=Path(folder) / "made")
    clock.stop()
    facts = step_facts(clock, asked.warm_up, asked.features)
    if asked.held_out:
        facts |= quality(
            lambda x: dictionary.encode(x).dense(),
            lambda acts: acts @ dictionary.W_dec + dictionary.b_dec,
            rows_file(asked.held_out),
            rows,
        )
    else:
        facts |= against_the_least(config, torch.from_numpy(rows[: asked.batch].copy()), asked.steps)
    report(task="training", tool="hooke", variant="TopK", versions=versions("hooke"), **asked.facts, **facts)


if __name__ == "__main__":
    main()
