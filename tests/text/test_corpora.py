"""Corpora from files, folders, tables and the hub, and what is said when they are not what they should be."""

import json
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pyarrow
import pyarrow.parquet
import pytest

from hooke.errors import BadArtefact, BadRequest, UnknownName
from hooke.text import corpora
from hooke.text.corpora import open_corpus


def texts(ref: str | Path, column: str = "text") -> list[str]:
    return [document.text for document in open_corpus(str(ref), column=column).documents()]


def write_parquet(path: Path, **columns: list[object]) -> Path:
    pyarrow.parquet.write_table(pyarrow.table(columns), path, row_group_size=2)
    return path


def write_jsonl(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n", encoding="utf-8")
    return path


def test_a_text_file_is_one_document(tmp_path: Path):
    path = tmp_path / "tale.txt"
    path.write_text("Once.\nTwice: é", encoding="utf-8")
    (document,) = open_corpus(str(path)).documents()
    assert (document.text, document.source) == ("Once.\nTwice: é", "tale.txt")


def test_a_folder_is_read_in_the_order_of_its_paths(tmp_path: Path):
    for name in ("b.txt", "a/z.md", "a/code/y.py", "c.TXT", "picture.png", "a/model.bin"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    assert texts(tmp_path) == ["a/code/y.py", "a/z.md", "b.txt", "c.TXT"]
    sources = [document.source for document in open_corpus(str(tmp_path)).documents()]
    assert sources == ["a", "a", tmp_path.name, tmp_path.name]


def test_tables_give_one_document_a_row(tmp_path: Path):
    rows = ["one", "two", "three", "four", "five"]
    parquet = write_parquet(tmp_path / "t.parquet", story=rows, n=[1, 2, 3, 4, 5])
    jsonl = write_jsonl(tmp_path / "t.jsonl", *({"story": row} for row in rows))
    assert texts(parquet, "story") == texts(jsonl, "story") == rows


def test_fingerprints_follow_content_and_nothing_else(tmp_path: Path):
    def fingerprint(folder: str, text: str) -> list[str]:
        place = tmp_path / folder
        place.mkdir()
        (place / "a.txt").write_text(text)
        table = write_jsonl(place / "t.jsonl", {"text": text, "other": text})
        os.utime(place / "a.txt", (1, 1))
        refs = [open_corpus(str(place)), open_corpus(str(place / "a.txt")), open_corpus(str(table))]
        return [corpus.fingerprint for corpus in refs]

    first = fingerprint("one", "abc")
    assert first == fingerprint("two", "abc")
    assert not set(first) & set(fingerprint("three", "abd"))
    table = str(tmp_path / "one" / "t.jsonl")
    assert open_corpus(table).fingerprint != open_corpus(table, column="other").fingerprint


def test_renaming_a_file_of_a_folder_changes_its_fingerprint(tmp_path: Path):
    (tmp_path / "a.txt").write_text("abc")
    before = open_corpus(str(tmp_path)).fingerprint
    (tmp_path / "a.txt").rename(tmp_path / "b.txt")
    assert open_corpus(str(tmp_path)).fingerprint != before


def test_what_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(UnknownName, match="neither a file nor a folder"):
        open_corpus(str(tmp_path / "nothing.txt"))
    with pytest.raises(UnknownName, match="holds no text"):
        open_corpus(str(tmp_path))


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_a_missing_column_names_those_that_are_there(suffix: str, tmp_path: Path):
    path = tmp_path / f"t.{suffix}"
    if suffix == "jsonl":
        write_jsonl(path, {"story": "x", "n": 1})
    else:
        write_parquet(path, story=["x"], n=[1])
    with pytest.raises(UnknownName, match="no column 'text'.*Found: story, n"):
        texts(path)


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_rows_that_are_not_text_are_refused(suffix: str, tmp_path: Path):
    path = tmp_path / f"t.{suffix}"
    rows: list[object] = ["fine", None]
    if suffix == "jsonl":
        write_jsonl(path, *({"text": row} for row in rows))
    else:
        write_parquet(path, text=rows)
    with pytest.raises(BadArtefact, match="Row 1 .* no text"):
        texts(path)


def test_files_that_are_not_what_their_names_say_are_refused(tmp_path: Path):
    binary = tmp_path / "a.txt"
    binary.write_bytes(b"fine \xff\xfe")
    with pytest.raises(BadArtefact, match="Byte 5"):
        texts(binary)
    broken = tmp_path / "b.jsonl"
    broken.write_text('{"text": "fine"}\n{"text": ')
    with pytest.raises(BadArtefact, match="Line 2"):
        texts(broken)
    whole = write_parquet(tmp_path / "c.parquet", text=["x"] * 9).read_bytes()
    (tmp_path / "d.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadArtefact, match="Parquet"):
        texts(tmp_path / "d.parquet")


def test_the_default_corpus_is_reached_by_its_name():
    with pytest.raises(UnknownName, match="No corpus 'default/nothing'"):
        open_corpus("default/nothing")


def test_the_hub_is_not_asked_offline(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(BadRequest, match="offline"):
        open_corpus("hf:someone/texts")


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """A hub with one data set, at commit c0ffee; the calls that load it are kept."""
    calls: list[tuple[object, ...]] = []

    def load_dataset(*names: object, **settings: object) -> list[dict[str, str]]:
        calls.append((*names, settings))
        return [{"text": "from the hub"}]

    package = ModuleType("datasets")
    package.__spec__ = SimpleNamespace()  # pyright: ignore[reportAttributeAccessIssue]
    package.load_dataset = load_dataset  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "datasets", package)
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", lambda *_, **__: SimpleNamespace(sha="c0ffee"))
    return calls


def test_a_hub_data_set_is_read_at_the_commit_that_its_fingerprint_names(
    online: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
):
    corpus = open_corpus("hf:someone/texts:english")
    assert [document.text for document in corpus.documents()] == ["from the hub"]
    assert online == [("someone/texts", "english", {"split": "train", "revision": "c0ffee", "streaming": True})]
    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", lambda *_, **__: SimpleNamespace(sha="other"))
    assert open_corpus("hf:someone/texts:english").fingerprint != corpus.fingerprint


def test_a_hub_that_is_not_reached_is_said(online: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no route")

    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", refuse)
    with pytest.raises(UnknownName, match="not reached. OSError: no route"):
        open_corpus("hf:someone/texts")


def test_a_missing_package_for_the_hub_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(corpora.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UnknownName, match="pip install datasets"):
        open_corpus("hf:someone/texts")
