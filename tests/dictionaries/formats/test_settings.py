import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hooke.dictionaries.formats.settings import Settings, read_settings
from hooke.errors import BadArtefact

GOOD = {"name": "a", "n": 3, "x": 0.5, "is": True, "list": ["a", "b"], "layers": [1, 2], "inner": {"k": 7}, "no": None}


def settings(**changes) -> Settings:
    return Settings(Path("config.json"), GOOD | changes)


def test_values_come_back_and_what_is_absent_has_its_default(tmp_path: Path):
    (tmp_path / "config.json").write_text(json.dumps(GOOD))
    found = read_settings(tmp_path / "config.json")
    assert (found.text("name"), found.whole("n"), found.number("x"), found.flag("is", False)) == ("a", 3, 0.5, True)
    assert (found.texts("list"), found.wholes("layers"), found.table("inner").whole("k")) == (("a", "b"), (1, 2), 7)
    for key in ("no", "other"):
        assert (found.text(key, "d"), found.whole(key), found.flag(key, True), found.texts(key)) == (
            "d",
            None,
            True,
            (),
        )
        assert (found.wholes(key), found.table(key).data) == (None, {})


@pytest.mark.parametrize(
    ("method", "value"),
    [
        ("text", 3),
        ("whole", 3.5),
        ("whole", True),
        ("whole", "3"),
        ("number", "0.5"),
        ("number", float("nan")),
        ("number", float("inf")),
        ("number", 10**400),
        ("number", [1]),
        ("texts", "a"),
        ("texts", ["a", 1]),
        ("wholes", [1, True]),
        ("wholes", {}),
        ("table", []),
    ],
)
def test_another_type_is_refused_by_name(method: str, value: object):
    with pytest.raises(BadArtefact, match="Its 'key' is"):
        getattr(settings(key=value), method)("key")


def test_a_flag_is_true_or_false():
    with pytest.raises(BadArtefact, match="true or false"):
        settings(key=1).flag("key", False)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]", b"3", b"\xff\xfe", b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}"]
)
def test_what_is_no_object_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(BadArtefact, match="config.json"):
        read_settings(tmp_path / "config.json")


def test_a_file_of_absurd_size_is_not_read(tmp_path: Path):
    (tmp_path / "config.json").write_bytes(b"{}" + b" " * 4_000_000)
    with pytest.raises(BadArtefact, match="4,000,002 bytes"):
        read_settings(tmp_path / "config.json")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(VALUES, st.sampled_from(["text", "whole", "number", "texts", "wholes", "table"]))
def test_any_value_is_of_the_type_asked_for_or_refused(value: object, method: str):
    try:
        getattr(settings(key=value), method)("key")
    except BadArtefact:
        return
