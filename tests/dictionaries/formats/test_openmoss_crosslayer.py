"""Decoders by the layer written to, against the library's forward pass in float64."""

import json
from math import sqrt
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from hooke.dictionaries.formats.folding import Norm
from hooke.dictionaries.formats.openmoss_crosslayer import open_openmoss_crosslayer
from hooke.dictionaries.load import load_replacement
from hooke.dictionaries.replacement import reconstruct
from hooke.errors import BadArtefact, BadRequest
from tests.dictionaries.formats.golden import LAYERS, inputs, numbers

D, N = 6, 10
READ, WRITTEN = (3.0, 4.0, 5.0), (1.0, 1.5, 2.0)


def hooks(name: str) -> list[str]:
    return [f"blocks.{layer}.{name}" for layer in range(LAYERS)]


def state(hook_in: str = "mlp.hook_in", **changes: Tensor) -> dict[str, Tensor]:
    found = {"W_E": numbers(LAYERS, D, N, seed=1), "b_E": numbers(LAYERS, N, seed=2)}
    found |= {f"W_D.{layer}": numbers(layer + 1, N, D, seed=10 + layer) for layer in range(LAYERS)}
    found |= {f"b_D.{layer}": numbers(D, seed=20 + layer) for layer in range(LAYERS)}
    found["activation_function.log_jumprelu_threshold"] = numbers(LAYERS, N, seed=30)
    for layer in range(LAYERS):
        found[f"dataset_average_activation_norm.blocks.{layer}.{hook_in}"] = torch.tensor(READ[layer])
        found[f"dataset_average_activation_norm.blocks.{layer}.hook_mlp_out"] = torch.tensor(WRITTEN[layer])
    return found | changes


def write(root: Path, hook_in: str = "mlp.hook_in", *, tensors: dict | None = None, **changes) -> Path:
    said = {"sae_type": "clt", "hook_points_in": hooks(hook_in), "hook_points_out": hooks("hook_mlp_out")}
    said |= {"act_fn": "jumprelu", "norm_activation": "dataset-wise", "model_name": "tiny"}
    (root / "config.json").write_text(json.dumps(said | changes))
    save_file(state(hook_in) if tensors is None else tensors, root / "sae_weights.safetensors")
    return root


def forward(streams: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Activations by layer, and what is written to each, as the library has it."""
    file = {name: one.double() for name, one in state().items()}
    squares = torch.zeros(LAYERS, N, dtype=torch.float64)
    for target in range(LAYERS):
        squares[: target + 1] += file[f"W_D.{target}"].pow(2).sum(-1)
    norms, acts, written = squares.sqrt(), [], []
    for layer in range(LAYERS):
        x = streams[layer].double() * sqrt(D) / READ[layer]
        pre = (x @ file["W_E"][layer] + file["b_E"][layer]) * norms[layer]
        threshold = file["activation_function.log_jumprelu_threshold"][layer].exp()
        acts.append(pre * (pre > threshold) / norms[layer])
    for target in range(LAYERS):
        total = file[f"b_D.{target}"] + sum(
            acts[source] @ file[f"W_D.{target}"][source] for source in range(target + 1)
        )
        written.append((total * WRITTEN[target] / sqrt(D)).float())
    return [one.float() for one in acts], written


def test_it_is_read_as_its_library_computes_it(tmp_path: Path):
    found = load_replacement(write(tmp_path))
    streams = [inputs(D, seed=layer) for layer in range(LAYERS)]
    acts, written = forward(streams)
    own = {layer: found.encode(layer, streams[layer]) for layer in range(LAYERS)}
    for layer in range(LAYERS):
        torch.testing.assert_close(own[layer].dense(), acts[layer], rtol=1e-5, atol=1e-3)
        torch.testing.assert_close(reconstruct(found, own, streams[layer], layer), written[layer], rtol=1e-4, atol=1e-2)
    assert (found.model, found.targets(1), str(found.reads(2))) == ("tiny", (1, 2), "mlp_in.2")


def test_a_hook_without_gain_needs_the_norms(tmp_path: Path):
    folder = write(tmp_path, "ln2.hook_normalized")
    with pytest.raises(BadRequest, match="gains"):
        load_replacement(folder)
    gain, x = numbers(D, seed=9).abs() + 0.5, inputs(D)
    found = load_replacement(folder, norms=lambda _: Norm(gain, torch.zeros(D)))
    expected = forward([x] * LAYERS)[0][1]
    torch.testing.assert_close(found.encode(1, x * gain).dense(), expected, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize(
    "changes",
    [
        {"act_fn": "topk"},
        {"hook_points_in": []},
        {"hook_points_in": hooks("hook_resid_post")},
        {"hook_points_out": hooks("hook_mlp_out")[::-1]},
        {"hook_points_in": "mlp.hook_in"},
        {"norm_activation": "batch-wise"},
        {"tensors": state(**{"W_D.1": numbers(1, N, D)})},
        {"tensors": {name: one for name, one in state().items() if name != "b_D.2"}},
        {"tensors": {name: one for name, one in state().items() if not name.startswith("dataset")}},
        {"tensors": state(W_E=numbers(D, N))},
    ],
)
def test_what_cannot_be_read_as_it_was_meant_is_refused(tmp_path: Path, changes: dict):
    with pytest.raises(BadArtefact):
        open_openmoss_crosslayer(write(tmp_path, **changes))


def test_values_that_are_not_finite_are_refused_when_they_are_asked_for(tmp_path: Path):
    found = open_openmoss_crosslayer(write(tmp_path, tensors=state(b_E=torch.full((LAYERS, N), torch.inf))))
    with pytest.raises(BadArtefact, match="not finite"):
        found.bias(1)
