from pathlib import Path

import pytest
import torch

from hooke.dictionaries.formats.assemble import assemble, pick, require_model, require_site
from hooke.errors import BadArtefact, BadRequest
from tests.dictionaries.formats.golden import D_OUT, D, N, numbers, sparse_params

PATH = Path("weights")
SAID = {"name": "made", "model": "tiny", "reads": ("mlp_in.1",), "writes": ("mlp_out.1",), "kind": "jumprelu"}


def test_sizes_are_those_of_the_tensors():
    config = assemble(PATH, sparse_params(d_out=D_OUT), **SAID).config
    assert (config.d_in, config.n_features, config.d_out, config.skip) == (D, N, D_OUT, False)


@pytest.mark.parametrize(
    "change",
    [
        {"W_enc": numbers(D)},
        {"W_enc": numbers(0, N)},
        {"W_dec": numbers(N + 1, D)},
        {"b_enc": numbers(N, 1)},
        {"b_dec": numbers(N)},
        {"threshold": numbers(1)},
        {"W_skip": numbers(D, N)},
    ],
)
def test_tensors_that_do_not_fit_one_another_are_refused(change: dict):
    with pytest.raises(BadArtefact, match="shape"):
        assemble(PATH, sparse_params() | change, **SAID)


def test_settings_that_do_not_fit_the_tensors_are_the_files_fault():
    tensors = {name: one for name, one in sparse_params().items() if name != "threshold"}
    for change in ({"kind": "topk", "k": 11}, {"kind": "topk"}, {"kind": "relu", "reads": ("nowhere.1",)}):
        with pytest.raises(BadArtefact):
            assemble(PATH, tensors, **SAID | change)


def test_tensors_are_picked_by_name():
    found = {"a": torch.ones(2, dtype=torch.bfloat16), "b": torch.ones(3)}
    picked = pick(PATH, found, {"a": "one", "b": "two", "c": "three"}, optional=("c",))
    assert {name: one.dtype for name, one in picked.items()} == {"one": torch.float32, "two": torch.float32}
    for wrong, told in (
        ({"a": torch.ones(2)}, "no 'b'"),
        (found | {"z": torch.ones(1)}, "an unknown 'z'"),
        (found | {"b": [1.0]}, "'b' is no tensor of floats"),
        (found | {"b": torch.ones(3, dtype=torch.int64)}, "'b' is no tensor of floats"),
        (found | {"b": torch.full((3,), torch.inf)}, "'b' holds values that are not finite"),
    ):
        with pytest.raises(BadArtefact, match=told):
            pick(PATH, wrong, {"a": "one", "b": "two"})


def test_what_nobody_says_is_asked_for():
    with pytest.raises(BadRequest, match="--model"):
        require_model(PATH, "")
    with pytest.raises(BadRequest, match="--site"):
        require_site(PATH, None)


def test_weights_that_are_finite_no_longer_are_refused():
    with pytest.raises(BadArtefact, match="'threshold' is not finite at the scale"):
        assemble(PATH, sparse_params() | {"threshold": torch.full((N,), 200.0).exp()}, **SAID)
