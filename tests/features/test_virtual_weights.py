"""Virtual weights between planted dictionaries: a heavy pair that never meets is interference, and the filter knows."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hooke.dictionaries.dictionary import Dictionary, DictionaryConfig
from hooke.features.virtual_weights import Ways, interference, strongest_paths, ways_between
from tests.features.planted import planted_model
from tests.features.planted_pairs import CONTEXT, co_firing, counted, sparse_acts
from tests.models.tiny import tiny_model

N_WINDOWS, D = 100, 24


def planted() -> tuple[np.ndarray, np.ndarray, Ways]:
    """Target 0 fires where source 0 does, with a weight of 1; target 1 has a weight of 5 and never fires with it."""
    one, other = sparse_acts(N_WINDOWS, 12, density=0.05), sparse_acts(N_WINDOWS, 15, density=0.05, seed=1)
    other[:, 0] = 2 * one[:, 0]
    other[:, 1] = np.where(one[:, 0] > 0, 0, other[:, 1])
    generator = torch.Generator().manual_seed(0)
    written, read = (0.02 * torch.randn(n, D, generator=generator) for n in (12, 15))
    written[0] = 0
    written[0, 0] = 1
    read[:2] = 0
    read[0, 0], read[1, 0] = 1, 5
    return one, other, Ways(0, written, read)


def test_the_filter_puts_what_meets_before_what_is_heavy(tmp_path: Path):
    one, other, ways = planted()
    found = co_firing(tmp_path, one, other)
    to, back = (strongest_paths(found, ways, side) for side in (0, 1))
    assert (to.feature[0, 0], to.weight[0, 0], to.rank[0, 0]) == (0, 1, 2)
    assert 1 not in to.feature[0][to.count[0] > 0]
    assert (back.feature[0, 0], back.weight[0, 0], back.rank[0, 0]) == (0, 1, 1)
    assert back.twera[0, 0] == pytest.approx(to.twera[0, 0])


def test_numbers_are_those_of_the_formulas(tmp_path: Path):
    one, other, ways = planted()
    to = strongest_paths(co_firing(tmp_path, one, other), ways, 0)
    own, theirs, n = counted(one), counted(other), N_WINDOWS * (CONTEXT - 1)
    weights = (ways.written @ ways.read.T).numpy()
    for source in range(12):
        for slot in np.flatnonzero(to.count[source]).tolist():
            target = int(to.feature[source, slot])
            a, b, v = own[:, source], theirs[:, target], float(weights[source, target])
            assert to.count[source, slot] == ((a > 0) & (b > 0)).sum() >= 5
            assert to.weight[source, slot] == pytest.approx(v, rel=1e-4)
            assert to.era[source, slot] == pytest.approx(a[b > 0].sum() / n * v, rel=1e-4)
            assert to.twera[source, slot] == pytest.approx((a * b).sum() / b.sum() * v, rel=1e-4)
        assert (np.diff(np.abs(to.twera[source])) <= 1e-9).all()


def test_interference_is_beside_permuted_rows_and_random_targets(tmp_path: Path):
    one, other, ways = planted()
    beside = interference(co_firing(tmp_path, one, other), ways)
    assert len(beside.largest) == 12
    assert beside.largest[0] == pytest.approx(5)
    assert beside.largest[0] > beside.permuted[0]
    assert 0 < beside.unmet.mean() < 1
    assert 0 < beside.unmet_random.mean() < 1


def dictionary(reads: str, writes: str, name: str, *, d: int = planted_model().d_model) -> Dictionary:
    config = DictionaryConfig(
        name=name, model="planted", kind="relu", reads=(reads,), writes=(writes,), n_features=5, d_in=d, d_out=d
    )
    rows = torch.randn(5, d, generator=torch.Generator().manual_seed(len(name)))
    weights = {"b_enc": torch.zeros(5), "b_dec": torch.zeros(d)}
    return Dictionary(config, W_enc=rows.T.contiguous(), W_dec=rows, **weights)


def test_the_earlier_writes_and_the_later_reads_whichever_is_given_first():
    model = planted_model()
    early, late = dictionary("resid_pre.0", "resid_pre.0", "early"), dictionary("resid_post.0", "resid_post.0", "late")
    for source, pair in enumerate(((early, late), (late, early))):
        ways, why_not = ways_between(*pair, model)
        assert ways is not None
        assert why_not == ""
        assert ways.source == source
        torch.testing.assert_close(ways.written, early.W_dec.data)
        torch.testing.assert_close(ways.read, late.W_enc.data.T)


def test_what_reads_behind_a_norm_has_its_gain():
    model = tiny_model()
    gain = torch.rand(model.d_model, generator=torch.Generator().manual_seed(0)) + 0.5
    with torch.no_grad():
        model.hf.model.layers[1].post_attention_layernorm.weight.copy_(gain)
    late = dictionary("mlp_in.1", "mlp_out.1", "late", d=model.d_model)
    ways, _ = ways_between(dictionary("resid_post.0", "resid_post.0", "early", d=model.d_model), late, model)
    assert ways is not None
    torch.testing.assert_close(ways.read, gain * late.W_enc.data.T)


def test_a_norm_that_was_not_found_is_said():
    # In the planted model attention writes nothing, so that the MLP seems to read what attention reads.
    ways, why_not = ways_between(
        dictionary("resid_pre.0", "resid_pre.0", "early"), dictionary("mlp_in.0", "mlp_out.0", "late"), planted_model()
    )
    assert ways is None
    assert "resid_mid.0" in why_not


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        (("resid_post.0", "resid_post.0"), ("resid_post.0", "resid_post.0"), "Neither writes before the other reads"),
        (("resid_pre.0", "attn_in.0"), ("resid_post.0", "resid_post.0"), "does not write to the residual stream"),
        (("resid_pre.0", "resid_pre.0"), ("attn_in.0", "attn_out.0"), "does not read the residual stream"),
    ],
)
def test_where_there_is_no_way_it_says_why(one: tuple[str, str], other: tuple[str, str], reason: str):
    ways, why_not = ways_between(dictionary(*one, "one"), dictionary(*other, "other"), planted_model())
    assert ways is None
    assert reason in why_not
