"""One set of weights in both layouts and both packings, against the format's rule in float64."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from hooke.dictionaries.load import load_replacement
from hooke.dictionaries.replacement import Replacement, reconstruct
from hooke.errors import BadArtefact, BadRequest
from tests.dictionaries.formats.golden import LAYERS, inputs, numbers

D, N, D_OUT = 6, 10, 6
NORM_IN, NORM_OUT = torch.tensor([2.0, 3.0, 4.0]), torch.tensor([0.5, 1.5, 2.5])


def decoder(source: int, target: int) -> Tensor:
    return numbers(N, D_OUT, seed=100 + 10 * source + target)


def parts(layout: str) -> dict[str, Tensor]:
    found = {"W_enc": numbers(LAYERS, D, N, seed=1), "b_enc": numbers(LAYERS, N, seed=2)}
    found |= {"norm_factor_in": NORM_IN.reshape(-1, 1, 1), "norm_factor_out": NORM_OUT.reshape(-1, 1, 1)}
    found |= {"log_threshold": numbers(LAYERS, N, seed=3), "b_dec": numbers(LAYERS, D_OUT, seed=4)}
    for place in range(LAYERS):
        pairs = [(place, one) for one in range(place, LAYERS)]
        pairs = pairs if layout == "input_layer" else [(one, place) for one in range(place + 1)]
        found[f"W_dec_{place}"] = torch.stack([decoder(*pair) for pair in pairs])
    return found


def first_version(layout: str, **changes) -> dict:
    said = {"n_layers": LAYERS, "d_in": D, "d_latent": N, "activation": "jumprelu", "decoder_layout": layout}
    return said | {"base_model_name": "tiny", "input_attr": "mlp.input", "output_attr": "mlp.output"} | changes


def second_version(layout: str) -> dict:
    hooks = {"layer_attr": "model.layers", "layer_indices": None, "input": {"attr": "mlp.input", "dim": D}}
    hooks |= {"output": {"attr": "mlp.output", "dim": D_OUT}}
    base = {"name": "tiny", "n_layers": LAYERS, "hook_points": hooks}
    decoding = {"d_latent": N, "activation": {"type": "jumprelu", "k": None}, "decoder": {"layout": layout}}
    return {"config_version": 2, "base_model": base, "architecture": decoding}


def write_whole(root: Path, layout: str, config: dict | None = None, **changes: Tensor) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / "model_config.json").write_text(json.dumps(config or first_version(layout)))
    names = {
        "W_enc": "encoder.W",
        "b_enc": "encoder.b",
        "log_threshold": "activation.log_threshold",
        "b_dec": "decoder.b",
    }
    found = {}
    for name, one in (parts(layout) | changes).items():
        place = name.removeprefix("W_dec_")
        found[f"decoder.decoders.{place}.W" if place != name else names.get(name, name)] = one
    save_file(found, root / "clt.safetensors")
    return root


def write_parts(root: Path, layout: str, **manifest) -> Path:
    root.mkdir(parents=True)
    (root / "model_config.json").write_text(json.dumps(second_version("output_layer")))
    whole = parts(layout)
    first = {name: one for name, one in whole.items() if not name.startswith("W_dec")}
    save_file(first, root / "part-0.safetensors")
    save_file({name: one for name, one in whole.items() if name not in first}, root / "part-1.safetensors")
    said = {"format": "layer_weights", "decoder_type": layout, "layer_indices": None}
    said |= {"files": ["part-0.safetensors", "part-1.safetensors"]}
    (root / "manifest.json").write_text(json.dumps(said | manifest))
    return root


def check(found: Replacement) -> None:
    streams = [inputs(D, seed=layer) for layer in range(LAYERS)]
    acts = []
    file = {name: one.double() for name, one in parts("input_layer").items()}
    for layer in range(LAYERS):
        pre = (streams[layer].double() / NORM_IN[layer]) @ file["W_enc"][layer] + file["b_enc"][layer]
        acts.append(pre * (pre > file["log_threshold"][layer].exp()))
    own = {layer: found.encode(layer, streams[layer]) for layer in range(LAYERS)}
    for target in range(LAYERS):
        torch.testing.assert_close(own[target].dense(), acts[target].float(), rtol=1e-5, atol=1e-3)
        total = sum(acts[source] @ decoder(source, target).double() for source in range(target + 1))
        expected = ((total + file["b_dec"][target]) * NORM_OUT[target]).float()
        torch.testing.assert_close(reconstruct(found, own, streams[target], target), expected, rtol=1e-4, atol=1e-2)
    assert (found.model, str(found.reads(1)), found.targets(1)) == ("tiny", "mlp_in.1", (1, 2))


@pytest.mark.parametrize("layout", ["input_layer", "output_layer"])
def test_both_layouts_and_packings_are_the_same_transcoder(tmp_path: Path, layout: str):
    check(load_replacement(write_whole(tmp_path / "first", layout)))
    check(load_replacement(write_whole(tmp_path / "second", layout, second_version(layout))))
    check(load_replacement(write_parts(tmp_path / "parts", layout)))


def test_layers_may_have_numbers_of_their_own(tmp_path: Path):
    found = load_replacement(
        write_whole(tmp_path, "output_layer", first_version("output_layer", layer_indices=[2, 5, 9]))
    )
    assert (found.layers, found.targets(5)) == ((2, 5, 9), (5, 9))
    assert torch.equal(found.bias(9), parts("output_layer")["b_dec"][2] * NORM_OUT[2])


@pytest.mark.parametrize(
    "config",
    [
        {"activation": "topk_all"},
        {"activation": "topk"},
        {"decoder_layout": "both"},
        {"input_attr": "self_attn.input"},
        {"base_model_name": "google/gemma-2-2b"},
        {"layer_indices": [0, 1]},
        {"layer_indices": [2, 1, 0]},
        {"layer_indices": "all"},
        {"base_model_name": 3},
    ],
)
def test_a_config_that_cannot_be_expressed_is_refused(tmp_path: Path, config: dict):
    with pytest.raises(BadArtefact):
        load_replacement(write_whole(tmp_path, "output_layer", first_version("output_layer", **config)))


@pytest.mark.parametrize(
    "changes",
    [
        {"W_enc": numbers(D, N)},
        {"b_dec": numbers(LAYERS + 1, D_OUT)},
        {"norm_factor_in": torch.zeros(LAYERS, 1, 1)},
        {"norm_factor_out": torch.ones(2)},
        {"W_dec_1": numbers(1, N, D_OUT)},
    ],
)
def test_tensors_that_do_not_fit_are_refused(tmp_path: Path, changes: dict[str, Tensor]):
    with pytest.raises(BadArtefact):
        load_replacement(write_whole(tmp_path, "output_layer", **changes))


def test_a_manifest_stays_in_its_folder_and_says_what_it_is(tmp_path: Path):
    for name, manifest in (
        ("out", {"files": ["../first/clt.safetensors"]}),
        ("format", {"format": "other"}),
        ("files", {"files": [3]}),
        ("missing", {"files": ["part-0.safetensors"]}),
    ):
        with pytest.raises(BadArtefact):
            load_replacement(write_parts(tmp_path / name, "input_layer", **manifest))


def test_a_model_that_nobody_names_is_asked_for(tmp_path: Path):
    config = first_version("output_layer", base_model_name=None)
    folder = write_whole(tmp_path, "output_layer", config)
    with pytest.raises(BadRequest, match="which model"):
        load_replacement(folder)
    assert load_replacement(folder, model="tiny").model == "tiny"
