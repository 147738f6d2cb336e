"""Prompts of a file: names sort and are each one's own, and what is no such file is refused."""

from pathlib import Path

import pytest

from hooke.errors import BadRequest
from hooke.text.prompt_sets import NamedPrompt, read_prompts


def test_lines_are_prompts_and_numbers_their_names(tmp_path: Path):
    file = tmp_path / "prompts.txt"
    file.write_text("One is\n\n  Two is \n" + "x\n" * 8)
    found = read_prompts(file)
    assert found[:2] == [NamedPrompt("01", "One is"), NamedPrompt("03", "  Two is ")]
    assert [one.name for one in found] == sorted(one.name for one in found)


def test_json_lines_may_have_names_and_targets(tmp_path: Path):
    file = tmp_path / "prompts.jsonl"
    file.write_text(
        '{"prompt": "A", "name": "first", "targets": ["b", "c"]}\n{"prompt": "B", "targets": "d"}\n{"prompt": "C"}'
    )
    assert read_prompts(file) == [
        NamedPrompt("first", "A", ("b", "c")),
        NamedPrompt("2", "B", ("d",)),
        NamedPrompt("3", "C"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n \n",
        "{",
        "[]",
        '{"prompt": ""}',
        '{"prompt": 3}',
        '{"prompt": "A", "name": 1}',
        '{"prompt": "A", "targets": [1]}',
        '{"prompt": "A", "targets": {}}',
        '{"prompt": "A", "name": "x"}\n{"prompt": "B", "name": "x"}',
        "[" * 100_000,
        "x\n" * 10_001,
    ],
)
def test_what_holds_no_prompts_is_refused(tmp_path: Path, text: str):
    file = tmp_path / "prompts.jsonl"
    file.write_text(text)
    with pytest.raises(BadRequest, match="holds no prompts"):
        read_prompts(file)


def test_files_that_cannot_be_read_are_refused(tmp_path: Path):
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe")
    for name in ("missing.txt", "bytes.txt"):
        with pytest.raises(BadRequest, match="holds no prompts"):
            read_prompts(tmp_path / name)
