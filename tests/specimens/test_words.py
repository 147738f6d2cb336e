"""The tokenizer of words."""

from pathlib import Path

from transformers import AutoTokenizer

from hooke.specimens.words import word_tokenizer


def test_each_word_is_a_token_behind_a_start():
    tokenizer = word_tokenizer(["cat", "dog"])
    assert tokenizer("dog  cat bird")["input_ids"] == [0, 3, 2, 1]
    assert tokenizer.convert_ids_to_tokens([0, 1, 2]) == ["<s>", "<unk>", "cat"]
    assert tokenizer.decode([2, 3]) == "cat dog"


def test_it_comes_back_from_files_as_it_was(tmp_path: Path):
    tokenizer = word_tokenizer(["cat", "dog"])
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again("dog cat bird")["input_ids"] == [0, 3, 2, 1]
    assert again.get_vocab() == tokenizer.get_vocab()
