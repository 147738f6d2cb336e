"""Texts scored by a probe."""

import pytest

from hooke.directions.pooling import Pooling
from hooke.directions.probe import text_scores
from hooke.directions.score_texts import score_texts
from hooke.sites import parse_site
from tests.directions.made import probe_of
from tests.features.planted import planted_model


@pytest.mark.parametrize("how", ["max", "attention"])
def test_a_text_of_a_batch_is_scored_as_by_itself(how: str) -> None:
    model, site = planted_model(), parse_site("resid_post.0")
    probe = probe_of(model, Pooling(how=how))  # pyright: ignore[reportArgumentType]
    texts = ["the bridge", "the music of the river .", "stone"]
    found = score_texts(model, probe, texts)
    assert [len(one.tokens) for one in found] == [2, 6, 1]
    run = model.run(texts[1], capture=[site], logits=False)
    expected = text_scores(probe, {site: run[site][0, 1:]})
    assert found[1].so_far == pytest.approx((0.0, *expected), abs=1e-5)
    assert found[1].score == found[1].so_far[-1]
    assert found[1].tokens[0] == "the"
    # A text of one token is scored by it.
    assert found[2].score == found[2].scores[0] != 0
