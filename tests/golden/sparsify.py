"""Fixtures that sparsify itself writes, and its word on what hooke writes. Run in an environment that has eai-sparsify.

    python -P tests/golden/sparsify.py make             writes tests/golden/sparsify/RUN/
    python -P tests/golden/sparsify.py accept FOLDER    loads what `python -m tests.golden.sparsify_written FOLDER`
                                                        wrote, and keeps hashes of what gave equal numbers

Written with eai-sparsify 1.3.3, torch 2.13.0 and safetensors 0.8.0. Every number is a small multiple of a power of two,
so that sums are exact on any machine. Each module has `golden.safetensors` beside its files: x (rows of a text, the
first as long as a first token's), the tool's activations of it and its reconstruction.
"""

import hashlib
import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

HERE = Path(__file__).parent / "sparsify"
D, N, K = 6, 10, 4
TOOL: Any = import_module("sparsify")
RUN_CONFIG: Any = import_module("sparsify.__main__").RunConfig

# Run: the model's name in its config (or none is kept), and for each module its settings.
RUNS: dict[str, tuple[str, dict[str, dict[str, Any]]]] = {
    "llama": (
        "tiny-llama",
        {
            "embed_tokens": {"k": K},
            "layers.1": {"k": K},
            "layers.2": {"k": 5, "activation": "groupmax"},
            "layers.10": {"k": 1, "num_latents": 0, "expansion_factor": 2},
            "layers.1.mlp": {"k": K, "transcode": True, "skip_connection": True},
        },
    ),
    "llama-transcoders": (
        "tiny-llama",
        {
            "layers.0.mlp": {"k": K, "transcode": True},
            "layers.1.mlp": {"k": 2, "transcode": True, "skip_connection": True, "activation": "groupmax"},
        },
    ),
    "neox": ("tiny-neox", {"layers.0.attention/seed0": {"k": K}, "layers.0.attention/seed1": {"k": K}}),
    "gpt2": ("", {"h.3.mlp": {"k": K}}),
    # As before 1.0: 'signed' was a setting, and 'transcode' and 'activation' were none.
    "legacy": ("tiny-llama", {"layers.3.mlp": {"k": K, "skip_connection": True}}),
    "half": ("tiny-llama", {"layers.3": {"k": K}}),
}


def make() -> None:
    """Write every run."""
    for run, (model, modules) in RUNS.items():
        for place, (module, settings) in enumerate(modules.items()):
            write(HERE / run / module, settings, dtype=torch.bfloat16 if run == "half" else torch.float32, seed=place)
        if model:
            coder = TOOL.SparseCoderConfig(**next(iter(modules.values())))
            RUN_CONFIG(sae=coder, model=model, hookpoints=[*modules], data_preprocessing_num_proc=1).save_json(
                HERE / run / "config.json"
            )


def write(folder: Path, settings: dict[str, Any], *, dtype: torch.dtype, seed: int) -> None:
    coder = TOOL.SparseCoder(D, TOOL.SparseCoderConfig(**({"num_latents": N} | settings)), dtype=dtype)
    state = {name: numbers(one.shape, seed=100 * seed + sum(name.encode())) for name, one in coder.state_dict().items()}
    if dtype == torch.bfloat16:
        state = {name: (one * 64).round() / 64 for name, one in state.items()}
    coder.load_state_dict(state)
    coder.save_to_disk(folder)
    if folder.parent.name == "legacy":
        told = json.loads((folder / "cfg.json").read_text())
        told = {"signed": False} | {name: one for name, one in told.items() if name not in ("transcode", "activation")}
        (folder / "cfg.json").write_text(json.dumps(told))
    x = inputs(seed)
    acts, x_hat = computed(TOOL.SparseCoder.load_from_disk(folder).float(), x)
    save_file({"x": x, "acts": acts, "x_hat": x_hat}, folder / "golden.safetensors")


def computed(coder: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """The tool's activations, with a column for each feature, and its reconstruction."""
    with torch.no_grad():
        found = coder.encode(x)
        x_hat = coder(x).sae_out
    ordered = found.pre_acts.sort(-1, descending=True).values
    assert coder.cfg.activation == "groupmax" or bool((ordered[:, coder.cfg.k - 1] != ordered[:, coder.cfg.k]).any())
    return torch.zeros_like(found.pre_acts).scatter(-1, found.top_indices, found.top_acts), x_hat


def inputs(seed: int) -> Tensor:
    """Five rows, the first of them long."""
    x = numbers((5, D), seed=500 + seed)
    x[0] *= 16
    return x


def numbers(shape: Any, *, seed: int) -> Tensor:
    """Multiples of 1/512 between -1 and 1."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-512, 513, tuple(shape), generator=generator) / 512


def accept(folder: Path) -> None:
    """Load what hooke wrote, compare what sparsify computes with what hooke did, and keep the hashes of the files."""
    accepted: dict[str, str] = {}
    for run in sorted(one for one in folder.iterdir() if one.is_dir()):
        for module, coder in TOOL.SparseCoder.load_many(str(run), local=True).items():
            golden = load_file(folder / f"{run.name}.golden.safetensors")
            acts, x_hat = computed(coder, golden["x"])
            torch.testing.assert_close(acts, golden["acts"], atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(x_hat, golden["x_hat"], atol=1e-5, rtol=1e-5)
            files = [run / module / "cfg.json", run / module / "sae.safetensors"]
            accepted |= {str(one.relative_to(folder)): hashlib.sha256(one.read_bytes()).hexdigest() for one in files}
    told = {"eai-sparsify": TOOL.__version__, "torch": torch.__version__, "files": accepted}
    (HERE / "accepted.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    make() if sys.argv[1:] == ["make"] else accept(Path(sys.argv[2]))
