from pathlib import Path

import numpy as np
import pytest
import torch

from hooke.activations.harvest import ActivationBatch
from hooke.dictionaries.sparse import sparsify
from hooke.features.examples import by_strength
from hooke.features.explain import Explainer
from hooke.features.labels import Label
from hooke.features.query import Index
from hooke.features.shards import BuildFolder, ShardBuffer, ShardReader, read_notes
from hooke.features.store import TokenShard
from hooke.features.tokens import Sources, TokenReader
from hooke.features.vocabulary import read_vocabulary
from hooke.text.windows import WindowConfig, windows
from tests.features.planted import WORDS, planted_corpus, planted_tokenizer

N_KINDS = 9


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Label]:
    """Labels of features that fire by rules of every kind, and of two that follow none."""
    tokenizer, corpus = planted_tokenizer(), planted_corpus(900)
    work = BuildFolder(tmp_path_factory.mktemp("explain"), True, False)
    sources = Sources(corpus, tokenizer)
    vocabulary = read_vocabulary(tokenizer, len(tokenizer))
    rng = np.random.default_rng(0)
    buffer = ShardBuffer(N_KINDS, 32)
    for batch in windows(corpus, tokenizer, WindowConfig(context=32, batch=8)):
        words = [[vocabulary.text(token).strip() for token in row] for row in batch.tokens.tolist()]
        dense = np.zeros((*batch.tokens.shape, N_KINDS), np.float32)
        for row, line in enumerate(words):
            source = sources.of(batch.document[row].numpy())
            for at in range(1, len(line)):
                after, before = line[at + 1] if at + 1 < len(line) else "", line[at - 1]
                recent = set(line[max(0, at - 31) : at + 1])
                dense[row, at] = [
                    line[at] in ("stone", "water"),
                    (before, line[at]) == ("the", "river"),
                    before == "Paris",
                    after == "London",
                    line[at].isdigit(),
                    source[at] == sources.names.index("songs") if source[at] < 2 else 0,
                    rng.random() < 0.05,
                    "bridge" in recent and "42" in recent and rng.random() < 0.01,
                    9 if line[at] == "water" and rng.random() < 0.5 else rng.random() < 0.6,
                ]
        buffer.add(_flat(batch), sparsify(torch.from_numpy(dense.reshape(-1, N_KINDS))))
    buffer.write(work, 0, sources, len(vocabulary))
    notes = read_notes(work)
    text = TokenReader(work.text, (TokenShard(first=0, n_windows=notes[0].n_windows, sha256=""),), 32, len(vocabulary))
    shards = ShardReader(work, notes, N_KINDS, text)
    promoted = np.full((N_KINDS, 1), vocabulary.find("piano"))
    postings = shards.postings(0, N_KINDS)
    explainer = Explainer(vocabulary, shards, tuple(sources.names), notes[0].n_counted)
    found = explainer.labels(postings, by_strength(postings), promoted)
    kinds = ["tokens", "phrase", "after", "before", "digits", "source", "random", "rare", "peaked"]
    return dict(zip(kinds, found, strict=True))


def _flat(batch) -> ActivationBatch:
    n, context = batch.tokens.shape
    return ActivationBatch(
        sites={},
        tokens=batch.tokens.flatten(),
        window=torch.arange(batch.first, batch.first + n).repeat_interleave(context),
        position=torch.arange(context).repeat(n),
        document=batch.document.flatten(),
        counted=batch.counted.flatten(),
    )


@pytest.mark.parametrize(
    ("kind", "texts", "named"),
    [
        ("tokens", {'tokens "stone", "water"', 'tokens "water", "stone"'}, "token"),
        ("phrase", {'phrase "the river"'}, "phrase"),
        ("after", {'after "paris"'}, "phrase"),
        ("before", {'before "london"'}, "phrase"),
        ("digits", {"digits", 'tokens "7", "42"', 'tokens "42", "7"'}, None),
        ("source", {"text of songs"}, "source"),
    ],
)
def test_a_planted_rule_is_found_and_scores_high(
    labels: dict[str, Label], kind: str, texts: set[str], named: str | None
):
    label = labels[kind]
    assert label.text in texts
    assert named is None or label.kind == named
    assert label.source == "rule"
    assert label.score is not None
    assert label.f1 is not None
    # Firings at a window's end may lack the word after them, so not all are perfect.
    assert label.score > 0.95
    assert label.f1 > 0.9
    assert label.n > 100


def test_a_feature_without_a_rule_is_said_to_have_none(labels: dict[str, Label]):
    label = labels["random"]
    assert label.kind == "none"
    assert label.text.startswith("no simple rule")
    assert label.score is not None
    assert abs(label.score - 0.5) < 0.1


def test_a_feature_with_a_rule_at_its_peak_only_is_labelled_by_that(labels: dict[str, Label]):
    label = labels["peaked"]
    assert label.text.startswith('token "water" (strongest ')
    assert label.kind == "token"
    assert label.score is not None
    assert label.score > 0.9


def test_a_feature_that_fires_too_rarely_gets_no_score(labels: dict[str, Label]):
    label = labels["rare"]
    assert label.kind in ("rare", "dead", "none")
    assert label.kind == "none" or label.score is None


def test_words_to_search_for_hold_the_rule_and_the_promoted_token(labels: dict[str, Label]):
    assert {"stone", "water", "piano"} <= set(labels["tokens"].words.split())
    assert all(word.casefold() in [one.casefold() for one in WORDS] for word in labels["tokens"].words.split())


def test_labels_are_the_same_each_time(index: Index, world, tmp_path: Path):
    from hooke.lab import Lab

    again = Index.open(world.build("again", Lab(tmp_path)), lab=Lab(tmp_path))
    for feature in range(len(index)):
        assert again.label(feature) == index.label(feature)
