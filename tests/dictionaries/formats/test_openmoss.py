"""Against the library's forward pass, written out in float64."""

import json
from math import sqrt
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from hooke.dictionaries.formats.folding import Norm
from hooke.dictionaries.formats.given import Given
from hooke.dictionaries.formats.openmoss import recognises, sae_type
from hooke.dictionaries.load import load_dictionary
from hooke.errors import BadArtefact, BadRequest
from tests.dictionaries.formats.golden import D_OUT, D, K, N, inputs, numbers

HOOK_IN, HOOK_OUT = "blocks.3.hook_resid_mid", "blocks.3.hook_mlp_out"
NORMS = {HOOK_IN: 4.0, HOOK_OUT: 1.5}


def state(hook_in: str = HOOK_IN, **changes: Tensor) -> dict[str, Tensor]:
    found = {"W_E": numbers(D, N, seed=1), "b_E": numbers(N, seed=2), "W_D": 2 * numbers(N, D_OUT, seed=3)}
    found |= {"b_D": numbers(D_OUT, seed=4)}
    norms = {hook_in: NORMS[HOOK_IN], HOOK_OUT: NORMS[HOOK_OUT]}
    return (
        found
        | {f"dataset_average_activation_norm.{hook}": torch.tensor(norm) for hook, norm in norms.items()}
        | changes
    )


def write(root: Path, act_fn: str = "jumprelu", *, tensors: dict | None = None, **changes) -> Path:
    said = {"sae_type": "sae", "d_model": D, "hook_point_in": HOOK_IN, "hook_point_out": HOOK_OUT, "act_fn": act_fn}
    said |= {"norm_activation": "dataset-wise", "sparsity_include_decoder_norm": True, "top_k": K, "model_name": "tiny"}
    root.mkdir(exist_ok=True)
    (root / "config.json").write_text(json.dumps(said | changes))
    beside = {"activation_function.log_jumprelu_threshold": numbers(N, seed=5)} if act_fn == "jumprelu" else {}
    metadata = {"version": "2.0"}
    save_file(tensors if tensors is not None else state() | beside, root / "sae_weights.safetensors", metadata)
    return root


def forward(x: Tensor, act_fn: str, has_norm: bool) -> tuple[Tensor, Tensor]:
    """Activations at the scale of training, and what is written."""
    file = {name: one.double() for name, one in state().items()}
    s, t = sqrt(D) / NORMS[HOOK_IN], sqrt(D_OUT) / NORMS[HOOK_OUT]
    r = file["W_D"].norm(dim=1) if has_norm else torch.ones(N)
    pre = ((x.double() * s) @ file["W_E"] + file["b_E"]) * r
    if act_fn == "jumprelu":
        acts = pre * (pre > numbers(N, seed=5).double().exp())
    elif act_fn == "topk":
        acts = torch.zeros_like(pre).scatter(1, pre.topk(K).indices, pre.topk(K).values.clamp_min(0))
    else:
        acts = torch.relu(pre)
    acts = acts / r
    return acts.float(), ((acts @ file["W_D"] + file["b_D"]) / t).float()


@pytest.mark.parametrize("has_norm", [True, False])
@pytest.mark.parametrize("act_fn", ["jumprelu", "relu", "topk"])
def test_a_dictionary_is_read_as_its_library_computes_it(tmp_path: Path, act_fn: str, has_norm: bool):
    found, x = load_dictionary(write(tmp_path, act_fn, sparsity_include_decoder_norm=has_norm)), inputs()
    acts, written = forward(x, act_fn, has_norm)
    is_larger = act_fn == "topk" and has_norm
    assert ("decoder_norm" in found.config.folded) == is_larger
    grown = acts * state()["W_D"].norm(dim=1) if is_larger else acts
    torch.testing.assert_close(found.encode(x).dense(), grown, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(found(x), written, rtol=1e-5, atol=1e-3)
    assert (found.config.reads, found.config.writes, found.config.model) == (("resid_mid.3",), ("mlp_out.3",), "tiny")


def test_a_hook_without_gain_needs_the_norm(tmp_path: Path):
    hook = "blocks.3.ln2.hook_normalized"
    folder = write(tmp_path, "relu", hook_point_in=hook, tensors=state(hook))
    with pytest.raises(BadRequest, match="gains"):
        load_dictionary(folder)
    gain, x = numbers(D, seed=9).abs() + 0.5, inputs()
    found = load_dictionary(folder, given=Given(norms=lambda _: Norm(gain, torch.zeros(D))))
    torch.testing.assert_close(found.encode(x * gain).dense(), forward(x, "relu", False)[0], rtol=1e-4, atol=1e-3)


def test_norms_that_are_not_used_may_be_anything(tmp_path: Path):
    junk = {f"dataset_average_activation_norm.{HOOK_IN}": torch.tensor(torch.nan)}
    found = load_dictionary(write(tmp_path, "relu", norm_activation="inference", tensors=state() | junk))
    assert torch.equal(found.W_enc, state()["W_E"])


def test_other_kinds_are_refused_by_name(tmp_path: Path):
    for kind, told in (("lorsa", "from token to token"), ("molt", "low-rank maps"), ("crosscoder", "not documented")):
        with pytest.raises(BadArtefact, match=f"It is a '{kind}': .*{told}"):
            load_dictionary(write(tmp_path, sae_type=kind))
    with pytest.raises(BadRequest, match="cross-layer transcoder"):
        load_dictionary(write(tmp_path, sae_type="clt"))


def test_only_a_config_with_a_type_is_theirs(tmp_path: Path):
    assert recognises(write(tmp_path))
    assert sae_type(write(tmp_path, sae_type="lorsa")) == "lorsa"
    assert not recognises(write(tmp_path, sae_type=None))
    (tmp_path / "config.json").write_text("{")
    assert not recognises(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"act_fn": "batchtopk"},
        {"use_glu_encoder": True},
        {"norm_activation": "token-wise"},
        {"hook_point_in": "blocks.3.hook_nothing"},
        {"tensors": state(W_D=numbers(D_OUT, N))},
        {"tensors": state(b_E=numbers(D))},
        {"tensors": state(gate=numbers(D))},
        {"tensors": {name: one for name, one in state().items() if not name.endswith(HOOK_IN)}},
    ],
)
def test_what_cannot_be_read_as_it_was_meant_is_refused(tmp_path: Path, changes: dict):
    with pytest.raises(BadArtefact):
        load_dictionary(write(tmp_path, **{"act_fn": "relu"} | changes))
