"""What two dictionaries do to the model, on the same windows."""

import numpy as np
import pytest
import torch

from hooke.errors import BadRequest, ShapeMismatch
from hooke.evaluate.splicing import SplicingConfig, splicing
from hooke.models.edits import Patch
from hooke.text.windows import WindowConfig, windows
from tests.models.small_dictionary import small_dictionary
from tests.training.small_text import dictionary_of, text, text_model, transcoder

WINDOWS = WindowConfig(context=24, batch=4)
CONFIG = SplicingConfig(n_windows=6, windows=WINDOWS)


def test_it_is_what_runs_on_the_reconstruction_give():
    model, before, after = text_model(), dictionary_of("relu"), dictionary_of("topk")
    before.describe(before.config)
    found = {one.claim: one for one in splicing(model, before, after, text(), config=CONFIG)}
    divergence = added = n = 0.0
    for batch in windows(text(), model.tokenizer, WINDOWS, stop=6):
        value = model.run(batch.tokens, capture=["resid_post.1"], logits=False)["resid_post.1"]
        spliced = torch.where(batch.counted[..., None], after(value), value)
        edits = [Patch(site="resid_post.1", value=spliced)]
        own, other = (model.run(batch.tokens, edits=one).logits.log_softmax(-1) for one in ([], edits))
        for row, place in (batch.counted[:, :-1] & batch.counted[:, 1:]).nonzero().tolist():
            p, q, token = own[row, place], other[row, place], batch.tokens[row, place + 1]
            divergence += float((p.exp() * (p - q)).sum())
            added += float(p[token] - q[token])
            n += 1
    name = "before: KL divergence from the model's own predictions"
    assert found[name].value == pytest.approx(divergence / n, rel=1e-4)
    assert found["before: cross-entropy added"].value == pytest.approx(added / n, rel=1e-3, abs=1e-5)
    assert found["before: active features per token"].value == pytest.approx(6, abs=0.1)
    assert found[name].control != pytest.approx(found[name].value)


def test_a_dictionary_beside_itself_has_not_changed():
    found = splicing(text_model(), transcoder(), transcoder(), text(), config=CONFIG)
    assert len(found) == 8
    for one, change in zip(found[::2], found[1::2], strict=True):
        assert one.value == one.control
        assert one.interval[0] < one.value < one.interval[1]
        np.testing.assert_allclose((change.value, *change.interval), 0, atol=1e-12)


def test_what_cannot_be_compared_is_refused():
    one = dictionary_of("topk")
    with pytest.raises(BadRequest, match="'before' is of resid_post.1, 'before' of mlp_in.1 to mlp_out.1."):
        splicing(text_model(), one, transcoder(), text(), config=CONFIG)
    with pytest.raises(ShapeMismatch, match="does not fit the model"):
        splicing(text_model(), one, small_dictionary("d", "resid_post.1", 24, 48), text(), config=CONFIG)
    with pytest.raises(BadRequest, match="does not fill two windows"):
        splicing(text_model(), one, one, text(2), config=CONFIG)
