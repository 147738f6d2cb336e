"""Files with changed bytes, cut short, or with other JSON in them."""

import random
from collections.abc import Iterator
from pathlib import Path


def changed_bytes(path: Path, n: int, *, first: int = 0) -> Iterator[None]:
    """The file with one byte changed at a time, that many times; whole again at the end."""
    content, draw = path.read_bytes(), random.Random(0)
    for _ in range(n):
        changed = bytearray(content)
        changed[draw.randrange(first, len(content))] = draw.randrange(256)
        path.write_bytes(changed)
        yield
    path.write_bytes(content)


def cut_short(path: Path, step: int) -> Iterator[None]:
    """The file cut at every so many bytes; whole again at the end."""
    content = path.read_bytes()
    for length in range(0, len(content), step):
        path.write_bytes(content[:length])
        yield
    path.write_bytes(content)
