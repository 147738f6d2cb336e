"""Scorers: probes and features of the lab, held to their digests."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
import torch

from hooke.dictionaries import Dictionary, DictionaryConfig, save_dictionary
from hooke.directions.pooling import Pooling
from hooke.directions.probe import save_probe, token_attention, token_scores
from hooke.errors import BadArtefact, UnknownName
from hooke.lab import Lab
from hooke.monitors.scorers import open_scorer, scorer_digest
from hooke.monitors.spec import Scorer
from hooke.sites import parse_site
from tests.directions.made import SITE, probe_of
from tests.models.tiny import tiny_model

ROWS = {parse_site(SITE): torch.randn(6, 32, generator=torch.Generator().manual_seed(0))}


def _dictionary(kind: Literal["relu", "topk"]) -> Dictionary:
    drawn = torch.randn(8, 32, generator=torch.Generator().manual_seed(1))
    k = 3 if kind == "topk" else None
    config = DictionaryConfig(
        name="d", model="tiny", kind=kind, reads=(SITE,), writes=(SITE,), n_features=8, d_in=32, d_out=32, k=k
    )
    return Dictionary(config, W_enc=drawn.T.clone(), b_enc=torch.zeros(8), W_dec=drawn, b_dec=torch.zeros(32))


def test_a_probe_scores_tokens_scaled(tmp_path: Path) -> None:
    lab, model = Lab(tmp_path), tiny_model()
    probe = probe_of(model, Pooling(how="attention"))
    save_probe(lab, probe)
    opened = open_scorer(Scorer(probe="up", scale=2.0, bias=1.0), model, lab)
    found = opened.score(ROWS)
    torch.testing.assert_close(found[:, 0], 2 * token_scores(probe, ROWS) + 1)
    torch.testing.assert_close(found[:, 1], token_attention(probe, ROWS))
    assert opened.n_products == 64


@pytest.mark.parametrize(("kind", "n_products"), [("relu", 2 * 32), ("topk", 8 * 32)])
def test_features_are_a_weighted_sum_of_activations(
    tmp_path: Path, kind: Literal["relu", "topk"], n_products: int
) -> None:
    lab, model, dictionary = Lab(tmp_path), tiny_model(), _dictionary(kind)
    save_dictionary(dictionary, lab.path("dictionaries", "d"))
    opened = open_scorer(Scorer(features=(f"{SITE}/2@d", f"{SITE}/5@d"), weights=(1.0, -3.0)), model, lab)
    acts = dictionary.encode(ROWS[parse_site(SITE)]).dense()
    torch.testing.assert_close(opened.score(ROWS)[:, 0], acts[:, 2] - 3 * acts[:, 5])
    assert (opened.sites, opened.n_products) == ((parse_site(SITE),), n_products)


def test_another_probe_or_dictionary_under_the_same_name_is_refused(tmp_path: Path) -> None:
    lab, model, dictionary = Lab(tmp_path), tiny_model(), _dictionary("relu")
    save_probe(lab, probe_of(model, Pooling()))
    save_dictionary(dictionary, lab.path("dictionaries", "d"))
    for scorer in (Scorer(probe="up"), Scorer(features=(f"{SITE}/2@d",))):
        pinned = replace(scorer, digest=scorer_digest(scorer, lab))
        open_scorer(pinned, model, lab)
        if scorer.probe:
            save_probe(lab, replace(probe_of(model, Pooling()), bias=0.25))
        else:
            dictionary.b_enc[2] += 0.1
            save_dictionary(dictionary, lab.path("dictionaries", "d"))
        with pytest.raises(BadArtefact, match="not what the monitor was made with"):
            open_scorer(pinned, model, lab)
        open_scorer(pinned, model, lab, force=True)


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    lab, model = Lab(tmp_path), tiny_model()
    save_dictionary(_dictionary("relu"), lab.path("dictionaries", "d"))
    for scorer in (Scorer(probe="down"), Scorer(features=(f"{SITE}/8@d",))):
        with pytest.raises(UnknownName):
            open_scorer(scorer, model, lab)


def test_it_is_known_which_of_its_parts_fire(tmp_path: Path) -> None:
    lab, model = Lab(tmp_path), tiny_model()
    save_probe(lab, probe_of(model, Pooling(how="mean")))
    probe = open_scorer(Scorer(probe="up"), model, lab)
    assert probe.names == ("up",)
    assert torch.equal(probe.fires(ROWS), probe.score(ROWS) > 0)
    dictionary = _dictionary("topk")
    save_dictionary(dictionary, lab.path("dictionaries", "d"))
    names = (f"{SITE}/1@d", f"{SITE}/6@d")
    features = open_scorer(Scorer(features=names), model, lab)
    assert features.names == names
    acts = dictionary.encode(next(iter(ROWS.values()))).dense()[:, [1, 6]]
    assert torch.equal(features.fires(ROWS), acts > 0)
