import json
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from hooke.dictionaries.formats.weights_file import read_weights
from hooke.errors import BadArtefact

SHAPES = {"a": (2, 3), "b": (4,)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_file({"a": torch.ones(2, 3), "b": torch.arange(4.0)}, tmp_path / "weights.safetensors")
    return tmp_path / "weights.safetensors"


def test_tensors_come_back(path: Path):
    found = read_weights(path, SHAPES)
    assert torch.equal(found["a"], torch.ones(2, 3))
    assert torch.equal(found["b"], torch.arange(4.0))


@pytest.mark.parametrize(
    ("expected", "told"),
    [
        ({"a": (3, 2), "b": (4,)}, r"a \(2, 3\).*a \(3, 2\)"),
        ({"a": (2, 3)}, r"b \(4,\).*b absent"),
        ({**SHAPES, "c": (1,)}, r"c missing.*c \(1,\)"),
    ],
)
def test_other_names_and_shapes_are_refused_by_name(path: Path, expected: dict, told: str):
    with pytest.raises(BadArtefact, match=told):
        read_weights(path, expected)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_values_that_are_not_finite_are_refused(path: Path, bad: float):
    save_file({"a": torch.full((2, 3), bad), "b": torch.zeros(4)}, path)
    with pytest.raises(BadArtefact, match="'a' holds values that are not finite"):
        read_weights(path, SHAPES)


def test_truncated_files_are_refused_at_every_length(path: Path):
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(BadArtefact):
            read_weights(path, SHAPES)


def test_headers_that_lie_are_refused_before_anything_is_allocated(path: Path):
    def write(header: dict, data: bytes) -> None:
        text = json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + data)

    huge = {"dtype": "F32", "shape": [2**40, 3], "data_offsets": [0, 2**40 * 12]}
    write({"a": huge}, b"")
    with pytest.raises(BadArtefact):
        read_weights(path, {"a": (2**40, 3)})
    overlapping = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    write({"a": overlapping, "b": overlapping}, b"\0" * 8)
    with pytest.raises(BadArtefact):
        read_weights(path, {"a": (2,), "b": (2,)})
    path.write_bytes(struct.pack("<Q", 2**62) + b"{}")
    with pytest.raises(BadArtefact, match="claims"):
        read_weights(path, {})


def test_a_pickle_is_refused_by_name(tmp_path: Path):
    for protocol in ({"_use_new_zipfile_serialization": True}, {"_use_new_zipfile_serialization": False}):
        torch.save({"a": torch.ones(2, 3)}, tmp_path / "x.safetensors", **protocol)
        with pytest.raises(BadArtefact, match="pickle"):
            read_weights(tmp_path / "x.safetensors", SHAPES)


def test_a_sound_header_that_starts_like_a_pickle_is_read(tmp_path: Path):
    # 640 = 0x0280: the length's first two bytes are those of a pickle.
    text = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).ljust(640).encode()
    (tmp_path / "x.safetensors").write_bytes(struct.pack("<Q", 640) + text + struct.pack("<f", 5.0))
    assert read_weights(tmp_path / "x.safetensors", {"a": (1,)})["a"].tolist() == [5.0]


def test_a_missing_file_is_refused(tmp_path: Path):
    with pytest.raises(BadArtefact):
        read_weights(tmp_path / "none.safetensors", SHAPES)
