"""Open a corpus by its reference: the default one, a file, a folder, a column of a table, or a hub data set."""

import hashlib
import importlib
import importlib.util
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hooke.configs import content_hash
from hooke.errors import BadArtefact, BadRequest, UnknownName
from hooke.text.default_corpus import open_default
from hooke.text.documents import Corpus, Document

__all__ = ["TEXT_SUFFIXES", "Corpus", "Document", "open_corpus"]

TEXT_SUFFIXES = frozenset(
    (".txt", ".md", ".rst", ".tex", ".html", ".xml", ".toml", ".yaml", ".yml", ".css", ".sql", ".sh", ".py", ".pyi")
    + (".js", ".ts", ".c", ".h", ".cc", ".cpp", ".hpp", ".rs", ".go", ".java", ".rb")
)
"""Files of a folder that are read as text."""


def open_corpus(ref: str, *, column: str = "text") -> Corpus:
    """The corpus that a reference names.

    `default`, `default/wiki-en`, `default:heldout` · a text file (one document) · a folder (one document a file,
    recursively, in the order of their paths) · a `.jsonl` or `.parquet` file (one document a row, from `column`) ·
    `hf:NAME` or `hf:NAME:CONFIG`, the `train` split of a data set on the hub.

    Raises:
        UnknownName: no such corpus, file or column, or what it needs is not installed.
        BadRequest: a hub data set was asked for offline.
        BadArtefact: while reading, a file is not what its name says.
    """
    if ref.partition("/")[0].partition(":")[0] == "default":
        return open_default(ref)
    if ref.startswith("hf:"):
        return _open_hub(ref, column)
    path = Path(ref).expanduser()
    if path.is_dir():
        return _open_folder(ref, path)
    if not path.is_file():
        raise UnknownName(
            f"No corpus '{ref}'.",
            "It is neither a file nor a folder here.",
            "Give a path, 'default', or 'hf:NAME' for a data set on the hub.",
        )
    if path.suffix == ".jsonl":
        return _from_table(ref, path, column, _jsonl_rows)
    if path.suffix == ".parquet":
        return _from_table(ref, path, column, _parquet_rows)
    return Corpus(name=ref, fingerprint=_file_hash(path), read=lambda: iter([Document(_read_text(path), path.name)]))


def _file_hash(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()[:16]


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadArtefact(
            f"'{path}' is not UTF-8 text.", f"Byte {error.start} cannot be decoded.", "Convert or remove the file."
        ) from error


def _open_folder(ref: str, folder: Path) -> Corpus:
    files = sorted(
        (path for path in folder.rglob("*") if path.suffix.lower() in TEXT_SUFFIXES and path.is_file()),
        key=lambda path: path.relative_to(folder).parts,
    )
    if not files:
        raise UnknownName(
            f"The folder '{ref}' holds no text.",
            f"None of its files ends in {' '.join(sorted(TEXT_SUFFIXES))}.",
            "Give another folder, or one file by its own path.",
        )
    hashes = [(path.relative_to(folder).as_posix(), _file_hash(path)) for path in files]

    def read() -> Iterator[Document]:
        for path in files:
            inside = path.relative_to(folder).parts
            yield Document(_read_text(path), inside[0] if len(inside) > 1 else folder.resolve().name)

    return Corpus(name=ref, fingerprint=content_hash(hashes), read=read)


def _from_table(ref: str, path: Path, column: str, rows: Callable[[Path, str], Iterator[Any]]) -> Corpus:
    def read() -> Iterator[Document]:
        for number, text in enumerate(rows(path, column)):
            if not isinstance(text, str):
                raise BadArtefact(
                    f"Row {number} of '{path}' has no text in the column '{column}'.",
                    f"Found {text!r:.60}.",
                    "Choose a column of strings.",
                )
            yield Document(text, path.stem)

    return Corpus(name=ref, fingerprint=content_hash([_file_hash(path), column]), read=read)


def _jsonl_rows(path: Path, column: str) -> Iterator[Any]:
    with path.open(encoding="utf-8-sig") as handle:
        for number, line in enumerate(handle, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise BadArtefact(
                    f"Line {number} of '{path}' is not JSON.", f"{error}.", "Mend or remove the line."
                ) from error
            if not isinstance(row, dict) or column not in row:
                columns = list(row) if isinstance(row, dict) else []
                raise _no_column(f"line {number} of '{path}'", column, columns)
            yield row[column]


def _parquet_rows(path: Path, column: str) -> Iterator[Any]:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as table:
            if column not in table.schema_arrow.names:
                raise _no_column(f"'{path}'", column, table.schema_arrow.names)
            for batch in table.iter_batches(batch_size=1024, columns=[column]):
                yield from batch.column(0).to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise BadArtefact(f"'{path}' could not be read as Parquet.", f"{error}.", "Fetch a fresh copy.") from error


def _no_column(where: str, column: str, columns: list[str]) -> UnknownName:
    return UnknownName(
        f"There is no column '{column}' in {where}.",
        f"Found: {', '.join(map(str, columns[:12])) or 'no columns'}.",
        "Name the column that holds the text.",
    )


def _open_hub(ref: str, column: str) -> Corpus:
    if any(os.environ.get(name, "").upper() in {"1", "ON", "YES", "TRUE"} for name in _OFFLINE):
        raise BadRequest(
            f"The corpus '{ref}' lives on the hub.",
            f"{' or '.join(_OFFLINE)} says that this machine is offline.",
            "Unset it, or use 'default' or a file.",
        )
    if importlib.util.find_spec("datasets") is None:
        raise UnknownName(
            f"The corpus '{ref}' needs the package 'datasets'.", "It is not installed.", "Run: pip install datasets"
        )
    name, _, config = ref.removeprefix("hf:").partition(":")
    revision = _hub_revision(ref, name)

    def read() -> Iterator[Document]:
        rows = importlib.import_module("datasets").load_dataset(
            name, config or None, split="train", revision=revision, streaming=True
        )
        for row in rows:
            if column not in row:
                raise _no_column(f"the data set '{name}'", column, list(row))
            yield Document(row[column], name)

    return Corpus(name=ref, fingerprint=content_hash([name, config, revision, column]), read=read)


_OFFLINE = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE")


def _hub_revision(ref: str, name: str) -> str:
    """The commit of the data set: what was read stays what is read."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        HFValidationError,
        HTTPError,  # pyright: ignore[reportPrivateImportUsage]
        OfflineModeIsEnabled,
    )

    try:
        return str(HfApi().dataset_info(name, timeout=20).sha)
    except (HTTPError, HFValidationError, OfflineModeIsEnabled, OSError) as error:
        raise UnknownName(
            f"The data set of the corpus '{ref}' was not reached.",
            f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no answer'}",
            "Check the name and the connection, or use 'default' or a file.",
        ) from error
