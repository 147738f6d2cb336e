from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from hooke.errors import BadArtefact, UnknownName
from hooke.features.store import save_tensors
from hooke.features.vocabulary import (
    Vocabulary,
    form_name,
    load_vocabulary,
    read_vocabulary,
    save_vocabulary,
    token_ids,
)
from tests.features.planted import planted_tokenizer

BYTES = Vocabulary(tuple(bytes([byte]) for byte in range(256)), frozenset())


def test_byte_level_tokens_are_their_bytes():
    tokenizer = planted_tokenizer()
    vocabulary = read_vocabulary(tokenizer, len(tokenizer) + 2)
    ids = tokenizer("the bridge of 42")["input_ids"]
    assert vocabulary.texts(ids) == ("the", " bridge", " of", " 42")
    assert vocabulary.special == {tokenizer.eos_token_id}
    assert vocabulary.pieces[-2:] == (b"", b"")


def test_pieces_with_a_word_mark_are_read_with_a_space_and_byte_pieces_as_bytes():
    names = ["<unk>", "▁the", "ly", "<0xE2>", "<0x82>", "<0xAC>", "語"]
    backend = Tokenizer(models.WordLevel({name: token for token, name in enumerate(names)}, unk_token="<unk>"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>")
    vocabulary = read_vocabulary(tokenizer, len(names))
    assert vocabulary.texts([1, 2, 6]) == (" the", "ly", "語")
    assert vocabulary.texts([3, 4, 5]) == ("", "", "€")
    assert vocabulary.text(3) == "\\xe2"


@given(st.text())
def test_the_texts_of_tokens_join_to_the_text(text: str):
    encoded = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").encode()
    texts = BYTES.texts(list(encoded))
    assert len(texts) == len(encoded)
    assert "".join(texts) == encoded.decode()


def test_a_character_that_a_special_token_cuts_is_closed_there():
    vocabulary = Vocabulary((b"\xe2", b"<end>", b"a"), frozenset({1}))
    assert vocabulary.texts([0, 1, 2]) == ("", "\ufffd<end>", "a")


def test_a_token_is_found_by_its_text_with_or_without_its_space():
    vocabulary = Vocabulary((b"a", b" york", b" a"), frozenset())
    assert [vocabulary.find(text) for text in ("a", " a", "york", " york")] == [0, 2, 1, 1]
    with pytest.raises(UnknownName, match="Did you mean 'york'"):
        vocabulary.find("yorks")


def test_forms_join_what_says_the_same():
    vocabulary = Vocabulary((b"Bridge", b" bridge", b"bridges", b"\n", b" ", b" a1b", b"ridge"), frozenset())
    forms = vocabulary.forms
    assert forms.of_token[0] == forms.of_token[1] != forms.of_token[2]
    assert forms.names[forms.of_token[3]] == "\n" != forms.names[forms.of_token[4]]
    assert forms.starts_word.tolist() == [True, True, False, False, False, False, False]
    assert form_name(" The") == "the"


def test_a_vocabulary_comes_back_as_it_was(tmp_path: Path):
    given = Vocabulary((b"a", b"", b"\xff", " über".encode()), frozenset({1, 3}))
    save_vocabulary(tmp_path / "v.safetensors", given)
    assert load_vocabulary(tmp_path / "v.safetensors", 4) == given


@pytest.mark.parametrize(
    "damage",
    [{"offsets": np.array([0, 2, 1, 3, 3], np.uint32)}, {"special": np.array([9], np.uint32)}],
)
def test_a_vocabulary_that_contradicts_itself_is_refused(tmp_path: Path, damage: dict[str, np.ndarray]):
    sound = {
        "bytes": np.zeros(3, np.uint8),
        "offsets": np.array([0, 1, 1, 2, 3], np.uint32),
        "special": np.zeros(0, np.uint32),
    }
    save_tensors(tmp_path / "v.safetensors", sound)
    load_vocabulary(tmp_path / "v.safetensors", 4)
    save_tensors(tmp_path / "v.safetensors", sound | damage)
    with pytest.raises(BadArtefact):
        load_vocabulary(tmp_path / "v.safetensors", 4)


def test_token_ids_take_no_more_bytes_than_they_need():
    assert token_ids(np.array([1]), 50_000).dtype == np.uint16
    assert token_ids(np.array([1]), 260_000).dtype == np.uint32


def test_a_token_in_another_case_is_what_was_meant():
    vocabulary = Vocabulary((b"York", b"your", b" the", b""), frozenset())
    with pytest.raises(UnknownName, match=r"Did you mean 'York'\?"):
        vocabulary.find("york")
    with pytest.raises(UnknownName, match=r"'qq' is not one token of this model\. Give"):
        vocabulary.find("qq")
