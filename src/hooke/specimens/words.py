"""A tokenizer that knows a list of words, each of them one token."""

from collections.abc import Sequence
from typing import Any

BOS = "<s>"
UNKNOWN = "<unk>"


def word_tokenizer(words: Sequence[str]) -> Any:
    """A tokenizer of words parted by blanks: BOS is token 0 and begins every text, any other word is token 1."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    places = {word: at for at, word in enumerate((BOS, UNKNOWN, *words))}
    backend = Tokenizer(WordLevel(places, unk_token=UNKNOWN))
    backend.pre_tokenizer = Whitespace()  # pyright: ignore[reportAttributeAccessIssue]
    backend.post_processor = TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, 0)])  # pyright: ignore
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token=BOS, eos_token=BOS, pad_token=BOS, unk_token=UNKNOWN
    )
