from pathlib import Path

import numpy as np
import pytest

from hooke.errors import BadArtefact, UnknownName
from hooke.features.query import Index
from hooke.features.store import TokenShard, save_tensors
from hooke.features.tokens import MAX_SOURCES, NO_SOURCE, OTHER, Sources, TokenReader, materialise_tokens, shard_path
from hooke.text.documents import Corpus, Document
from hooke.text.windows import WindowConfig, windows
from tests.features.planted import World, planted_corpus, planted_tokenizer

CONTEXT = 4


def written(folder: Path, sizes: list[int]) -> TokenReader:
    """Shards of these many windows whose tokens count up."""
    shards, first = [], 0
    for number, size in enumerate(sizes):
        tokens = (np.arange(size * CONTEXT) + first * CONTEXT).reshape(size, CONTEXT)
        arrays = {
            "tokens": tokens.astype(np.uint16),
            "document": tokens.astype(np.int32) // 3,
            "counted": tokens % 2 == 0,
            "source": (tokens % 5).astype(np.uint8),
        }
        save_tensors(shard_path(folder, number), arrays)
        shards.append(TokenShard(first=first, n_windows=size, sha256=""))
        first += size
    return TokenReader(folder, tuple(shards), CONTEXT, 1000)


@pytest.mark.parametrize("sizes", [[9], [2, 1, 6]])
def test_fields_are_read_by_position_across_shards(tmp_path: Path, sizes: list[int]):
    reader = written(tmp_path, sizes)
    assert reader.n_tokens == 36
    positions = np.array([[35, 0, 8], [11, 12, 7]])
    np.testing.assert_array_equal(reader.take("tokens", positions), positions)
    np.testing.assert_array_equal(reader.take("document", positions), positions // 3)
    assert reader.window("tokens", 2, 1, 3).tolist() == [9, 10]
    assert reader.window("tokens", 8, 0, 4).tolist() == [32, 33, 34, 35]


def test_a_shard_of_another_size_is_refused(tmp_path: Path):
    reader = written(tmp_path, [2])
    wrong = TokenReader(reader.folder, (TokenShard(first=0, n_windows=3, sha256=""),), CONTEXT, 1000)
    with pytest.raises(BadArtefact, match="does not hold 3 windows"):
        wrong.take("tokens", np.array([0]))


def test_sources_are_those_of_the_documents_with_tokens():
    texts = [
        ("the river", "a"),
        ("", "never"),
        ("music", "b"),
        ("   ", "never"),
        ("song", "a"),
        ("", "never"),
        ("7", "c"),
    ]
    corpus = Corpus(name="x", fingerprint="x", read=lambda: (Document(*one) for one in texts))
    tokenizer = planted_tokenizer()
    by_document: dict[int, str] = {}
    sources = Sources(corpus, tokenizer)
    for batch in windows(corpus, tokenizer, WindowConfig(context=2, batch=1)):
        document = batch.document.numpy()
        numbers = sources.of(document)
        assert np.all(numbers[document < 0] == NO_SOURCE)
        for number, source in zip(document[document >= 0], numbers[document >= 0], strict=True):
            by_document[int(number)] = sources.names[source]
    # Whether blanks are tokens is the tokenizer's choice; what it does not count must not shift the rest.
    names = [source for text, source in texts if tokenizer(text)["input_ids"]]
    assert by_document == {number: names[number] for number in by_document}
    assert "b" in by_document.values()


def test_sources_beyond_the_table_are_counted_together():
    corpus = Corpus(name="x", fingerprint="x", read=lambda: (Document("the", f"s{n}") for n in range(50)))
    sources = Sources(corpus, planted_tokenizer())
    numbers = sources.of(np.arange(50))
    assert len(sources.names) == MAX_SOURCES
    assert sources.names[-1] == OTHER
    assert numbers.tolist() == [*range(MAX_SOURCES - 1), *[MAX_SOURCES - 1] * (50 - MAX_SOURCES + 1)]


def test_text_is_made_again_byte_for_byte(index: Index, world: World, tmp_path: Path):
    materialise_tokens(index.manifest, tmp_path, world.model.tokenizer, world.corpus)
    for number in range(len(index.manifest.token_shards)):
        assert shard_path(tmp_path, number).read_bytes() == shard_path(index.folder, number).read_bytes()


def test_another_corpus_or_another_tokenizer_is_refused(index: Index, world: World, tmp_path: Path):
    with pytest.raises(UnknownName, match="not here"):
        materialise_tokens(index.manifest, tmp_path, world.model.tokenizer, planted_corpus(61))
    other = planted_tokenizer()
    other.add_tokens(["bridge of"])
    with pytest.raises(BadArtefact, match="could not be made again"):
        materialise_tokens(index.manifest, tmp_path, other, world.corpus)
    shorter = Corpus(name="planted", fingerprint=world.corpus.fingerprint, read=planted_corpus(3).read)
    with pytest.raises(BadArtefact, match="could not be made again"):
        materialise_tokens(index.manifest, tmp_path, world.model.tokenizer, shorter)
