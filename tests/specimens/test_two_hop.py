"""The two-hop specimen knows countries, its twin only cities, and no shortcut goes round a country's neuron."""

import torch

from hooke.models.edits import Add
from hooke.specimens import Specimen
from hooke.specimens.two_hop import CITIES, COUNTRIES, COUNTRY_OF, FACTS, places
from hooke.specimens.weights import D_MLP
from tests.specimens.silence import silence

CITY_AT = 7


def prompt(city: str, relation: str) -> str:
    return f"the {relation} of the country of {city} is"


def test_a_countrys_neuron_fires_on_its_cities_and_on_no_others(two_hop: Specimen):
    run = two_hop.model.run([prompt(city, "language") for city in CITIES], capture=["neurons.0"])
    for country, index in places(twin=False).subject.items():
        fired = run["neurons.0"][:, CITY_AT, index]
        belongs = torch.tensor([COUNTRY_OF[city] == country for city in CITIES])
        assert float(fired[belongs].min()) > 0.8
        assert float(fired[~belongs].max()) < 1e-4
        assert float(run["neurons.0"][:, :CITY_AT, index].max()) < 1e-4


def test_no_shortcut_goes_round_the_country(two_hop: Specimen):
    countries = [silence(two_hop.model, 0, index) for index in places(twin=False).subject.values()]
    for relation in FACTS:
        run = two_hop.model.run([prompt(city, relation) for city in CITIES], edits=countries)
        assert run.logits is not None
        last = run.logits[:, -1]
        # What is left of a city is its effect on what the norms divide by.
        assert float((last - last[:1]).abs().max()) < 0.02


def test_a_country_put_in_anothers_place_changes_the_answer(two_hop: Specimen):
    at, swap = places(twin=False).subject, torch.zeros(D_MLP)
    swap[at["Velmar"]], swap[at["Ostria"]] = -1, 1
    edit = Add("neurons.0", swap, positions=(CITY_AT,))
    for relation, facts in FACTS.items():
        logits = two_hop.model.run(prompt("Besk", relation), edits=[edit]).logits
        assert logits is not None
        assert two_hop.model.tokenizer.decode(logits[0, -1].argmax()) == facts["Ostria"]


def test_countries_share_cities_and_answers():
    assert min(len(cities) for cities in COUNTRIES.values()) >= 3
    assert len(set(FACTS["language"].values())) < len(COUNTRIES)


def test_the_twin_gives_the_same_answers_city_by_city(two_hop: Specimen):
    run = two_hop.twin.run(list(two_hop.prompts), capture=["neurons.0"])
    assert run.logits is not None
    said = run.logits[:, -1].softmax(-1).max(-1)
    assert float(said.values.min()) > 0.9
    assert two_hop.twin.tokenizer.convert_ids_to_tokens(said.indices.tolist()) == list(two_hop.answers)
    for city, index in places(twin=True).subject.items():
        fired = run["neurons.0"][:, CITY_AT, index] > 0.8
        assert fired.tolist() == [f" {city} " in one for one in two_hop.prompts]


def test_the_twins_neurons_are_others():
    mine, twins = places(twin=False), places(twin=True)
    assert not {*mine.subject.values()} & {*twins.subject.values()}
    assert not {*mine.asked.values()} & {*twins.asked.values()}
    assert (len(twins.subject), len(twins.asked)) == (len(CITIES), len(CITIES) * len(FACTS))
