"""Shards: the bytes on disk, what is refused, and what a failed write leaves behind."""

import hashlib
import json
import struct
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from hooke.activations.shards import (
    DTYPES,
    INTEGERS,
    Shard,
    StoreSpec,
    check_shard,
    finished_shards,
    map_shard,
    read_entry,
    read_spec,
    shard_name,
    write_shard,
)
from hooke.configs import to_dict
from hooke.errors import BadArtefact, BadConfig, OutOfSpace
from hooke.lab import write_json
from hooke.text.windows import WindowConfig


def spec(dtype: str = "float16", n_tokens: int = 64, **sites: int) -> StoreSpec:
    return StoreSpec(
        model="small",
        model_fingerprint="m",
        corpus="words",
        corpus_fingerprint="c",
        sites=sites or {"embed": 5},
        dtype=dtype,
        windows=WindowConfig(context=4, batch=2),
        n_tokens=n_tokens,
    )


def shard(n_tokens: int = 8, dtype: torch.dtype = torch.float16, width: int = 5, n_pieces: int = 2) -> Shard:
    generator = torch.Generator().manual_seed(n_tokens)
    whole: dict[str, Tensor] = {
        name: torch.randint(99, (n_tokens,), dtype=torch.int32, generator=generator) for name in INTEGERS
    }
    whole["embed"] = torch.randn(n_tokens, width, generator=generator).to(dtype)
    whole["counted"] = torch.rand(n_tokens, generator=generator) > 0.5
    pieces = {name: [piece.contiguous() for piece in tensor.chunk(n_pieces)] for name, tensor in whole.items()}
    return Shard(n_tokens=n_tokens, n_counted=int(whole["counted"].sum()), n_clamped=3, pieces=pieces)


@pytest.mark.parametrize("dtype", DTYPES)
@given(n_windows=st.integers(1, 8), n_pieces=st.integers(1, 4))
def test_what_was_written_is_what_any_reader_of_the_format_finds(
    dtype: str, n_windows: int, n_pieces: int, tmp_path_factory: pytest.TempPathFactory
):
    written = shard(4 * n_windows, DTYPES[dtype], n_pieces=n_pieces)
    path = tmp_path_factory.mktemp("shards") / shard_name(0)
    entry = write_shard(path, written)
    found, mapped = load_file(path), map_shard(path, list(written.pieces))
    for name, pieces in written.pieces.items():
        for tensor in (found[name], mapped[name]):
            assert tensor.dtype == pieces[0].dtype
            assert torch.equal(tensor, torch.cat(pieces))
    with safe_open(path, "pt") as file:
        assert file.metadata()["n_counted"] == str(written.n_counted)
    assert entry == read_entry(path, spec(dtype))
    assert (entry.size, entry.sha256) == (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
    assert (entry.n_tokens, entry.n_clamped) == (4 * n_windows, 3)


def rewritten(path: Path, **changes: Tensor | None) -> None:
    tensors = {name: torch.cat(pieces) for name, pieces in shard().pieces.items()} | changes
    save_file({name: tensor for name, tensor in tensors.items() if tensor is not None}, path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"embed": torch.zeros(8, 6, dtype=torch.float16)}, "embed"),
        ({"embed": torch.zeros(8, 5)}, "embed"),
        ({"embed": None}, "embed"),
        ({"extra": torch.zeros(1)}, "extra"),
        ({"counted": torch.zeros(7, dtype=torch.bool)}, "counted"),
        ({"tokens": torch.zeros(8, 1, dtype=torch.int32)}, "tokens"),
        ({"tokens": None}, "tokens"),
    ],
)
def test_a_shard_with_other_tensors_than_the_store_is_refused(
    changes: dict[str, Tensor | None], said: str, tmp_path: Path
):
    rewritten(tmp_path / "x", **changes)
    with pytest.raises(BadArtefact, match=f"differs in .*{said}"):
        check_shard(tmp_path / "x", spec())


def test_a_shard_with_half_a_window_or_too_many_is_refused(tmp_path: Path):
    few = spec(n_tokens=8)
    for n_tokens in (6, 4 * few.windows_per_shard + 4):
        write_shard(tmp_path / "x", shard(n_tokens))
        with pytest.raises(BadArtefact, match="number of tokens"):
            check_shard(tmp_path / "x", few)


@given(data=st.data())
def test_a_cut_or_lying_file_is_refused_whatever_the_place(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
):
    path = tmp_path_factory.mktemp("cut") / "x"
    write_shard(path, shard())
    whole = path.read_bytes()
    if data.draw(st.booleans(), label="cut"):
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    else:
        path.write_bytes(struct.pack("<Q", data.draw(st.integers(len(whole), 2**64 - 1))) + whole[8:])
    with pytest.raises(BadArtefact):
        check_shard(path, spec())


def test_mapping_a_damaged_file_is_refused(tmp_path: Path):
    (tmp_path / "x").write_bytes(b"\x08\0\0\0\0\0\0\0not json")
    with pytest.raises(BadArtefact):
        map_shard(tmp_path / "x", ["embed"])
    write_shard(tmp_path / "y", shard())
    with pytest.raises(BadArtefact):
        map_shard(tmp_path / "y", ["logits"])


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    full = Path("/dev/full")
    if not full.exists():
        pytest.fail("this system has no /dev/full; give the test another full disk")
    write_shard(tmp_path / shard_name(0), shard())
    monkeypatch.setattr("hooke.lab.uuid4", lambda: SimpleNamespace(hex="0" * 8))
    monkeypatch.setattr("hooke.lab.os.getpid", lambda: 1)
    (tmp_path / f".{shard_name(1)}.1-00000000").symlink_to(full)
    with pytest.raises(OutOfSpace, match="is full"):
        write_shard(tmp_path / shard_name(1), shard())
    assert [path.name for path in tmp_path.iterdir()] == [shard_name(0)]
    assert read_entry(tmp_path / shard_name(0), spec())


def test_finished_shards_end_at_the_first_that_is_missing_or_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hooke.activations.shards._SHARD_BYTES", 1)
    store = spec(n_tokens=8 * 4)  # one batch of 2 windows, 8 tokens, a shard
    for number in range(4):
        write_shard(tmp_path / shard_name(number), shard(8))
    assert len(list(finished_shards(tmp_path, store))) == 4
    path = tmp_path / shard_name(2)
    path.write_bytes(path.read_bytes()[:-1])
    assert len(list(finished_shards(tmp_path, store))) == 2
    write_shard(tmp_path / shard_name(1), shard(4))
    assert [entry.n_tokens for entry in finished_shards(tmp_path, store)] == [8, 4]
    (tmp_path / shard_name(0)).unlink()
    assert list(finished_shards(tmp_path, store)) == []


def test_sizes_are_known_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert spec(embed=5).bytes_per_token == 2 * 5 + 4 * 4 + 1
    assert spec("float32", embed=5, logits=7).bytes_per_token == 4 * 12 + 17
    assert spec(n_tokens=65).n_windows == 17
    # A batch is 8 tokens of 27 bytes: shards are whole batches of at most the target, and at least one batch.
    monkeypatch.setattr("hooke.activations.shards._SHARD_BYTES", 8 * 27 * 3 + 1)
    assert (spec(n_tokens=65).windows_per_shard, spec(n_tokens=65).n_shards) == (6, 3)
    monkeypatch.setattr("hooke.activations.shards._SHARD_BYTES", 1)
    assert spec().windows_per_shard == 2
    entry = write_shard(tmp_path / "x", shard(64))
    assert 0 <= spec(n_tokens=64).n_bytes - entry.size <= 10_000 * spec(n_tokens=64).n_shards


@pytest.mark.parametrize(("dtype", "n_tokens"), [("float8", 4), ("float16", 0)])
def test_impossible_stores_are_refused(dtype: str, n_tokens: int):
    with pytest.raises(BadConfig, match="known dtype"):
        spec(dtype, n_tokens)


def test_a_manifest_is_read_strictly(tmp_path: Path):
    write_json(tmp_path / "manifest.json", {"spec": to_dict(spec())})
    assert read_spec(tmp_path) == spec()
    write_json(tmp_path / "manifest.json", {"spec": to_dict(spec()) | {"colour": "red"}})
    with pytest.raises(BadConfig, match="colour"):
        read_spec(tmp_path)
    (tmp_path / "manifest.json").write_text(json.dumps(["no", "table"]))
    with pytest.raises(BadConfig):
        read_spec(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(BadArtefact):
        read_spec(tmp_path)
