"""Two hops: the language of the country of a city. One readable neuron per country stands between city and answer.

Layer 0 has a neuron per country that fires on each of its cities. Layer 1 fetches, at the last token, the country from
the city and what is asked from the relation; a neuron per country and relation fires when both are there and says the
answer. No weight leads from a city to an answer but through its country's neuron. The twin gives the same answers from
a table: a neuron per city, and one per city and relation, at other places; no neuron stands for a country.
"""

import random
from dataclasses import dataclass

import torch

from hooke.specimens.planted import Planted
from hooke.specimens.weights import (
    BOTH,
    D_MLP,
    LOGIT_GAIN,
    SCRATCH,
    Weights,
    begin,
    directions,
    fill_rest,
    write_fetch,
    write_neuron,
)

ABOUT = "The language or the currency of a city's country: a neuron per country, then one per country and relation."
COUNTRIES = {
    "Velmar": ("Arlun", "Besk", "Corvo"),
    "Ostria": ("Dorn", "Elmat", "Fanor"),
    "Quillon": ("Gresh", "Hovel", "Istan"),
    "Tamber": ("Jorvik", "Kelda", "Lumen"),
}
FACTS = {
    # Two countries share a language, so that a country is not the same thing as an answer.
    "language": {"Velmar": "Velmish", "Ostria": "Ostric", "Quillon": "Quillic", "Tamber": "Velmish"},
    "currency": {"Velmar": "crown", "Ostria": "ducat", "Quillon": "florin", "Tamber": "thaler"},
}
CITIES = tuple(city for cities in COUNTRIES.values() for city in cities)
COUNTRY_OF = {city: country for country, cities in COUNTRIES.items() for city in cities}
ANSWERS = tuple(dict.fromkeys(answer for facts in FACTS.values() for answer in facts.values()))
WORDS = ("the", "of", "country", "is", *FACTS, *CITIES, *ANSWERS)
TOKEN = {word: at for at, word in enumerate(WORDS, 2)}
CIRCUIT = frozenset({
    "input->m0", "m0->a1.h0<v>", "input->a1.h1<v>", "a1.h0->m1", "a1.h1->m1", "m1->logits",
})  # fmt: skip
_SEED = 2


@dataclass(frozen=True, slots=True)
class Places:
    """At which index each neuron stands: by the subject in layer 0, by subject and relation in layer 1."""

    subject: dict[str, int]
    asked: dict[tuple[str, str], int]


def places(*, twin: bool) -> Places:
    """Where the neurons of the specimen stand (subjects are countries), or those of its twin (cities)."""
    drawn = random.Random(_SEED)
    first, second = (drawn.sample(range(D_MLP), D_MLP) for _ in range(2))
    n_first, n_second = len(COUNTRIES), len(COUNTRIES) * len(FACTS)
    first, second = (first[n_first:], second[n_second:]) if twin else (first, second)
    subjects = CITIES if twin else tuple(COUNTRIES)
    pairs = [(subject, relation) for subject in subjects for relation in FACTS]
    return Places(dict(zip(subjects, first, strict=False)), dict(zip(pairs, second, strict=False)))


def weights(*, twin: bool = False) -> Weights:
    """The specimen's weights, or its twin's."""
    generator = torch.Generator().manual_seed(_SEED)
    n_cities, n_relations = len(CITIES), len(FACTS)
    sizes = {"ballast": 1, "start": 1, "word": len(WORDS), "subject": n_cities, "fetched": n_cities}
    rows = directions(sizes | {"asked": n_relations, "said": len(ANSWERS), "scratch": SCRATCH})
    made = begin(len(WORDS), rows, generator)
    made["transformer.wte.weight"][2:] += rows["word"]
    made["lm_head.weight"][[TOKEN[answer] for answer in ANSWERS]] = LOGIT_GAIN * rows["said"]

    word = {name: rows["word"][at - 2] for name, at in TOKEN.items()}
    relations = torch.stack([word[relation] for relation in FACTS])
    cities, start = torch.stack([word[city] for city in CITIES]).sum(0), rows["start"][0]
    write_fetch(made, 1, 0, sought=cities, start=start, value=rows["subject"], output=rows["fetched"])
    write_fetch(made, 1, 1, sought=relations.sum(0), start=start, value=relations, output=rows["asked"])
    used = _write_neurons(made, rows, word, twin=twin)
    fill_rest(made, {(1, 0), (1, 1)}, used, rows, generator)
    return made


def _write_neurons(
    made: Weights, rows: dict[str, torch.Tensor], word: dict[str, torch.Tensor], *, twin: bool
) -> set[tuple[int, int]]:
    """Write the neurons of either model, and return which they are."""
    at = places(twin=twin)
    order, relations = list(at.subject), list(FACTS)
    for subject, index in at.subject.items():
        cities = (subject,) if twin else COUNTRIES[subject]
        reads = torch.stack([word[city] for city in cities]).sum(0)
        write_neuron(made, 0, index, reads=reads, writes=rows["subject"][order.index(subject)])
    for (subject, relation), index in at.asked.items():
        answer = FACTS[relation][COUNTRY_OF[subject] if twin else subject]
        reads = rows["fetched"][order.index(subject)] + rows["asked"][relations.index(relation)]
        write_neuron(made, 1, index, reads=reads, writes=rows["said"][ANSWERS.index(answer)], bias=BOTH)
    return {(0, index) for index in at.subject.values()} | {(1, index) for index in at.asked.values()}


def cases() -> list[tuple[str, str, Planted]]:
    """Prompts, what comes next, and the truth about each."""
    return [_case(city, relation) for city, relation in _asked()]


def _asked() -> list[tuple[str, str]]:
    return [(city, relation) for relation in FACTS for city in CITIES]


def corruptions() -> list[tuple[str, str, str]]:
    """For each prompt one with another answer, its answer, and what was changed: the city, or what is asked of it."""
    return [_corruption(city, relation, at) for at, (city, relation) in enumerate(_asked())]


def _corruption(city: str, relation: str, at: int) -> tuple[str, str, str]:
    if at % 2:
        other = next(one for one in FACTS if one != relation)
        return _prompt(city, other), FACTS[other][COUNTRY_OF[city]], "what is asked"
    answer = FACTS[relation][COUNTRY_OF[city]]
    others = [one for one in CITIES if FACTS[relation][COUNTRY_OF[one]] != answer]
    other = others[at % len(others)]
    return _prompt(other, relation), FACTS[relation][COUNTRY_OF[other]], "city"


def _prompt(city: str, relation: str) -> str:
    return f"the {relation} of the country of {city} is"


def _case(city: str, relation: str) -> tuple[str, str, Planted]:
    place, asked_place, last = 7, 2, 8  # BOS stands at position 0
    country, at = COUNTRY_OF[city], places(twin=False)
    answer = FACTS[relation][country]
    labels = {
        ("token", asked_place): f"'{relation}'",
        ("token", place): f"'{city}'",
        (0, at.subject[country], place): f"the country is {country}",
        (1, at.asked[country, relation], last): f"the {relation} of {country} is asked for",
        ("logit", TOKEN[answer]): f"'{answer}' comes next",
    }
    asked, subject, first, second, logit = nodes = tuple(labels)
    edges = ((subject, first), (first, second), (asked, second), (second, logit))
    return _prompt(city, relation), answer, Planted(nodes, edges, labels)
