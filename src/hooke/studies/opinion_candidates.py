"""What might make a model give way, taken out of the stream in turn: directions and sets of features, on one set.

A contrast says what a wrong opinion is compared with, a place says where the stream is read. A direction is the
difference of means; features are those whose mean activation rises most, put to 0 together or with their span.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hooke.dictionaries import Dictionary, load_dictionary
from hooke.directions.controls import random_like
from hooke.models.model import Model, Tokens
from hooke.progress import track
from hooke.sites import Site
from hooke.studies.account import Table
from hooke.studies.changes import Change, Removed, Silenced, activations, alike_in_rate
from hooke.studies.opinion_effects import ENDING, Asked, Ordinary, asked, messages, plain_tokens
from hooke.text.stated_opinions import ALONE, DIRECT, NOBODYS, WORDINGS, Question

KL_LIMIT = 0.1
LAYERS = (10, 15, 20, 24)
DICTIONARY = "smollm2-res"
N_FEATURES = 16
CONTRASTS = {"question alone": (ALONE, ""), "same word as nobody's": (NOBODYS, "wrong")}
LAST, END = "last token", "end of message"
DIRECTION, SILENCED, SPAN = "direction", "features put to 0", "span of features"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Candidate:
    """Something that can be taken out, or added."""

    kind: str
    """A direction, or how features are taken out."""
    contrast: str
    """What a wrong opinion was compared with."""
    place: str
    """Where the stream was read."""
    site: Site
    change: Change
    """Takes it out."""
    step: Float[Tensor, " d_model"]
    """What is added in doses: the direction, or what the features write."""
    twin: Callable[[np.random.Generator], Change]
    """The same without its meaning: a random direction, or as many features that fire as often."""

    def __str__(self) -> str:
        return f"{self.kind}, opinion minus {self.contrast}, {self.place}, {self.site}"

    @property
    def controls(self) -> str:
        """What its twins are, in words."""
        return "random directions" if self.kind == DIRECTION else "random sets of features that fire as often"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Tried:
    """A candidate on the set that it is chosen on."""

    candidate: Candidate
    gain: float
    """Nats that come back after a wrong opinion."""
    control: float
    """The same of one twin."""
    cost: float
    """KL on ordinary text."""

    @property
    def order(self) -> tuple[bool, float]:
        """The larger the better: what costs little first, by what it brings back; then the least costly."""
        is_cheap = self.cost <= KL_LIMIT
        return is_cheap, self.gain if is_cheap else -self.cost


def try_all(model: Model, questions: Sequence[Question], *, seed: int = 0) -> list[Tried]:
    """Every candidate, the best first."""
    draw = np.random.default_rng([seed, 2])
    found = []
    sites = {Site("resid_post", layer) for layer in LAYERS}
    for wrong, candidates in track(list_candidates(model, questions), "candidates", total=len(sites), unit="sites"):
        ordinary = Ordinary(model, wrong.run.site)
        found += [
            Tried(
                candidate=one,
                gain=float(wrong.moved(one.change).mean()),
                control=float(wrong.moved(one.twin(draw)).mean()),
                cost=float(ordinary.moved(one.change).mean()),
            )
            for one in candidates
        ]
    return sorted(found, key=lambda one: one.order, reverse=True)


def list_candidates(model: Model, questions: Sequence[Question]) -> Iterator[tuple[Asked, list[Candidate]]]:
    """Site by site: the questions after a wrong opinion, and what might be taken out there."""
    sites = [Site("resid_post", layer) for layer in LAYERS]
    references = {}
    for contrast, (wording, opinion) in CONTRASTS.items():
        tokens = plain_tokens(model, messages(questions, wording, opinion))
        run = model.run(tokens, capture=sites, logits=False)
        references[contrast] = tokens, {site: run[site] for site in sites}
    dictionary = fitting(model)
    for site in sites:
        wrong = asked(model, questions, WORDINGS[DIRECT], "wrong", site)
        own = wrong.run.tokens, wrong.run.value
        beside = {contrast: (tokens, values[site]) for contrast, (tokens, values) in references.items()}
        found = [
            direction(site, contrast, place, mean_at(model, *own, place) - mean_at(model, *other, place))
            for contrast, other in beside.items()
            for place in (LAST, END)
        ]
        if dictionary is not None and dictionary.reads == (site,):
            found += _of_features(model, dictionary, own, beside)
        yield wrong, found


def fitting(model: Model) -> Dictionary | None:
    """The starter dictionary, for the model that it is of."""
    dictionary = load_dictionary(DICTIONARY)
    return dictionary if dictionary.config.model == model.name else None


def mean_at(
    model: Model, tokens: Tokens, value: Float[Tensor, "prompt pos width"], place: str
) -> Float[Tensor, " width"]:
    """The mean row at a place."""
    n_behind = len(model.tokenizer(ENDING, add_special_tokens=False)["input_ids"]) if place == END else 0
    return value[torch.arange(len(value)), tokens.lengths - 1 - n_behind].float().mean(0)


def direction(site: Site, contrast: str, place: str, vector: Float[Tensor, " d_model"]) -> Candidate:
    """A difference of means."""
    return Candidate(
        kind=DIRECTION,
        contrast=contrast,
        place=place,
        site=site,
        change=Removed(vector[None]),
        step=vector,
        twin=lambda draw: Removed(random_like(vector, generator=draw)[None]),
    )


def _of_features(
    model: Model,
    dictionary: Dictionary,
    own: tuple[Tokens, Tensor],
    beside: dict[str, tuple[Tokens, Tensor]],
) -> Iterator[Candidate]:
    acts = {name: (tokens, activations(dictionary, value)) for name, (tokens, value) in beside.items()}
    own_acts = own[0], activations(dictionary, own[1])
    rates = firing_rates([own_acts, *acts.values()])
    for contrast, other in acts.items():
        for place in (LAST, END):
            rises = mean_at(model, *own_acts, place) - mean_at(model, *other, place)
            yield from features(dictionary, contrast, place, rises, rates)


def firing_rates(read: Sequence[tuple[Tokens, Float[Tensor, "prompt pos feature"]]]) -> Float[Tensor, " feature"]:
    """Share of the prompts' tokens at which each feature fires; the first token is left out."""
    fires = [(acts[:, 1:] > 0)[tokens.mask[:, 1:]] for tokens, acts in read]
    return torch.cat(fires).float().mean(0)


def features(
    dictionary: Dictionary,
    contrast: str,
    place: str,
    rises: Float[Tensor, " feature"],
    rates: Float[Tensor, " feature"],
) -> list[Candidate]:
    """The features whose activation rises most, in both ways of taking them out."""
    chosen = tuple(rises.topk(N_FEATURES).indices.tolist())
    ways: dict[str, Callable[[tuple[int, ...]], Change]] = {
        SILENCED: lambda which: Silenced(dictionary, which),
        SPAN: lambda which: Removed(dictionary.decoder_rows(torch.tensor(which)).detach()),
    }

    def twin_of(make: Callable[[tuple[int, ...]], Change]) -> Callable[[np.random.Generator], Change]:
        def twin(draw: np.random.Generator) -> Change:
            generator = torch.Generator().manual_seed(int(draw.integers(2**31)))
            return make(alike_in_rate(chosen, rates, generator=generator))

        return twin

    return [
        Candidate(
            kind=kind,
            contrast=contrast,
            place=place,
            site=dictionary.reads[0],
            change=make(chosen),
            step=rises[list(chosen)] @ dictionary.decoder_rows(torch.tensor(chosen)).detach(),
            twin=twin_of(make),
        )
        for kind, make in ways.items()
    ]


def best_of_each(found: Sequence[Tried]) -> list[Tried]:
    """The best of each kind and contrast, in the order given, which is the best first."""
    kept: dict[tuple[str, str], Tried] = {}
    for one in found:
        kept.setdefault((one.candidate.kind, one.candidate.contrast), one)
    return list(kept.values())


def candidates_table(found: Sequence[Tried], n_questions: int) -> Table:
    """All that were tried."""
    rows = [
        (
            one.candidate.kind, one.candidate.contrast, one.candidate.place, str(one.candidate.site),
            f"{one.gain:+.2f}", f"{one.control:+.2f}", f"{one.cost:.3f}",
        )
        for one in found
    ]  # fmt: skip
    return Table(
        title=f"Tried on {n_questions} questions of half of the topics, the best first; KL at most {KL_LIMIT}",
        heads=("what is taken out", "opinion minus", "read at", "site", "nats regained>", "a random one's>", "KL>"),
        rows=tuple(rows),
    )
