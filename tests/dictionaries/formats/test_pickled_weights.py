import collections
import io
import os
import pickle
import random
import struct
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch._utils import _rebuild_tensor_v2

from hooke.dictionaries.formats.pickled_weights import read_pickled, tensors_in
from hooke.errors import BadArtefact

NUMBERS = torch.arange(60.0).reshape(10, 6) / 7
TABLE = {"encoder.weight": NUMBERS, "k": torch.tensor(4, dtype=torch.int32), "bias": torch.zeros(6)}


def save(path: Path, table: Any, **options: Any) -> Path:
    torch.save(table, path, **options)
    return path


def rewrite(path: Path, change: Callable[[str, bytes], bytes]) -> Path:
    """The same archive with members changed, as its directory then says truly."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, change(name, content))
    return path


def with_program(path: Path, program: bytes) -> Path:
    return rewrite(save(path, TABLE), lambda name, content: program if name.endswith("data.pkl") else content)


def test_a_state_dict_comes_back(tmp_path: Path):
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.Linear(6, 10)
            self.register_buffer("k", torch.tensor(4, dtype=torch.int32))

    module = Both()
    found = read_pickled(save(tmp_path / "ae.pt", module.state_dict()))
    assert list(found) == ["k", "encoder.weight", "encoder.bias"]
    assert all(torch.equal(found[name], one) for name, one in module.state_dict().items())
    assert found["k"].dtype == torch.int32


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_plain_values_tables_and_parameters_come_back(protocol: int, tmp_path: Path):
    weight = nn.Parameter(NUMBERS.clone())
    table = {
        "step": 1_000_000,
        "large": 2**70,
        "rate": 0.5,
        "name": "TopK",
        "none": None,
        "flags": [True, False, (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
        "ae": collections.OrderedDict(weight=weight, same=weight),
        "dtype": torch.bfloat16,
        "device": torch.device("cuda:1"),
        "size": NUMBERS.shape,
        3: "three",
    }
    nested = {"all": table}
    found = read_pickled(save(tmp_path / "x.pt", nested, pickle_protocol=protocol))["all"]
    assert torch.equal(found["ae"]["weight"], NUMBERS)
    assert found["ae"]["same"] is found["ae"]["weight"]
    same = [key for key in table if key not in ("ae", "device", "size")]
    assert [found[key] for key in same] == [table[key] for key in same]
    assert (found["device"], found["size"]) == ("cuda", (10, 6))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool])
def test_each_dtype_views_and_empty_tensors_come_back(dtype: torch.dtype, tmp_path: Path):
    whole = (NUMBERS * 3).to(dtype)
    table = {"whole": whole, "turned": whole.T, "part": whole[2:5, 1:], "none": whole[:0], "one": whole[3, 2]}
    found = read_pickled(save(tmp_path / "x.pt", table))
    assert {name: one.shape for name, one in found.items()} == {name: one.shape for name, one in table.items()}
    assert all(torch.equal(found[name], table[name]) for name in table)


class CreatesAFile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_that_would_create_a_file_is_refused_and_creates_none(protocol: int, tmp_path: Path):
    path = save(tmp_path / "x.pt", {"W_enc": CreatesAFile(tmp_path / "made")}, pickle_protocol=protocol)
    with pytest.raises(BadArtefact, match=r"posix.mkdir|nt.mkdir"):
        read_pickled(path)
    assert not (tmp_path / "made").exists()
    torch.load(path, weights_only=False)
    assert (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "name", ["builtins eval", "builtins getattr", "torch load", "torch._utils _rebuild_meta_tensor_no_storage", "os x"]
)
def test_names_that_no_table_of_tensors_needs_are_refused(name: str, tmp_path: Path):
    program = b"\x80\x02c" + name.replace(" ", "\n").encode() + b"\n."
    with pytest.raises(BadArtefact, match="could run code"):
        read_pickled(with_program(tmp_path / "x.pt", program))


class Settings:
    def __init__(self) -> None:
        pytest.fail("it was called")


def test_types_that_are_allowed_are_made_without_a_call(tmp_path: Path):
    made = Settings.__new__(Settings)
    made.__dict__["d_in"] = 6
    path = save(tmp_path / "x.pt", {"cfg": made, "W": NUMBERS})
    with pytest.raises(BadArtefact, match="Settings"):
        read_pickled(path)
    found = read_pickled(path, allowed_extra=(Settings,))
    assert (type(found["cfg"]), found["cfg"].d_in) == (Settings, 6)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_values_that_are_not_finite_are_refused_unless_unchecked(bad: float, tmp_path: Path):
    path = save(tmp_path / "x.pt", {"ae": {"mean": torch.tensor([1.0, bad])}})
    with pytest.raises(BadArtefact, match="'mean' holds values that are not finite"):
        read_pickled(path)
    assert read_pickled(path, unchecked=("mean",))["ae"]["mean"][0] == 1


def test_a_list_and_the_old_format_are_refused_by_what_they_are(tmp_path: Path):
    with pytest.raises(BadArtefact, match="no table of tensors but a list"):
        read_pickled(save(tmp_path / "x.pt", [NUMBERS]))
    with pytest.raises(BadArtefact, match=r"torch before 1\.6"):
        read_pickled(save(tmp_path / "x.pt", TABLE, _use_new_zipfile_serialization=False))
    (tmp_path / "x.pt").write_bytes(pickle.dumps(TABLE))
    with pytest.raises(BadArtefact, match=r"torch before 1\.6"):
        read_pickled(tmp_path / "x.pt")
    with pytest.raises(BadArtefact, match="No such file"):
        read_pickled(tmp_path / "none.pt")


def test_what_would_unpack_to_more_than_the_file_is_refused(tmp_path: Path):
    path = save(tmp_path / "x.pt", {"W": torch.zeros(1000, 1000)})
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(BadArtefact, match="would unpack to 4,0"):
        read_pickled(path)


def test_records_are_held_against_what_is_said_of_them(tmp_path: Path):
    path = save(tmp_path / "x.pt", TABLE)
    rewrite(path, lambda name, content: content[:-4] if name.endswith("data/0") else content)
    with pytest.raises(BadArtefact, match="record 0 has 236 bytes for 60 numbers"):
        read_pickled(path)
    rewrite(path, lambda name, content: b"big" if name.endswith("byteorder") else content)
    with pytest.raises(BadArtefact, match="little-endian"):
        read_pickled(path)


def program_for(size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0, numel: int = 60) -> bytes:
    """A pickle whose one tensor claims this place in record 0."""

    class Storage:
        pass

    class Tensors(pickle.Pickler):
        def persistent_id(self, obj: Any) -> Any:
            return ("storage", torch.FloatStorage, "0", "cpu", numel) if isinstance(obj, Storage) else None

        def reducer_override(self, obj: Any) -> Any:
            if isinstance(obj, Tensor):
                arguments = (Storage(), offset, size, stride, False, collections.OrderedDict())
                return _rebuild_tensor_v2, arguments
            return NotImplemented

    file = io.BytesIO()
    Tensors(file, protocol=2).dump({"W": torch.zeros(1)})
    return file.getvalue()


def test_a_tensor_lies_within_its_record(tmp_path: Path):
    path = tmp_path / "x.pt"
    assert torch.equal(read_pickled(with_program(path, program_for((10, 6), (6, 1))))["W"], NUMBERS)
    for size, stride, offset, numel in [
        ((10, 7), (6, 1), 0, 60),
        ((10, 6), (6, 1), 1, 60),
        ((10, 6), (6, 1), -1, 60),
        ((10, 6), (6, -1), 0, 60),
        ((10**9, 10**9), (0, 0), 0, 60),
        ((10, 6), (6,), 0, 60),
        ((10, 7), (7, 1), 0, 70),
        ((0, 2**80), (1, 1), 0, 60),
    ]:
        with pytest.raises(BadArtefact):
            read_pickled(with_program(path, program_for(size, stride, offset, numel)))


@pytest.mark.parametrize(
    "program",
    [
        b"",
        b".",
        b"\x80\x02}",
        b"\x80\x02}s.",
        b"\x80\x02(((.",
        b"\x80\x02h\x05.",
        b"\x80\x02}(K\x01K\x02K\x03u.",
        b"\x80\x02}K\x01\x85K\x01s.",
        b"\x80\x02K\x01)R.",
        b"\x80\x02}K\x01Q.",
        b"\x80\x02K\x01}b.",
        b"\x80\x02\x8d" + struct.pack("<Q", 2**60) + b"x.",
        b"\x80\x02ccollections\nOrderedDict\n]\x85R.",
        b"\x80\x02ctorch\nFloatStorage\n)R.",
        b"\x80\x02}0.",
    ],
)
def test_damaged_lists_are_refused(program: bytes, tmp_path: Path):
    with pytest.raises(BadArtefact, match=r"x\.pt"):
        read_pickled(with_program(tmp_path / "x.pt", program))


def test_a_table_inside_itself_ends(tmp_path: Path):
    table: dict[str, Any] = {"W": NUMBERS}
    table["again"] = [table, table]
    found = read_pickled(save(tmp_path / "x.pt", table))
    assert [name for name, _ in tensors_in(found)] == ["W"]


def test_truncated_files_are_refused(tmp_path: Path):
    path = save(tmp_path / "x.pt", TABLE)
    content = path.read_bytes()
    for length in range(0, len(content), 13):
        path.write_bytes(content[:length])
        with pytest.raises(BadArtefact):
            read_pickled(path)


def test_a_changed_byte_gives_the_table_or_a_refusal(tmp_path: Path):
    path, draw = save(tmp_path / "x.pt", TABLE), random.Random(0)
    content = path.read_bytes()
    for _ in range(300):
        changed = bytearray(content)
        changed[draw.randrange(len(content))] = draw.randrange(256)
        path.write_bytes(changed)
        with suppress(BadArtefact):
            assert isinstance(read_pickled(path), dict)


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_a_changed_program_gives_a_table_or_a_refusal(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.getbasetemp() / "fuzzed.pt"
    program = bytearray(program_for((10, 6), (6, 1)))
    for _ in range(data.draw(st.integers(1, 4))):
        program[data.draw(st.integers(0, len(program) - 1))] = data.draw(st.integers(0, 255))
    with suppress(BadArtefact):
        assert isinstance(read_pickled(with_program(path, bytes(program))), dict)
