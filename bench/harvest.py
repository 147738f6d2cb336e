"""Harvest speed of hooke against the bare truncated forward pass, in one process: one JSON object on standard output.

    python bench/harvest.py MODEL_FOLDER TOKENS.npy [--block 15] [--batch 8] [--context 256] [--repetitions 5]

Three ways to the residual stream behind a block: hooke's run, a plain hook that stops the pass, and `hooke harvest` as
a whole (text, tokenizer, run, cast to float16, shards on disk). The last is timed per batch between the moments at
which its progress advances, and a bare pass of the same size is timed in each of these moments.
"""

import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from peers.arguments import harvest_arguments
from peers.measure import bare_model, harvest_rows, paired_ratio, report, seconds, versions
from torch import Tensor

from hooke.activations.harvest import harvest
from hooke.lab import open_lab
from hooke.models.load import load
from hooke.models.model import Model
from hooke.progress import showing
from hooke.text.corpora import open_corpus
from hooke.text.windows import WindowConfig


class Turns:
    """A progress sink that times each batch of a job, and a yardstick right after it."""

    def __init__(self, yardstick: Any) -> None:
        self.yardstick = yardstick
        self.job: list[float] = []
        self.bare: list[float] = []

    def start(self, job: str, total: float | None, unit: str) -> None:
        self._resumed = time.perf_counter()

    def advance(self, job: str, amount: float) -> None:
        self.job.append(time.perf_counter() - self._resumed)
        self.bare.append(seconds(self.yardstick))
        self._resumed = time.perf_counter()

    def finish(self, job: str) -> None:
        """Nothing to tidy up."""


def plain_hook(model: torch.nn.Module, block: int) -> Any:
    """What one would write by hand: a forward hook that keeps the block's output and ends the pass."""

    class Enough(Exception):
        pass

    def variant(tokens: Tensor) -> Tensor:
        kept: list[Tensor] = []

        def keep(_module: torch.nn.Module, _inputs: Any, output: Any) -> None:
            kept.append(output[0] if isinstance(output, tuple) else output)
            raise Enough

        handle = model.model.layers[block].register_forward_hook(keep)
        try:
            model(input_ids=tokens, use_cache=False)
        except Enough:
            return kept[0]
        finally:
            handle.remove()
        raise AssertionError("the hook did not end the pass")

    return variant


def whole_harvest(
    model: Model, folder: Path, *, block: int, batch: int, context: int, n_batches: int
) -> dict[str, Any]:
    """Median time of a batch in a real harvest to disk, against the bare pass in the same moments."""
    bare = bare_model(folder, block + 1)
    some = torch.randint(0, 1000, (batch, context), generator=torch.Generator().manual_seed(0))
    turns = Turns(lambda: bare(input_ids=some, use_cache=False))
    with tempfile.TemporaryDirectory() as place, showing(turns), torch.no_grad():
        harvest(
            model,
            open_corpus("default"),
            [f"resid_post.{block}"],
            name="bench",
            n_tokens=n_batches * batch * context,
            windows=WindowConfig(context=context, batch=batch),
            lab=open_lab(place),
        )
    # The first batch also opens the corpus and tokenises half a million characters.
    job, yardstick = turns.job[1:], turns.bare[1:]
    return {
        "variant": "hooke harvest to disk",
        "seconds": job,
        "bare_seconds": yardstick,
        "tokens_per_second": batch * context / median(job),
        "ratio": paired_ratio(job, yardstick),
    }


def main() -> None:
    """Measure and report."""
    asked = harvest_arguments()
    tokens = torch.from_numpy(np.load(asked.tokens)[: asked.batch, : asked.context].astype(np.int64))
    with tempfile.TemporaryDirectory() as place:
        model = load(asked.model, device="cpu", lab=open_lab(place))
    site = f"resid_post.{asked.block}"
    facts = harvest_rows(
        {
            "hooke run": lambda tokens: model.run(tokens, capture=[site], logits=False)[site],
            "plain hook": plain_hook(model.hf, asked.block),
        },
        folder=asked.model,
        tokens=tokens,
        block=asked.block,
        repetitions=asked.repetitions,
    )
    facts["rows"].append(
        whole_harvest(
            model,
            asked.model,
            block=asked.block,
            batch=asked.batch,
            context=asked.context,
            n_batches=2 * asked.repetitions + 1,
        )
    )
    report(tool="hooke", versions=versions("hooke"), **asked.facts, **facts)


if __name__ == "__main__":
    main()
