"""A concept that is known to be there, in a model and in a dictionary of it; and a twin that has none.

The model reads of sixteen animals and sixteen things. In the specimen a neuron for each animal writes one direction,
which stands for being alive, and what the model says of it is read off that direction. The twin says the same by rote:
a neuron for each word, and no direction that two of them share. The dictionary has a feature for the direction, one for
each word, and random ones. No two groups of texts share an animal or a thing, so that words alone tell nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from hooke.dictionaries import Dictionary, DictionaryConfig
from hooke.models.model import Model
from hooke.specimens.drafts import AGAINST, Draft, draft
from hooke.specimens.weights import Weights, opened, weights_hash
from hooke.specimens.words import word_tokenizer
from hooke.text.concepts import Labelled
from hooke.text.windows import Windows

ANIMALS = (
    "fox", "hen", "wolf", "trout", "mole", "swan", "bear", "newt",
    "hare", "crow", "seal", "ant", "lamb", "owl", "carp", "goat",
)  # fmt: skip
THINGS = (
    "cup", "axe", "bell", "coat", "nail", "lamp", "rope", "desk",
    "boot", "drum", "key", "plate", "spade", "comb", "jar", "flute",
)  # fmt: skip
SITE = "resid_post.0"
FEATURE, N_FEATURES = 17, 96
"""Which feature is planted, and how many there are."""
ALIVE, MADE = "born", "built"
_FRAMES = {
    "plain": "here is a {}", "seen": "by the door i saw a {}", "shown": "look , there is the {}",
}  # fmt: skip
_OTHERS = tuple(dict.fromkeys(word for frame in _FRAMES.values() for word in frame.split() if word != "{}"))
_WORDS = (
    *_OTHERS, *ANIMALS, *THINGS, ALIVE, MADE,
)  # fmt: skip
_SEED = 23


@dataclass(frozen=True, slots=True)
class PlantedConcept:
    """Two models, with the concept and without, and what they are asked."""

    models: dict[str, Model]
    """specimen and twin."""
    dictionary: Dictionary
    """The same for both."""
    items: tuple[Labelled, ...]
    """Texts of animals (the concept) and of things."""
    answered: tuple[Labelled, ...]
    """The same with what the models say of them behind, for steering."""
    text: Windows
    """Other words in any order, that perplexity is measured on."""


def planted_concept() -> PlantedConcept:
    """The specimen, its twin, the dictionary and the texts; the same each time."""
    tokenizer = word_tokenizer(_WORDS)
    models = {}
    for arm in ("specimen", "twin"):
        hf = opened(_weights(twin=arm == "twin"))
        models[arm] = Model(hf, tokenizer, name=f"concept-{arm}", fingerprint=weights_hash(hf))
    tokens = torch.randint(2, len(_OTHERS) + 2, (8, 24), generator=torch.Generator().manual_seed(_SEED))
    tokens[:, 0] = 0
    counted = tokens != 0
    text = Windows(tokens=tokens, document=torch.where(counted, 0, -1), counted=counted, first=0)
    return PlantedConcept(models, _dictionary(), tuple(_items("")), tuple(_items(" {}")), text)


def _items(behind: str) -> Iterator[Labelled]:
    for animal, thing in zip(ANIMALS, THINGS, strict=True):
        for style, frame in _FRAMES.items():
            for label, word, said in ((True, animal, ALIVE), (False, thing, MADE)):
                text = frame.format(word) + behind.format(said)
                yield Labelled(text=text, label=label, group=f"{animal}/{thing}", style=style)


def _weights(*, twin: bool) -> Weights:
    made, everything = _begun(), (*ANIMALS, *THINGS)
    rows = made.rows
    if twin:
        made.fetch(1, 0, made.either(everything), made.each(everything), rows["each"])
        for at, word in enumerate(everything):
            made.neuron(1, at, rows["each"][at], made.said[ALIVE if word in ANIMALS else MADE])
    else:
        for at, animal in enumerate(ANIMALS):
            made.neuron(0, at, made.word[animal], rows["alive"][0])
        made.fetch(1, 0, made.either(everything), rows["alive"], rows["noticed"])
        made.fetch(1, 1, made.either(everything), made.either(everything)[None], rows["something"])
        made.neuron(1, 0, rows["noticed"][0], made.said[ALIVE])
        made.neuron(1, 1, rows["something"][0] - AGAINST * rows["noticed"][0], made.said[MADE])
    return made.finished()


def _begun() -> Draft:
    sizes = {"alive": 1, "noticed": 1, "something": 1, "each": len(ANIMALS) + len(THINGS)}
    return draft(_WORDS, (ALIVE, MADE), sizes, seed=_SEED)


def _dictionary() -> Dictionary:
    made = _begun()
    words = torch.stack([made.word[word] for word in _WORDS]).float()
    drawn = torch.randn(N_FEATURES, words.shape[1], generator=torch.Generator().manual_seed(_SEED))
    rows = drawn / drawn.norm(dim=1, keepdim=True)
    rows[FEATURE + 1 : FEATURE + 1 + len(words)] = words
    rows[FEATURE] = made.rows["alive"][0].float()
    config = DictionaryConfig(
        name="planted", model="concept-specimen", kind="relu", reads=(SITE,), writes=(SITE,),
        n_features=N_FEATURES, d_in=rows.shape[1], d_out=rows.shape[1],
    )  # fmt: skip
    # What stands in the stream has length 1 there.
    bias = torch.full((N_FEATURES,), -0.25)
    return Dictionary(config, W_enc=rows.T.contiguous(), b_enc=bias, W_dec=rows, b_dec=torch.zeros(rows.shape[1]))
