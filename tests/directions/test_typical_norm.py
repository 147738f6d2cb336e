"""The usual length of rows."""

import pytest

from hooke.directions.typical_norm import typical_norm
from hooke.sites import parse_site
from hooke.text.windows import WindowConfig, windows
from tests.features.planted import planted_corpus, planted_model


def test_it_is_the_median_of_tokens_that_count() -> None:
    model = planted_model()
    text = next(windows(planted_corpus(), model.tokenizer, WindowConfig(context=16, batch=4)))
    assert typical_norm(model, parse_site("resid_post.0"), text) == pytest.approx(1, rel=1e-3)
    run = model.run(text.tokens, capture=["final_norm"], logits=False)
    rows = run["final_norm"][text.counted].norm(dim=-1)
    assert typical_norm(model, parse_site("final_norm"), text) == pytest.approx(float(rows.median()))
