"""Attention in bytes: the bound, and who looks where."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hooke.prompts.attention import looks_at, pack, read_by, unpack


def patterns(n_heads: int, n: int, seed: int) -> np.ndarray:
    """Random causal patterns; some rows sharp, some flat."""
    generator = np.random.default_rng(seed)
    scores = generator.normal(size=(n_heads, n, n)) * generator.choice([0.1, 10], size=(n_heads, n, 1))
    scores[:, ~np.tri(n, dtype=bool)] = -np.inf
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return (weights / weights.sum(-1, keepdims=True)).astype(np.float32)


@given(st.integers(1, 3), st.integers(1, 12), st.integers(0, 99))
def test_no_value_is_off_by_more_than_half_a_scale(n_heads: int, n: int, seed: int):
    pattern = patterns(n_heads, n, seed)
    codes, scale = pack(pattern)
    assert codes.shape == (n_heads, n * (n + 1) // 2)
    assert codes.dtype == np.uint8
    # A part in 10^5 for rounding in float32.
    assert (np.abs(unpack(codes, scale) - pattern) <= scale[:, :, None] * 0.50001).all()
    assert (scale <= 1 / 255 + 1e-9).all()


def test_one_head_unpacks_by_itself():
    codes, scale = pack(patterns(2, 5, 0))
    assert np.array_equal(unpack(codes[1], scale[1]), unpack(codes, scale)[1])


@given(st.integers(1, 9), st.integers(0, 99))
def test_gazes_are_the_largest_of_row_and_column(n: int, seed: int):
    codes, scale = pack(patterns(2, n, seed))
    whole, arrays = unpack(codes, scale), {"pattern.3": codes, "scale.3": scale}
    position = seed % n
    for gaze in looks_at(arrays, 3, position):
        assert np.isclose(gaze.weight, whole[gaze.head, position].max())
        assert np.isclose(gaze.weight, whole[gaze.head, position, gaze.position])
    for gaze in read_by(arrays, 3, position):
        assert gaze.position >= position
        assert np.isclose(gaze.weight, whole[gaze.head, :, position].max())
        assert np.isclose(gaze.weight, whole[gaze.head, gaze.position, position])


def test_a_layer_without_patterns_has_no_gazes():
    assert looks_at({}, 0, 0) == read_by({}, 0, 0) == []
