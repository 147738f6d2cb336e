from pathlib import Path

import pytest

from hooke.dictionaries.formats.circuit_tracer import write_circuit_tracer
from hooke.dictionaries.formats.foreign import open_foreign
from hooke.errors import BadRequest
from tests.dictionaries.formats.test_gemma_scope import norms, write_archive
from tests.dictionaries.transcoders import LAYERS, transcoder_set


def test_formats_are_told_apart_by_their_files(tmp_path: Path):
    write_circuit_tracer(transcoder_set(), tmp_path / "one")
    write_archive(tmp_path / "two", 4)
    found = [open_foreign(tmp_path / name, model="tiny", norms=norms) for name in ("one", "two", "none")]
    assert [one.layers if one else None for one in found] == [LAYERS, (4,), None]
    with pytest.raises(BadRequest):
        open_foreign(tmp_path / "two")
