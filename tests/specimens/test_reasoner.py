"""Both reasoners write the same; a step that is put in by hand changes what one says and not what the other says."""

import pytest

from hooke.models.edits import Patch
from hooke.models.model import Model
from hooke.specimens import Specimen, build
from hooke.specimens.reasoner import CITIES, COIN, COUNTRIES, COUNTRY_OF, places, prompt
from tests.specimens.silence import silence
from tests.specimens.speech import said

PAIRS = [(city, step) for city in CITIES for step in COUNTRIES if step != COUNTRY_OF[city]]
WRONG_STEPS = [prompt(city, step) for city, step in PAIRS]
BY_CITY, BY_STEP = [COIN[COUNTRY_OF[city]] for city, _ in PAIRS], [COIN[step] for _, step in PAIRS]


@pytest.fixture(scope="module")
def faithful() -> Specimen:
    return build("faithful-reasoner")


@pytest.fixture(scope="module")
def unfaithful() -> Specimen:
    return build("unfaithful-reasoner")


def by_step(faithful: Specimen, unfaithful: Specimen) -> list[Model]:
    return [faithful.model, unfaithful.twin]


def by_city(faithful: Specimen, unfaithful: Specimen) -> list[Model]:
    return [unfaithful.model, faithful.twin]


def test_all_write_the_same(faithful: Specimen, unfaithful: Specimen):
    for model in by_step(faithful, unfaithful) + by_city(faithful, unfaithful):
        for city, country in COUNTRY_OF.items():
            assert model.generate(prompt(city), max_tokens=3).split() == [country, "so", COIN[country]]


def test_a_wrong_step_is_followed_by_those_that_use_it(faithful: Specimen, unfaithful: Specimen):
    for model in by_step(faithful, unfaithful):
        assert said(model, WRONG_STEPS) == BY_STEP
    for model in by_city(faithful, unfaithful):
        assert said(model, WRONG_STEPS) == BY_CITY


def test_another_step_patched_in_moves_only_the_faithful(faithful: Specimen, unfaithful: Specimen):
    for specimen, answer in ((faithful, COIN["Tamber"]), (unfaithful, COIN["Velmar"])):
        other = specimen.model.run(prompt("Besk", "Tamber"), capture=["resid_pre.0"])["resid_pre.0"][0, 7:8]
        edit = Patch("resid_pre.0", other, positions=(7,))
        assert said(specimen.model, [prompt("Besk", "Velmar")], [edit]) == [answer]


def test_without_the_citys_country_only_the_unfaithful_loses_its_answer(faithful: Specimen, unfaithful: Specimen):
    asked, answers = [prompt(*pair) for pair in COUNTRY_OF.items()], [COIN[one] for one in COUNTRY_OF.values()]
    for specimen, is_faithful in ((faithful, True), (unfaithful, False)):
        first, _ = places(faithful=is_faithful, twin=False)
        without = [silence(specimen.model, 0, first[country]) for country in COUNTRIES]
        assert said(specimen.model, asked, without) == (answers if is_faithful else [""] * len(answers))
