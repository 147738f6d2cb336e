import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from hooke.dictionaries.formats.given import Given
from hooke.dictionaries.formats.sparsify import load, recognises
from hooke.dictionaries.load import load_dictionary, load_replacement
from hooke.dictionaries.replacement import reconstruct
from hooke.errors import BadArtefact, BadRequest, HookeError
from tests.dictionaries.formats.damage import changed_bytes, cut_short

GOLDEN = Path(__file__).parents[2] / "golden" / "sparsify"
MODULES = {
    "llama/embed_tokens": ("embed", "embed", "topk"),
    "llama/layers.1": ("resid_post.1", "resid_post.1", "topk"),
    "llama/layers.2": ("resid_post.2", "resid_post.2", "groupmax"),
    "llama/layers.10": ("resid_post.10", "resid_post.10", "topk"),
    "llama/layers.1.mlp": ("mlp_in.1", "mlp_out.1", "topk"),
    "llama-transcoders/layers.0.mlp": ("mlp_in.0", "mlp_out.0", "topk"),
    "llama-transcoders/layers.1.mlp": ("mlp_in.1", "mlp_out.1", "groupmax"),
    "neox/layers.0.attention/seed1": ("attn_out.0", "attn_out.0", "topk"),
    "gpt2/h.3.mlp": ("mlp_out.3", "mlp_out.3", "topk"),
    "legacy/layers.3.mlp": ("mlp_in.3", "mlp_out.3", "topk"),
    "half/layers.3": ("resid_post.3", "resid_post.3", "topk"),
}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A copy of the run with one of each, to be damaged."""
    return Path(shutil.copytree(GOLDEN / "llama", tmp_path / "llama"))


def change(folder: Path, **settings: Any) -> None:
    path = folder / "cfg.json"
    told = json.loads(path.read_text()) | settings
    path.write_text(json.dumps({name: one for name, one in told.items() if one != "absent"}))


def change_weights(folder: Path, **tensors: torch.Tensor | None) -> None:
    path = folder / "sae.safetensors"
    kept = load_file(path) | {name.replace("__", "."): one for name, one in tensors.items()}
    save_file({name: one for name, one in kept.items() if one is not None}, path)


@pytest.mark.parametrize("module", MODULES)
def test_it_computes_what_its_tool_does(module: str):
    folder, (reads, writes, kind) = GOLDEN / module, MODULES[module]
    assert recognises(folder)
    found = load_dictionary(folder, given=Given(model="tiny-gpt2") if module.startswith("gpt2") else None)
    told, golden = found.config, load_file(folder / "golden.safetensors")
    assert (told.reads, told.writes, told.kind) == ((reads,), (writes,), kind)
    assert told.model == {"neox": "tiny-neox", "gpt2": "tiny-gpt2"}.get(module.partition("/")[0], "tiny-llama")
    acts = found.encode(golden["x"])
    torch.testing.assert_close(acts.dense(), golden["acts"], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.reconstruct(golden["x"], acts), golden["x_hat"], atol=1e-5, rtol=1e-5)
    for index in (0, 7):
        torch.testing.assert_close(found.encode_feature(golden["x"], index), golden["acts"][:, index])


def test_b_dec_is_folded_where_the_tool_subtracts_it():
    folded = {module: load(GOLDEN / module, Given(model="any")).config.folded for module in MODULES}
    assert {module for module, told in folded.items() if not told} == {
        "llama/layers.1.mlp",
        "llama-transcoders/layers.0.mlp",
        "llama-transcoders/layers.1.mlp",
    }
    # The tool takes b_dec from the input of an older transcoder, too, whose file does not say that it is one.
    assert folded["legacy/layers.3.mlp"] == ("b_dec",)


def test_a_run_of_transcoders_is_a_replacement():
    found = load_replacement(GOLDEN / "llama-transcoders")
    assert (found.name, found.model, found.layers) == ("llama-transcoders", "tiny-llama", (0, 1))
    for layer in found.layers:
        golden = load_file(GOLDEN / "llama-transcoders" / f"layers.{layer}.mlp" / "golden.safetensors")
        acts = {layer: found.encode(layer, golden["x"])}
        torch.testing.assert_close(reconstruct(found, acts, golden["x"], layer), golden["x_hat"], atol=1e-5, rtol=1e-5)
    assert load_replacement(GOLDEN / "llama-transcoders", model="mine").model == "mine"


def test_a_run_lists_what_there_is_and_a_site_chooses():
    with pytest.raises(BadRequest, match=r"5 dictionaries.*embed_tokens, layers.1, layers.1.mlp, layers.2, layers.10"):
        load_dictionary(GOLDEN / "llama")
    with pytest.raises(BadRequest, match=r"layers.0.attention/seed0, layers.0.attention/seed1"):
        load_replacement(GOLDEN / "neox")
    assert load_dictionary(GOLDEN / "llama", given=Given(site="resid_post.10")).name == "layers.10"
    assert load_dictionary(GOLDEN / "llama", given=Given(site="mlp_in.1")).config.writes == ("mlp_out.1",)
    with pytest.raises(BadRequest, match="seed0"):
        load_dictionary(GOLDEN / "neox", given=Given(site="attn_out.0"))
    with pytest.raises(BadRequest, match="5 dictionaries"):
        load_dictionary(GOLDEN / "llama", given=Given(site="resid_post.5"))
    assert load_dictionary(GOLDEN / "half").name == "layers.3"
    assert load_dictionary(GOLDEN / "neox/layers.0.attention/seed1").name == "layers.0.attention-seed1"


def test_what_the_files_leave_out_is_asked_for(run: Path):
    with pytest.raises(BadRequest, match="does not say of which model"):
        load_dictionary(GOLDEN / "gpt2/h.3.mlp")
    (run / "layers.1").rename(run / "mine")
    with pytest.raises(BadRequest, match=r"name says 'mine'.*--site"):
        load_dictionary(run / "mine")
    assert load_dictionary(run / "mine", given=Given(site="attn_out.2")).config.writes == ("attn_out.2",)
    (run / "layers.1.mlp").rename(run / "other")
    assert load_dictionary(run / "other", given=Given(site="resid_pre.2")).config.writes == ("resid_post.2",)
    with pytest.raises(BadRequest, match="no module's input"):
        load_dictionary(run / "other", given=Given(site="resid_post.2"))


def test_an_mlp_before_a_norm_is_no_site():
    with pytest.raises(BadRequest, match=r"gemma-2.*none of the places"):
        load_dictionary(GOLDEN / "gpt2/h.3.mlp", given=Given(model="google/gemma-2-2b"))


def test_an_older_transcoder_is_known_by_its_folder(run: Path):
    change(run / "layers.1", transcode="absent")
    assert load_dictionary(run / "layers.1").config.writes == ("resid_post.1",)
    moved = shutil.copytree(run, run.parent / "a-transcoder-131k")
    assert load_dictionary(moved / "layers.1").config.reads == ("resid_pre.1",)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"activation": "relu"}, "topk or groupmax"),
        ({"k": 0}, "k = 0"),
        ({"k": 11}, "k = 11"),
        ({"k": "4"}, "a finite number"),
        ({"k": 3, "activation": "groupmax"}, "divides"),
        ({"d_in": 7}, "d_in 7"),
        ({"num_latents": 12}, "12 latents"),
        ({"num_latents": 0, "expansion_factor": 3}, "18 latents"),
        ({"skip_connection": True}, "has"),
        ({"transcode": "yes"}, "true or false"),
    ],
)
def test_settings_that_contradict_the_weights_are_refused(run: Path, changes: dict, told: str):
    change(run / "layers.1", **changes)
    with pytest.raises(BadArtefact, match=told):
        load_dictionary(run / "layers.1")


@pytest.mark.parametrize(
    ("tensors", "told"),
    [
        ({"W_dec": torch.zeros(6, 10)}, "W_dec"),
        ({"b_dec": None}, "b_dec missing"),
        ({"encoder__weight": torch.zeros(10)}, "encoder.weight"),
        ({"encoder__weight": None}, "encoder.bias"),
        ({"other": torch.zeros(3)}, "other"),
        ({"encoder__bias": torch.full((10,), torch.nan)}, "not finite"),
    ],
)
def test_weights_that_do_not_fit_are_refused(run: Path, tensors: dict, told: str):
    change_weights(run / "layers.1", **tensors)
    with pytest.raises(BadArtefact, match=told):
        load_dictionary(run / "layers.1")


@pytest.mark.parametrize("text", ["", "[", "[]", "null", '{"k": 1e999}', '{"k": NaN}', "[" * 9999, " " * 4_000_001])
def test_damaged_settings_are_refused(run: Path, text: str):
    (run / "layers.1" / "cfg.json").write_text(text)
    with pytest.raises(BadArtefact, match=r"cfg\.json"):
        load_dictionary(run / "layers.1")


def test_files_cut_short_are_refused(run: Path):
    for file in ("cfg.json", "sae.safetensors"):
        for _ in cut_short(run / "layers.1" / file, 29):
            with pytest.raises(BadArtefact):
                load_dictionary(run / "layers.1")


def test_a_changed_byte_gives_a_dictionary_or_a_refusal(run: Path):
    for file in ("cfg.json", "sae.safetensors"):
        for _ in changed_bytes(run / "layers.1" / file, 80):
            with suppress(HookeError):
                load_dictionary(run / "layers.1")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = ["activation", "expansion_factor", "num_latents", "k", "skip_connection", "transcode", "d_in", "signed"]


@settings(max_examples=60, deadline=None)
@given(told=st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4))
def test_any_settings_give_a_dictionary_or_a_refusal(told: dict, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.getbasetemp() / "any" / "layers.1"
    if not folder.exists():
        shutil.copytree(GOLDEN / "llama" / "layers.1", folder)
    sound = json.loads((GOLDEN / "llama" / "layers.1" / "cfg.json").read_text())
    (folder / "cfg.json").write_text(json.dumps(sound | told))
    with suppress(HookeError):
        load_dictionary(folder, given=Given(model="tiny"))
