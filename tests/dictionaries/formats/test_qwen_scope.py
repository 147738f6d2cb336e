"""Against the format's rule: the k largest of W x + b, no less than zero; D acts + c."""

import json
from pathlib import Path

import pytest
import torch

from hooke.dictionaries.formats.given import Given
from hooke.dictionaries.load import load_dictionary
from hooke.errors import BadArtefact, BadRequest
from tests.dictionaries.formats.golden import D, K, N, inputs, numbers

REPOSITORY = "SAE-Res-Qwen3-1.7B-Base-W32K-L0_50"


def write(root: Path, *layers: int, config: dict | None = None, **changes) -> Path:
    folder = root / REPOSITORY
    folder.mkdir()
    said = {"model_type": "topk_sae", "base_model": "Qwen/Qwen3-1.7B-Base", "d_model": D, "d_sae": N, "k": K}
    said |= {"num_layers": 3, "hook_point": "resid_post", "dtype": "float32"} | (config or {})
    (folder / "config.json").write_text(json.dumps(said))
    for layer in layers or (2,):
        torch.save(state(layer) | changes, folder / f"layer{layer}.sae.pt")
    return folder


def state(layer: int) -> dict:
    found = {"W_enc": numbers(N, D, seed=layer), "W_dec": numbers(D, N, seed=layer + 10)}
    return found | {"b_enc": numbers(N, seed=layer + 20), "b_dec": numbers(D, seed=layer + 30)}


def test_the_k_largest_and_both_matrices_turned(tmp_path: Path):
    found, file, x = load_dictionary(write(tmp_path)), state(2), inputs()
    pre = x @ file["W_enc"].T + file["b_enc"]
    kept = pre.topk(K).indices
    acts = torch.zeros_like(pre).scatter(1, kept, torch.relu(pre.gather(1, kept)))
    torch.testing.assert_close(found.encode(x).dense(), acts, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(found(x), acts @ file["W_dec"].T + file["b_dec"], rtol=1e-5, atol=1e-3)
    assert (found.config.model, found.config.reads, found.config.k) == ("Qwen/Qwen3-1.7B-Base", ("resid_post.2",), K)
    assert found.name == f"{REPOSITORY}-layer2"


def test_one_of_several_layers_is_a_file_or_a_site(tmp_path: Path):
    folder = write(tmp_path, 0, 11)
    with pytest.raises(BadRequest, match=r"dictionaries of 2 layers.*\[0, 11\].*layer0\.sae\.pt"):
        load_dictionary(folder)
    with pytest.raises(BadRequest, match="resid_post.5"):
        load_dictionary(folder, given=Given(site="resid_post.5"))
    for found in (
        load_dictionary(folder / "layer11.sae.pt"),
        load_dictionary(folder, given=Given(site="blocks.11.hook_resid_post")),
    ):
        assert found.config.reads == ("resid_post.11",)
        assert torch.equal(found.b_dec, state(11)["b_dec"])


@pytest.mark.parametrize(
    "config",
    [{"k": None}, {"k": 2.5}, {"k": N + 1}, {"hook_point": "mlp"}, {"d_model": N}, {"d_sae": 9}, {"base_model": 3}],
)
def test_a_config_that_contradicts_is_refused(tmp_path: Path, config: dict):
    with pytest.raises(BadArtefact):
        load_dictionary(write(tmp_path, config=config))


@pytest.mark.parametrize("changes", [{"W_enc": numbers(D, N)}, {"b_enc": None}, {"threshold": numbers(N)}])
def test_what_is_not_as_it_should_be_is_refused(tmp_path: Path, changes: dict):
    with pytest.raises(BadArtefact):
        load_dictionary(write(tmp_path, **changes))
