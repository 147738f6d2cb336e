"""Windows: packing, boundaries, masks, restarts and the account of them."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from hooke.errors import BadConfig, ShapeMismatch
from hooke.text import windows as module
from hooke.text.documents import Corpus
from hooke.text.windows import WindowConfig, WindowReport, boundary_token, check_vocabulary, leading_bos, windows
from tests.text.small_tokenizer import LETTERS, small_corpus, small_tokenizer

END = 3  # <|endoftext|>
TOKENIZER = small_tokenizer(eos="</s>")

texts = st.lists(st.text(LETTERS, max_size=30), min_size=1, max_size=12)
shapes = st.builds(
    lambda context, batch: WindowConfig(context=context, batch=batch), st.integers(2, 9), st.integers(1, 4)
)


def flat(
    corpus: Corpus, tokenizer: PreTrainedTokenizerFast, config: WindowConfig, **settings: Any
) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens, documents and mask of all windows, one row each."""
    nothing = torch.empty(0, config.context, dtype=torch.int64)
    batches = list(windows(corpus, tokenizer, config, **settings))
    return (
        torch.cat([nothing, *(batch.tokens for batch in batches)]),
        torch.cat([nothing, *(batch.document for batch in batches)]),
        torch.cat([nothing.bool(), *(batch.counted for batch in batches)]),
    )


@given(texts, shapes)
def test_the_windows_are_the_documents_back_to_back(documents: list[str], config: WindowConfig):
    tokens, document, counted = flat(small_corpus(*documents), TOKENIZER, config)
    expected, numbers = [], []
    for number, text in enumerate(filter(None, documents)):
        expected += [*TOKENIZER(text, add_special_tokens=False)["input_ids"], END]
        numbers += [number] * len(text) + [-1]
    n_full = len(expected) // config.context * config.context
    assert tokens.flatten().tolist() == expected[:n_full]
    assert document.flatten().tolist() == numbers[:n_full]
    places = torch.arange(n_full).reshape(-1, config.context) % config.context
    assert torch.equal(counted, (tokens != END) & (places != 0))


@given(texts, shapes, st.integers(0, 8), st.integers(0, 8))
def test_reading_can_start_and_stop_at_any_window(documents: list[str], config: WindowConfig, start: int, stop: int):
    corpus = small_corpus(*documents)
    whole, part = flat(corpus, TOKENIZER, config), flat(corpus, TOKENIZER, config, start=start, stop=stop)
    for all_rows, rows in zip(whole, part, strict=True):
        assert torch.equal(all_rows[start:stop], rows)
    firsts = [batch.first for batch in windows(corpus, TOKENIZER, config, start=start)]
    assert firsts == list(range(start, len(whole[0]), config.batch))


@given(texts, shapes, st.integers(0, 3))
def test_the_report_accounts_for_every_token(documents: list[str], config: WindowConfig, start: int):
    corpus = small_corpus(*[(text, "even" if number % 2 else "odd") for number, text in enumerate(documents)])
    report = WindowReport()
    tokens, document, _ = flat(corpus, TOKENIZER, config, report=report)
    n_all = sum(len(text) + 1 for text in documents if text)
    assert report.n_tokens == tokens.numel() == report.n_windows * config.context
    assert report.n_dropped == n_all - report.n_tokens
    assert report.n_boundaries == report.n_special == int((tokens == END).sum())
    assert sum(report.by_source.values()) == report.n_tokens - report.n_special
    assert report.n_documents == (int(document.max()) + 1 if report.n_documents else 0)
    later = WindowReport()
    flat(corpus, TOKENIZER, config, start=start, report=later)
    assert later == report


def test_sources_are_counted_by_name():
    report = WindowReport()
    flat(
        small_corpus(("abc", "code"), ("de", "wiki"), ("f", "code")), TOKENIZER, WindowConfig(context=3), report=report
    )
    # abc| de| f|: three windows, nothing left.
    assert report.by_source == {"code": 4, "wiki": 2}
    assert (report.n_documents, report.n_boundaries, report.n_dropped) == (3, 3, 0)


@pytest.mark.parametrize(
    ("tokenizer", "expected"),
    [
        (small_tokenizer(bos="<s>", eos="</s>"), END),
        (small_tokenizer(bos="<s>", eos="</s>", special=["<unk>", "<s>", "</s>", "<|end_of_text|>"]), 3),
        (small_tokenizer(bos="<s>", eos="</s>", special=["<unk>", "<s>", "</s>"]), 2),
        (small_tokenizer(bos="<s>", special=["<unk>", "<s>"]), 1),
        (small_tokenizer(special=["<unk>"]), None),
    ],
)
def test_the_boundary_is_what_parted_documents_in_pre_training(
    tokenizer: PreTrainedTokenizerFast, expected: int | None
):
    assert boundary_token(tokenizer) == expected


def test_a_tokenizer_without_any_boundary_packs_without_one():
    tokens, document, _ = flat(small_corpus("ab", "cd"), small_tokenizer(special=["<unk>"]), WindowConfig(context=4))
    assert tokens.tolist() == [[1, 2, 3, 4]]
    assert document.tolist() == [[0, 0, 1, 1]]


def test_bos_stands_at_position_0_of_every_window_where_the_tokenizer_adds_it():
    tokenizer = small_tokenizer(bos="<s>", eos="</s>", adds_bos=True)
    assert leading_bos(tokenizer) == 1
    report = WindowReport()
    tokens, document, counted = flat(small_corpus("abcdef", "gh"), tokenizer, WindowConfig(context=4), report=report)
    letters = [["a", "b", "c"], ["d", "e", "f"], ["<|endoftext|>", "g", "h"]]
    assert tokens.tolist() == [[1, *tokenizer.convert_tokens_to_ids(row)] for row in letters]
    assert document.tolist() == [[-1, 0, 0, 0], [-1, 0, 0, 0], [-1, -1, 1, 1]]
    assert counted.tolist() == [[False, True, True, True]] * 2 + [[False, False, True, True]]
    assert (report.n_special, report.n_boundaries, report.by_source) == (4, 1, {"prose": 8})


def test_a_tokenizer_that_has_bos_but_does_not_add_it_gets_none():
    assert leading_bos(small_tokenizer(bos="<s>", eos="</s>")) is None


def test_special_tokens_inside_a_text_are_masked_too():
    tokens, document, counted = flat(small_corpus("ab<s>cd"), TOKENIZER, WindowConfig(context=5))
    assert tokens[0, 2] == 1
    assert document.tolist() == [[0, 0, -1, 0, 0]]
    assert counted.tolist() == [[False, True, False, True, True]]


def test_a_document_of_any_length_is_read_in_pieces(monkeypatch: pytest.MonkeyPatch):
    text = "the cat sat on the mat and " * 9 + "x" * 50
    whole = flat(small_corpus(text, "b"), TOKENIZER, WindowConfig(context=4))
    monkeypatch.setattr(module, "_CHARACTERS_AT_ONCE", 20)
    for expected, found in zip(whole, flat(small_corpus(text, "b"), TOKENIZER, WindowConfig(context=4)), strict=True):
        assert torch.equal(expected, found)


def test_a_tokenizer_of_another_model_is_refused():
    tokens = torch.tensor([[3, 9]])
    check_vocabulary(tokens, 10)
    with pytest.raises(ShapeMismatch, match="token 9; the model knows the tokens 0-8"):
        check_vocabulary(tokens, 9)


@pytest.mark.parametrize("shape", [{"context": 1}, {"batch": 0}])
def test_impossible_windows_are_refused(shape: dict[str, int]):
    with pytest.raises(BadConfig):
        WindowConfig(**shape)
