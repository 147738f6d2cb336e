"""Weights from a file of torch.save that nobody vouches for.

Such a file is a zip archive: `data.pkl`, a pickle that says what there is, and one stored record for each tensor's
numbers. A pickle is a program. Here none is run: the few instructions that a table of tensors and plain values needs
are followed by hand, names stand only for what is listed here, and every size is held against the file's before
memory is asked for.
"""

import pickletools
import zipfile
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hooke.dictionaries.formats.weights_file import is_finite
from hooke.errors import BadArtefact

_MAX_PICKLE_BYTES = 1_000_000
# Tensors may share numbers, as tied weights do, but not so often that a small file fills the memory.
_MOST_SHARING = 4
_CHUNK = 2**24

_STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


def read_pickled(
    path: Path, *, allowed_extra: tuple[type, ...] = (), unchecked: Collection[str] = ()
) -> dict[str, Any]:
    """The table in a file of torch.save: tensors on the CPU, all of them finite, and plain values.

    Args:
        path: the file.
        allowed_extra: types whose objects may occur, too; they are made without a call of their `__init__`. A type
            stands for the name that its `__module__` and `__qualname__` spell.
        unchecked: keys, at any depth, whose tensors may hold what is not finite.

    Raises:
        BadArtefact: the file is cut short, hostile, of torch's format before 1.6, or holds anything else.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            prefix = _require_sound(archive, path.stat().st_size)
            machine = _Machine(archive, prefix, {f"{one.__module__} {one.__qualname__}": one for one in allowed_extra})
            found = machine.run(archive.read(f"{prefix}data.pkl"))
    except zipfile.BadZipFile as error:
        raise _bad(path, f"{error}; files of torch before 1.6 are not read") from error
    except (OSError, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        raise _bad(path, str(error)[:300]) from error
    except (TypeError, LookupError, AttributeError, MemoryError, OverflowError, RecursionError) as error:
        raise _bad(path, "its list of tensors is damaged") from error
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise _bad(path, f"it holds no table of tensors but a {type(found).__name__}")
    for name, tensor in tensors_in(found):
        if name not in unchecked and tensor.is_floating_point() and not is_finite(tensor):
            raise _bad(path, f"'{name:.60}' holds values that are not finite")
    return found


def tensors_in(table: dict[str, Any]) -> Iterator[tuple[str, Tensor]]:
    """Every tensor in a table and the tables and lists inside it, by the nearest key."""
    waiting, seen = [("", table)], set()
    while waiting:
        name, value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Tensor):
            yield name, value
        waiting += [(str(key), one) for key, one in value.items()] if isinstance(value, dict) else []
        waiting += [(name, one) for one in value] if isinstance(value, list | tuple) else []


def _require_sound(archive: zipfile.ZipFile, size: int) -> str:
    """What stands before the names in an archive whose directory does not promise more than the file holds."""
    members = archive.infolist()
    packed = [one.filename for one in members if one.compress_type or one.file_size != one.compress_size]
    if packed or sum(one.file_size for one in members) > size:
        raise ValueError(f"it would unpack to {sum(one.file_size for one in members):,} bytes from {size:,}")
    lists = [one for one in members if one.filename.endswith("/data.pkl") and one.filename.count("/") == 1]
    if len(lists) != 1 or lists[0].file_size > _MAX_PICKLE_BYTES:
        sizes = [one.file_size for one in lists]
        raise ValueError(f"it has {len(lists)} lists of tensors (data.pkl), of {sizes} bytes")
    prefix = lists[0].filename.removesuffix("data.pkl")
    order = f"{prefix}byteorder"
    if order in archive.namelist() and archive.read(order) != b"little":
        raise ValueError("its numbers are not little-endian")
    return prefix


@dataclass(frozen=True, slots=True)
class _Storage:
    """A record of the archive, as numbers of one dtype."""

    key: str
    dtype: torch.dtype
    numel: int


class _Machine:
    """Follows a pickle's instructions, of which it knows those that tables of tensors are written with."""

    def __init__(self, archive: zipfile.ZipFile, prefix: str, extra: dict[str, type]) -> None:
        self._archive, self._prefix, self._extra = archive, prefix, extra
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        self._records: dict[str, Tensor] = {}
        self._left = _MOST_SHARING * sum(one.file_size for one in archive.infolist())
        self._known: dict[str, Any] = {
            "collections OrderedDict": _table,
            "torch Size": _size,
            "torch device": _device,
            "torch._utils _rebuild_tensor_v2": self._rebuild_tensor,
            "torch._utils _rebuild_parameter": _data_of,
        }
        self._known |= {f"torch {name}": dtype for name, dtype in _STORAGES.items()}
        self._known |= {f"torch {str(dtype).removeprefix('torch.')}": dtype for dtype in _STORAGES.values()}
        self._known |= extra

    def run(self, program: bytes) -> Any:
        """What the program leaves."""
        for opcode, argument, _ in pickletools.genops(program):
            step = _STEPS.get(opcode.name)
            if step is None:
                raise ValueError(f"its list of tensors has the instruction {opcode.name}")
            step(self, argument)
        return self._stack.pop()

    def push(self, value: Any) -> None:
        self._stack.append(value)

    def mark(self) -> None:
        self._below.append(self._stack)
        self._stack = []

    def push_tuple(self, length: int | None) -> None:
        items = self._to_mark() if length is None else [self._stack.pop() for _ in range(length)][::-1]
        self.push(tuple(items))

    def put(self, place: int | None) -> None:
        self._memo[len(self._memo) if place is None else place] = self._stack[-1]

    def get(self, place: int) -> None:
        self.push(self._memo[place])

    def extend(self, *, one: bool) -> None:
        items = [self._stack.pop()] if one else self._to_mark()
        _of(list, self._stack[-1]).extend(items)

    def set_items(self, *, one: bool) -> None:
        items = [self._stack.pop(), self._stack.pop()][::-1] if one else self._to_mark()
        for key, value in zip(items[::2], items[1::2], strict=True):
            # Not a tuple: its hash is that of its items, and of theirs, to a depth that a file could choose.
            _of(dict, self._stack[-1])[_of((str, int, float), key)] = value

    def name(self, name: str | None) -> None:
        if name is None:
            last, module = self._stack.pop(), self._stack.pop()
            name = f"{module} {last}"
        if name not in self._known:
            raise ValueError(f"it asks for '{name.replace(' ', '.'):.80}', which could run code")
        self.push(self._known[name])

    def call(self) -> None:
        arguments, called = _of(tuple, self._stack.pop()), self._stack.pop()
        if isinstance(called, type) and called in self._extra.values():
            self.push(object.__new__(called))
        elif isinstance(called, FunctionType | MethodType):
            self.push(called(*arguments))
        else:
            raise ValueError("it calls what is no function")

    def build(self) -> None:
        state, made = self._stack.pop(), self._stack[-1]
        if type(made) in self._extra.values():
            made.__dict__ = _of(dict, state)
        # An ordered table's own attributes, torch's notes on versions, are left.
        elif not isinstance(made, dict):
            raise ValueError("it changes what is no object of its own")

    def point(self) -> None:
        match self._stack.pop():
            case ("storage", torch.dtype() as dtype, str(key), str(_), int(numel)):
                self.push(_Storage(key, dtype, numel))
            case _:
                raise ValueError("it points to what is no record of numbers")

    def _to_mark(self) -> list[Any]:
        items, self._stack = self._stack, self._below.pop()
        return items

    def _rebuild_tensor(
        self, storage: _Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any
    ) -> Tensor:
        storage = _of(_Storage, storage)
        numbers = [_of(int, one) for one in (offset, *_of(tuple, size), *_of(tuple, stride))]
        last = offset + sum((axis - 1) * step for axis, step in zip(size, stride, strict=True))
        self._left -= prod(size) * storage.dtype.itemsize
        if min(numbers) < 0 or (0 not in size and last >= storage.numel) or self._left < 0:
            raise ValueError(f"a tensor of {list(size)[:8]} is not in its record of {storage.numel} numbers")
        return self._record(storage).as_strided(size, stride, offset)

    def _record(self, storage: _Storage) -> Tensor:
        if storage.key not in self._records:
            member = self._archive.getinfo(f"{self._prefix}data/{storage.key}")
            if member.file_size != storage.numel * storage.dtype.itemsize:
                raise ValueError(f"record {storage.key:.20} has {member.file_size} bytes for {storage.numel} numbers")
            self._records[storage.key] = self._read(member).view(storage.dtype)
        record = self._records[storage.key]
        if (record.dtype, len(record)) != (storage.dtype, storage.numel):
            raise ValueError(f"record {storage.key:.20} is asked for as two things")
        return record

    def _read(self, member: zipfile.ZipInfo) -> Tensor:
        record, start = np.empty(member.file_size, dtype=np.uint8), 0
        with self._archive.open(member) as file:
            # To the end and beyond: there the archive's checksum is compared.
            while chunk := file.read(_CHUNK):
                record[start : start + len(chunk)] = np.frombuffer(chunk, dtype=np.uint8)
                start += len(chunk)
        if start != member.file_size:
            raise ValueError("a record is cut short")
        return torch.from_numpy(record)


def _of(kind: Any, value: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError
    return value


# None of these copies what it is given: a short program could have that done any number of times.


def _table() -> dict[Any, Any]:
    return {}


def _size(axes: tuple[int, ...]) -> tuple[int, ...]:
    return _of(tuple, axes)


def _device(kind: str, _: int = 0) -> str:
    return _of(str, kind)


def _data_of(data: Tensor, *_: Any) -> Tensor:
    return _of(Tensor, data)


_Step = Callable[[_Machine, Any], None]
_CONSTANTS = "BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE SHORT_BINUNICODE BINUNICODE8"
_STEPS: dict[str, _Step] = dict.fromkeys(_CONSTANTS.split(), _Machine.push)
_STEPS |= dict.fromkeys(("PROTO", "FRAME", "STOP"), lambda machine, argument: None)
_STEPS |= {
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "MARK": lambda machine, _: machine.mark(),
    "TUPLE": lambda machine, _: machine.push_tuple(None),
    "TUPLE1": lambda machine, _: machine.push_tuple(1),
    "TUPLE2": lambda machine, _: machine.push_tuple(2),
    "TUPLE3": lambda machine, _: machine.push_tuple(3),
    "APPEND": lambda machine, _: machine.extend(one=True),
    "APPENDS": lambda machine, _: machine.extend(one=False),
    "SETITEM": lambda machine, _: machine.set_items(one=True),
    "SETITEMS": lambda machine, _: machine.set_items(one=False),
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "MEMOIZE": _Machine.put,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
    "GLOBAL": _Machine.name,
    "STACK_GLOBAL": _Machine.name,
    "BINPERSID": lambda machine, _: machine.point(),
    "REDUCE": lambda machine, _: machine.call(),
    "NEWOBJ": lambda machine, _: machine.call(),
    "BUILD": lambda machine, _: machine.build(),
}


def _bad(path: Path, why: str) -> BadArtefact:
    return BadArtefact(
        f"'{path}' was not read as weights:", f"{why}.", "Fetch a fresh copy, or ask its author for safetensors."
    )
