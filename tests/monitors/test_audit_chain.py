"""Canonical bytes, hashes and roots: fixed, so that a log of today verifies with any later version."""

import hashlib
import json

import pytest

from hooke.errors import BadConfig
from hooke.monitors.audit_chain import FIRST, Anchor, Entry, canonical, merkle_root, parse_entry

ENTRY = Entry(
    index=0, at="2026-01-01T00:00:00.000000+00:00", actor="a", event="e", body={"n": 1}, text=None, previous=FIRST
)
WRITTEN = (
    '{"actor":"a","at":"2026-01-01T00:00:00.000000+00:00","body":{"n":1},"event":"e","index":0,'
    f'"previous":"{FIRST}","text":null}}'
)  # fmt: skip


def test_the_hash_is_that_of_the_one_before_and_the_canonical_bytes() -> None:
    assert ENTRY.hashed() == hashlib.sha256(bytes(32) + WRITTEN.encode()).hexdigest()


def test_there_is_one_way_to_write_an_entry() -> None:
    line = ENTRY.line()
    assert parse_entry(line) == ENTRY
    for other in (json.dumps(json.loads(line)).encode() + b"\n", line.replace(b'"n":1', b'"n":1.0')[:-1]):
        with pytest.raises(ValueError, match="canonical"):
            parse_entry(other)
    with pytest.raises(BadConfig):
        parse_entry(b"{}\n")
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical({"n": float("nan")})


def test_a_root_is_a_tree_over_the_hashes() -> None:
    leaves = [hashlib.sha256(bytes([at])).hexdigest() for at in range(3)]
    a, b, c = (hashlib.sha256(b"\0" + bytes.fromhex(one)).digest() for one in leaves)
    expected = hashlib.sha256(b"\1" + hashlib.sha256(b"\1" + a + b).digest() + c).hexdigest()
    assert merkle_root(leaves) == expected
    assert merkle_root([]) == FIRST
    assert merkle_root(leaves[::-1]) != expected


def test_all_of_an_anchor_but_the_signature_is_signed() -> None:
    anchor = Anchor(start=0, stop=2, head="h", root="r", at="t", key="k", signature="s")
    assert json.loads(anchor.signed_bytes()) == {"start": 0, "stop": 2, "head": "h", "root": "r", "at": "t", "key": "k"}
