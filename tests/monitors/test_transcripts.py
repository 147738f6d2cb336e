"""Texts as a monitor sees them: their forms, their tokens, and what is the prompt's."""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from hooke.errors import BadRequest, UnknownName
from hooke.lab import Lab
from hooke.models.model import Model
from hooke.monitors.transcripts import (
    Text,
    concept_texts,
    forms_of,
    known,
    ordinary_texts,
    read_rows,
    read_transcripts,
    score_texts,
    texts_fingerprint,
    tokens_of,
)
from hooke.sites import parse_site
from hooke.text.documents import Corpus, Document
from tests.cli.tiny_lab import make_tokenizer
from tests.models.tiny import tiny_hf
from tests.monitors.made import monitor_of


def _model() -> Model:
    tokenizer = make_tokenizer()
    return Model(tiny_hf("llama", vocab_size=len(tokenizer), max_position_embeddings=24), tokenizer, name="tiny")


def _corpus() -> Corpus:
    def read() -> Iterator[Document]:
        yield from (Document(text, "wiki-en") for text in ("one", " ", "two", "three"))

    return Corpus(name="c", fingerprint="f", read=read)


def test_what_is_the_prompt_is_told_apart() -> None:
    model = _model()
    alone = tokens_of(model, Text(text="A cat sat"))
    assert alone == (model.tokenizer("A cat sat")["input_ids"], len(alone[0]))
    asked = tokens_of(model, Text(text="A cat", form="chat"))
    assert model.tokenizer.decode(asked[0]) == "<|user|>A cat<|model|>"
    assert asked[1] == len(asked[0])
    answered = tokens_of(model, Text(text=" sat", prompt="A cat", form="chat"))
    assert model.tokenizer.decode(answered[0]) == "<|user|>A cat<|model|> sat"
    assert model.tokenizer.decode(answered[0][answered[1] :]) == " sat"
    after = tokens_of(model, Text(text=" sat", prompt="A cat"))
    assert model.tokenizer.decode(after[0][after[1] :]) == " sat"


def test_texts_are_cut_where_asked_and_where_the_model_ends() -> None:
    model, long = _model(), Text(text="A cat sat on the mat. " * 20)
    assert len(tokens_of(model, long, longest=7)[0]) == 7
    assert len(tokens_of(model, long)[0]) == model.context == 24
    assert forms_of(model) == ("plain", "chat")
    model.tokenizer.chat_template = None
    assert forms_of(model) == ("plain",)
    with pytest.raises(BadRequest, match="no tokens"):
        tokens_of(model, Text(text=""))


def test_batches_of_unequal_texts_score_as_each_alone(tmp_path: Path) -> None:
    model = _model()
    monitor = monitor_of(model, Lab(tmp_path))
    texts = [Text(text=text) for text in ("A cat sat on the mat and", "A", "The bridge over the river", "Le chat")]
    found = score_texts(model, [monitor], texts)
    for one, text in zip(found, texts, strict=True):
        alone = score_texts(model, [monitor], [text])[0]
        assert (one.text, one.n_tokens) == (text, alone.n_tokens)
        assert one.peaks == pytest.approx(alone.peaks, rel=1e-4)
    assert [one.peaks[0] for one in found if one.n_tokens == 1] == [-math.inf]
    rows = {at: found for at, found, _ in read_rows(model, texts, [parse_site("resid_post.0")])}
    run = model.run(texts[2].text, capture=["resid_post.0"], logits=False)
    torch.testing.assert_close(rows[2][parse_site("resid_post.0")], run["resid_post.0"][0], rtol=1e-4, atol=1e-5)


def test_each_ordinary_document_comes_once_in_one_form() -> None:
    found = ordinary_texts(_corpus(), 2)
    assert [(one.text, one.form, one.source) for one in found] == [
        ("one", "plain", "wiki-en, plain"),
        ("two", "chat", "wiki-en, chat"),
    ]
    (later,) = ordinary_texts(_corpus(), 1, skip=2)
    assert (later.text, later.group) == ("three", "c/2")
    assert {one.group for one in found}.isdisjoint({later.group})
    with pytest.raises(BadRequest, match="only 3 documents"):
        ordinary_texts(_corpus(), 2, skip=2)


def test_files_and_concept_sets_are_read(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    rows = [{"text": "one", "label": True, "group": "a"}, {"text": "two", "prompt": "p", "form": "chat"}]
    path.write_text("\n".join(map(json.dumps, rows)))
    assert read_transcripts(path) == [
        Text(text="one", label=True, group="a"),
        Text(text="two", prompt="p", form="chat"),
    ]
    path.write_text('{"text": "one"}\n{"txt": "two"}')
    with pytest.raises(BadRequest, match="Line 2"):
        read_transcripts(path)
    truth = concept_texts("truth", "chat")
    assert {one.form for one in truth} == {"chat"}
    assert {one.label for one in truth} == {True, False}
    with pytest.raises(UnknownName):
        concept_texts("thruth")
    assert texts_fingerprint(truth) == texts_fingerprint(concept_texts("truth", "chat"))
    assert texts_fingerprint(truth) != texts_fingerprint(truth[1:])


def test_what_was_never_judged_is_below_all_numbers() -> None:
    assert (known(math.nan), known(1.5)) == (-math.inf, 1.5)
