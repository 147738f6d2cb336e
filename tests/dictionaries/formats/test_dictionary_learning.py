import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor

from hooke.dictionaries.formats.dictionary_learning import load, recognises
from hooke.dictionaries.formats.given import Given
from hooke.dictionaries.load import load_dictionary
from hooke.errors import BadArtefact, BadRequest, HookeError
from tests.dictionaries.formats.damage import changed_bytes, cut_short

GOLDEN = Path(__file__).parents[2] / "golden" / "dictionary_learning"
SUITE = GOLDEN / "suite"
UNSET = "threshold never set: each token's k largest"
# Trainer's folder: kind, k, and what was folded.
CASES: dict[str, tuple[str, int | None, tuple[str, ...]]] = {
    "autoencoder": ("relu", None, ("b_dec",)),
    "april": ("relu", None, ("b_dec",)),
    "new": ("relu", None, ()),
    "gated": ("gated", None, ("gate", "b_dec")),
    "topk": ("topk", 4, ("b_dec",)),
    "batchtopk": ("batchtopk", 4, ("b_dec",)),
    "unset": ("topk", 4, (UNSET, "b_dec")),
    "matryoshka": ("matryoshka", 4, ("b_dec",)),
    "jumprelu": ("jumprelu", None, ()),
    "backup": ("batchtopk", 4, ("norm_factor=4", "b_dec")),
    "gated-backup": ("gated", None, ("norm_factor=4", "gate", "b_dec")),
    "transcoder": ("topk", 4, ("b_dec",)),
    "suite/resid_post_layer_1/trainer_0": ("batchtopk", 4, ("b_dec",)),
    "suite/resid_post_layer_1/trainer_1": ("batchtopk", 2, ("b_dec",)),
    "suite/resid_post_layer_12/trainer_0": ("batchtopk", 4, ("b_dec",)),
}


def copy(case: str, to: Path) -> Path:
    return Path(shutil.copytree(GOLDEN / case, to / "resid_post_layer_1"))


def change(folder: Path, part: str = "trainer", **values: Any) -> None:
    told = json.loads((folder / "config.json").read_text())
    told[part] |= values
    (folder / "config.json").write_text(json.dumps(told))


def change_weights(folder: Path, **tensors: Any) -> None:
    kept = torch.load(folder / "ae.pt") | {name.replace("__", "."): one for name, one in tensors.items()}
    torch.save({name: one for name, one in kept.items() if one is not None}, folder / "ae.pt")


@pytest.mark.parametrize("case", CASES)
def test_it_computes_what_its_tool_does(case: str):
    folder, (kind, k, folded) = GOLDEN / case, CASES[case]
    assert recognises(folder)
    found, golden = load_dictionary(folder), load_file(folder / "golden.safetensors")
    told = found.config
    assert (told.kind, told.k, told.folded, told.model) == (kind, k, folded, "tiny")
    acts = found.encode(golden["x"])
    torch.testing.assert_close(acts.dense(), golden["acts"], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.reconstruct(golden["x"], acts), golden["x_hat"], atol=1e-5, rtol=1e-5)


def test_fixtures_have_activations_at_a_threshold_and_thresholds_below_zero():
    for case in ("jumprelu", "gated"):
        found, golden = load_dictionary(GOLDEN / case), load_file(GOLDEN / case / "golden.safetensors")
        assert found.threshold is not None
        assert bool((found.pre_activations(golden["x"])[1] == found.threshold).any())
    threshold = load_dictionary(GOLDEN / "jumprelu").threshold
    assert threshold is not None
    assert bool((threshold < 0).any())
    # And an unset threshold is told from one that lets everything through.
    assert bool((load_file(GOLDEN / "unset" / "golden.safetensors")["acts"] > 0).sum(1).max() <= 4)


def test_nested_widths_are_sums_of_the_groups():
    assert load_dictionary(GOLDEN / "matryoshka").config.groups == (2, 4, 10)


def test_sites_come_from_the_submodule_or_a_folder():
    assert load_dictionary(GOLDEN / "topk").config.reads == ("resid_post.1",)
    across = load_dictionary(GOLDEN / "transcoder").config
    assert (across.reads, across.writes) == (("mlp_in.1",), ("mlp_out.1",))
    assert load_dictionary(SUITE / "resid_post_layer_12" / "trainer_0").config.reads == ("resid_post.12",)


def test_a_suite_lists_what_there_is_and_a_site_chooses():
    with pytest.raises(BadRequest, match=r"3 dictionaries.*_1/trainer_0, .*_1/trainer_1, .*_12/trainer_0"):
        load_dictionary(SUITE)
    assert load_dictionary(SUITE, given=Given(site="resid_post.12")).name == "resid_post_layer_12-trainer_0"
    with pytest.raises(BadRequest, match=r"2 dictionaries.*trainer_0"):
        load_dictionary(SUITE, given=Given(site="resid_post.1"))
    with pytest.raises(BadRequest, match="3 dictionaries"):
        load_dictionary(SUITE, given=Given(site="resid_post.7"))


def test_a_checkpoint_is_read_by_its_file():
    found = load_dictionary(GOLDEN / "topk" / "checkpoints" / "ae_5.pt")
    assert (found.name, found.config.reads) == ("topk-ae_5", ("resid_post.1",))
    torch.testing.assert_close(found.W_dec, load_dictionary(GOLDEN / "topk").W_dec)


def test_what_its_evaluation_found_is_claimed(tmp_path: Path):
    claims = load_dictionary(GOLDEN / "topk").config.claims
    assert claims is not None
    assert (claims.source, claims.l0, claims.fvu) == ("eval_results.json", 4.0, 0.25)
    assert load_dictionary(GOLDEN / "batchtopk").config.claims is None
    folder = copy("topk", tmp_path)
    (folder / "eval_results.json").write_text('{"l0": "many"}')
    with pytest.raises(BadArtefact, match=r"eval_results\.json"):
        load_dictionary(folder)


@pytest.mark.parametrize(
    ("tensors", "told"),
    [
        ({"encoder__weight": torch.zeros(10, 7)}, "b_dec"),
        ({"encoder__weight": torch.zeros(10)}, "shapes"),
        ({"decoder__weight": torch.zeros(10, 6)}, "W_dec"),
        ({"b_dec": None}, "no 'b_dec'"),
        ({"b_dec": torch.full((6,), torch.nan)}, "not finite"),
        ({"b_dec": [1.0] * 6}, "no tensor"),
        ({"b_dec": torch.zeros(6, dtype=torch.int32)}, "no tensor of floats"),
        ({"other": torch.zeros(6)}, "unknown 'other'"),
        ({"k": torch.tensor(5)}, "k is 5; config.json says 4"),
        ({"k": torch.tensor([4, 4])}, "no single number"),
        ({"threshold": "high"}, "no single number"),
        ({"ae": {}, "norm_factor": 2.0}, "no 'bias|no 'encoder"),
    ],
)
def test_weights_that_do_not_fit_are_refused(tensors: dict, told: str, tmp_path: Path):
    folder = copy("batchtopk", tmp_path)
    change_weights(folder, **tensors)
    with pytest.raises(BadArtefact, match=told):
        load_dictionary(folder)


@pytest.mark.parametrize("factor", [-1.0, 0, True, "2", torch.zeros(2), float("nan")])
def test_a_backups_factor_is_a_number_above_zero(factor: Any, tmp_path: Path):
    folder = copy("backup", tmp_path)
    change_weights(folder, norm_factor=factor)
    with pytest.raises(BadArtefact, match="norm_factor|not finite"):
        load_dictionary(folder)


@pytest.mark.parametrize(
    "sizes", [None, torch.tensor([5, 4]), torch.tensor([11, -1]), torch.ones(10), torch.ones(11).int()]
)
def test_groups_that_do_not_make_the_features_are_refused(sizes: Tensor | None, tmp_path: Path):
    folder = copy("matryoshka", tmp_path)
    change_weights(folder, group_sizes=sizes)
    with pytest.raises(BadArtefact, match="group_sizes"):
        load_dictionary(folder)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"dict_class": "IdentityDict"}, "one of AutoEncoder"),
        ({"dict_class": None}, "one of AutoEncoder"),
        ({"dict_class": "JumpReluAutoEncoder"}, "no 'W_dec'"),
        ({"k": 3}, "k is 4; config.json says 3"),
        ({"k": 0}, "k is 4; config.json says 0|k = 0"),
        ({"k": [4]}, "finite number"),
        ({"layer": "1"}, "finite number"),
        ({"lm_name": 3}, "a string"),
        ({"submodule_name": ["x"]}, "a string"),
    ],
)
def test_settings_that_contradict_the_weights_are_refused(changes: dict, told: str, tmp_path: Path):
    folder = copy("batchtopk", tmp_path)
    change(folder, **changes)
    with pytest.raises(BadArtefact, match=told):
        load_dictionary(folder)


@pytest.mark.parametrize("is_told", [False, True])
def test_statistics_of_the_inputs_are_folded(is_told: bool, tmp_path: Path):
    folder, golden = copy("batchtopk", tmp_path), load_file(GOLDEN / "batchtopk" / "golden.safetensors")
    mean, deviation, target = torch.arange(6.0), torch.arange(1.0, 7.0), torch.tensor(2.0)
    scale = target / deviation.square().sum().sqrt() if is_told else torch.tensor(1.0)
    statistics = (mean, deviation) if is_told else (mean * torch.nan, mean * torch.nan)
    told = {"activation_mean": statistics[0], "activation_std": statistics[1]}
    change_weights(folder, **told, activation_global_scale=scale, target_rms=target)
    found = load_dictionary(folder)
    # What the tool is given is (x - mean) · scale, and what it returns is undone.
    x, x_hat = (golden[name] / scale + mean if is_told else golden[name] for name in ("x", "x_hat"))
    torch.testing.assert_close(found.encode(x).dense(), golden["acts"], atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(found(x), x_hat, atol=1e-4, rtol=1e-5)
    assert len(found.config.folded) == (3 if is_told else 1)


def test_a_k_that_only_the_config_says_is_taken(tmp_path: Path):
    folder = copy("topk", tmp_path)
    change_weights(folder, k=None, threshold=None)
    assert load_dictionary(folder).config.k == 4
    change(folder, k=None)
    with pytest.raises(BadArtefact, match="says what k is"):
        load_dictionary(folder)


class Evil:
    def __reduce__(self) -> tuple:
        return pytest.fail, ("a pickle was loaded",)


def test_hostile_and_damaged_files_are_refused(tmp_path: Path):
    folder = copy("topk", tmp_path)
    change_weights(folder, b_dec=Evil())
    with pytest.raises(BadArtefact, match="could run code"):
        load_dictionary(folder)
    for text in ("", "[", "[]", '{"trainer": []}', "[" * 9999):
        (folder / "config.json").write_text(text)
        with pytest.raises(BadArtefact, match=r"config\.json"):
            load_dictionary(folder)


def test_files_cut_short_are_refused(tmp_path: Path):
    folder = copy("topk", tmp_path)
    for file in ("config.json", "ae.pt"):
        for _ in cut_short(folder / file, 97):
            with pytest.raises(BadArtefact):
                load_dictionary(folder)


def test_a_changed_byte_gives_a_dictionary_or_a_refusal(tmp_path: Path):
    folder = copy("matryoshka", tmp_path)
    for file in ("config.json", "ae.pt"):
        for _ in changed_bytes(folder / file, 80):
            with suppress(HookeError):
                load_dictionary(folder)


VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.lists(st.integers(), max_size=2)
)
KEYS = ["dict_class", "k", "layer", "lm_name", "submodule_name", "activation_dim"]


@settings(max_examples=50, deadline=None)
@given(told=st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=3), io=VALUES)
def test_any_settings_give_a_dictionary_or_a_refusal(told: dict, io: Any, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.getbasetemp() / "any_trainer"
    if not folder.exists():
        shutil.copytree(GOLDEN / "topk", folder)
    shutil.copy(GOLDEN / "topk" / "config.json", folder)
    change(folder, **told)
    change(folder, "buffer", io=io)
    with suppress(HookeError):
        load(folder, Given())
