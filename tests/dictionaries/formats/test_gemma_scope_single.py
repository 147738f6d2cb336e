"""Against the suites' own rules, written out: relu(p) where p > threshold, strictly; nothing subtracted, no scaling."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from hooke.dictionaries.formats import gemma_scope_single
from hooke.dictionaries.formats.folding import Norm
from hooke.dictionaries.formats.given import Given
from hooke.dictionaries.load import load_dictionary, load_replacement
from hooke.errors import BadArtefact, BadRequest
from hooke.models.model import Model
from tests.dictionaries.formats.golden import D, N, inputs, numbers, sparse_params
from tests.models.tiny import tiny_hf
from tests.text.small_tokenizer import small_tokenizer

RES = "gemma-scope-2b-pt-res/layer_1/width_16k/average_l0_7"
SECOND = "gemma-scope-2-1b-pt"


def write_first(root: Path, folder: str = RES, **changes: Tensor) -> Path:
    path = root / folder / "params.npz"
    path.parent.mkdir(parents=True)
    np.savez(path, **{name: one.numpy() for name, one in (sparse_params() | changes).items()})
    return path


def write_second(root: Path, folder: str, config: dict | None = None, **beside: Tensor) -> Path:
    path = root / folder
    path.mkdir(parents=True)
    save_file({name.lower(): one for name, one in sparse_params().items()} | beside, path / "params.safetensors")
    if config is not None:
        (path / "config.json").write_text(json.dumps(config))
    return path


def config_of(kind: str, hook_in: str, hook_out: str, **changes) -> dict:
    said = {"width": 16384, "model_name": "gemma-3-270m-pt-v3", "architecture": "jump_relu", "l0": 10, "type": kind}
    return said | {"affine_connection": False, "hf_hook_point_in": hook_in, "hf_hook_point_out": hook_out} | changes


def acts_of(x: Tensor, file: dict[str, Tensor]) -> Tensor:
    pre = x @ file["W_enc"] + file["b_enc"]
    return torch.relu(pre) * (pre > file["threshold"])


def test_the_first_suite_of_a_stream(tmp_path: Path):
    write_first(tmp_path)
    found, file, x = load_dictionary(tmp_path / RES), sparse_params(), inputs()
    acts = acts_of(x, file)
    assert acts[0, 1] == 0, "a pre-activation that is its threshold is not above it"
    torch.testing.assert_close(found.encode(x).dense(), acts, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found(x), acts @ file["W_dec"] + file["b_dec"], rtol=1e-5, atol=1e-4)
    config = found.config
    assert (config.model, config.reads, config.writes) == ("google/gemma-2-2b", ("resid_post.1",), ("resid_post.1",))
    assert (config.n_features, config.name) == (N, "layer_1-width_16k-average_l0_7")
    assert config.claims is not None
    assert (config.claims.l0, config.claims.first_token) == (7, False)


@pytest.mark.parametrize(
    ("folder", "model", "site"),
    [
        (
            "models--google--gemma-scope-9b-it-res/snapshots/c0ffee/layer_9/width_16k/average_l0_14",
            "9b-it",
            "resid_post.9",
        ),
        ("gemma-scope-9b-pt-mlp/layer_3/width_131k/average_l0_14", "9b", "mlp_out.3"),
        ("gemma-scope-27b-pt-att/layer_3/width_131k/average_l0_14", "27b", "z.3"),
    ],
)
def test_model_and_site_are_in_the_names_of_folders(tmp_path: Path, folder: str, model: str, site: str):
    config = gemma_scope_single.load(write_first(tmp_path, folder), Given()).config
    assert (config.model, config.reads, config.writes) == (f"google/gemma-2-{model}", (site,), (site,))


def test_embeddings_are_read_after_they_were_scaled(tmp_path: Path):
    write_first(tmp_path, "gemma-scope-2b-pt-res/embedding/width_4k/average_l0_21")
    found, file, rows = load_dictionary(tmp_path / "gemma-scope-2b-pt-res"), sparse_params(), inputs()
    assert (found.config.reads, found.config.folded) == (("embed",), ("embedding_scale=2.44948974",))
    acts = acts_of(rows, file)
    torch.testing.assert_close(found.encode(rows * 6**0.5).dense(), acts, rtol=1e-4, atol=1e-4)
    expected = (acts @ file["W_dec"] + file["b_dec"]) * 6**0.5
    torch.testing.assert_close(found(rows * 6**0.5), expected, rtol=1e-4, atol=1e-3)


def test_a_transcoder_of_the_first_suite_reads_the_stream_without_gain(tmp_path: Path):
    write_first(tmp_path, "gemma-scope-2b-pt-transcoders/layer_4/width_16k/average_l0_76")
    folder = tmp_path / "gemma-scope-2b-pt-transcoders"
    gain = numbers(D, seed=8).abs() + 0.5
    with pytest.raises(BadRequest, match="gains of the model are needed"):
        load_dictionary(folder)
    found = load_dictionary(folder, given=Given(norms=lambda layer: Norm(gain * layer, torch.zeros(D))))
    assert (found.config.reads, found.config.writes) == (("mlp_in.4",), ("mlp_out.4",))
    x = inputs()
    expected = acts_of(x, sparse_params())
    torch.testing.assert_close(found.encode(x * gain * 4).dense(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("folder", "hook", "site"),
    [
        ("resid_post_all/layer_17_width_16k_l0_small", "model.layers.17.output", "resid_post.17"),
        ("attn_out/layer_17_width_16k_l0_small_seed_1", "model.layers.17.self_attn.o_proj.input", "z.17"),
        ("mlp_out/layer_17_width_1m_l0_big", "model.layers.17.post_feedforward_layernorm.output", "mlp_out.17"),
    ],
)
@pytest.mark.parametrize("has_config", [True, False])
def test_the_second_suite_says_its_place_in_a_config_or_in_its_folders(
    tmp_path: Path, folder: str, hook: str, site: str, has_config: bool
):
    path = write_second(tmp_path, f"{SECOND}/{folder}", config_of("sae", hook, hook) if has_config else None)
    found, x = load_dictionary(path), inputs()
    assert (found.config.reads, found.config.writes) == ((site,), (site,))
    assert found.config.model == ("google/gemma-3-270m" if has_config else "google/gemma-3-1b-pt")
    assert found.config.claims is not None
    assert found.config.claims.l0 == (10 if has_config else None)
    torch.testing.assert_close(found.encode(x).dense(), acts_of(x, sparse_params()), rtol=1e-5, atol=1e-5)


def test_a_transcoder_of_the_second_suite_has_gain_and_its_skip_from_the_right(tmp_path: Path):
    skip = numbers(D, D, seed=9)
    hooks = (f"model.layers.1.{one}_feedforward_layernorm.output" for one in ("pre", "post"))
    config = config_of("transcoder", *hooks, affine_connection=True)
    folder = f"{SECOND}/transcoder/layer_1_width_16k_l0_small_affine"
    found = load_dictionary(write_second(tmp_path, folder, config, affine_skip_connection=skip))
    assert (found.config.reads, found.config.writes, found.config.skip) == (("mlp_in.1",), ("mlp_out.1",), True)
    x, file = inputs(), sparse_params()
    expected = acts_of(x, file) @ file["W_dec"] + file["b_dec"] + x @ skip
    torch.testing.assert_close(found(x), expected, rtol=1e-4, atol=1e-3)


M = 4


def write_crosscoder(root: Path, layers: tuple[int, ...] = (0, 1, 2), *, has_config: bool = False) -> Path:
    path = root / SECOND / "crosscoder" / f"layer_{'_'.join(map(str, layers))}_width_65k_l0_medium"
    path.mkdir(parents=True)
    for place in range(len(layers)):
        file = {name.lower(): one for name, one in sparse_params(seed=10 * place, n=M).items()}
        file["w_dec"] = numbers(M, len(layers), D, seed=10 * place + 7)
        save_file(file, path / f"params_layer_{place}.safetensors")
    if has_config:
        hook = f"model.layers.{{{','.join(map(str, layers))}}}.output"
        (path / "config.json").write_text(json.dumps(config_of("crosscoder", hook, hook)))
    return path


@pytest.mark.parametrize("has_config", [True, False])
def test_a_crosscoders_groups_read_one_layer_each_and_write_all(tmp_path: Path, has_config: bool):
    folder = write_crosscoder(tmp_path, (5, 9, 12), has_config=has_config)
    found, x = load_dictionary(folder), inputs(3 * D)
    assert found.config.reads == found.config.writes == ("resid_post.5", "resid_post.9", "resid_post.12")
    written, all_acts = torch.zeros(len(x), 3, D), []
    for place in range(3):
        file = sparse_params(seed=10 * place, n=M)
        all_acts.append(acts_of(x[:, place * D : (place + 1) * D], file))
        written += torch.einsum("tm,mld->tld", all_acts[-1], numbers(M, 3, D, seed=10 * place + 7))
        written[:, place] += file["b_dec"]
    torch.testing.assert_close(found.encode(x).dense(), torch.cat(all_acts, 1), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found(x), written.flatten(1), rtol=1e-4, atol=1e-3)
    with pytest.raises(BadArtefact):
        load_replacement(folder, model="tiny")


def test_a_crosscoder_that_would_fill_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = write_crosscoder(tmp_path)
    monkeypatch.setattr(gemma_scope_single, "MOST_BYTES", 1000)
    with pytest.raises(BadRequest, match="too large to be opened as one dictionary"):
        load_dictionary(folder)


def test_a_crosscoder_with_a_layer_missing_or_of_another_shape_is_refused(tmp_path: Path):
    folder = write_crosscoder(tmp_path)
    file = {name.lower(): one for name, one in sparse_params(n=M).items()}
    save_file(file | {"w_dec": numbers(M, 2, D)}, folder / "params_layer_1.safetensors")
    with pytest.raises(BadArtefact, match="W_dec"):
        load_dictionary(folder)
    (folder / "params_layer_1.safetensors").unlink()
    with pytest.raises(BadArtefact, match="a file for each of resid_post.0 resid_post.1 resid_post.2"):
        load_dictionary(folder)


def test_a_folder_of_many_asks_for_one(tmp_path: Path):
    write_first(tmp_path)
    write_first(tmp_path, RES.replace("l0_7", "l0_99"))
    with pytest.raises(BadRequest, match=r"has 2 dictionaries.*average_l0_7.*a layer, a width and an L0"):
        load_dictionary(tmp_path / "gemma-scope-2b-pt-res")


def test_what_folders_do_not_say_has_to_be_given(tmp_path: Path):
    path = write_first(tmp_path, "somewhere")
    with pytest.raises(BadRequest, match="which site it reads"):
        load_dictionary(path)
    with pytest.raises(BadRequest, match="of which model"):
        load_dictionary(path, given=Given(site="resid_post.3"))
    found = load_dictionary(path, given=Given(site="resid_post.3", model="tiny"))
    assert (found.config.model, found.config.reads) == ("tiny", ("resid_post.3",))


def test_dictionaries_of_a_stream_are_not_taken_for_transcoders(tmp_path: Path):
    write_first(tmp_path)
    with pytest.raises(BadArtefact, match="it is no transcoder"):
        load_replacement(
            tmp_path / "gemma-scope-2b-pt-res", model="tiny", norms=lambda _: Norm(torch.ones(D), torch.ones(D))
        )


@pytest.mark.parametrize(
    "changes",
    [
        {"b_enc": numbers(N + 1)},
        {"W_dec": numbers(N, D, 1)},
        {"W_enc": numbers(N, D)},
        {"threshold": torch.full((N,), torch.nan)},
    ],
)
def test_tensors_that_do_not_fit_are_refused(tmp_path: Path, changes: dict[str, Tensor]):
    with pytest.raises(BadArtefact):
        load_dictionary(write_first(tmp_path, **changes))


def test_an_array_that_claims_more_than_its_bytes_is_refused_before_anything_is_allocated(tmp_path: Path):
    path = write_first(tmp_path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    lie = members["W_enc.npy"].replace(b"(6, 10), }     ", b"(6, 1000000), }")
    assert lie != members["W_enc.npy"]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (members | {"W_enc.npy": lie}).items():
            archive.writestr(name, content)
    with pytest.raises(BadArtefact, match=r"claims float32 \(6, 1000000\) in 240 bytes"):
        load_dictionary(path)


def test_the_site_of_embeddings_is_after_they_were_scaled():
    model = Model(tiny_hf("gemma2"), small_tokenizer(), name="gemma2")
    tokens = torch.tensor([[3, 5, 7]])
    rows = model.hf.get_input_embeddings().weight[tokens]
    torch.testing.assert_close(model.run(tokens, capture=["embed"])["embed"], rows * model.d_model**0.5)
