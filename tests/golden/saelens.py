"""Fixtures that SAELens itself writes, and its word on what hooke writes. Run in an environment that has SAELens.

    PYTHONHASHSEED=0 python tests/golden/saelens.py make    writes tests/golden/saelens/CASE/
    python tests/golden/saelens.py accept FOLDER            loads what `python -m tests.golden.saelens_written FOLDER`
                                                            wrote, and keeps hashes of what gave equal numbers

Written with SAELens 6.54.12, torch 2.13.0 and safetensors 0.8.0. Every number is a small multiple of a power of two, so
that sums are exact on any machine and a pre-activation can equal its threshold. Beside each case's files lies
`golden.safetensors`: x (the first row as long as a first token's), SAELens' activations of it and its reconstruction.
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

HERE = Path(__file__).parent / "saelens"
D_IN, D_OUT, N, K = 6, 5, 10, 3
LENS: Any = import_module("sae_lens")
SAES: Any = import_module("sae_lens.saes")
SCALING: Any = import_module("sae_lens.training.activation_scaler")

PLAIN = {"model_name": "tiny", "hook_name": "blocks.1.hook_resid_post", "l0": 2.5, "seqpos_slice": [1, None]}
ACROSS = {"model_name": "tiny", "hook_name": "blocks.1.mlp.hook_in", "hook_name_out": "blocks.1.hook_mlp_out"}
BATCH = {"k": 2.5, "rescale_acts_by_decoder_norm": True}
SCALED = {"normalize_activations": "expected_average_only_in"}
WHITENED = {"normalize_activations": "covariance_whitening"}

# Case: class, settings of its config.
INFERENCE: dict[str, tuple[str, dict[str, Any]]] = {
    "standard": ("StandardSAE", {}),
    "standard_own_bias": ("StandardSAE", {"apply_b_dec_to_input": False}),
    "gated": ("GatedSAE", {}),
    "jumprelu": ("JumpReLUSAE", {}),
    "topk": ("TopKSAE", {"k": K}),
    "topk_rescaled": ("TopKSAE", {"k": K, "rescale_acts_by_decoder_norm": True}),
    "hook_z": ("StandardSAE", {"reshape_activations": "hook_z"}),
    "transcoder": ("Transcoder", {}),
    "skip_transcoder": ("SkipTranscoder", {}),
    "jumprelu_transcoder": ("JumpReLUTranscoder", {}),
    "jumprelu_skip_transcoder": ("JumpReLUSkipTranscoder", {}),
}
TRAINING: dict[str, tuple[str, dict[str, Any]]] = {
    "batchtopk": ("BatchTopKTrainingSAE", BATCH),
    "matryoshka": ("MatryoshkaBatchTopKTrainingSAE", {**BATCH, "k": 3.0, "matryoshka_widths": [4]}),
    "scaled": ("StandardTrainingSAE", SCALED),
    "gated_scaled": ("GatedTrainingSAE", SCALED),
    "batchtopk_scaled": ("BatchTopKTrainingSAE", {**BATCH, **SCALED}),
    "batchtopk_scaled_plain": ("BatchTopKTrainingSAE", {"k": 2.5, "rescale_acts_by_decoder_norm": False, **SCALED}),
    "whitened": ("StandardTrainingSAE", WHITENED),
    "whitened_own_bias": ("GatedTrainingSAE", {**WHITENED, "apply_b_dec_to_input": False}),
    "topk_whitened": ("TopKTrainingSAE", {"k": K, **WHITENED}),
}
SCALE = 0.375


def make() -> None:
    """Write every case."""
    for place, (case, (kind, settings)) in enumerate(INFERENCE.items()):
        sae = built(kind, settings, seed=place)
        sae.save_model(HERE / case)
        keep(HERE / case, sae, seed=place)
    for place, (case, (kind, settings)) in enumerate(TRAINING.items(), start=100):
        sae = built(kind, settings, seed=place)
        sae.save_model(HERE / case)
        fold(HERE / case, sae, seed=place)
        # A batch chooses together in training; what is saved for inference says what a token alone gives.
        sae.save_inference_model(HERE / f"{case}_inference")
        keep(HERE / case, LENS.SAE.load_from_disk(HERE / f"{case}_inference"), seed=place)
        if case == "batchtopk":
            keep(HERE / f"{case}_inference", LENS.SAE.load_from_disk(HERE / f"{case}_inference"), seed=place)
            continue
        for path in (HERE / f"{case}_inference").iterdir():
            path.unlink()
        (HERE / f"{case}_inference").rmdir()


def built(kind: str, settings: dict[str, Any], *, seed: int) -> Any:
    """A dictionary of a class, with numbers for every tensor that it has."""
    across = "Transcoder" in kind
    metadata = dict(ACROSS if across else PLAIN)
    if settings.get("reshape_activations") == "hook_z":
        metadata["hook_name"] = "blocks.1.attn.hook_z"
    own = {"d_out": D_OUT, "apply_b_dec_to_input": False} if across else {}
    config = getattr(SAES, f"{kind}Config")(
        d_in=D_IN, d_sae=N, metadata=import_module("sae_lens.saes.sae").SAEMetadata(**metadata), **own, **settings
    )
    sae = getattr(SAES, kind)(config)
    state = {
        name: numbers(tensor.shape, seed=1000 * seed + sum(name.encode())) for name, tensor in sae.state_dict().items()
    }
    if "r_mag" in state:
        state["r_mag"] = state["r_mag"] / 4
    if "topk_threshold" in state:
        state["topk_threshold"] = torch.tensor(0.5, dtype=torch.float64)
    if "threshold" in state:
        taken = state["b_dec"] if config.apply_b_dec_to_input else 0
        state["threshold"] = thresholds((inputs(seed) - taken) @ state["W_enc"] + state["b_enc"])
    sae.load_state_dict(state)
    return sae


def thresholds(pre: Tensor) -> Tensor:
    """Above zero but for one, which lets pre-activations below zero pass, and one that a pre-activation equals."""
    found = torch.full((N,), 0.5)
    below = int(pre.amin(0).argmin())
    found[below] = pre[:, below].amin() - 1
    equal = int(pre[1].masked_fill(torch.arange(N) == below, -torch.inf).argmax())
    found[equal] = pre[1, equal]
    assert found[below] < 0 < found[equal]
    return found


def fold(folder: Path, sae: Any, *, seed: int) -> None:
    """What training leaves beside a checkpoint, and folds into the dictionary at its end."""
    how, scaler = sae.cfg.normalize_activations, SCALING.ActivationScaler()
    if how == "expected_average_only_in":
        scaler.scaling_factor = SCALE
    if how == "covariance_whitening":
        mean, matrix = numbers((D_IN,), seed=seed).double(), numbers((D_IN, D_IN), seed=seed + 1).double()
        matrix = matrix + 4 * torch.eye(D_IN, dtype=torch.float64)
        scaler.whitening = SCALING.ActivationWhitening(mean, matrix, torch.linalg.inv(matrix))
    if how == "none":
        return
    scaler.save(str(folder / "activation_scaler.json"))
    if scaler.scaling_factor is not None:
        sae.fold_activation_norm_scaling_factor(scaler.scaling_factor)
    if scaler.whitening is not None:
        told = scaler.whitening
        sae.fold_activation_whitening(told.mean, told.matrix, told.inverse_matrix)


def keep(folder: Path, sae: Any, *, seed: int) -> None:
    """Keep what SAELens computes beside the files."""
    x = inputs(seed)
    x = x.unflatten(1, (2, 3)) if sae.cfg.reshape_activations == "hook_z" else x
    with torch.no_grad():
        acts, x_hat = sae.encode(x), sae(x)
    save_file({"x": x, "acts": acts, "x_hat": x_hat}, folder / "golden.safetensors")


def inputs(seed: int) -> Tensor:
    """Four rows, the first of them long."""
    x = numbers((4, D_IN), seed=500 + seed)
    x[0] *= 16
    return x


def numbers(shape: Any, *, seed: int) -> Tensor:
    """Eighths between -1 and 1, none of them 0."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(1, 9, tuple(shape), generator=generator) / 8
    return drawn * (1 - 2 * torch.randint(0, 2, tuple(shape), generator=generator))


def accept(folder: Path) -> None:
    """Load what hooke wrote, compare what SAELens computes with what hooke did, and keep the hashes of the files."""
    accepted: dict[str, dict[str, str]] = {}
    for case in sorted(one for one in folder.iterdir() if one.is_dir()):
        sae = LENS.SAE.load_from_disk(case)
        golden = load_file(case / "golden.safetensors")
        x = golden["x"].unflatten(1, (2, 3)) if sae.cfg.reshape_activations == "hook_z" else golden["x"]
        with torch.no_grad():
            torch.testing.assert_close(sae.encode(x), golden["acts"], atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(sae(x).reshape(golden["x_hat"].shape), golden["x_hat"], atol=1e-5, rtol=1e-5)
        files = ("cfg.json", "sae_weights.safetensors")
        accepted[case.name] = {name: hashlib.sha256((case / name).read_bytes()).hexdigest() for name in files}
    told = {"sae_lens": LENS.__version__, "torch": torch.__version__, "files": accepted}
    (HERE / "accepted.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    make() if sys.argv[1:] == ["make"] else accept(Path(sys.argv[2]))
