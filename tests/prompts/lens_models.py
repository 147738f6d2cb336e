"""A tiny model with a tokenizer, and texts, to fit lenses on."""

from functools import cache

from hooke.models.model import Model
from hooke.text.documents import Corpus, Document
from tests.cli.tiny_lab import SENTENCES, make_tokenizer
from tests.models.tiny import tiny_hf


@cache
def spoken_model() -> Model:
    """Three random layers of width 32, and the tokenizer of the sentences."""
    tokenizer = make_tokenizer()
    hf = tiny_hf("llama", vocab_size=len(tokenizer), bos_token_id=0, eos_token_id=0, pad_token_id=None)
    return Model(hf, tokenizer, name="spoken", fingerprint="weights-of-spoken")


def sentences(n: int, fingerprint: str = "sentences") -> Corpus:
    """The sentences in an order in which few neighbours return."""
    chosen = [Document(SENTENCES[number * number % 7 % 4], "made") for number in range(n)]
    return Corpus(name=fingerprint, fingerprint=fingerprint, read=lambda: iter(chosen))
