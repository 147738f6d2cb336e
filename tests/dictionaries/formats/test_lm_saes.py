from pathlib import Path

import pytest
import torch

from hooke.dictionaries.formats.folding import Norm
from hooke.dictionaries.formats.lm_saes import hooked_site, is_scaled, norm_before, scale
from hooke.dictionaries.formats.settings import Settings
from hooke.errors import BadArtefact, BadRequest
from hooke.sites import Site

PATH = Path("config.json")


def test_what_numbers_were_multiplied_by_is_of_their_mean_norm_or_told():
    assert scale(PATH, 16, 8.0, None) == 0.5
    assert scale(PATH, 16, None, 0.3) == 0.3
    for norm in (None, 0.0, -1.0):
        with pytest.raises(BadArtefact, match="mean norm"):
            scale(PATH, 16, norm, None)


def test_norms_of_tokens_and_batches_are_no_weights():
    told = {how: is_scaled(Settings(PATH, {"norm_activation": how})) for how in ("dataset-wise", "inference")}
    assert told == {"dataset-wise": True, "inference": False}
    for how in ("token-wise", "batch-wise", "other"):
        with pytest.raises(BadArtefact, match="cannot be folded"):
            is_scaled(Settings(PATH, {"norm_activation": how}))


def test_only_the_hook_without_gain_needs_a_norm():
    norm = Norm(torch.ones(2), torch.zeros(2))
    assert norm_before(PATH, "blocks.3.mlp.hook_in", Site("mlp_in", 3), None) is None
    assert norm_before(PATH, "blocks.3.ln2.hook_normalized", Site("mlp_in", 3), lambda layer: norm) is norm
    with pytest.raises(BadRequest, match="--model"):
        norm_before(PATH, "blocks.3.ln2.hook_normalized", Site("mlp_in", 3), None)


def test_a_hook_that_is_no_site_is_the_files_fault():
    assert hooked_site(PATH, "blocks.3.ln2.hook_normalized", "tiny") == Site("mlp_in", 3)
    with pytest.raises(BadArtefact):
        hooked_site(PATH, "blocks.3.hook_rotary", "tiny")
