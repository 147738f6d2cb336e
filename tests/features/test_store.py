import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hooke.errors import BadArtefact
from hooke.features.store import (
    N_BINS,
    array_hash,
    bin_edges,
    bins,
    check_offsets,
    check_within,
    coarse_codes,
    coarse_levels,
    fine_codes,
    fine_levels,
    fingerprint,
    map_tensors,
    read_manifest,
    save_tensors,
    smallest_unsigned,
)
from tests.features.planted import planted_dictionary, planted_model

activations = arrays(np.float32, st.integers(1, 60), elements=st.floats(2**-14, 2**20, width=32))


@given(activations)
def test_fine_codes_keep_the_order_and_the_value(values: np.ndarray):
    codes = fine_codes(values)
    order = np.argsort(values, kind="stable")
    assert np.all(np.diff(codes[order].astype(int)) >= 0)
    # Half a step of 1/1024 octave is 0.034 %; float32 logarithms add a little.
    np.testing.assert_allclose(fine_levels(codes), values, rtol=5e-4)


@given(activations)
def test_coarse_codes_are_within_half_a_step_down_to_16_octaves_below_the_largest(values: np.ndarray):
    codes = fine_codes(values)
    top = int(codes.max())
    levels = coarse_levels(top)[coarse_codes(codes, top)]
    near = values > values.max() * 2**-15
    # Half a step of 1/16 octave is 2.2 %.
    np.testing.assert_allclose(levels[near], values[near], rtol=0.0225)
    assert np.all(coarse_codes(codes, top) >= 1)


def test_code_0_is_no_activation():
    assert coarse_levels(40_000)[0] == 0


@given(activations)
def test_an_activation_lies_between_the_edges_of_its_bin(values: np.ndarray):
    codes = fine_codes(values)
    top = int(codes.max())
    edges, chosen = bin_edges(top), bins(coarse_codes(codes, top)).astype(int)
    assert len(edges) == N_BINS + 1
    assert chosen.max() == N_BINS - 1
    # Fine codes are rounded before they are put into bins: an activation may lie a fine step beyond an edge.
    slack = 1.001
    assert np.all(values <= edges[chosen + 1] * slack)
    assert np.all((values >= edges[chosen] / slack) | (chosen == 0))


def test_the_narrowest_dtype_holds_the_largest_number():
    assert smallest_unsigned(65535) is np.uint16
    assert smallest_unsigned(65536) is np.uint32
    assert smallest_unsigned(2**32) is np.uint64


def test_arrays_come_back_as_they_were(tmp_path: Path):
    given = {"a": np.arange(6, dtype=np.uint16).reshape(2, 3), "b": np.array([True, False]), "c": np.empty((0, 4))}
    save_tensors(tmp_path / "x.safetensors", given)
    found = map_tensors(tmp_path / "x.safetensors", "a", "b", "c")
    for name, array in given.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
    with pytest.raises(ValueError, match="read-only"):
        found["a"][0] = 1


def _damaged(path: Path, how: str) -> None:
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    if how == "cut":
        path.write_bytes(data[:-1])
    elif how == "long header":
        path.write_bytes(struct.pack("<Q", 2**60) + data[8:])
    elif how == "pickle":
        path.write_bytes(b"\x80\x04" + data[2:])
    elif how == "empty":
        path.write_bytes(b"")
    else:
        entry = header["a"]
        entry |= {"beyond": {"data_offsets": [0, 2**40]}, "shape": {"shape": [2**40]}, "dtype": {"dtype": "BF16"}}[how]
        text = json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


@pytest.mark.parametrize("how", ["cut", "long header", "pickle", "empty", "beyond", "shape", "dtype"])
def test_a_damaged_file_is_refused(tmp_path: Path, how: str):
    path = tmp_path / "x.safetensors"
    save_tensors(path, {"a": np.arange(6, dtype=np.uint16)})
    _damaged(path, how)
    with pytest.raises(BadArtefact):
        map_tensors(path, "a")


def test_a_file_without_a_needed_array_is_refused(tmp_path: Path):
    save_tensors(tmp_path / "x.safetensors", {"a": np.arange(6)})
    with pytest.raises(BadArtefact, match="has no 'b'"):
        map_tensors(tmp_path / "x.safetensors", "a", "b")


@pytest.mark.parametrize("offsets", [[1, 3, 5], [0, 4, 3, 5], [0, 5], [0, 2, 6]])
def test_offsets_that_do_not_part_the_items_are_refused(offsets: list[int]):
    with pytest.raises(BadArtefact):
        check_offsets(Path("x"), np.array(offsets, np.uint32), 2, 5)


def test_numbers_outside_are_refused():
    check_within(Path("x"), np.array([], np.uint16), 0, "the token")
    check_within(Path("x"), np.array([4], np.uint16), 5, "the token")
    with pytest.raises(BadArtefact, match="the token 5 of 5"):
        check_within(Path("x"), np.array([5], np.uint16), 5, "the token")


def _edit(folder: Path, **changes: object) -> None:
    path = folder / "index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_whole_index_has_a_manifest_that_adds_up(copied: Path):
    manifest = read_manifest(copied)
    assert manifest.n_tokens == manifest.n_windows * manifest.context
    assert sum(manifest.source_tokens) == manifest.n_counted
    on_disk = {path.relative_to(copied).as_posix() for path in copied.rglob("*") if path.is_file()}
    assert on_disk == {*manifest.files, "index.json"}


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": 99},
        {"n_features": 0},
        {"n_features": "six"},
        {"context": -1},
        {"token_shards": []},
        {"surprise": 1},
        {"top": 70_000},
        {"sources": ["only one"]},
        {"files": {"../../etc/passwd": {"bytes": 1, "sha256": ""}}},
        {"files": {"cards/00009.safetensors": {"bytes": 1, "sha256": ""}}},
    ],
)
def test_a_manifest_that_cannot_be_true_is_refused(copied: Path, changes: dict[str, object]):
    _edit(copied, **changes)
    with pytest.raises(BadArtefact):
        read_manifest(copied)


@pytest.mark.parametrize("name", ["cards/00000.safetensors", "labels.sqlite", "vocabulary.safetensors"])
def test_an_index_with_a_file_cut_short_or_gone_is_refused(copied: Path, name: str):
    data = (copied / name).read_bytes()
    (copied / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(BadArtefact, match="should have"):
        read_manifest(copied)
    (copied / name).unlink()
    with pytest.raises(BadArtefact, match="is missing"):
        read_manifest(copied)


def test_hashes_see_values_and_names_but_not_files():
    one = array_hash({"a": np.arange(3), "b": np.zeros(2)})
    assert one == array_hash({"b": np.zeros(2), "a": np.arange(3)})
    assert one != array_hash({"a": np.arange(3), "c": np.zeros(2)})
    assert one != array_hash({"a": np.arange(3)[::-1], "b": np.zeros(2)})


def test_a_dictionary_is_known_by_its_weights():
    model = planted_model()
    one, other = planted_dictionary(model), planted_dictionary(model)
    assert fingerprint(one) == fingerprint(other)
    other.W_dec[0, 0] += 1
    assert fingerprint(one) != fingerprint(other)
