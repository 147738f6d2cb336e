"""A real fast tokenizer with one token per character, and corpora written by hand."""

from tokenizers import Tokenizer, decoders, models, processors
from transformers import PreTrainedTokenizerFast

from hooke.text.documents import Corpus, Document

LETTERS = "abcdefghijklmnopqrstuvwxyz .\n"
SPECIAL = ["<unk>", "<s>", "</s>", "<|endoftext|>"]


def small_tokenizer(
    *, bos: str | None = None, eos: str | None = None, adds_bos: bool = False, special: list[str] = SPECIAL
) -> PreTrainedTokenizerFast:
    """One token per character; letters come after the special tokens."""
    vocabulary = {token: number for number, token in enumerate([*special, *LETTERS])}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>" if "<unk>" in special else None))
    backend.decoder = decoders.Fuse()
    if adds_bos:
        backend.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", special_tokens=[(bos, vocabulary[bos or ""])]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=bos,
        eos_token=eos,
        additional_special_tokens=[token for token in special if token not in (bos, eos)],
    )


def small_corpus(*texts: str | tuple[str, str], name: str = "small") -> Corpus:
    """A corpus of texts, or of (text, source) pairs."""
    documents = [Document(text, "prose") if isinstance(text, str) else Document(*text) for text in texts]
    return Corpus(name=name, fingerprint=f"{name}-{len(texts)}", read=lambda: iter(documents))
