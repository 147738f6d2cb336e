"""Against the suite's own recipe, followed line by line in float64."""

import json
from math import sqrt
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from hooke.dictionaries.dictionary import Dictionary
from hooke.dictionaries.formats.folding import Norm
from hooke.dictionaries.formats.given import Given
from hooke.dictionaries.load import load_dictionary
from hooke.errors import BadArtefact, BadRequest
from tests.dictionaries.formats.golden import D, N, inputs, numbers

FOLDER = "Llama3_1-8B-Base-L8R-8x"
THRESHOLD, NORM_IN, NORM_OUT = 0.527, 4.0, 1.5
GAIN = numbers(D, seed=77).abs() + 0.5


def state(**changes: Tensor) -> dict[str, Tensor]:
    found = {"encoder.weight": numbers(N, D, seed=1), "encoder.bias": numbers(N, seed=2)}
    found |= {"decoder.weight": 3 * numbers(D, N, seed=3), "decoder.bias": numbers(D, seed=4)}
    return {name: one.bfloat16() for name, one in (found | changes).items()}


def hyperparams(**changes) -> dict:
    said = {"hook_point_in": "blocks.8.hook_resid_post", "hook_point_out": "blocks.8.hook_resid_post", "d_model": D}
    said |= {"act_fn": "jumprelu", "jump_relu_threshold": THRESHOLD, "norm_activation": "dataset-wise"}
    said |= {"dataset_average_activation_norm": {"in": NORM_IN, "out": NORM_OUT}, "use_decoder_bias": True}
    said |= {"apply_decoder_bias_to_pre_encoder": False, "sparsity_include_decoder_norm": True, "top_k": 50}
    return said | changes


def write(root: Path, folder: str = FOLDER, *, pickled: bool = False, tensors: dict | None = None, **changes) -> Path:
    path = root / folder
    (path / "checkpoints").mkdir(parents=True)
    (path / "hyperparams.json").write_text(json.dumps(hyperparams(**changes)))
    if pickled:
        torch.save({"sae": tensors or state(), "version": "1"}, path / "checkpoints" / "final.pt")
    else:
        save_file(tensors or state(), path / "checkpoints" / "final.safetensors")
    return path


def by_recipe(x: Tensor, *, norm_in: float = NORM_IN, norm_out: float = NORM_OUT) -> tuple[Tensor, Tensor]:
    file = {name: one.double() for name, one in state().items()}
    s_in, s_out = sqrt(D) / norm_in, sqrt(D) / norm_out
    b_enc, b_dec = file["encoder.bias"] / s_in, file["decoder.bias"] / s_out
    decoder = file["decoder.weight"] * s_in / s_out
    r = decoder.norm(dim=0)
    decoder, encoder, b_enc = decoder / r, file["encoder.weight"] * r[:, None], b_enc * r
    pre = x.double() @ encoder.T + b_enc
    acts = pre * (pre > THRESHOLD)
    return acts.float(), (acts @ decoder.T + b_dec).float()


def same(found: Dictionary, x: Tensor, expected: tuple[Tensor, Tensor]) -> None:
    torch.testing.assert_close(found.encode(x).dense(), expected[0], rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(found(x), expected[1], rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("pickled", [False, True])
def test_the_first_release_by_its_recipe(tmp_path: Path, pickled: bool):
    found, x = load_dictionary(write(tmp_path, pickled=pickled)), inputs()
    same(found, x, by_recipe(x))
    assert (found.config.model, found.config.reads) == ("meta-llama/Llama-3.1-8B", ("resid_post.8",))
    assert found.config.folded == ("input_scale=0.612372436", "output_scale=1.63299316", "unit_decoder")
    torch.testing.assert_close(found.W_dec.norm(dim=1), torch.ones(N))


def test_a_transcoder_has_two_scales_and_reads_without_gain(tmp_path: Path):
    hooks = {"hook_point_in": "blocks.8.ln2.hook_normalized", "hook_point_out": "blocks.8.hook_mlp_out"}
    norms = {"dataset_average_activation_norm": {"in": 64.0, "out": 3.39}}
    folder = write(tmp_path, "Llama3_1-8B-Base-L8TC-8x", **hooks, **norms)
    with pytest.raises(BadRequest, match="gains of the model"):
        load_dictionary(folder)
    found = load_dictionary(folder, given=Given(norms=lambda _: Norm(GAIN, torch.zeros(D))))
    assert (found.config.reads, found.config.writes) == (("mlp_in.8",), ("mlp_out.8",))
    x = inputs()
    acts, written = by_recipe(x, norm_in=64.0, norm_out=3.39)
    torch.testing.assert_close(found.encode(x * GAIN).dense(), acts, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(found(x * GAIN), written, rtol=1e-4, atol=1e-2)


def test_weights_that_are_folded_already_are_left(tmp_path: Path):
    found = load_dictionary(write(tmp_path, norm_activation="inference", sparsity_include_decoder_norm=False))
    assert found.config.folded == ()
    assert torch.equal(found.W_enc, state()["encoder.weight"].float().T)


def write_reasoning(root: Path, **changes) -> Path:
    folder = root / "0-Slimpajama-800M-OpenR1-Math-220k" / "L8R"
    folder.mkdir(parents=True)
    said = {"d_model": D, "expansion_factor": 2, "hook_point_in": "blocks.8.hook_resid_post"}
    said |= {"dataset_average_activation_norm": {"in": NORM_IN, "out": NORM_IN}} | changes
    (folder / "config.json").write_text(json.dumps(said))
    save_file(state(log_jumprelu_threshold=numbers(N, seed=5)), folder / "sae_weights.safetensors")
    return folder


@pytest.mark.parametrize("has_norm", [True, False])
def test_thresholds_of_the_reasoning_release_are_exponentials_at_the_scale_of_training(tmp_path: Path, has_norm: bool):
    folder = write_reasoning(tmp_path, sparsity_include_decoder_norm=has_norm)
    found, x = load_dictionary(folder, given=Given(model="tiny")), inputs()
    file = {name: one.double() for name, one in state(log_jumprelu_threshold=numbers(N, seed=5)).items()}
    s = sqrt(D) / NORM_IN
    pre = (x.double() * s) @ file["encoder.weight"].T + file["encoder.bias"]
    r = file["decoder.weight"].norm(dim=0) if has_norm else 1.0
    acts = pre * (pre * r > file["log_jumprelu_threshold"].exp())
    same(found, x, (acts.float(), ((acts @ file["decoder.weight"].T + file["decoder.bias"]) / s).float()))


def test_a_scale_that_the_files_leave_out_can_be_given(tmp_path: Path):
    folder = write_reasoning(tmp_path, dataset_average_activation_norm=None)
    with pytest.raises(BadArtefact, match="mean norm of the data"):
        load_dictionary(folder, given=Given(model="tiny"))
    found = load_dictionary(folder, given=Given(model="tiny", input_scale=0.25))
    assert found.config.folded == ("input_scale=0.25", "output_scale=0.25")


def test_a_model_that_the_folder_does_not_name_is_asked_for(tmp_path: Path):
    with pytest.raises(BadRequest, match="which model"):
        load_dictionary(write(tmp_path, "somewhere"))


@pytest.mark.parametrize(
    "changes",
    [
        {"act_fn": "topk"},
        {"use_glu_encoder": True},
        {"jump_relu_threshold": None},
        {"jump_relu_threshold": "high"},
        {"norm_activation": "token-wise"},
        {"apply_decoder_bias_to_pre_encoder": True},
        {"dataset_average_activation_norm": {"in": 0.0, "out": 1.0}},
        {"dataset_average_activation_norm": [1, 2]},
        {"hook_point_in": "blocks.8.hook_nothing"},
        {"tensors": {"encoder.weight": numbers(N, D), "decoder.weight": numbers(D, N)}},
        {"tensors": state(**{"decoder.weight": numbers(N, D)})},
        {"tensors": state(**{"encoder.bias": torch.full((N,), torch.nan)})},
    ],
)
def test_what_cannot_be_read_as_it_was_meant_is_refused(tmp_path: Path, changes: dict):
    with pytest.raises(BadArtefact):
        load_dictionary(write(tmp_path, **changes))
