"""The direction of refusing: the published rule on a model whose direction is known, and on its twin without one."""

from dataclasses import replace

import pytest
import torch

from hooke.directions import refusal
from hooke.directions.refusal import (
    Choice,
    added,
    choose,
    divergences,
    log_probabilities_after,
    refusal_scores,
    taken_out,
)
from hooke.errors import BadRequest
from hooke.models.model import Model
from hooke.specimens import build
from hooke.specimens.planted import Specimen
from hooke.studies.refusal import specimen_sets


@pytest.fixture(scope="module")
def specimen() -> Specimen:
    return build("gated-refusal")


def sorry(model: Model) -> list[int]:
    return model.tokenizer("sorry", add_special_tokens=False)["input_ids"]


def chosen(model: Model) -> Choice:
    sets = specimen_sets(model)
    return choose(model, sets.fit, sets.validation, sorry(model), n_places=1)


def test_the_planted_direction_is_found(specimen: Specimen):
    choice = chosen(specimen.model)
    found = choice.chosen
    assert found is not None
    assert choice.is_found
    assert str(found.site) == "resid_pre.2"
    planted = specimen.directions[0].vector
    assert float(torch.cosine_similarity(found.vector, planted, dim=0)) > 0.5
    assert choice.before > 5
    assert found.left < -5
    assert found.added > 5
    assert found.kl < 0.05


def test_the_twin_refuses_without_one(specimen: Specimen):
    choice = chosen(specimen.twin)
    assert choice.before > 5
    assert choice.tried[0].left > 5
    assert not choice.is_found


def test_a_random_model_has_none_that_passes(specimen: Specimen):
    assert chosen(specimen.random).chosen is None


def test_what_does_not_make_it_refuse_is_not_taken_out_beyond_a_few(
    specimen: Specimen, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(refusal, "FEWEST", 1)
    model = specimen.model
    sets = specimen_sets(model)
    choice = choose(model, sets.fit, sets.validation, sorry(model), n_places=1)
    whole = chosen(specimen.model)
    assert choice.n_candidates == whole.n_candidates
    assert all(one.added >= 0 for one in choice.tried)
    assert (choice.chosen and str(choice.chosen.site)) == (whole.chosen and str(whole.chosen.site))
    assert len(choose(specimen.random, sets.fit, sets.validation, sorry(model), n_places=1).tried) == 1


def test_late_layers_and_costly_directions_are_refused(specimen: Specimen):
    found = chosen(specimen.model).chosen
    assert found is not None
    assert found.passes(3)
    assert not found.passes(2)
    assert not replace(found, kl=0.2).passes(3)
    assert not replace(found, added=-0.1).passes(3)


def test_taking_out_leaves_nothing_along_the_direction(specimen: Specimen):
    model, vector = specimen.model, specimen.directions[0].vector
    tokens = model.tokenize([one for one in specimen.prompts if one.startswith("how")])
    sites = ("resid_pre.2", "mlp_out.1")
    for edits, is_left in (((), True), (taken_out(model, vector), False)):
        run = model.run(tokens, edits=edits, capture=sites)
        along = max(float((run[site] @ (vector / vector.norm())).abs().max()) for site in sites)
        assert (along > 1e-3) == is_left


def test_scores_are_log_odds_and_divergences_are_zero_without_an_edit(specimen: Specimen):
    model = specimen.model
    tokens = model.tokenize(list(specimen.prompts))
    log_p = log_probabilities_after(model, tokens)
    p = log_p[:, sorry(model)].exp().sum(-1).double()
    expected = torch.log(p / (1 - p))
    sure = expected.abs() < 10
    assert torch.allclose(refusal_scores(log_p, sorry(model)).double()[sure], expected[sure], atol=1e-3)
    assert float(divergences(log_p, log_p).abs().max()) == 0
    after = log_probabilities_after(model, tokens, added(chosen(model).tried[0].site, specimen.directions[0].vector))
    assert float(divergences(log_p, after).max()) > 1


def test_what_cannot_be_looked_for_is_refused(specimen: Specimen):
    sets = specimen_sets(specimen.model)
    for refusing, n_places in (([], 1), ([3], 0), ([3], 99)):
        with pytest.raises(BadRequest, match="cannot be looked for"):
            choose(specimen.model, sets.fit, sets.validation, refusing, n_places=n_places)
