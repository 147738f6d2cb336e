from pathlib import Path

import numpy as np
import pytest
import torch

from hooke.dictionaries.formats.gemma_scope_files import read_params, read_shapes
from hooke.errors import BadArtefact
from tests.dictionaries.formats.golden import D, N, sparse_params


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    np.savez(tmp_path / "params.npz", **{name: one.numpy() for name, one in sparse_params().items()})
    return tmp_path / "params.npz"


def test_names_may_be_in_small_letters(tmp_path: Path, archive: Path):
    np.savez(tmp_path / "small.npz", **{name.lower(): one.numpy() for name, one in sparse_params().items()})
    (tmp_path / "small.npz").replace(archive)
    assert read_shapes(archive)["W_enc"] == (D, N)
    assert torch.equal(read_params(archive)["W_dec"], sparse_params()["W_dec"])


def test_an_archive_without_an_array_is_refused(archive: Path):
    np.savez(archive, **{name: one.numpy() for name, one in sparse_params().items() if name != "b_dec"})
    with pytest.raises(BadArtefact):
        read_params(archive)


def test_arrays_of_integers_are_refused(archive: Path):
    arrays = {name: one.numpy() for name, one in sparse_params().items()}
    np.savez(archive, **(arrays | {"b_dec": np.ones(D, dtype=np.int64)}))
    with pytest.raises(BadArtefact, match="b_dec"):
        read_params(archive)
