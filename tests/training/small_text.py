"""A tiny model with a tokenizer, text for it, and dictionaries of each kind at its sites."""

import dataclasses
from functools import cache

import torch

from hooke.dictionaries import Dictionary
from hooke.models.model import Model
from hooke.text.documents import Corpus, Document
from tests.cli.tiny_lab import SENTENCES, make_tokenizer
from tests.models.small_dictionary import small_dictionary
from tests.models.tiny import tiny_hf

KINDS = ("topk", "relu", "batchtopk", "gated")


@cache
def text_model(seed: int = 0, **settings: object) -> Model:
    """A random model that reads the sentences."""
    tokenizer = make_tokenizer()
    hf = tiny_hf("llama", seed, vocab_size=len(tokenizer), max_position_embeddings=256, **settings)
    return Model(hf, tokenizer, name=f"tiny-{seed}", fingerprint=f"tiny-{seed}")


def text(n_documents: int = 400) -> Corpus:
    """The sentences over and over."""
    documents = [Document(f"{SENTENCES[number % 4]} {number}", "s") for number in range(n_documents)]
    return Corpus(name="text", fingerprint=f"text-{n_documents}", read=lambda: iter(documents))


def dictionary_of(kind: str, site: str = "resid_post.1", width: int = 32) -> Dictionary:
    """Random rows; thresholds where the kind has them."""
    plain = small_dictionary("before", site, width, 48, k=6)
    if kind == "topk":
        return plain
    config = dataclasses.replace(plain.config, kind=kind, k=6 if kind == "batchtopk" else None)
    weights = {name: tensor.clone() for name, tensor in plain.named_parameters()}
    threshold = None if kind == "relu" else torch.full((48,), 0.5)
    return Dictionary(config, **weights, threshold=threshold)


def transcoder() -> Dictionary:
    """From what the MLP reads to what it writes, with a skip."""
    plain = dictionary_of("relu", "mlp_in.1")
    config = dataclasses.replace(plain.config, writes=("mlp_out.1",), skip=True)
    return Dictionary(config, **dict(plain.named_parameters()), W_skip=0.1 * torch.eye(32))
