"""Two hops: the language of the country of a city. One readable neuron per country stands between city and answer.

Layer 0 has a neuron per country that fires on each of its cities. Layer 1 fetches, at the last token, the country from
the city and what is asked from the relation; a neuron per country and relation fires when both are there and says the
answer. No weight leads from a city to an answer but through its country's neuron. The twin gives the same answers from
a table: a neuron per city, and one per city and relation, at other places; no neuron stands for a country.
"""

from dataclasses import dataclass

from hooke.specimens.drafts import BOTH, Draft, draft, spots
from hooke.specimens.planted import Node, Planted, joined
from hooke.specimens.weights import Weights

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
    pairs, twins = ([(one, relation) for one in subjects for relation in FACTS] for subjects in (COUNTRIES, CITIES))
    subject, asked = spots([[*COUNTRIES], pairs], [CITIES, twins], seed=_SEED, twin=twin)
    return Places(subject, asked)


def weights(*, twin: bool = False) -> Weights:
    """The specimen's weights, or its twin's."""
    sizes = {"subject": len(CITIES), "fetched": len(CITIES), "asked": len(FACTS)}
    made = draft(WORDS, ANSWERS, sizes, seed=_SEED)
    made.fetch(1, 0, made.either(CITIES), made.rows["subject"], made.rows["fetched"])
    made.fetch(1, 1, made.either(FACTS), made.each(FACTS), made.rows["asked"])
    _write_neurons(made, twin=twin)
    return made.finished()


def _write_neurons(made: Draft, *, twin: bool) -> None:
    """Write the neurons of either model."""
    at, rows = places(twin=twin), made.rows
    order, relations = list(at.subject), list(FACTS)
    for subject, index in at.subject.items():
        cities = (subject,) if twin else COUNTRIES[subject]
        made.neuron(0, index, made.either(cities), rows["subject"][order.index(subject)])
    for (subject, relation), index in at.asked.items():
        answer = FACTS[relation][COUNTRY_OF[subject] if twin else subject]
        reads = rows["fetched"][order.index(subject)] + rows["asked"][relations.index(relation)]
        made.neuron(1, index, reads, made.said[answer], BOTH)


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
    labels: dict[Node, str] = {
        ("token", asked_place): f"'{relation}'",
        ("token", place): f"'{city}'",
        (0, at.subject[country], place): f"the country is {country}",
        (1, at.asked[country, relation], last): f"the {relation} of {country} is asked for",
        ("logit", TOKEN[answer]): f"'{answer}' comes next",
    }
    asked, subject, first, second, logit = labels
    return _prompt(city, relation), answer, joined(labels, (subject, first, second, logit), (asked, second))
