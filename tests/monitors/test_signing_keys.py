"""Keys that sign anchors."""

from pathlib import Path

import pytest

from hooke.errors import BadArtefact, BadRequest
from hooke.monitors.signing_keys import new_key, public_key, read_key


def test_a_key_is_kept_for_its_owner_alone_and_read_back(tmp_path: Path) -> None:
    made = new_key(tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert public_key(read_key(tmp_path / "key")) == public_key(made)
    assert len(public_key(made)) == 64


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    new_key(tmp_path / "key")
    with pytest.raises(BadRequest, match="new key"):
        new_key(tmp_path / "key")


def test_what_is_no_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("no key")
    for path in (tmp_path / "key", tmp_path / "none"):
        with pytest.raises(BadArtefact, match="no key"):
            read_key(path)
