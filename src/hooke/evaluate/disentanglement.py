"""Whether a dictionary keeps apart what a model knows of one thing: cause and isolation, after RAVEL (2402.17700).

    a prompt asks for an attribute of a city:  "The city of Paris is in the country of"
    chosen       k features whose activation on the city says most of the attribute, on cities that nothing is tried on
    interchange  they are set to what they are on another city, from the city's last token to the end of the prompt
    cause        the model then names the other city's attribute
    isolation    asked for another attribute, it still names the first city's

An answer is the likeliest of the attribute's values. Only pairs of cities that differ in both attributes are tried, of
which the model names both. An edit that does nothing has cause 0 and isolation 1; the whole stream in
the place of features, a row of its own, has cause near 1 and isolation near 0: the mean of both counts, and .5 is none.
SAEBench learns which features belong to an attribute by gradient descent; here they are chosen by variance between the
values over variance within them, so that scores cannot be set beside its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor

from hooke.errors import BadRequest
from hooke.evaluate.quality import Subject, UnitScores
from hooke.models.model import Model
from hooke.models.split import SplitRun, split_run
from hooke.sites import Site
from hooke.text.cities import ATTRIBUTES, CITIES, TEMPLATES, City

KS = (8, 64)
_FEWEST = 12
"""Cities of which something has to be known: half of them choose features, half are tried."""
_PARTNERS = 4
"""Other cities that each is interchanged with, for each pair of attributes."""
_BATCH = 64


Known = dict[str, Bool[ndarray, " city"]]
"""By attribute, of which cities a model names it."""


def values_of(model: Model, attribute: str) -> tuple[list[str], Int[Tensor, " value"]]:
    """The attribute's values, and the first token of each; values that share one are told apart by nothing.

    Raises:
        BadRequest: two values begin with the same token.
    """
    names = sorted({one.value(attribute) for one in CITIES})
    first = [model.tokenizer.encode(f" {name}", add_special_tokens=False)[0] for name in names]
    if len(set(first)) < len(first):
        shared = [name for name, token in zip(names, first, strict=True) if first.count(token) > 1]
        raise BadRequest(
            f"The tokenizer of {model.name} does not tell these apart: {', '.join(shared)}.",
            "Their first tokens are the same.",
            "Disentanglement cannot be measured on this model.",
        )
    return names, torch.tensor(first)


def known_cities(model: Model) -> Known:
    """Which cities' attributes a model names: the likeliest of the attribute's values is the right one."""
    right: Known = {}
    for attribute in ATTRIBUTES:
        names, tokens = values_of(model, attribute)
        said = []
        for start in range(0, len(CITIES), _BATCH):
            run = model.run([_prompt(one, attribute) for one in CITIES[start : start + _BATCH]])
            assert run.logits is not None
            last = run.logits[torch.arange(len(run.logits)), run.tokens.lengths - 1]
            said.append(last[:, tokens.to(last.device)].argmax(-1).cpu())
        at = torch.cat(said).tolist()
        right[attribute] = np.array(
            [names[place] == city.value(attribute) for place, city in zip(at, CITIES, strict=True)]
        )
    return right


def _prompt(city: City, attribute: str) -> str:
    return TEMPLATES[attribute].format(city=city.name)


@dataclass(frozen=True, slots=True)
class Asked:
    """Prompts of some cities for one attribute: a run of each, cut at the site, and where interchanges begin."""

    runs: list[SplitRun]
    """One for each city, by its place among those that are known."""
    tails: list[Float[Tensor, "pos d"]]
    """What stands at the site from the city's last token on; all are of one length."""


def ask(model: Model, site: Site, cities: Sequence[int], attribute: str) -> Asked:
    """Runs of each city's prompt; the words behind the city are the same in all, and so is their number of tokens."""
    n_behind = len(model.tokenizer.encode(TEMPLATES[attribute].partition("{city}")[2], add_special_tokens=False))
    # As often as a city has partners, so that all of its interchanges are one run.
    runs = [split_run(model, [_prompt(CITIES[one], attribute)] * _PARTNERS, site) for one in cities]
    return Asked(runs, [run.value[0, -n_behind - 1 :].flatten(1).float() for run in runs])


@dataclass(frozen=True, slots=True)
class ReadCities:
    """What a model holds at a site on prompts about cities that it knows something of."""

    known: Known
    """Of which it names which attribute."""
    chosen_on: list[int]
    """Cities that features are chosen on."""
    tried: list[int]
    """Cities that are interchanged."""
    train: dict[str, Asked]
    """Prompts about the former, by attribute."""
    test: dict[str, Asked]
    """Prompts about the latter."""


def read_cities(model: Model, site: Site, *, seed: int = 0) -> ReadCities:
    """Prompts about the cities that a model knows something of, run once for all dictionaries of the site.

    Raises:
        BadRequest: they are too few, or the model's tokenizer does not tell values apart.
    """
    known = known_cities(model)
    cities = np.flatnonzero(np.any(list(known.values()), axis=0))
    if len(cities) < _FEWEST:
        raise BadRequest(
            f"Disentanglement cannot be measured on {model.name}.",
            f"It knows something of {len(cities)} cities.",
            f"Give a model that knows {_FEWEST}.",
        )
    order = np.random.default_rng(seed).permutation(cities).tolist()
    chosen_on, tried = order[: len(order) // 2], order[len(order) // 2 :]
    train, test = (
        {attribute: ask(model, site, some, attribute) for attribute in ATTRIBUTES} for some in (chosen_on, tried)
    )
    return ReadCities(known, chosen_on, tried, train, test)


def disentanglement(
    subject: Subject, read: ReadCities, *, ks: Sequence[int] = KS, seed: int = 0, whole: bool = False
) -> dict[str, UnitScores]:
    """Cause, isolation and the mean of both for each k, by city; with `whole`, all of the stream is interchanged.

    Raises:
        BadRequest: the dictionary writes elsewhere than it reads.
    """
    dictionary, tried = subject.dictionary, read.tried
    if dictionary.reads != dictionary.writes:
        raise BadRequest(
            f"Disentanglement of '{dictionary.name}' cannot be measured.",
            f"It reads {dictionary.reads[0]} and writes {dictionary.writes[0]}.",
            "Give a dictionary that writes the site that it reads.",
        )
    told: dict[str, UnitScores] = {}
    for k in ks:
        hits = {kind: np.zeros((2, len(tried))) for kind in ("cause", "isolation")}
        for attribute in ATTRIBUTES:
            chosen = None if whole else _chosen(subject, read, attribute, k)
            for asked in ATTRIBUTES:
                some = _pairs(tried, read.known, {attribute, asked}, seed)
                said = _interchanged(subject, read.test[asked], some, chosen, asked)
                kind = "cause" if asked == attribute else "isolation"
                for (base, source), value in zip(some, said, strict=True):
                    wanted = CITIES[tried[source if kind == "cause" else base]].value(asked)
                    hits[kind][:, base] += value == wanted, 1
        told |= _scores(hits, k)
    return told


def _scores(hits: dict[str, Float[ndarray, "2 city"]], k: int) -> dict[str, UnitScores]:
    words = f"{k} feature{'s' * (k > 1)}"
    found = {f"{kind}, {words}": UnitScores(parts=rows[0], wholes=rows[1]) for kind, rows in hits.items()}
    shares = [np.divide(rows[0], rows[1], out=np.zeros(len(rows[0])), where=rows[1] > 0) for rows in hits.values()]
    is_tried = np.all([rows[1] > 0 for rows in hits.values()], axis=0)
    mean = UnitScores(parts=np.where(is_tried, np.mean(shares, axis=0), 0), wholes=is_tried.astype(np.float64))
    return {f"cause and isolation, {words}": mean} | found


def _pairs(tried: Sequence[int], known: Known, attributes: set[str], seed: int) -> list[tuple[int, int]]:
    """Each city with some others, drawn at random, of which the model knows all of these and all of them differ."""
    generator = np.random.default_rng((seed, 1))
    found = []
    for base, one in enumerate(tried):
        others = [
            source
            for source in generator.permutation(len(tried)).tolist()
            if all(
                known[what][[one, tried[source]]].all() and CITIES[one].value(what) != CITIES[tried[source]].value(what)
                for what in attributes
            )
        ]
        found += [(base, source) for source in others[:_PARTNERS]]
    return found


def _chosen(subject: Subject, read: ReadCities, attribute: str, k: int) -> Int[Tensor, " chosen"]:
    """The features whose activation on the city differs most between values of the attribute, over that within them."""
    dictionary = subject.dictionary
    rows = torch.stack([torch.stack([tail[0] for tail in one.tails]) for one in read.train.values()]).mean(0)
    acts = dictionary.encode(rows.to(dictionary.device)).dense().cpu().double().numpy()
    values = np.array([CITIES[one].value(attribute) for one in read.chosen_on])
    between, within = np.zeros(acts.shape[1]), np.zeros(acts.shape[1])
    for value in set(values.tolist()):
        some = acts[values == value]
        between += len(some) * (some.mean(0) - acts.mean(0)) ** 2
        within += ((some - some.mean(0)) ** 2).sum(0)
    floor = 0.1 * (between + within).mean() + 1e-12
    return torch.from_numpy(np.argsort(-(between / (within + floor)), kind="stable")[:k].copy())


def _interchanged(
    subject: Subject,
    asked: Asked,
    pairs: Sequence[tuple[int, int]],
    chosen: Int[Tensor, " chosen"] | None,
    attribute: str,
) -> list[str]:
    """What the model answers with the chosen features of each first city set to what they are on the second."""
    names, tokens = values_of(subject.model, attribute)
    moved = [_part(subject, tail, chosen) for tail in asked.tails]
    said = []
    for base, group in groupby(pairs, key=lambda pair: pair[0]):
        run, sources = asked.runs[base], [source for _, source in group]
        put = run.value.clone()
        for place, source in enumerate(sources):
            new = asked.tails[base] + moved[source] - moved[base]
            put[place, -len(new) :] = new.reshape(put[place, -len(new) :].shape).to(put)
        with torch.no_grad():
            logits = subject.model.unembed(run.final_after(put)[: len(sources), -1])
        said += [names[at] for at in logits[:, tokens.to(logits.device)].argmax(-1).tolist()]
    return said


def _part(
    subject: Subject, tail: Float[Tensor, "pos d"], chosen: Int[Tensor, " chosen"] | None
) -> Float[Tensor, "pos d"]:
    """What the chosen features write, or all of the stream where none are."""
    if chosen is None:
        return tail
    dictionary = subject.dictionary
    acts = dictionary.encode(tail.to(dictionary.device)).dense()[:, chosen]
    return (acts @ dictionary.decoder_rows(chosen.to(dictionary.device)).float()).to(tail)
