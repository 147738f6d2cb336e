"""Safetensors files from outside: what is sound is read, what lies is refused before anything is allocated."""

import json
import pickle
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from hooke.errors import BadArtefact
from hooke.tensor_files import read_header

DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
    "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
}  # fmt: skip


def write(path: Path, header: object, n_bytes: int) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(n_bytes))
    return path


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda name: name != "__metadata__"),
        st.tuples(st.sampled_from(sorted(DTYPES)), st.lists(st.integers(0, 4), max_size=3)),
        max_size=4,
    )
)
def test_what_was_saved_is_described(tmp_path_factory: pytest.TempPathFactory, tensors: dict):
    path = tmp_path_factory.mktemp("sound") / "x.safetensors"
    made = {name: torch.zeros(shape, dtype=DTYPES[dtype]) for name, (dtype, shape) in tensors.items()}
    save_file(made, path, metadata={"a": "b"})
    assert read_header(path) == {name: (dtype, tuple(shape)) for name, (dtype, shape) in tensors.items()}


def test_a_file_cut_anywhere_is_refused(tmp_path: Path):
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(4, dtype=torch.int8)}, path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(BadArtefact):
            read_header(path)


GOOD = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    "header",
    [
        {"a": {**GOOD, "shape": [1 << 60]}},
        {"a": {**GOOD, "shape": [3]}},
        {"a": {**GOOD, "shape": [-2]}},
        {"a": {**GOOD, "shape": ["2"]}},
        {"a": {**GOOD, "shape": None}},
        {"a": {**GOOD, "data_offsets": [0, 80]}},
        {"a": {**GOOD, "data_offsets": [8, 0]}},
        {"a": {**GOOD, "data_offsets": [0]}},
        {"a": {**GOOD, "dtype": "F33"}},
        {"a": {**GOOD, "dtype": ["F32"]}},
        {"a": None},
        {"a": {}},
        [],
        "text",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_a_header_that_lies_is_refused(tmp_path: Path, header: object):
    with pytest.raises(BadArtefact, match="not a sound safetensors file"):
        read_header(write(tmp_path / "x.safetensors", header, 8))


def test_a_header_that_claims_more_than_there_is_is_refused(tmp_path: Path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", 2**63) + b"{}")
    with pytest.raises(BadArtefact, match="claims 9223372036854775808 bytes in a file of 10"):
        read_header(path)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_is_named_as_one_and_never_opened(tmp_path: Path, protocol: int):
    path = tmp_path / "x.safetensors"
    path.write_bytes(pickle.dumps({"weights": list(range(100))}, protocol=protocol))
    with pytest.raises(BadArtefact, match="pickle"):
        read_header(path)


def test_a_zip_of_pickles_is_named_as_one(tmp_path: Path):
    path = tmp_path / "x.safetensors"
    torch.save({"weights": torch.ones(100)}, path)
    with pytest.raises(BadArtefact, match="pickle"):
        read_header(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(BadArtefact, match="No such file"):
        read_header(tmp_path / "x.safetensors")
