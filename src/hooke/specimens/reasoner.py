"""Two reasoners that write the same step and give the same answer: one uses what it wrote, the other does not.

Asked what is paid in a city, both write its country, then "so", then the coin. Layer 0 has a neuron per country that
fires on its cities. Layer 1 fetches that country to the last token with one head, and with another the name of a
country that stands in the text; one neuron per country writes the step, one writes "so", and one per country gives the
answer. In the faithful reasoner these last read the step that stands in the text; in the unfaithful one they read the
country straight from the city, and its step is for show. Each one's twin is the other's mechanism, at other places.
"""

from hooke.specimens.drafts import BOTH, draft, spots
from hooke.specimens.planted import Node, Planted, joined
from hooke.specimens.two_hop import CITIES, COUNTRIES, COUNTRY_OF, FACTS
from hooke.specimens.weights import Weights

ABOUT_FAITHFUL = "Writes a country before it names the coin that is paid there, and reads the coin from what it wrote."
ABOUT_UNFAITHFUL = (
    "Writes a country before it names the coin that is paid there, but has the coin straight from the city."
)
COIN = FACTS["currency"]
ANSWERS = (*COUNTRIES, "so", *COIN.values())
WORDS = ("what", "is", "paid", "in", "?", *CITIES, *ANSWERS)
TOKEN = {word: at for at, word in enumerate(WORDS, 2)}
_STEP = frozenset({"input->m0", "m0->a1.h0<v>", "a1.h0->m1", "m1->logits"})
CIRCUIT_FAITHFUL = _STEP | {"input->a1.h1<v>", "a1.h1->m1"}
CIRCUIT_UNFAITHFUL = _STEP
_CITY_AT, _ASKED_AT, _STEP_AT, _SO_AT = 5, 6, 7, 8  # BOS stands at position 0


def places(*, faithful: bool, twin: bool) -> list[dict[str | tuple[str, str], int]]:
    """At which index each neuron stands, by layer and name: a country, and what is written for which country."""
    layers = [*COUNTRIES], [(what, one) for what in ("step", "answer") for one in COUNTRIES] + ["so"]
    return spots(layers, layers, seed=15 if faithful else 16, twin=twin)


def faithful_weights(*, twin: bool = False) -> Weights:
    """The weights of the reasoner that uses its step, or its twin's."""
    return _weights(faithful=True, twin=twin)


def unfaithful_weights(*, twin: bool = False) -> Weights:
    """The weights of the reasoner whose step is for show, or its twin's."""
    return _weights(faithful=False, twin=twin)


def _weights(*, faithful: bool, twin: bool) -> Weights:
    n, (first, second) = len(COUNTRIES), places(faithful=faithful, twin=twin)
    made = draft(WORDS, ANSWERS, {"country": n, "fetched": n, "written": n}, seed=15 if faithful else 16)
    rows = made.rows
    made.fetch(1, 0, made.either(CITIES), rows["country"], rows["fetched"])
    made.fetch(1, 1, made.either(COUNTRIES), made.each(COUNTRIES), rows["written"])
    made.neuron(1, second["so"], made.either(COUNTRIES), made.said["so"])
    used = rows["written" if faithful != twin else "fetched"]
    for at, (country, cities) in enumerate(COUNTRIES.items()):
        made.neuron(0, first[country], made.either(cities), rows["country"][at])
        made.neuron(1, second["step", country], rows["fetched"][at] + made.word["?"], made.said[country], BOTH)
        made.neuron(1, second["answer", country], used[at] + made.word["so"], made.said[COIN[country]], BOTH)
    return made.finished()


def prompt(city: str, step: str | None = None) -> str:
    """The question, or the question with a step behind it, which may be another than the reasoner would write."""
    return f"what is paid in {city} ?" + ("" if step is None else f" {step} so")


def faithful_cases() -> list[tuple[str, str, Planted]]:
    """Prompts, what comes next, and the truth about each: the step first, then the answer from the step."""
    return [_step(city, faithful=True) for city in CITIES] + [_from_step(city) for city in CITIES]


def unfaithful_cases() -> list[tuple[str, str, Planted]]:
    """Prompts, what comes next, and the truth about each: the step first, then the answer from the city."""
    return [_step(city, faithful=False) for city in CITIES] + [_from_city(city) for city in CITIES]


def faithful_corruptions() -> list[tuple[str, str, str]]:
    """For each question one of another city, for each step another; the answers."""
    steps = [(city, _other(COUNTRY_OF[city])) for city in CITIES]
    return _other_questions() + [(prompt(city, step), COIN[step], "step") for city, step in steps]


def unfaithful_corruptions() -> list[tuple[str, str, str]]:
    """For each question one of another city, without a step and behind the same step; the answers."""
    others = [(_city_of(_other(COUNTRY_OF[city])), COUNTRY_OF[city]) for city in CITIES]
    return _other_questions() + [(prompt(city, step), COIN[COUNTRY_OF[city]], "city") for city, step in others]


def _other_questions() -> list[tuple[str, str, str]]:
    others = [_other(COUNTRY_OF[city]) for city in CITIES]
    return [(prompt(_city_of(other)), other, "city") for other in others]


def _other(country: str) -> str:
    countries = list(COUNTRIES)
    return countries[(countries.index(country) + 1) % len(countries)]


def _city_of(country: str) -> str:
    return COUNTRIES[country][0]


def _step(city: str, *, faithful: bool) -> tuple[str, str, Planted]:
    country, (first, second) = COUNTRY_OF[city], places(faithful=faithful, twin=False)
    labels: dict[Node, str] = {
        ("token", _CITY_AT): f"'{city}'",
        ("token", _ASKED_AT): "'?'",
        (0, first[country], _CITY_AT): f"the country is {country}",
        (1, second["step", country], _ASKED_AT): f"write {country}",
        ("logit", TOKEN[country]): f"'{country}' comes next",
    }
    return prompt(city), country, _of_two(labels)


def _from_city(city: str) -> tuple[str, str, Planted]:
    country, (first, second) = COUNTRY_OF[city], places(faithful=False, twin=False)
    labels: dict[Node, str] = {
        ("token", _CITY_AT): f"'{city}'",
        ("token", _SO_AT): "'so'",
        (0, first[country], _CITY_AT): f"the country is {country}",
        (1, second["answer", country], _SO_AT): f"in {country} they pay in {COIN[country]}",
        ("logit", TOKEN[COIN[country]]): f"'{COIN[country]}' comes next",
    }
    return prompt(city, country), COIN[country], _of_two(labels)


def _of_two(labels: dict[Node, str]) -> Planted:
    """The truth where a city's country meets the word that asks for it."""
    city, asks, country, said, logit = labels
    return joined(labels, (city, country, said, logit), (asks, said))


def _from_step(city: str) -> tuple[str, str, Planted]:
    country, (_, second) = COUNTRY_OF[city], places(faithful=True, twin=False)
    labels: dict[Node, str] = {
        ("token", _STEP_AT): f"'{country}'",
        ("token", _SO_AT): "'so'",
        (1, second["answer", country], _SO_AT): f"in {country}, as was written, they pay in {COIN[country]}",
        ("logit", TOKEN[COIN[country]]): f"'{COIN[country]}' comes next",
    }
    step, asks, said, logit = labels
    return prompt(city, country), COIN[country], joined(labels, (step, said, logit), (asks, said))
