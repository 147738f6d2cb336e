"""TransformerLens' bridge: its cache of one residual site, run to the end and stopped. Prints one JSON object."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
from arguments import harvest_arguments
from measure import harvest_rows, report, versions
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge


def main() -> None:
    """Capture as the command line says, with and without `stop_at_layer`."""
    asked = harvest_arguments()
    tokens = torch.from_numpy(np.load(asked.tokens)[: asked.batch, : asked.context])
    bridge = TransformerBridge.boot_transformers(str(asked.model), device="cpu", dtype=torch.float32)
    site = f"blocks.{asked.block}.hook_out"

    def full(tokens: Tensor) -> Tensor:
        _, cache = bridge.run_with_cache(tokens, names_filter=site, return_type=None)
        return cache[site]

    def stopped(tokens: Tensor) -> Tensor:
        _, cache = bridge.run_with_cache(tokens, names_filter=site, return_type=None, stop_at_layer=asked.block + 1)
        return cache[site]

    variants = {"run_with_cache": full, "run_with_cache, stop_at_layer": stopped}
    facts = harvest_rows(variants, folder=asked.model, tokens=tokens, block=asked.block, repetitions=asked.repetitions)
    report(task="harvest", tool="TransformerLens", versions=versions("transformer-lens"), **asked.facts, **facts)


if __name__ == "__main__":
    main()
