"""Two models that read the same tokens: at each site the numbers of both, side by side."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hooke.configs import content_hash
from hooke.dictionaries.dictionary import DictionaryConfig
from hooke.errors import BadRequest
from hooke.models.model import Model, Run, Tokens
from hooke.sites import Site

_PROBE = "Two models, 1 text: naïve déjà-vu \n\tdef f(x): return x**2 — 你好!"


@dataclass(frozen=True)
class ModelPair:
    """What is asked of a model where text is read, asked of two. `pair` makes one."""

    first: Model
    second: Model

    @property
    def models(self) -> tuple[Model, Model]:
        """Both."""
        return self.first, self.second

    @property
    def name(self) -> str:
        """Both names."""
        return f"{self.first.name} and {self.second.name}"

    @property
    def fingerprint(self) -> str:
        """Identifies both models' weights."""
        return content_hash([model.fingerprint for model in self.models])

    @property
    def tokenizer(self) -> Any:
        """The tokenizer of either."""
        return self.first.tokenizer

    @property
    def n_layers(self) -> int:
        """Layers that both have."""
        return min(model.n_layers for model in self.models)

    @property
    def d_vocab(self) -> int:
        """Tokens that both know."""
        return min(model.d_vocab for model in self.models)

    def row_width(self, site: Site) -> int:
        """How many numbers a token has at a site of both together.

        Raises:
            BadRequest: the models are not of one width there.
            UnknownSite, UnsupportedModel: a model has no such site.
        """
        widths = [model.row_width(site) for model in self.models]
        if widths[0] != widths[1]:
            found = f"{self.first.name} has {widths[0]} numbers, {self.second.name} {widths[1]}."
            raise BadRequest(f"The two models are not of one width at {site}.", found, "Take models of one width.")
        return sum(widths)

    def run(self, prompts: Tensor | Tokens, *, capture: Sequence[Site], logits: bool = False) -> Run:
        """One forward pass of each; at each site both models' numbers side by side, heads too. There are no logits."""
        assert not logits
        runs = [model.run(prompts, capture=capture, logits=False) for model in dict.fromkeys(self.models)]
        runs = runs * (2 // len(runs))
        captures = {
            site: torch.cat([run[site].flatten(2).to(runs[0][site]) for run in runs], dim=-1) for site in runs[0]
        }
        return Run(runs[0].tokens, None, captures)


def pair(first: Model, second: Model) -> ModelPair:
    """Two models as one that is read.

    Raises:
        BadRequest: they do not have the same tokenizer.
    """
    one, other = first.tokenizer, second.tokenizer
    if one is not other:
        words, others = one.get_vocab(), other.get_vocab()
        differing = sorted(word for word in {*words, *others} if words.get(word) != others.get(word))
        if differing or one(_PROBE)["input_ids"] != other(_PROBE)["input_ids"]:
            found = (
                f"{len(differing):,} tokens differ, such as {differing[0]!r}." if differing else "They cut otherwise."
            )
            raise BadRequest(
                f"The models '{first.name}' and '{second.name}' have different tokenizers.",
                found,
                "Take two models that read the same tokens, such as one before and after fine-tuning.",
            )
    return ModelPair(first, second)


def pair_of(
    config: DictionaryConfig, load: Callable[[str], Model], *, model: str | None = None, other: str | None = None
) -> tuple[ModelPair, int]:
    """The two models that a crosscoder is of, and which of them is meant: that named, or the first.

    Args:
        load: how to load a model from its reference.
        model: reference of the one that is meant, where its name alone does not lead to it.
        other: reference of the other one, where its name does not.

    Raises:
        BadRequest: a model is none of the crosscoder's, or their tokenizers differ.
    """
    meant = load(model or config.models[0])
    if meant.name not in config.models:
        found = f"It is of {' and '.join(config.models)}."
        raise BadRequest(f"'{config.name}' is not of the model '{meant.name}'.", found, "Give one of them.")
    place = config.models.index(meant.name)
    due = config.models[1 - place]
    found = meant if due == meant.name and other is None else load(other or due)
    if found.name != due:
        asked = f"'{config.name}' was trained on '{due}' beside '{meant.name}', not on '{found.name}'."
        raise BadRequest(asked, "", f"Give {due} with --other.")
    return (pair(found, meant) if place else pair(meant, found)), place
