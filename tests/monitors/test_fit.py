"""Fitting: groups are kept apart, a planted direction is found, and where nothing is there nothing is claimed."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from hooke.directions.pooling import Pooling
from hooke.directions.probe import save_probe
from hooke.errors import BadRequest, UnknownName
from hooke.lab import Lab
from hooke.monitors.fit import Method, fit_probe, fitted, given_scorers, labelled_texts, mean_rows, part
from hooke.monitors.scorers import probe_digest
from hooke.monitors.transcripts import Text
from hooke.sites import parse_site
from tests.directions.made import probe_of
from tests.models.tiny import tiny_model
from tests.monitors.planted import specimen, texts_of


def _texts(n_groups: int) -> list[Text]:
    return [Text(text=f"{at} {label}", label=label, group=str(at)) for at in range(n_groups) for label in (True, False)]


def test_groups_are_never_parted() -> None:
    parts = part(_texts(10), seed=1)
    groups = [{one.group for one in own} for own in (parts.fit, parts.choose, parts.test)]
    assert [len(one) for one in groups] == [5, 2, 3]
    assert set.union(*groups) == {str(at) for at in range(10)}
    assert part(_texts(10), seed=1) == parts
    assert part(_texts(10), seed=2) != parts


def test_texts_that_cannot_be_parted_are_refused() -> None:
    for texts in (_texts(2), [one for one in _texts(10) if one.label]):
        with pytest.raises(BadRequest, match="cannot be parted"):
            part(texts)


@pytest.mark.parametrize("method", ["means", "logistic"])
def test_scores_are_in_standard_deviations_around_the_middle(method: Method) -> None:
    drawn = np.random.default_rng(0).standard_normal((200, 6))
    labels = np.arange(200) % 2 == 0
    drawn[labels, 0] += 4
    drawn[:, 1] = 7.0
    vector, bias = fitted(drawn, labels, method=method)
    scores = drawn @ vector + bias
    assert scores[~labels].std() == pytest.approx(1)
    assert scores[labels].mean() == pytest.approx(-scores[~labels].mean())
    assert abs(vector[0]) > 5 * np.abs(vector[2:]).max()


def test_a_planted_direction_is_found_at_its_site_and_not_in_the_twin() -> None:
    found = specimen()
    parts = part(texts_of(found))
    sites = [parse_site(f"resid_post.{layer}") for layer in (0, 1)]
    probe = fit_probe(found.model, parts, sites, name="p", concept="planted")
    (planted,) = found.directions
    means = mean_rows(found.model, parts.test, [parse_site(probe.sites[0])])[parse_site(probe.sites[0])]
    scores = means @ probe.vectors[0].double().numpy() + probe.bias
    labels = np.array([bool(one.label) for one in parts.test])
    assert scores[labels].min() > scores[~labels].max()
    at_site = fit_probe(found.model, parts, [parse_site(planted.site)], name="p", concept="planted").vectors[0]
    in_twin = fit_probe(found.twin, parts, [parse_site(planted.site)], name="p", concept="planted").vectors[0]
    cosine = torch.nn.functional.cosine_similarity
    assert float(cosine(at_site, planted.vector, dim=0)) > 0.6
    assert abs(float(cosine(in_twin, planted.vector, dim=0))) < 0.2


def test_given_scorers_are_pinned_and_one_probe_keeps_its_pooling(tmp_path: Path) -> None:
    lab, model = Lab(tmp_path), tiny_model()
    probe = probe_of(model, Pooling(how="max"))
    save_probe(lab, probe)
    save_probe(lab, probe_of(model, Pooling(how="max"), name="other"))
    (one,), pooling = given_scorers(model, lab, ["up"], [])
    assert (one.digest, pooling.how) == (probe_digest(probe), "max")
    assert given_scorers(model, lab, ["up", "other"], [])[1].how == "ema"
    with pytest.raises(UnknownName):
        given_scorers(model, lab, ["none"], [])


def test_labelled_texts_are_a_set_or_a_file(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text("\n".join(json.dumps({"text": str(at), "label": at > 0}) for at in range(2)))
    assert [one.group for one in labelled_texts(str(path), "plain")] == ["0", "1"]
    assert len(labelled_texts("truth", "plain")) > 100
    with pytest.raises(UnknownName):
        labelled_texts("nothing", "plain")
    path.write_text('{"text": "no label"}')
    with pytest.raises(BadRequest, match="no label"):
        labelled_texts(str(path), "plain")
