"""SAELens' files: what SAELens itself wrote and computed, and older layouts, computed as the format's text says."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from hooke.dictionaries.claims import Claims
from hooke.dictionaries.dictionary import Dictionary
from hooke.dictionaries.formats.folding import Norm
from hooke.dictionaries.formats.given import Given
from hooke.dictionaries.load import load_dictionary, load_replacement
from hooke.errors import BadArtefact, BadRequest

GOLDEN = Path(__file__).parents[2] / "golden" / "saelens"
CASES = sorted(path.name for path in GOLDEN.iterdir() if path.is_dir())
D, N, K = 6, 10, 3

V3 = {
    "architecture": "jumprelu",
    "d_in": D,
    "d_sae": N,
    "dtype": "float32",
    "device": "cuda",
    "model_name": "gpt2-small",
    "hook_name": "blocks.1.hook_resid_pre",
    "hook_layer": 1,
    "hook_head_index": None,
    "activation_fn_str": "relu",
    "activation_fn_kwargs": {},
    "apply_b_dec_to_input": True,
    "finetuning_scaling_factor": False,
    "sae_lens_training_version": "3.22.1",
    "prepend_bos": True,
    "dataset_path": "owner/texts",
    "dataset_trust_remote_code": True,
    "context_size": 128,
    "normalize_activations": "none",
    "neuronpedia_id": "gpt2-small/1-res",
    "model_from_pretrained_kwargs": {},
}
V5 = V3 | {
    "architecture": "standard",
    "activation_fn_str": "topk",
    "activation_fn_kwargs": {"k": K},
    "sae_lens_training_version": "5.10.7",
    "seqpos_slice": [None],
}
HOOK_POINT = {
    "d_in": D,
    "d_sae": N,
    "dtype": "torch.float32",
    "device": "cpu",
    "model_name": "gpt2-small",
    "hook_point": "blocks.{layer}.attn.hook_z",
    "hook_point_layer": 2,
    "hook_point_head_index": None,
    "hook_point_eval": "blocks.{layer}.attn.pattern",
    "normalize_activations": False,
}


V6 = {"sae_lens_version": "6.54.12", "model_name": "tiny", "hook_name": "blocks.1.hook_resid_post"}


def numbers(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def tensors(**more: Tensor) -> dict[str, Tensor]:
    plain = {"W_enc": numbers(D, N, seed=1), "b_enc": numbers(N, seed=2)}
    return plain | {"W_dec": numbers(N, D, seed=3), "b_dec": numbers(D, seed=4)} | more


def write(folder: Path, config: dict, weights: dict[str, Tensor]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "cfg.json").write_text(json.dumps(config))
    save_file(weights, folder / "sae_weights.safetensors")
    return folder


def by_the_book(config: dict, weights: dict[str, Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """Activations and reconstruction of a flat layout as its text says, apart from normalisation."""
    pre = (x - weights["b_dec"]) @ weights["W_enc"] + weights["b_enc"]
    acts = torch.relu(pre)
    if config.get("architecture") == "jumprelu":
        acts = acts * (pre > weights["threshold"])
    if config.get("activation_fn_str") == "topk":
        least = pre.topk(config["activation_fn_kwargs"]["k"]).values[:, -1:]
        acts = acts * (pre >= least)
    return acts, (acts * weights.get("scaling_factor", torch.ones(N))) @ weights["W_dec"] + weights["b_dec"]


def require_same(found: Dictionary, x: Tensor, acts: Tensor, x_hat: Tensor) -> None:
    own = found.encode(x)
    torch.testing.assert_close(own.dense(), acts, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.reconstruct(x, own), x_hat, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_what_saelens_wrote_is_computed_as_saelens_does(case: str):
    golden = load_file(GOLDEN / case / "golden.safetensors")
    require_same(load_dictionary(GOLDEN / case), golden["x"].flatten(1), golden["acts"], golden["x_hat"].flatten(1))
    # A case on which nothing is active, or everything, would say little.
    assert 0 < float((golden["acts"] > 0).float().mean()) < 1


@pytest.mark.parametrize(
    ("case", "kind", "sites", "folded"),
    [
        ("standard", "relu", ("resid_post.1", "resid_post.1"), ("b_dec",)),
        ("standard_own_bias", "relu", ("resid_post.1", "resid_post.1"), ()),
        ("gated", "gated", ("resid_post.1", "resid_post.1"), ("gate", "b_dec")),
        ("jumprelu", "jumprelu", ("resid_post.1", "resid_post.1"), ("b_dec",)),
        ("topk_rescaled", "topk", ("resid_post.1", "resid_post.1"), ("decoder_norm", "b_dec")),
        ("hook_z", "relu", ("z.1", "z.1"), ("b_dec",)),
        ("jumprelu_skip_transcoder", "jumprelu", ("mlp_in.1", "mlp_out.1"), ()),
        ("batchtopk", "batchtopk", ("resid_post.1", "resid_post.1"), ("decoder_norm", "b_dec")),
        ("batchtopk_inference", "batchtopk", ("resid_post.1", "resid_post.1"), ("b_dec",)),
        ("matryoshka", "matryoshka", ("resid_post.1", "resid_post.1"), ("decoder_norm", "b_dec")),
        ("scaled", "relu", ("resid_post.1", "resid_post.1"), ("input_scale=0.375", "b_dec")),
        ("topk_whitened", "topk", ("resid_post.1", "resid_post.1"), ("decoder_norm", "whitening", "b_dec")),
    ],
)
def test_what_it_is_and_what_was_folded_is_told(case: str, kind: str, sites: tuple[str, str], folded: tuple[str, ...]):
    config = load_dictionary(GOLDEN / case).config
    assert (config.name, config.model, config.kind, config.signed) == (case, "tiny", kind, False)
    assert (*config.reads, *config.writes) == sites
    assert config.folded == folded
    if kind == "matryoshka":
        assert (config.groups, config.k) == ((4, 10), 3)
    if "transcoder" not in case:
        assert config.claims == Claims(source="cfg.json, metadata", l0=2.5, first_token=False)


def test_a_transcoder_opens_as_what_stands_in_for_an_mlp():
    assert load_replacement(GOLDEN / "jumprelu_skip_transcoder").layers == (1,)


def test_version_3_is_read(tmp_path: Path):
    threshold = numbers(N, seed=5).abs()
    weights, x = tensors(threshold=threshold), numbers(50, D, seed=9)
    found = load_dictionary(write(tmp_path / "v3", V3, weights))
    require_same(found, x, *by_the_book(V3, weights, x))
    assert (found.config.kind, found.config.reads, found.config.model) == ("jumprelu", ("resid_pre.1",), "gpt2-small")
    # Training kept the logarithm for a while.
    logarithm = {name: one for name, one in weights.items() if name != "threshold"} | {"log_threshold": threshold.log()}
    require_same(load_dictionary(write(tmp_path / "log", V3, logarithm)), x, *by_the_book(V3, weights, x))


def test_version_5_is_read(tmp_path: Path):
    weights, x = tensors(), numbers(50, D, seed=9)
    found = load_dictionary(write(tmp_path / "v5", V5, weights))
    require_same(found, x, *by_the_book(V5, weights, x))
    assert (found.config.kind, found.config.k, found.config.reads) == ("topk", K, ("resid_pre.1",))
    assert found.config.claims == Claims(source="cfg.json, metadata", first_token=True)


def test_the_hook_point_era_is_read(tmp_path: Path):
    weights, x = tensors(scaling_factor=torch.ones(N)), numbers(50, D, seed=9)
    found = load_dictionary(write(tmp_path / "old", HOOK_POINT, weights))
    require_same(found, x, *by_the_book(HOOK_POINT, weights, x))
    assert (found.config.kind, found.config.reads) == ("relu", ("z.2",))


def test_factors_of_decoding_are_used_only_where_the_config_says_so(tmp_path: Path):
    weights, x = tensors(scaling_factor=numbers(N, seed=6).abs()), numbers(50, D, seed=9)
    config = HOOK_POINT | {"finetuning_scaling_factor": True}
    require_same(load_dictionary(write(tmp_path / "used", config, weights)), x, *by_the_book(config, weights, x))
    with pytest.raises(BadArtefact, match="scaling_factor"):
        load_dictionary(write(tmp_path / "unused", HOOK_POINT, weights))


def test_half_precision_is_read(tmp_path: Path):
    weights = {name: one.bfloat16() for name, one in tensors().items()}
    found = load_dictionary(write(tmp_path / "half", V5, weights))
    assert found.W_enc.dtype == torch.float32
    assert torch.equal(found.W_dec, weights["W_dec"].float())


def scaled(tmp_path: Path, **more: object) -> Path:
    return write(tmp_path / "scaled", HOOK_POINT | {"normalize_activations": True} | more, tensors())


def test_the_factor_of_the_inputs_is_given_or_found(tmp_path: Path):
    x, weights = numbers(50, D, seed=9), tensors()
    acts, x_hat = by_the_book(HOOK_POINT, weights, x * 0.25)
    require_same(load_dictionary(scaled(tmp_path), given=Given(input_scale=0.25)), x, acts, x_hat / 0.25)
    require_same(load_dictionary(scaled(tmp_path, norm_scaling_factor=0.25)), x, acts, x_hat / 0.25)
    (tmp_path / "scaled" / "activation_scaler.json").write_text('{"scaling_factor": 0.25, "has_whitening": false}')
    require_same(load_dictionary(scaled(tmp_path)), x, acts, x_hat / 0.25)
    # What was told goes before what the files say.
    found = load_dictionary(scaled(tmp_path), given=Given(input_scale=0.5))
    assert "input_scale=0.5" in found.config.folded


@pytest.mark.parametrize("scale", [0.0, -1.0, float("inf"), float("nan")])
def test_a_factor_that_cannot_be_is_refused(tmp_path: Path, scale: float):
    with pytest.raises(BadRequest, match="cannot be scaled"):
        load_dictionary(scaled(tmp_path), given=Given(input_scale=scale))


def test_a_factor_that_is_left_out_or_not_needed_is_told(tmp_path: Path):
    folder = scaled(tmp_path)
    (folder / "activation_scaler.json").write_text('{"scaling_factor": null, "has_whitening": false}')
    with pytest.raises(BadRequest, match="--input-scale"):
        load_dictionary(folder)
    with pytest.raises(BadRequest, match="takes no input scale"):
        load_dictionary(GOLDEN / "standard", given=Given(input_scale=2.0))


def test_a_centred_stream_is_centred_by_the_weights(tmp_path: Path):
    weights, x = tensors(threshold=numbers(N, seed=5).abs()), numbers(50, D, seed=9) + 3
    config = V3 | {"model_from_pretrained_kwargs": {"center_writing_weights": True}}
    found = load_dictionary(write(tmp_path / "centred", config, weights))
    require_same(found, x, *by_the_book(V3, weights, x - x.mean(1, keepdim=True)))
    assert found.config.folded == ("b_dec", "centre")
    # What heads give is no part of the stream.
    heads = config | {"hook_name": "blocks.1.attn.hook_z"}
    assert load_dictionary(write(tmp_path / "heads", heads, weights)).config.folded == ("b_dec",)


def without_gain(tmp_path: Path, **metadata: object) -> Path:
    config = json.loads((GOLDEN / "skip_transcoder" / "cfg.json").read_text())
    config["metadata"] |= {"hook_name": "blocks.1.ln2.hook_normalized"} | metadata
    return write(tmp_path / "out", config, load_file(GOLDEN / "skip_transcoder" / "sae_weights.safetensors"))


def test_inputs_without_gain_take_the_norm_of_the_model(tmp_path: Path):
    norm = Norm(gain=numbers(D, seed=7).abs() + 0.5, bias=numbers(D, seed=8))
    folder = without_gain(tmp_path)
    with pytest.raises(BadRequest, match="--model"):
        load_dictionary(folder)
    found = load_dictionary(folder, given=Given(norms={1: norm}.__getitem__))
    plain, x = load_dictionary(GOLDEN / "skip_transcoder"), numbers(50, D, seed=9)
    acts = plain.encode(x)
    require_same(found, x * norm.gain + norm.bias, acts.dense(), plain.reconstruct(x, acts))
    assert (found.config.reads, found.config.folded) == (("mlp_in.1",), ("norm_gain",))
    # The label is the one of TransformerLens, where the path of a module could only be the one with gain.
    with pytest.raises(BadRequest, match="--model"):
        load_dictionary(without_gain(tmp_path, hf_hook_name="model.layers.1.pre_feedforward_layernorm.output"))


def test_where_a_label_misleads_the_path_of_the_module_decides(tmp_path: Path):
    label = {"model_name": "google/gemma-3-1b-pt", "hook_name": "blocks.1.hook_mlp_in"}
    assert load_dictionary(without_gain(tmp_path, **label)).config.reads == ("resid_mid.1",)
    path = {"hf_hook_name": "model.layers.1.pre_feedforward_layernorm.output"}
    assert load_dictionary(without_gain(tmp_path, **label, **path)).config.reads == ("mlp_in.1",)
    only = {"hook_name": None, "hf_hook_name": "model.layers.4.post_attention_layernorm.output"}
    assert load_dictionary(without_gain(tmp_path, **only)).config.reads == ("mlp_in.4",)


def changed(tmp_path: Path, case: str, **changes: object) -> Dictionary:
    config = json.loads((GOLDEN / case / "cfg.json").read_text()) | changes
    return load_dictionary(write(tmp_path / case, config, load_file(GOLDEN / case / "sae_weights.safetensors")))


def test_settings_of_other_architectures_do_nothing(tmp_path: Path):
    for case, setting in (("jumprelu", "rescale_acts_by_decoder_norm"), ("transcoder", "apply_b_dec_to_input")):
        found, wanted = changed(tmp_path, case, **{setting: True}), load_dictionary(GOLDEN / case)
        assert found.config == wanted.config
        assert torch.equal(found.W_enc, wanted.W_enc)
        assert torch.equal(found.b_enc, wanted.b_enc)


def test_the_last_group_is_all_features(tmp_path: Path):
    assert changed(tmp_path, "matryoshka", matryoshka_widths=[2, 4]).config.groups == (2, 4, N)


@pytest.mark.parametrize(
    ("told", "seen"),
    [
        ({}, None),
        ({"seqpos_slice": None}, None),
        ({"seqpos_slice": [None]}, True),
        ({"seqpos_slice": [0, 128]}, True),
        ({"seqpos_slice": [1, 128]}, False),
        ({"seqpos_slice": [None], "exclude_special_tokens": True, "prepend_bos": True}, False),
        ({"seqpos_slice": [None], "exclude_special_tokens": True, "prepend_bos": False}, True),
    ],
)
def test_whether_the_first_token_was_seen_is_a_claim(tmp_path: Path, told: dict, seen: bool | None):
    claims = changed(tmp_path, "standard", metadata=V6 | told).config.claims
    assert (claims and claims.first_token) == seen


def test_the_model_and_the_site_may_be_given(tmp_path: Path):
    bare = {key: V5[key] for key in ("architecture", "d_in", "d_sae", "activation_fn_str", "activation_fn_kwargs")}
    folder = write(tmp_path / "bare", bare, tensors())
    with pytest.raises(BadRequest, match="--site"):
        load_dictionary(folder)
    with pytest.raises(BadRequest, match="--model"):
        load_dictionary(folder, given=Given(site="resid_post.3"))
    config = load_dictionary(folder, given=Given(site="resid_post.3", model="m")).config
    assert (config.reads, config.writes, config.model) == (("resid_post.3",), ("resid_post.3",), "m")
    # What was told goes before what the files say.
    config = load_dictionary(GOLDEN / "transcoder", given=Given(site="resid_mid.1", model="other")).config
    assert (config.reads, config.writes, config.model) == (("resid_mid.1",), ("mlp_out.1",), "other")


def test_how_often_features_fired_is_a_claim(tmp_path: Path):
    folder = write(tmp_path / "fired", HOOK_POINT, tensors())
    save_file({"sparsity": torch.full((N,), -1.0)}, folder / "sparsity.safetensors")
    claims = load_dictionary(folder).config.claims
    assert claims is not None
    assert (claims.source, claims.l0) == ("sparsity.safetensors", pytest.approx(1.0))
    # It is only said: what is wrong with it does not keep the dictionary from being read.
    for damaged in (torch.full((N,), float("-inf")), torch.full((N + 1,), -1.0), torch.full((N,), 30.0)):
        save_file({"sparsity": damaged}, folder / "sparsity.safetensors")
        assert load_dictionary(folder).config.claims is None
