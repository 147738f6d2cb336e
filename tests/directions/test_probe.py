"""Probes: scores of tokens and texts, kept and read back."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hooke.directions.pooling import Pooling
from hooke.directions.probe import check_probe, load_probe, save_probe, text_scores, token_scores
from hooke.errors import BadArtefact, BadConfig
from hooke.lab import Lab
from hooke.sites import parse_site
from tests.directions.made import made_on, probe_of
from tests.models.tiny import tiny_model

BOTH = ("resid_post.0", "resid_post.1")


def test_a_token_is_scored_by_all_sites_and_the_bias() -> None:
    model = tiny_model()
    probe = probe_of(model, Pooling(how="mean"), sites=BOTH)
    run = model.run(torch.arange(1, 7), capture=BOTH, logits=False)
    rows = {parse_site(site): run[site][0] for site in BOTH}
    expected = rows[parse_site(BOTH[0])] @ probe.vectors[0] + rows[parse_site(BOTH[1])] @ probe.vectors[1] + 0.5
    torch.testing.assert_close(token_scores(probe, rows), expected)
    assert text_scores(probe, rows)[-1] == pytest.approx(float(expected.mean()), rel=1e-5)


def test_attention_weighs_tokens_by_the_second_score() -> None:
    model = tiny_model()
    probe = probe_of(model, Pooling(how="attention"))
    rows = {parse_site("resid_post.0"): torch.randn(5, model.d_model, generator=torch.Generator().manual_seed(0))}
    scores = token_scores(probe, rows)
    weights = (scores - probe.bias).softmax(0)
    assert text_scores(probe, rows)[-1] == pytest.approx(float(weights @ scores), rel=1e-5)


@pytest.mark.parametrize("how", ["mean", "attention"])
def test_what_is_saved_is_read_back(tmp_path: Path, how: str) -> None:
    lab, model = Lab(tmp_path), tiny_model()
    saved = probe_of(model, Pooling(how=how), sites=BOTH)  # pyright: ignore[reportArgumentType]
    save_probe(lab, saved)
    found = load_probe(lab, "up")
    for mine, theirs in zip((*found.vectors, *found.attention), (*saved.vectors, *saved.attention), strict=True):
        torch.testing.assert_close(mine, theirs)
    assert (found.sites, found.bias, found.pooling, found.made) == (saved.sites, saved.bias, saved.pooling, saved.made)


def test_a_probe_gives_directions_that_steer() -> None:
    model = tiny_model()
    assert [one.name for one in probe_of(model, Pooling()).directions()] == ["up"]
    assert [one.name for one in probe_of(model, Pooling(), sites=BOTH).directions()] == [f"up-{site}" for site in BOTH]


def test_another_model_is_refused() -> None:
    model = tiny_model()
    probe = probe_of(model, Pooling())
    check_probe(probe, model)
    with pytest.raises(BadArtefact, match="other weights"):
        check_probe(replace(probe, made=replace(made_on(model), model_fingerprint="another")), model)


def test_no_probe_is_refused() -> None:
    probe = probe_of(tiny_model(), Pooling())
    with pytest.raises(BadConfig, match="different sites"):
        replace(probe, sites=())
    with pytest.raises(BadConfig, match="Attention pooling"):
        replace(probe, pooling=Pooling(how="attention"))


def test_a_probe_cut_short_is_refused(tmp_path: Path) -> None:
    lab, model = Lab(tmp_path), tiny_model()
    one = save_probe(lab, probe_of(model, Pooling(), name="one"))
    two = save_probe(lab, probe_of(model, Pooling(), name="two", sites=BOTH))
    (two / "weights.safetensors").write_bytes((one / "weights.safetensors").read_bytes())
    with pytest.raises(BadArtefact, match="vector.1"):
        load_probe(lab, "two")
