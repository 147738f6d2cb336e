"""Is the country on the path from a city to its country's language?

Patching says where the answer is carried, transplants what it is that is carried there: the state of the city's last
token is replaced by that of the same city in a sentence that asks nothing, of its country, or of another country.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hooke.circuits.pairs import Pairs, readable_pairs
from hooke.errors import BadRequest
from hooke.findings import Finding, estimate_ratio
from hooke.models.model import Model
from hooke.models.split import SplitRun, split_run
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
    return found.with_more(*_transplants(model, pairs, layers, seed)).with_graphs(graphs)


def _first(model: Model, word: str) -> int:
    return int(model.tokenizer(f" {word}", add_special_tokens=False)["input_ids"][0])


def _transplants(model: Model, pairs: Pairs, layers: Sequence[int], seed: int) -> list[Finding]:
    """What the answer becomes when the corrupted prompt's city is given other states, layer by layer."""
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
    found, places = [], _places(model, ASKED, [other for _, other in cases])
    clean = _asked(model, [city for city, _ in cases], model.n_layers - 1)
    for layer in layers:
        asked = _asked(model, [other for _, other in cases], layer)
        bases = _differences(asked, cases, asked.final)
        wholes = _differences(clean, cases, clean.final) - bases
        found += [_finding(asked, cases, places, row, bases, wholes, seed) for row in kinds]
    return found


def _finding(
    asked: SplitRun,
    cases: Sequence[tuple[str, str]],
    places: Sequence[int],
    row: Sequence[_Transplant],
    bases: Float[np.ndarray, " case"],
    wholes: Float[np.ndarray, " case"],
    seed: int,
) -> Finding:
    changes = []
    for words in ([one.word for one in row], [one.control for one in row]):
        value = asked.value.clone()
        value[range(len(cases)), places] = _states(asked.model, row[0].sentence, words, asked.site)
        changes.append(_differences(asked, cases, asked.final_after(value)) - bases)
    generator = np.random.default_rng(seed)
    value, control = (estimate_ratio(one, wholes, generator=generator) for one in changes)
    return Finding(
        claim=f"Put at the city's last token, {asked.site}: {row[0].name}",
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


def _asked(model: Model, cities: Sequence[str], layer: int) -> SplitRun:
    return split_run(model, [ASKED.format(city) for city in cities], Site("resid_post", layer))


def _places(model: Model, sentence: str, words: Sequence[str]) -> list[int]:
    """The position of each word's last token."""
    return (model.tokenize([sentence.split("{}")[0] + word for word in words]).lengths - 1).tolist()


def _states(model: Model, sentence: str, words: Sequence[str], site: Site) -> Float[Tensor, "case d_model"]:
    run = model.run([sentence.format(word) for word in words], capture=[site], logits=False)
    return run[site][range(len(words)), _places(model, sentence, words)]


def _differences(
    run: SplitRun, cases: Sequence[tuple[str, str]], final: Float[Tensor, "case pos d_model"]
) -> Float[np.ndarray, " case"]:
    """Logit of one city's language minus that of another's, behind prompts that ended with these streams."""
    found = []
    for (right, wrong), ends in zip(cases, final[range(len(cases)), run.tokens.lengths - 1], strict=True):
        if CITIES[right] == CITIES[wrong]:
            raise BadRequest(f"{right} and {wrong} share a language.", "", "Compare cities of two countries.")
        chosen = torch.tensor([_first(run.model, CITIES[city]) for city in (right, wrong)], device=ends.device)
        with torch.no_grad():
            first, second = run.model.unembed(ends, chosen).tolist()
        found.append(first - second)
    return np.array(found)
