from pathlib import Path

import numpy as np
import pytest

from hooke.errors import BadRequest
from hooke.features import aids
from hooke.features.aids import aid, aids_folder, has_aid
from hooke.features.query import Index
from hooke.lab import Lab


@pytest.fixture
def fresh(features_lab: Lab, tmp_path: Path) -> Index:
    """The index as if its lab were another one, where no aid was made yet."""
    return Index(features_lab.path("features", "full"), Lab(tmp_path / "other"))


def count_calls(calls: list[int]):
    def make() -> dict[str, np.ndarray]:
        calls.append(1)
        return {"numbers": np.arange(5)}

    return make


def test_an_aid_is_made_once_and_then_mapped_from_its_file(fresh: Index):
    calls: list[int] = []
    assert not has_aid(fresh, "some-1")
    assert aid(fresh, "some-1", count_calls(calls))["numbers"].tolist() == [0, 1, 2, 3, 4]
    again = Index(fresh.folder, fresh.lab)
    assert has_aid(again, "some-1")
    assert aid(again, "some-1", count_calls(calls))["numbers"].tolist() == [0, 1, 2, 3, 4]
    assert len(calls) == 1


def test_a_damaged_aid_is_made_again(fresh: Index):
    calls: list[int] = []
    aid(fresh, "some-1", count_calls(calls))
    (aids_folder(fresh) / "some-1.safetensors").write_bytes(b"\0" * 20)
    again = Index(fresh.folder, fresh.lab)
    assert len(aid(again, "some-1", count_calls(calls), "numbers")["numbers"]) == 5
    assert len(calls) == 2


def test_without_a_place_to_write_it_lives_in_memory(features_lab: Lab, tmp_path: Path):
    (tmp_path / "file").write_text("no folder")
    index = Index(features_lab.path("features", "full"), Lab(tmp_path / "file"))
    calls: list[int] = []
    aid(index, "some-1", count_calls(calls))
    assert len(aid(index, "some-1", count_calls(calls))["numbers"]) == 5
    assert len(calls) == 1


def test_the_index_itself_is_left_as_it_was(fresh: Index):
    before = sorted(fresh.folder.rglob("*"))
    aid(fresh, "some-1", count_calls([]))
    assert sorted(fresh.folder.rglob("*")) == before


def test_a_large_index_is_not_made_to_wait(fresh: Index, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(aids, "AT_ONCE", 2)
    with pytest.raises(BadRequest, match="is not ready"):
        aid(fresh, "some-1", count_calls([]), wait=False)
    assert aid(fresh, "some-1", count_calls([]))
