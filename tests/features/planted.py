"""A planted world: a real (tiny) model whose residual stream is its token, so that which feature fires where is known.

Attention and MLP write nothing, so `resid_post.0` of token t is the unit vector of t. Feature f then fires on token t
with the strength that `STRENGTH[f]` says, wherever it stands.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from hooke.dictionaries.dictionary import Dictionary, DictionaryConfig
from hooke.features.index import build_index
from hooke.lab import Lab
from hooke.models.model import Model
from hooke.text.documents import Corpus, Document
from hooke.text.windows import WindowConfig, windows

WORDS = [
    "the",
    "bridge",
    "river",
    "music",
    "song",
    "album",
    "7",
    "42",
    ".",
    "of",
    "and",
    "stone",
    "water",
    "piano",
    "Paris",
    "London",
]
END = "<|endoftext|>"
N_FEATURES = 6

# What fires each feature, and how strongly. Feature 4 fires on everything but 'the'; feature 5 never does.
STRENGTH: dict[int, dict[str, float]] = {
    0: {"bridge": 8.0, "river": 2.0},
    1: {"music": 6.0, "song": 3.0, "album": 1.5},
    2: {"7": 1.0, "42": 4.0},
    3: {"bridge": 1.0},
    4: {word: 0.5 for word in WORDS if word != "the"},
    5: {},
}
SITE = "resid_post.0"


def planted_tokenizer() -> PreTrainedTokenizerFast:
    """Every word is a token, at the beginning of a text and after a space."""
    names = [END, *WORDS, *(f"Ġ{word}" for word in WORDS)]
    backend = Tokenizer(models.WordLevel({name: token for token, name in enumerate(names)}, unk_token=END))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=END, pad_token=END)


def planted_model() -> Model:
    """The residual stream after block 0 is the token's unit vector."""
    tokenizer = planted_tokenizer()
    n_tokens = len(tokenizer)
    width = n_tokens + n_tokens % 2
    config = LlamaConfig(
        vocab_size=n_tokens,
        hidden_size=width,
        intermediate_size=4,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
        max_position_embeddings=64,
        tie_word_embeddings=False,
        eos_token_id=0,
        bos_token_id=None,
        pad_token_id=0,
    )
    torch.manual_seed(0)
    hf = LlamaForCausalLM(config)
    with torch.no_grad():
        hf.model.embed_tokens.weight.copy_(torch.eye(n_tokens, width))
        hf.model.layers[0].self_attn.o_proj.weight.zero_()
        hf.model.layers[0].mlp.down_proj.weight.zero_()
        hf.lm_head.weight.copy_(torch.eye(n_tokens, width))
    return Model(hf, tokenizer, name="planted", fingerprint="planted-0")


def planted_dictionary(model: Model) -> Dictionary:
    """Features that fire on tokens as `STRENGTH` says, and write towards the token that excites them most."""
    encoder = torch.zeros(model.d_model, N_FEATURES)
    for feature, tokens in STRENGTH.items():
        for word, strength in tokens.items():
            for name in (word, f"Ġ{word}"):
                encoder[model.tokenizer.convert_tokens_to_ids(name), feature] = strength
    generator = torch.Generator().manual_seed(1)
    decoder = encoder.T + 0.01 * torch.randn(N_FEATURES, model.d_model, generator=generator)
    config = DictionaryConfig(
        name="planted",
        model="planted",
        kind="relu",
        reads=(SITE,),
        writes=(SITE,),
        n_features=N_FEATURES,
        d_in=model.d_model,
        d_out=model.d_model,
    )
    bias = torch.zeros(N_FEATURES)
    return Dictionary(config, W_enc=encoder, b_enc=bias, W_dec=decoder.contiguous(), b_dec=torch.zeros(model.d_model))


def planted_corpus(n_documents: int = 60, *, seed: int = 0, name: str = "planted") -> Corpus:
    """Random sentences; every third document is about music and comes from another source."""
    rng = np.random.default_rng(seed)
    documents = []
    for number in range(n_documents):
        about_music = number % 3 == 0
        words = WORDS if not about_music else ["music", "song", "album", "piano", "the", "of", "."]
        text = " ".join(rng.choice(words, size=int(rng.integers(8, 40))))
        documents.append(Document(text, "songs" if about_music else "towns"))
    return Corpus(name=name, fingerprint=f"{name}-{n_documents}-{seed}", read=lambda: iter(documents))


@dataclass(frozen=True)
class World:
    """Everything that an index is built from, and what must be in it."""

    model: Model
    dictionary: Dictionary
    corpus: Corpus
    windows: WindowConfig
    n_tokens: int

    def build(self, name: str, lab: Lab, **settings: str) -> Path:
        """An index of this world."""
        return build_index(
            self.model,
            self.dictionary,
            self.corpus,
            name=name,
            n_tokens=self.n_tokens,
            windows=self.windows,
            lab=lab,
            **settings,
        )

    def words(self) -> list[tuple[int, int, str, int]]:
        """(window, position, word, document) of every counted token."""
        names = [
            name.removeprefix("Ġ") for name in self.model.tokenizer.convert_ids_to_tokens(range(self.model.d_vocab))
        ]
        stop = -(-self.n_tokens // self.windows.context)
        found = []
        for batch in windows(self.corpus, self.model.tokenizer, self.windows, stop=stop):
            for row, position in batch.counted.nonzero().tolist():
                place = (batch.first + row, position)
                found.append((*place, names[int(batch.tokens[row, position])], int(batch.document[row, position])))
        return found

    def counts(self) -> Counter[str]:
        """How often each word is counted."""
        return Counter(word for _, _, word, _ in self.words())

    def firings(self, feature: int) -> dict[tuple[int, int], float]:
        """Where a feature must fire, and how strongly."""
        strength = STRENGTH[feature]
        return {(window, position): strength[word] for window, position, word, _ in self.words() if word in strength}


def planted_world(n_documents: int = 60, *, context: int = 16, batch: int = 4, n_tokens: int = 1600) -> World:
    """A world of about this many tokens."""
    model = planted_model()
    return World(
        model,
        planted_dictionary(model),
        planted_corpus(n_documents),
        WindowConfig(context=context, batch=batch),
        n_tokens,
    )
