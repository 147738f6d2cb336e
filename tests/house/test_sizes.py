"""Files and functions stay small enough to read at one go."""

from pathlib import Path

from scripts.sizes import MAX_FILE_LINES, MAX_FUNCTION_LINES, oversized, sources


def test_nothing_is_too_large():
    assert [line for path in sources() for line in oversized(path)] == []


def test_every_source_is_looked_at():
    names = {path.name for path in sources()}
    assert {"errors.py", "sizes.py", "test_sizes.py"} <= names


def test_a_long_file_and_a_long_function_are_found(tmp_path: Path):
    path = tmp_path / "long.py"
    path.write_text("def long():\n" + "    pass\n" * MAX_FUNCTION_LINES + "x = 1\n" * MAX_FILE_LINES)
    file, function = oversized(path)
    assert f"{1 + MAX_FUNCTION_LINES + MAX_FILE_LINES} lines" in file
    assert "long: 81 lines" in function
