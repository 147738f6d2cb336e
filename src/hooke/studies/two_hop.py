"""Is the country on the path from a city to its country's language?

Patching says where the answer is carried, transplants what it is that is carried there: the state of the city's last
token is replaced by that of the same city in a sentence that asks nothing, of its country, or of another country.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from hooke.circuits.pairs import Pairs, readable_pairs
from hooke.errors import BadRequest
from hooke.findings import Finding, estimate_ratio
from hooke.models.edits import Patch
from hooke.models.model import Model
from hooke.sites import Site
from hooke.studies.evidence import Evidence, gather, halves
from hooke.studies.graphs import graph_evidence
from hooke.text.tasks import CITIES, task, two_hop_language

ABOUT = "Is the country on the path from a city to its language, and what carries it?"
COUNTRIES = {
    "Japanese": "Japan", "French": "France", "Italian": "Italy", "German": "Germany", "Spanish": "Spain",
    "Chinese": "China", "Portuguese": "Portugal", "Dutch": "Netherlands", "Turkish": "Turkey", "Russian": "Russia",
    "Greek": "Greece", "Polish": "Poland", "Swedish": "Sweden",
}  # fmt: skip
ASKED = "The official language of the country where {} is located is"
OTHER_WORDS = "In the country where {} lies, people officially speak"
NEUTRAL = "Last summer we went to {} with my sister"


@dataclass(frozen=True, slots=True)
class _Transplant:
    """What is put into the place of a city's last token."""

    name: str
    sentence: str
    word: str
    control: str
    """The word of another country, in the same sentence."""


def study(model: Model, *, seed: int = 0) -> Evidence:
    """How often the model answers, where the answer is carried, by which heads and edges, and what it is.

    Raises:
        BadRequest: the model's tokenizer fits none of the prompts.
        UnsupportedModel, HookeError: see `gather` and `graph_evidence`.
    """
    pairs, _ = readable_pairs(model, task("two-hop").pairs())
    first, second = halves(pairs, seed=seed)
    found = gather(model, "two-hop", first, second, seed=seed)
    moved = found.handed_over
    layers = sorted({moved // 3, 2 * moved // 3, max(0, moved - 1)})
    others, _ = readable_pairs(model, two_hop_language(OTHER_WORDS))
    unrelated, _ = readable_pairs(model, task("agreement").pairs())
    graphs = graph_evidence(
        model, first, second, moved, unrelated=unrelated, others={"in other words": others}, seed=seed
    )
    moves = (one for layer in layers for one in _transplants(model, pairs, layer, seed))
    return found.with_more(*moves).with_graphs(graphs)


def _first(model: Model, word: str) -> int:
    return int(model.tokenizer(f" {word}", add_special_tokens=False)["input_ids"][0])


def _transplants(model: Model, pairs: Pairs, layer: int, seed: int) -> list[Finding]:
    """What the answer becomes when the corrupted prompt's city is given other states at a layer."""
    cases = [(_city(pair.clean), _city(pair.corrupted)) for pair in pairs.pairs]
    languages = list(dict.fromkeys(CITIES.values()))
    kinds = []
    for name, sentence, is_country in (
        ("the same city in a sentence that asks nothing", NEUTRAL, False),
        ("its country in the same place", ASKED, True),
        ("its country in a sentence that asks nothing", NEUTRAL, True),
    ):
        row = []
        for city, other in cases:
            third = next(one for one in languages if one not in (CITIES[city], CITIES[other]))
            control = COUNTRIES[third] if is_country else next(one for one in CITIES if CITIES[one] == third)
            row.append(_Transplant(name, sentence, COUNTRIES[CITIES[city]] if is_country else city, control))
        kinds.append(row)
    bases = [_difference(model, city, other, other, None, layer) for city, other in cases]
    wholes = np.array([_difference(model, city, other, city, None, layer) for city, other in cases]) - bases
    return [_finding(model, cases, row, layer, np.array(bases), wholes, seed) for row in kinds]


def _finding(
    model: Model,
    cases: Sequence[tuple[str, str]],
    row: Sequence[_Transplant],
    layer: int,
    bases: Float[np.ndarray, " case"],
    wholes: Float[np.ndarray, " case"],
    seed: int,
) -> Finding:
    changes = []
    for words in ([one.word for one in row], [one.control for one in row]):
        states = [_state(model, one.sentence, word, layer) for one, word in zip(row, words, strict=True)]
        values = [
            _difference(model, city, other, other, state, layer)
            for (city, other), state in zip(cases, states, strict=True)
        ]
        changes.append(np.array(values) - bases)
    generator = np.random.default_rng(seed)
    value, control = (estimate_ratio(one, wholes, generator=generator) for one in changes)
    return Finding(
        claim=f"Put at the city's last token, resid_post.{layer}: {row[0].name}",
        value=value.value,
        interval=value.interval,
        n=len(cases),
        control=control.value,
        control_interval=control.interval,
        control_name="the same of a third country",
        method="share of the way from one city's language to the other's, logit difference; ratio of means",
        seed=seed,
    )


def _city(prompt: str) -> str:
    before, after = ASKED.split("{}")
    return prompt.removeprefix(before).removesuffix(after)


def _place(model: Model, sentence: str, word: str) -> int:
    """The position of the word's last token."""
    upto = model.tokenize(sentence.split("{}")[0] + word)
    return int(upto.lengths[0]) - 1


def _state(model: Model, sentence: str, word: str, layer: int) -> Float[Tensor, "1 1 d_model"]:
    site, place = Site("resid_post", layer), _place(model, sentence, word)
    return model.run(sentence.format(word), capture=[site], logits=False)[site][:, [place]]


def _difference(
    model: Model, right: str, wrong: str, asked: str, state: Float[Tensor, "1 1 d_model"] | None, layer: int
) -> float:
    """Logit of one city's language minus that of another's, asked of a city whose state may be replaced."""
    if CITIES[right] == CITIES[wrong]:
        raise BadRequest(f"{right} and {wrong} share a language.", "", "Compare cities of two countries.")
    place = (_place(model, ASKED, asked),)
    edits = [] if state is None else [Patch(f"resid_post.{layer}", state, positions=place)]
    logits = model.run(ASKED.format(asked), edits=edits).logits
    assert logits is not None
    return float(logits[0, -1, _first(model, CITIES[right])] - logits[0, -1, _first(model, CITIES[wrong])])
