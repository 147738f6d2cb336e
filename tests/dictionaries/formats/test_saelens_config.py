"""SAELens' files that hooke cannot compute, that are damaged, or that mean harm."""

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from hooke.dictionaries.formats.given import Given
from hooke.dictionaries.load import load_dictionary
from hooke.errors import BadArtefact, BadRequest, HookeError
from tests.dictionaries.formats.test_saelens import GOLDEN

CONFIG, WEIGHTS = "cfg.json", "sae_weights.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copied(tmp_path, "jumprelu")


def copied(tmp_path: Path, case: str) -> Path:
    shutil.copytree(GOLDEN / case, tmp_path / case)
    return tmp_path / case


def change(folder: Path, **changes: Any) -> Path:
    config = json.loads((folder / CONFIG).read_text())
    metadata = config["metadata"] | changes.pop("metadata", {})
    (folder / CONFIG).write_text(json.dumps(config | changes | {"metadata": metadata}))
    return folder


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"architecture": "abstopk"}, "whatever their sign"),
        ({"architecture": "temporal"}, "the tokens before it"),
        ({"architecture": "matching_pursuit"}, "one after the other"),
        ({"architecture": "crosscoder"}, "'architecture' is 'crosscoder'"),
        ({"normalize_activations": "layer_norm"}, "each token is centred"),
        ({"normalize_activations": "constant_norm_rescale"}, "its own norm"),
        ({"normalize_activations": "batch_norm"}, "'normalize_activations' is 'batch_norm'"),
        ({"normalize_activations": "covariance_whitening"}, "activation_whitening"),
        ({"metadata": {"hook_head_index": 3}}, "of one head"),
        ({"metadata": {"hook_name": "blocks.1.ln2.hook_normalized"}}, "without the norm's gain"),
        ({"d_sae": 11}, "W_enc"),
        ({"d_in": 10**40}, "W_enc"),
        ({"d_in": True}, "'d_in' is True"),
        ({"d_in": -6}, "'d_in' is -6"),
        ({"d_sae": None}, "'d_sae' is None"),
        ({"architecture": 3}, "'architecture' is 3"),
        ({"apply_b_dec_to_input": "yes"}, "should be true or false"),
        ({"metadata": {"model_name": ["tiny"]}}, "should be a string"),
        ({"metadata": {"model_name": "tiny\ud800"}}, "text that can be shown"),
        ({"metadata": {"l0": "many"}}, "should be a finite number"),
        ({"metadata": {"l0": float("nan")}}, "should be a finite number"),
        ({"metadata": {"folded": [1]}}, "list of strings"),
        ({"metadata": {"training_architecture_details": []}}, "should be an object"),
        ({"architecture": "topk"}, "k = None"),
        ({"architecture": "topk", "k": 11}, "k = 11"),
        ({"architecture": "topk", "k": 3}, "threshold"),
        ({"architecture": "matryoshka_batchtopk", "matryoshka_widths": [11]}, "groups"),
        ({"metadata": {"sae_lens_version": "5.0.0"}, "activation_fn": "tanh-relu"}, "tanh-relu"),
    ],
)
def test_what_a_config_must_not_say(folder: Path, changes: dict[str, Any], said: str):
    with pytest.raises(BadArtefact, match=f"(?i){said}"):
        load_dictionary(change(folder, **changes))


def test_a_transcoder_of_scaled_inputs_is_refused(tmp_path: Path):
    folder = change(copied(tmp_path, "transcoder"), normalize_activations="expected_average_only_in")
    with pytest.raises(BadArtefact, match="how its output was scaled"):
        load_dictionary(folder, given=Given(input_scale=2.0))


@pytest.mark.parametrize("hook", ["blocks.1.attn.hook_q", "blocks.1.ln1.hook_normalized", "conv.1", "x" * 5000])
def test_a_hook_that_is_no_site_asks_for_one(folder: Path, hook: str):
    with pytest.raises(BadRequest, match="--site"):
        load_dictionary(change(folder, metadata={"hook_name": hook}))


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '"text"', "[" * 5000, "\x00", '{"d_in": 1' + "0" * 5000 + "}"])
@pytest.mark.parametrize("name", [CONFIG, "activation_scaler.json"])
def test_damaged_json_is_refused(tmp_path: Path, name: str, text: str):
    folder = copied(tmp_path, "scaled")
    (folder / name).write_text(text)
    with pytest.raises(BadArtefact, match=name):
        load_dictionary(folder)


def test_json_of_absurd_size_is_not_read(folder: Path):
    (folder / CONFIG).write_text(" " * 5_000_000)
    with pytest.raises(BadArtefact, match="5,000,000 bytes"):
        load_dictionary(folder)


def saved(folder: Path, alter: Callable[[dict[str, torch.Tensor]], Any]) -> Path:
    tensors = load_file(folder / WEIGHTS)
    alter(tensors)
    save_file(tensors, folder / WEIGHTS)
    return folder


@pytest.mark.parametrize(
    ("alter", "said"),
    [
        (lambda tensors: tensors.pop("b_dec"), "b_dec missing"),
        (lambda tensors: tensors.pop("threshold"), "threshold missing"),
        (lambda tensors: tensors.update(extra=torch.zeros(3)), "extra"),
        (lambda tensors: tensors.update(W_enc=tensors["W_enc"].T.contiguous()), "W_enc"),
        (lambda tensors: tensors.update(threshold=torch.tensor(0.5)), "threshold"),
        (lambda tensors: tensors["W_dec"].mul_(float("nan")), "not finite"),
        (lambda tensors: tensors["b_enc"].add_(float("inf")), "not finite"),
        (lambda tensors: tensors.update(b_enc=torch.ones(10, dtype=torch.int32)), "not all of floats"),
    ],
)
def test_weights_that_do_not_fit_are_refused(folder: Path, alter: Callable[[dict[str, torch.Tensor]], Any], said: str):
    with pytest.raises(BadArtefact, match=said):
        load_dictionary(saved(folder, alter))


def test_weights_that_overflow_once_folded_are_refused(tmp_path: Path):
    folder = saved(copied(tmp_path, "gated"), lambda tensors: tensors["r_mag"].add_(200))
    with pytest.raises(BadArtefact, match="not finite"):
        load_dictionary(folder)


def test_a_header_that_lies_and_a_cut_file_are_refused(folder: Path):
    path = folder / WEIGHTS
    good = path.read_bytes()
    for bad in (b"", good[:4], good[:-1], (2**62).to_bytes(8, "little") + good[8:], b"\x80\x04" + good):
        path.write_bytes(bad)
        with pytest.raises(BadArtefact, match="safetensors"):
            load_dictionary(folder)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from(
    [
        *json.loads((GOLDEN / "matryoshka" / CONFIG).read_text()),
        *("activation_fn_str", "activation_fn_kwargs", "hook_point", "hook_point_layer", "sae_lens_version"),
    ]
)
TOLD = st.sampled_from(
    [
        *json.loads((GOLDEN / "matryoshka" / CONFIG).read_text())["metadata"],
        *("model_from_pretrained_kwargs", "hook_head_index", "hf_hook_name", "folded", "exclude_special_tokens"),
    ]
)


@given(
    case=st.sampled_from(["matryoshka", "scaled", "skip_transcoder"]),
    changes=st.dictionaries(KEYS, JSON, max_size=2),
    told=st.dictionaries(TOLD, JSON, max_size=2),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_config_breaks_the_reader(
    case: str, changes: dict[str, Any], told: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
):
    folder = copied(tmp_path_factory.mktemp("fuzz"), case)
    config = json.loads((folder / CONFIG).read_text())
    config["metadata"] |= told
    (folder / CONFIG).write_text(json.dumps(config | changes))
    read_or_refused(folder)


@given(
    name=st.sampled_from([CONFIG, WEIGHTS, "activation_scaler.json", "activation_whitening.safetensors"]),
    place=st.floats(0, 1),
    byte=st.integers(0, 255),
    cut=st.booleans(),
)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_byte_breaks_the_reader(
    name: str, place: float, byte: int, cut: bool, tmp_path_factory: pytest.TempPathFactory
):
    folder = copied(tmp_path_factory.mktemp("fuzz"), "whitened")
    data = bytearray((folder / name).read_bytes())
    # Most of a safetensors file is numbers; what can go wrong is in its header.
    at = int(place * min(len(data) - 1, 500))
    data[at] = byte
    (folder / name).write_bytes(data[: at + 1] if cut else data)
    read_or_refused(folder)


def read_or_refused(folder: Path) -> None:
    """Any error but hooke's own would end the test."""
    with suppress(HookeError):
        found = load_dictionary(folder)
        assert all(bool(torch.isfinite(one).all()) for one in found.state_dict().values())
