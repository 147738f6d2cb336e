import struct
import threading
from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf import GGUFWriter

from hooke.errors import BadArtefact, OutOfSpace
from hooke.lab import Lab
from hooke.models.gguf_files import _parsed_once, check_gguf, converted


@pytest.mark.parametrize(
    "content", [b"", b"GGUF", b"NOPE" + bytes(100), b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 1) + bytes(50)]
)
def test_files_that_are_no_gguf(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    with pytest.raises(BadArtefact):
        check_gguf(path)


def test_a_gguf_cut_in_half_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "half.gguf"
    writer = GGUFWriter(path, "llama")
    for name in ("token_embd.weight", "output_norm.weight"):
        writer.add_tensor(name, np.ones(5000, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert check_gguf(path) == 10_000
    whole = path.read_bytes()
    for size in (len(whole) // 2, len(whole) - 100, 150, 60):
        path.write_bytes(whole[:size])
        with pytest.raises(BadArtefact, match="cut short|damaged"):
            converted(path, Lab(tmp_path / "lab"), "half")
    assert not (tmp_path / "lab").exists()


def test_a_full_disk_is_found_before_the_conversion_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "small.gguf"
    writer = GGUFWriter(path, "llama")
    writer.add_tensor("token_embd.weight", np.ones(5000, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    def refuse(folder: Path, n_bytes: int) -> None:
        raise OutOfSpace(f"{n_bytes} bytes do not fit.")

    monkeypatch.setattr("hooke.models.gguf_files.require_space", refuse)
    with pytest.raises(OutOfSpace, match="20000 bytes"):
        converted(path, Lab(tmp_path / "lab"), "small")


def test_a_file_is_parsed_once_and_as_it_would_be_anyway(tmp_path: Path) -> None:
    path = tmp_path / "small.gguf"
    writer = GGUFWriter(path, "llama")
    writer.add_token_list(["a", "bc", "déf"])
    writer.add_tensor("token_embd.weight", np.arange(15, dtype=np.float32).reshape(3, 5))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    own = gguf.GGUFReader, gguf.get_tensor_name_map
    expected = gguf.GGUFReader(path)
    with _parsed_once():
        assert check_gguf(path) == 15
        found = gguf.GGUFReader(path)
        assert gguf.GGUFReader(path) is found
        assert not isinstance(found.data, np.memmap)
        assert [one.contents() for one in found.fields.values()] == [one.contents() for one in expected.fields.values()]
        assert np.array_equal(found.tensors[0].data, expected.tensors[0].data)
        names = [gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 2) for _ in range(2)]
        assert names[0] is names[1]
    assert (gguf.GGUFReader, gguf.get_tensor_name_map) == own


def test_one_thread_waits_for_anothers_conversion() -> None:
    own, entered = gguf.GGUFReader, threading.Event()

    def second() -> None:
        with _parsed_once():
            entered.set()

    other = threading.Thread(target=second)
    with _parsed_once():
        other.start()
        assert not entered.wait(0.2)
    assert entered.wait(10)
    other.join()
    assert gguf.GGUFReader is own
