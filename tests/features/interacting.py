"""Two dictionaries of the planted world, one before the block and one behind it, and their indexes."""

from dataclasses import dataclass

import torch

from hooke.dictionaries import save_dictionary
from hooke.dictionaries.dictionary import Dictionary, DictionaryConfig
from hooke.features.index import build_index
from hooke.features.interactions import Interactions, compute_interactions
from hooke.features.query import Index
from hooke.lab import Lab
from tests.features.planted import World

EARLY = {
    0: {"bridge": 8.0},
    1: {"music": 6.0, "song": 3.0},
    2: {"stone": 2.0},
}
"""What fires each feature of the dictionary before the block; the other one is that of the planted world."""


def early_dictionary(world: World) -> Dictionary:
    """Reads resid_pre.0, which is the token as well."""
    encoder = torch.zeros(world.model.d_model, len(EARLY))
    for feature, tokens in EARLY.items():
        for word, strength in tokens.items():
            for name in (word, f"Ġ{word}"):
                encoder[world.model.tokenizer.convert_tokens_to_ids(name), feature] = strength
    config = DictionaryConfig(
        name="early", model="planted", kind="relu", reads=("resid_pre.0",), writes=("resid_pre.0",),
        n_features=len(EARLY), d_in=world.model.d_model, d_out=world.model.d_model,
    )  # fmt: skip
    rows = torch.nn.functional.normalize(encoder.T, dim=-1).contiguous()
    weights = {"b_enc": torch.zeros(len(EARLY)), "b_dec": torch.zeros(world.model.d_model)}
    return Dictionary(config, W_enc=encoder, W_dec=rows, **weights)


@dataclass(frozen=True)
class Pair:
    """A lab with both."""

    world: World
    lab: Lab
    late: Index
    early: Index

    def compute(self, *, alone: bool = False, n_tokens: int = 1200) -> Interactions:
        """The interactions of the late one, beside the early one or alone."""
        return compute_interactions(
            self.world.model,
            self.late,
            self.world.corpus,
            other=None if alone else self.early,
            n_tokens=n_tokens,
            windows=self.world.windows,
            lab=self.lab,
        )


def make_pair(world: World, lab: Lab) -> Pair:
    """Both dictionaries with their indexes."""
    for dictionary in (world.dictionary, early_dictionary(world)):
        save_dictionary(dictionary, lab.path("dictionaries", dictionary.name))
        build_index(
            world.model, dictionary, world.corpus, name=dictionary.name, n_tokens=800, windows=world.windows, lab=lab
        )
    return Pair(world, lab, Index.open("planted", lab=lab), Index.open("early", lab=lab))
