from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from hooke.dictionaries.formats.target_indexed import decoders_of, read_part, require_named
from hooke.errors import BadArtefact
from tests.dictionaries.formats.golden import numbers


def test_what_a_source_writes_is_gathered_from_every_later_target(tmp_path: Path):
    path = tmp_path / "w.safetensors"
    file = {f"W.{target}": numbers(target + 1, 4, 2, seed=target) for target in range(3)}
    save_file(file, path)
    where = {name: (path, name) for name in file}
    require_named(tmp_path, where, {"W.1": (2, 4, 2)})
    found = decoders_of(where, "W.{}", 1, 3)
    assert found.shape == (4, 2, 2)
    assert torch.equal(found[:, 0], file["W.1"][1])
    assert torch.equal(found[:, 1], file["W.2"][1])
    for shapes in ({"W.1": (1, 4, 2)}, {"W.3": (4, 4, 2)}):
        with pytest.raises(BadArtefact, match="it should have"):
            require_named(tmp_path, where, shapes)


def test_values_that_are_not_finite_are_refused(tmp_path: Path):
    path = tmp_path / "w.safetensors"
    save_file({"a": torch.tensor([[1.0], [torch.nan]])}, path)
    assert read_part({"a": (path, "a")}, "a", 0).tolist() == [1.0]
    with pytest.raises(BadArtefact, match="not finite"):
        read_part({"a": (path, "a")}, "a", 1)
