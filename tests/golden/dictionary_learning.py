"""Fixtures that dictionary_learning itself writes. Run in an environment that has dictionary-learning and nnsight.

    python -P tests/golden/dictionary_learning.py

Written with dictionary-learning 0.1.0, torch 2.13.0 and safetensors 0.8.0. Every number is a small multiple of a power
of two, so that sums are exact on any machine and a pre-activation can equal its threshold. Each trainer has
`golden.safetensors` beside its files: x (rows of a text, the first as long as a first token's), the tool's activations
of it and its reconstruction. Of two cases the tool itself computes nothing of use, a threshold that was never set and
weights at the scale of their training: its class for k of each token, and its function that scales biases, stand in.
"""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

HERE = Path(__file__).parent / "dictionary_learning"
D, N, K = 6, 10, 4
CLASSES: Any = import_module("dictionary_learning.dictionary")
TRAINERS: Any = import_module("dictionary_learning.trainers")
MATRYOSHKA: Any = import_module("dictionary_learning.trainers.matryoshka_batch_top_k")
APRIL: Any = import_module("dictionary_learning.trainers.standard").StandardTrainerAprilUpdate
TOP_K: Any = import_module("dictionary_learning.trainers.top_k")
BUFFER = {"d_submodule": D, "io": "out", "n_ctxs": 30, "ctx_len": 128, "refresh_batch_size": 4, "out_batch_size": 8}
FACTOR = 4.0

GROUPS = {"k": K, "group_fractions": [0.25, 0.25, 0.5]}
# Trainer's folder: class of the trainer, its settings, and what the files have besides.
CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "autoencoder": (TRAINERS.StandardTrainer, {}),
    "april": (APRIL, {}),
    "new": (TRAINERS.StandardTrainer, {"dict_class": CLASSES.AutoEncoderNew}),
    "gated": (TRAINERS.GatedSAETrainer, {}),
    "topk": (TRAINERS.TopKTrainer, {"k": K}),
    "batchtopk": (TRAINERS.BatchTopKTrainer, {"k": K}),
    "unset": (TRAINERS.BatchTopKTrainer, {"k": K}),
    "matryoshka": (MATRYOSHKA.MatryoshkaBatchTopKTrainer, GROUPS),
    "jumprelu": (TRAINERS.JumpReluTrainer, {}),
    "backup": (TRAINERS.BatchTopKTrainer, {"k": K}),
    "gated-backup": (TRAINERS.GatedSAETrainer, {}),
    "transcoder": (TRAINERS.TopKTrainer, {"k": K, "submodule_name": "model.layers.1.mlp"}),
    # As andyrdt/saes-* are laid out.
    "suite/resid_post_layer_1/trainer_0": (TRAINERS.BatchTopKTrainer, {"k": K, "submodule_name": None}),
    "suite/resid_post_layer_1/trainer_1": (TRAINERS.BatchTopKTrainer, {"k": 2, "submodule_name": None}),
    "suite/resid_post_layer_12/trainer_0": (TRAINERS.BatchTopKTrainer, {"k": K, "submodule_name": None, "layer": 12}),
}


def make() -> None:
    """Write every case."""
    for place, (case, (kind, settings)) in enumerate(CASES.items()):
        common = {"steps": 10_000, "activation_dim": D, "dict_size": N, "layer": 1, "lm_name": "tiny", "device": "cpu"}
        trainer = kind(**(common | {"seed": place, "submodule_name": "resid_post_layer_1"} | settings))
        write(HERE / case, trainer, seed=place)


def write(folder: Path, trainer: Any, *, seed: int) -> None:
    """A trainer's folder, as training writes it, and what its dictionary computes."""
    ae, name = trainer.ae, folder.name
    if name == "new":
        ae = CLASSES.AutoEncoderNew(D, N)
    x = inputs(seed)
    state = {key: filled(key, one, seed) for key, one in ae.state_dict().items()}
    ae.load_state_dict(state)
    if name in ("jumprelu", "gated"):
        set_on_the_edge(ae, x)
    if name == "unset":
        ae.threshold.fill_(-1.0)
    folder.mkdir(parents=True, exist_ok=True)
    config = trainer.config | ({"dict_class": "AutoEncoderNew"} if name == "new" else {})
    buffer = BUFFER | ({"io": "in_and_out"} if name == "transcoder" else {})
    (folder / "config.json").write_text(json.dumps({"trainer": config, "buffer": buffer}, indent=4))
    kept: dict[str, Any] = {key: one.cpu() for key, one in ae.state_dict().items()}
    if name.endswith("backup"):
        kept = {"step": 5, "ae": ae.state_dict(), "optimizer": trainer.optimizer.state_dict(), "config": config}
        kept["norm_factor"] = FACTOR
    torch.save(kept, folder / "ae.pt")
    if name == "topk":
        (folder / "checkpoints").mkdir(exist_ok=True)
        torch.save(kept, folder / "checkpoints" / "ae_5.pt")
        told = {"l2_loss": 3.25, "l0": 4.0, "frac_variance_explained": 0.75, "frac_recovered": 0.5, "frac_alive": 1.0}
        (folder / "eval_results.json").write_text(json.dumps(told, indent=4))
    if name.endswith("backup"):
        ae.scale_biases(FACTOR)
    with torch.no_grad():
        acts = per_token(ae, x) if name == "unset" else ae.encode(x)
        x_hat = ae.decode(acts)
    save_file({"x": x, "acts": acts, "x_hat": x_hat}, folder / "golden.safetensors")


def per_token(ae: Any, x: Tensor) -> Tensor:
    """What the tool's own class for k of each token makes of the same weights."""
    topk = TOP_K.AutoEncoderTopK(D, N, K)
    topk.load_state_dict(ae.state_dict())
    return topk.encode(x)


def filled(name: str, one: Tensor, seed: int) -> Tensor:
    """Numbers for a tensor; counts stay as they are."""
    if name in ("k", "group_sizes"):
        return one
    if name == "threshold" and one.ndim == 0:
        return torch.tensor(0.75)
    made = numbers(one.shape, seed=100 * seed + sum(name.encode()))
    return made / 4 if name == "r_mag" else made


def set_on_the_edge(ae: Any, x: Tensor) -> None:
    """A threshold that a pre-activation equals, and for jumprelu one below zero, which nothing below zero passes."""
    if hasattr(ae, "gate_bias"):
        ae.r_mag.data[3] = 0
        ae.gate_bias.data[3] = -ae.encoder(x - ae.decoder_bias)[1, 3]
        return
    ae.threshold.data.abs_()
    ae.threshold.data[0] = -0.5
    pre = x @ ae.W_enc + ae.b_enc
    best = int(pre[1, 1:].argmax()) + 1
    assert pre[1, best] > 0
    ae.threshold.data[best] = pre[1, best]


def inputs(seed: int) -> Tensor:
    """Five rows, the first of them long."""
    x = numbers((5, D), seed=500 + seed)
    x[0] *= 16
    return x


def numbers(shape: Any, *, seed: int) -> Tensor:
    """Multiples of 1/64 between -1 and 1."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-64, 65, tuple(shape), generator=generator) / 64


if __name__ == "__main__":
    make()
