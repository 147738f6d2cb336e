"""nnsight's trace of one residual site, run to the end and stopped behind the block. Prints one JSON object."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
from arguments import harvest_arguments
from measure import harvest_rows, report, versions
from nnsight import TransformersModel
from torch import Tensor


def main() -> None:
    """Capture as the command line says, with and without `tracer.stop()`."""
    asked = harvest_arguments()
    tokens = torch.from_numpy(np.load(asked.tokens)[: asked.batch, : asked.context])
    model = TransformersModel(str(asked.model), task="text-generation", dtype=torch.float32, dispatch=True)

    def full(tokens: Tensor) -> Tensor:
        with model.trace(tokens):
            captured = model.model.layers[asked.block].output.save()
        return captured  # noqa: RET504 - the trace's body is rewritten: it cannot return

    def stopped(tokens: Tensor) -> Tensor:
        with model.trace(tokens) as tracer:
            captured = model.model.layers[asked.block].output.save()
            tracer.stop()
        return captured

    variants = {"trace": full, "trace + tracer.stop()": stopped}
    facts = harvest_rows(variants, folder=asked.model, tokens=tokens, block=asked.block, repetitions=asked.repetitions)
    report(task="harvest", tool="nnsight", versions=versions("nnsight"), **asked.facts, **facts)


if __name__ == "__main__":
    main()
