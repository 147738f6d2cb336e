from pathlib import Path

import pytest

from hooke.dictionaries.formats.several import ask_for_one, folders_with


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    for name in ("layers.2", "layers.10", "best/layers.2", "a/b/c", "a/b/c/d"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "one").touch()
        (tmp_path / name / "two").touch()
    (tmp_path / "layers.3").mkdir()
    (tmp_path / "layers.3" / "one").touch()
    return tmp_path


def test_folders_with_all_files_are_found_not_deep_and_in_the_order_of_their_numbers(suite: Path):
    found = folders_with(suite, "one", "two")
    assert [*found] == ["a/b/c", "best/layers.2", "layers.2", "layers.10"]
    assert found["best/layers.2"] == suite / "best" / "layers.2"
    assert folders_with(suite / "layers.3", "one") == {}


def test_the_refusal_names_them_and_one_to_give(tmp_path: Path):
    assert "'/suite' has 2 dictionaries. They are in: x, y. Give the folder of one, such as /suite/x." in str(
        ask_for_one(Path("/suite"), ["x", "y"])
    )
    assert "and 6 more." in str(ask_for_one(tmp_path, [str(number) for number in range(30)]))
