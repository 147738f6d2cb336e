"""Texts beside a log: sealed, read back, erased."""

import json
from pathlib import Path

import pytest

from hooke.errors import BadArtefact, UnknownName
from hooke.monitors.sealed_texts import KEYS, TEXTS, lose_key, opened_texts, seal, sealed_digests


def test_a_sealed_text_is_read_back_and_lies_nowhere_in_the_clear(tmp_path: Path) -> None:
    one, two = seal(tmp_path, "my secret", sync=False), seal(tmp_path, "my secret", sync=False)
    assert opened_texts(tmp_path) == {one.record: "my secret", two.record: "my secret"}
    assert sealed_digests(tmp_path) == {one.record: one.digest, two.record: two.digest}
    assert one.digest != two.digest
    for path in tmp_path.iterdir():
        assert b"secret" not in path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0


def test_an_erased_text_is_gone_and_the_others_are_not(tmp_path: Path) -> None:
    one, two = seal(tmp_path, "first", sync=False), seal(tmp_path, "second", sync=False)
    key = next(line for line in (tmp_path / KEYS).read_text().splitlines() if one.record in line)
    lose_key(tmp_path, one.record)
    assert opened_texts(tmp_path) == {two.record: "second"}
    assert json.loads(key)["key"] not in (tmp_path / KEYS).read_text()
    assert (tmp_path / KEYS).stat().st_mode & 0o077 == 0
    with pytest.raises(UnknownName, match="was erased"):
        lose_key(tmp_path, one.record)


def test_a_changed_text_is_refused(tmp_path: Path) -> None:
    one, two = seal(tmp_path, "first", sync=False), seal(tmp_path, "second", sync=False)
    path = tmp_path / TEXTS
    swapped = (
        path.read_text().replace(one.record, "x").replace(two.record, one.record).replace('"x"', f'"{two.record}"')
    )
    path.write_text(swapped)
    with pytest.raises(BadArtefact, match="changed"):
        opened_texts(tmp_path)
    path.write_text("{}\n")
    with pytest.raises(BadArtefact, match="damaged"):
        opened_texts(tmp_path)
