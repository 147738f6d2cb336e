from pathlib import Path

import numpy as np
import pytest

from hooke.errors import BadArtefact
from hooke.features import blocks as module
from hooke.features.blocks import open_cards
from hooke.features.query import Index
from hooke.features.store import map_tensors, save_tensors
from hooke.lab import Lab
from tests.features.planted import N_FEATURES, World


def test_how_features_are_cut_into_files_does_not_change_a_card(
    index: Index, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "BLOCK", 4)
    monkeypatch.setattr("hooke.features.index.BLOCK", 4)
    monkeypatch.setattr(module, "RANGE_ENTRIES", 100)
    lab = Lab(tmp_path)
    cut = Index.open(world.build("full", lab, posting="full"), lab=lab)
    assert len(list((cut.folder / "cards").iterdir())) == 2
    assert len(cut.manifest.columns) > 3
    for feature in range(N_FEATURES):
        assert cut.card(feature) == index.card(feature)
        assert cut.top(feature, 30) == index.top(feature, 30)


def rewritten(path: Path, **changes: np.ndarray | None) -> Path:
    arrays = {name: np.array(array) for name, array in map_tensors(path).items()} | changes
    save_tensors(path, {name: array for name, array in arrays.items() if array is not None})
    return path


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("mean", lambda array: None),
        ("mean", lambda array: array[:-1]),
        ("mean", lambda array: array.astype(np.float64)),
        ("promoted", lambda array: array.astype(np.int32)),
        ("promoted", lambda array: array[:, :-1]),
        ("neighbour", lambda array: array[:, 0]),
        ("histogram", lambda array: array[:, :-1]),
        ("by_source", lambda array: array[:, :1]),
        ("partner_count", lambda array: array[:, :1]),
        ("example_window", lambda array: array[:-1]),
        ("example_group", lambda array: array.astype(np.int8)),
        ("activation_code", lambda array: array[:-1]),
        ("example_counts", lambda array: array + 1),
        ("example_lengths", lambda array: array[:-1]),
        ("example_lengths", lambda array: array + 1),
    ],
)
def test_cards_that_contradict_themselves_are_refused(copied: Path, name: str, change):
    path = copied / "cards" / "00000.safetensors"
    open_cards(path, N_FEATURES, 2)
    array = np.array(map_tensors(path)[name])
    with pytest.raises(BadArtefact):
        open_cards(rewritten(path, **{name: change(array)}), N_FEATURES, 2)
