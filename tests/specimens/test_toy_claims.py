"""Claims beside published figures: what is compared, and where randomness comes from."""

import numpy as np

from hooke.specimens.toy_claims import Effort, compared


def test_a_claim_leaves_out_models_without_a_value():
    values = np.array([1.0, 2.0, np.nan])
    claim = compared("c", values, [0.0, 0.0], control_name="none", published="p", seed=0)
    assert (claim.finding.value, claim.finding.n, claim.finding.control) == (1.5, 2, 0)
    low, high = claim.finding.interval
    assert 1 <= low < high <= 2
    assert claim.finding.control_interval == (0, 0)


def test_less_effort_leaves_an_interval():
    assert Effort(steps=0.5, seeds=0.01).n_seeds(6) == 2
    assert Effort(steps=0.5).n_steps(100) == 50
