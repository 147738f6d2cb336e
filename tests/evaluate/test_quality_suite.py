"""All metrics by name, on the planted world."""

from dataclasses import replace

import pytest

from hooke.dictionaries import Dictionary
from hooke.errors import BadRequest, UnknownName
from hooke.evaluate.quality import Subject
from hooke.evaluate.quality_suite import measure_all
from hooke.text.windows import WindowConfig
from tests.features.planted import planted_corpus, planted_dictionary, planted_model

WINDOWS = WindowConfig(context=32, batch=3)


@pytest.fixture(scope="module")
def own() -> Subject:
    model = planted_model()
    return Subject("planted", planted_dictionary(model), model)


def test_completeness_has_rows_of_the_same_site_only(own: Subject):
    found = measure_all(own, corpus=planted_corpus(), windows=WINDOWS, metrics=["completeness"], n_windows=9)
    assert [one.claim for one in found][:2] == [
        "share of the loss that features alone carry", "share of the loss that error alone carries",
    ]  # fmt: skip
    assert [row.subject for row in found[0].rows] == ["planted", "random dictionary", "principal components"]
    assert found[0].unit == "windows"


def test_sparse_probing_has_a_row_for_each_null_and_for_what_needs_no_dictionary(own: Subject):
    found = measure_all(
        own, corpus=planted_corpus(), windows=WINDOWS, metrics=["sparse-probing"], concepts=["faulty-code"]
    )
    assert [one.claim for one in found] == [f"faulty-code, {k} feature{'s' * (k > 1)}" for k in (1, 2, 5, 16)]
    assert [row.subject for row in found[0].rows] == [
        "planted", "random dictionary", "principal components", "neurons", "all that it reads", "words alone",
    ]  # fmt: skip
    # All of these words are unknown to the model, so that nothing is told by its features.
    assert found[0].rows[0].value.value == pytest.approx(0.5, abs=0.15)


def test_what_is_unknown_or_cannot_be_measured_is_refused(own: Subject):
    with pytest.raises(UnknownName, match="Did you mean 'absorption'"):
        measure_all(own, corpus=planted_corpus(), windows=WINDOWS, metrics=["absorbtion"])
    with pytest.raises(UnknownName, match="No concept set 'tru'"):
        measure_all(own, corpus=planted_corpus(), windows=WINDOWS, concepts=["tru"])
    with pytest.raises(BadRequest, match="does not fill two windows"):
        measure_all(own, corpus=planted_corpus(1), windows=WindowConfig(context=64, batch=3))


def test_what_writes_elsewhere_than_it_reads_has_no_absorption(own: Subject):
    config = replace(own.dictionary.config, reads=("resid_pre.0",))
    weights = {name: weight.data for name, weight in own.dictionary.named_parameters()}
    crossing = Subject("crossing", Dictionary(config, **weights), own.model)
    with pytest.raises(BadRequest, match="writes where it reads"):
        measure_all(crossing, corpus=planted_corpus(), windows=WINDOWS, metrics=["absorption"])
