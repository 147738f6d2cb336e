"""TransformerLens' bridge: some heads patched one by one. Prints one JSON object."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"

import json
import sys
from pathlib import Path

import torch
from measure import seconds, versions
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge


def main() -> None:
    """Patch what given.json in the model's folder asks for."""
    folder = Path(sys.argv[1])
    given = json.loads((folder / "given.json").read_text())
    torch.set_num_threads(given["threads"])
    clean, corrupted = torch.tensor(given["clean"]), torch.tensor(given["corrupted"])
    rows, answers, wrong = torch.arange(len(clean)), torch.tensor(given["answers"]), torch.tensor(given["wrong"])
    bridge = TransformerBridge.boot_transformers(str(folder), device="cpu", dtype=torch.float32)
    metrics: list[float] = []

    def exact() -> None:
        _, cache = bridge.run_with_cache(clean, names_filter=lambda name: name.endswith("hook_z"), return_type=None)
        for layer, head in given["cells"]:
            name = f"blocks.{layer}.attn.hook_z"

            def put(value: Tensor, hook: object, name: str = name, head: int = head) -> Tensor:
                kept = cache[name].reshape(*cache[name].shape[:2], 9, -1)
                changed = value.reshape(kept.shape).clone()
                changed[:, :, head] = kept[:, :, head]
                return changed.reshape(value.shape)

            logits = bridge.run_with_hooks(corrupted, fwd_hooks=[(name, put)])[:, -1]
            metrics.append(float((logits[rows, answers] - logits[rows, wrong]).mean()))

    with torch.no_grad():
        bridge(clean[:2])
        forward = seconds(lambda: bridge(clean))
        taken = seconds(exact)
    print(json.dumps({"forward": forward, "exact": taken, "metrics": metrics, "version": versions("transformer-lens")}))


if __name__ == "__main__":
    main()
