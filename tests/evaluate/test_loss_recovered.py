"""Loss recovered: the arithmetic on a hand case, and the splice where it belongs."""

import numpy as np
import pytest
import torch

from hooke.evaluate.loss_recovered import loss_recovered, summarise
from hooke.models.edits import Patch
from hooke.sites import Site
from hooke.text.windows import Windows
from tests.models.small_dictionary import small_dictionary
from tests.models.tiny import tiny_model

SITE = Site("resid_post", 1)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_the_hand_case():
    # Two windows of 10 and 30 tokens; sums of cross-entropies.
    losses = summarise(
        {
            "n": np.array([10.0, 30.0]),
            "clean": np.array([20.0, 60.0]),
            "own": np.array([25.0, 75.0]),
            "control": np.array([60.0, 180.0]),
            "mean": np.array([40.0, 120.0]),
            "zero": np.array([120.0, 360.0]),
        },
        rng(),
    )
    assert (losses.n_tokens, losses.n_windows) == (40, 2)
    assert [one.value for one in (losses.clean, losses.own.loss, losses.mean, losses.zero)] == [2.0, 2.5, 4.0, 12.0]
    assert losses.own.recovered_mean.value == pytest.approx((4 - 2.5) / (4 - 2))
    assert losses.own.recovered_zero.value == pytest.approx((12 - 2.5) / (12 - 2))
    # Worse than the mean: less than nothing is recovered.
    assert losses.control.recovered_mean.value == pytest.approx(-1.0)
    # Both windows say the same, so there is no doubt.
    assert losses.own.recovered_mean.interval == pytest.approx((0.75, 0.75))


def batch() -> Windows:
    tokens = torch.randint(3, 128, (3, 12), generator=torch.Generator().manual_seed(0))
    tokens[:, 5] = 2
    counted = tokens != 2
    counted[:, 0] = False
    return Windows(tokens=tokens, document=torch.zeros_like(tokens), counted=counted, first=0)


def by_hand(model, value: torch.Tensor | None) -> float:
    windows = batch()
    edits = [] if value is None else [Patch(site=str(SITE), value=value)]
    logits = model.run(windows.tokens, edits=edits).logits.log_softmax(-1)
    scored = [
        float(-logits[row, place - 1, windows.tokens[row, place]])
        for row in range(3)
        for place in range(1, 12)
        if windows.counted[row, place] and windows.counted[row, place - 1]
    ]
    return sum(scored) / len(scored)


def test_the_splice_is_at_counted_tokens_only():
    model = tiny_model()
    dictionary = small_dictionary("d", str(SITE), model.d_model, 48)
    control = small_dictionary("c", str(SITE), model.d_model, 24)
    mean = torch.full((model.d_model,), 0.5)
    losses = loss_recovered(model, dictionary, control, iter([batch()]), mean, (SITE,), SITE, 3, rng())
    value = model.run(batch().tokens, capture=[SITE], logits=False)[SITE]
    counted = batch().counted[..., None]

    def spliced(new: torch.Tensor) -> float:
        return by_hand(model, torch.where(counted, new, value))

    # float32 sums in another order.
    assert losses.clean.value == pytest.approx(by_hand(model, None), rel=1e-5)
    assert losses.own.loss.value == pytest.approx(spliced(dictionary(value)), rel=1e-5)
    assert losses.control.loss.value == pytest.approx(spliced(control(value)), rel=1e-5)
    assert losses.zero.value == pytest.approx(spliced(torch.zeros_like(value)), rel=1e-5)
    assert losses.mean.value == pytest.approx(spliced(mean.expand_as(value)), rel=1e-5)
    assert losses.n_tokens == 3 * (11 - 1 - 2)
