"""Against OpenAI's own rule, written out: relu(W (x - pre) + b), then D acts + pre."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from hooke.dictionaries.formats.given import Given
from hooke.dictionaries.load import load_dictionary
from hooke.errors import BadArtefact, BadRequest
from tests.dictionaries.formats.golden import D, N, inputs, numbers


def state(**changes) -> dict:
    found: dict = {"pre_bias": numbers(D, seed=1), "encoder.weight": numbers(N, D, seed=2)}
    found |= {"latent_bias": numbers(N, seed=3), "decoder.weight": numbers(D, N, seed=4)}
    found |= {"stats_last_nonzero": torch.arange(N), "activation": "ReLU", "activation_state_dict": {}}
    return found | {"latents_activation_frequency": torch.ones(N), "latents_mean_square": torch.ones(N)} | changes


def write(root: Path, folder: str = "mlp_post_act_v4", layer: int = 1, **changes) -> Path:
    path = root / folder / "autoencoders" / f"{layer}.pt"
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state(**changes), path)
    return path


def test_the_input_bias_is_folded(tmp_path: Path):
    found, file, x = load_dictionary(write(tmp_path)), state(), inputs()
    acts: Tensor = torch.relu((x - file["pre_bias"]) @ file["encoder.weight"].T + file["latent_bias"])
    torch.testing.assert_close(found.encode(x).dense(), acts, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(found(x), acts @ file["decoder.weight"].T + file["pre_bias"], rtol=1e-5, atol=1e-3)
    assert (found.config.folded, found.config.model) == (("input_bias",), "openai-community/gpt2")


@pytest.mark.parametrize(
    ("folder", "site"),
    [("mlp_post_act", "neurons.3"), ("resid_delta_mlp_v4", "mlp_out.3"), ("resid_delta_mlp", "mlp_out.3")],
)
def test_the_site_is_in_the_path(tmp_path: Path, folder: str, site: str):
    assert load_dictionary(write(tmp_path, folder, 3)).config.reads == (site,)


def test_a_site_that_nobody_says_is_asked_for(tmp_path: Path):
    path = write(tmp_path, "somewhere")
    with pytest.raises(BadRequest, match="which site"):
        load_dictionary(path)
    assert load_dictionary(path, given=Given(site="blocks.2.hook_mlp_out")).config.reads == ("mlp_out.2",)


def test_versions_that_normalise_each_token_are_refused_with_the_reason(tmp_path: Path):
    topk = {"activation": "TopK", "activation_state_dict": {"k": 32, "postact_fn": "ReLU"}}
    with pytest.raises(BadArtefact, match="normalises each token by its own mean and deviation"):
        load_dictionary(write(tmp_path, "resid_post_mlp_v5_32k", **topk))


@pytest.mark.parametrize(
    "changes",
    [
        {"activation": "Identity"},
        {"activation": ["ReLU"]},
        {"pre_bias": numbers(D + 1)},
        {"decoder.weight": numbers(N, D)},
        {"latent_bias": "none"},
        {"gate": numbers(N)},
        {"encoder.weight": numbers(N)},
    ],
)
def test_what_is_not_as_it_should_be_is_refused(tmp_path: Path, changes: dict):
    with pytest.raises(BadArtefact):
        load_dictionary(write(tmp_path, **changes))
