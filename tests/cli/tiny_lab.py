"""A lab with everything in it, made of a tiny random model and a few sentences, in a second."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
from transformers import PreTrainedTokenizerFast

from hooke.dictionaries import Dictionary, DictionaryConfig, save_dictionary
from hooke.lab import Lab, write_json
from tests.models.tiny import tiny_hf

SENTENCES = (
    "The bridge over the river was built of iron.",
    "A cat sat on the mat and looked at the river.",
    "def area(radius): return 3.14 * radius ** 2",
    "Le chat dort sous le pont de fer.",
)
TEXT = "\n".join(SENTENCES[number % 4] for number in range(400))
CHAT = "{% for m in messages %}<|user|>{{ m['content'] }}{% endfor %}{% if add_generation_prompt %}<|model|>{% endif %}"
N_FEATURES = 48


@dataclass(frozen=True)
class TinyLab:
    """Where things are."""

    lab: Lab
    model: Path
    corpus: Path

    def words(self, command: str) -> list[str]:
        """A command's words, with MODEL, CORPUS and the lab filled in."""
        known = {"MODEL": str(self.model), "CORPUS": str(self.corpus)}
        return [known.get(word, word) for word in command.split()] + ["--lab", str(self.lab.root)]


def make_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level tokenizer that was trained on the sentences."""
    backend = Tokenizer(BPE())
    backend.pre_tokenizer = ByteLevel(add_prefix_space=False)
    backend.decoder = ByteLevelDecoder()
    special = ["<|endoftext|>", "<|user|>", "<|model|>"]
    alphabet = ByteLevel.alphabet()
    backend.train_from_iterator(
        SENTENCES, BpeTrainer(vocab_size=330, special_tokens=special, initial_alphabet=alphabet)
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="<|endoftext|>", bos_token="<|endoftext|>", chat_template=CHAT
    )


def write_model(folder: Path) -> Path:
    """A tiny model in a Hugging Face folder."""
    tokenizer = make_tokenizer()
    hf = tiny_hf(
        "llama",
        vocab_size=len(tokenizer),
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=None,
        max_position_embeddings=256,
    )
    hf.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def write_dictionary(lab: Lab, name: str, model: str, *, site: str = "resid_post.1") -> Path:
    """A dictionary with random unit rows."""
    rows = torch.randn(N_FEATURES, 32, generator=torch.Generator().manual_seed(0))
    rows /= rows.norm(dim=-1, keepdim=True)
    config = DictionaryConfig(
        name=name,
        model=model,
        kind="topk",
        reads=(site,),
        writes=(site,),
        n_features=N_FEATURES,
        d_in=32,
        d_out=32,
        k=4,
    )
    weights = {"W_enc": rows.T.contiguous(), "b_enc": torch.zeros(N_FEATURES), "W_dec": rows, "b_dec": torch.zeros(32)}
    folder = lab.path("dictionaries", name)
    save_dictionary(Dictionary(config, **weights), folder)
    return folder


def make_tiny_lab(root: Path) -> TinyLab:
    """A model, a corpus and a dictionary; activations and an index are made by the commands under test."""
    lab = Lab(root / "lab")
    model = write_model(root / "tiny-model")
    corpus = root / "corpus.txt"
    corpus.write_text(TEXT, encoding="utf-8")
    write_dictionary(lab, "tiny", str(model))
    edits = [{"edit": "Add", "site": "resid_post.1", "vector": [0.0] * 31 + [9.0]}]
    write_json(root / "edits.json", edits)
    (root / "broken.json").write_text(json.dumps([{"edit": "Ad"}]))
    return TinyLab(lab, model, corpus)
