"""Against the format's rule: relu(W x + b), D acts + c; both layers as torch keeps them."""

from pathlib import Path

import pytest
import torch

from hooke.dictionaries.formats.given import Given
from hooke.dictionaries.load import load_dictionary
from hooke.errors import BadArtefact, BadRequest
from tests.dictionaries.formats.golden import D, N, inputs, numbers

REPOSITORY = "Llama-3.1-8B-Instruct-SAE-l19"


def state(**changes) -> dict:
    found = {"encoder_linear.weight": numbers(N, D, seed=1), "encoder_linear.bias": numbers(N, seed=2)}
    found |= {"decoder_linear.weight": numbers(D, N, seed=3), "decoder_linear.bias": numbers(D, seed=4)}
    return found | changes


def write(root: Path, folder: str = REPOSITORY, suffix: str = "pth", **changes) -> Path:
    path = root / folder / f"sae.{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state(**changes), path)
    return path


@pytest.mark.parametrize("suffix", ["pt", "pth"])
def test_nothing_is_subtracted_and_both_layers_are_turned(tmp_path: Path, suffix: str):
    path, file, x = write(tmp_path, suffix=suffix), state(), inputs()
    for ref in (path, path.parent):
        found = load_dictionary(ref)
        acts = torch.relu(x @ file["encoder_linear.weight"].T + file["encoder_linear.bias"])
        torch.testing.assert_close(found.encode(x).dense(), acts, rtol=1e-5, atol=1e-4)
        expected = acts @ file["decoder_linear.weight"].T + file["decoder_linear.bias"]
        torch.testing.assert_close(found(x), expected, rtol=1e-5, atol=1e-3)
        assert (found.config.model, found.config.reads) == ("meta-llama/Llama-3.1-8B-Instruct", ("resid_post.19",))
        assert found.config.claims is not None
        assert found.config.claims.l0 == 91


def test_what_the_name_does_not_say_is_asked_for(tmp_path: Path):
    path = write(tmp_path, "somewhere")
    with pytest.raises(BadRequest, match="which site"):
        load_dictionary(path)
    with pytest.raises(BadRequest, match="which model"):
        load_dictionary(path, given=Given(site="resid_post.3"))
    assert load_dictionary(path, given=Given(site="resid_post.3", model="tiny")).config.model == "tiny"


@pytest.mark.parametrize("changes", [{"encoder_linear.weight": numbers(D, N)}, {"gate": numbers(1)}])
def test_what_is_not_as_it_should_be_is_refused(tmp_path: Path, changes: dict):
    with pytest.raises(BadArtefact):
        load_dictionary(write(tmp_path, **changes))
