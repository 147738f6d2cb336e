"""Alignment by its laws, and differences of streams."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hooke.errors import BadRequest
from hooke.lab import Lab
from hooke.prompts.compare import align, changes, differences
from hooke.prompts.kept import KeptPrompt
from tests.prompts.test_kept import kept

tokens = st.lists(st.integers(0, 3), max_size=12)


def distance(a: list[int], b: list[int]) -> int:
    """Levenshtein's recursion as it is written in books."""
    if not a or not b:
        return len(a) + len(b)
    table = np.zeros((len(a) + 1, len(b) + 1), int)
    table[:, 0], table[0] = range(len(a) + 1), range(len(b) + 1)
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            swap = table[i - 1, j - 1] + (a[i - 1] != b[j - 1])
            table[i, j] = min(swap, table[i - 1, j] + 1, table[i, j - 1] + 1)
    return int(table[-1, -1])


@given(tokens, tokens)
def test_every_token_is_in_one_pair_in_order_and_changes_are_fewest(a: list[int], b: list[int]):
    pairs = align(a, b)
    assert [pair.a for pair in pairs if pair.a is not None] == list(range(len(a)))
    assert [pair.b for pair in pairs if pair.b is not None] == list(range(len(b)))
    for pair in pairs:
        both = pair.a is not None and pair.b is not None
        assert both == (pair.change in ("same", "replaced"))
        if pair.a is not None and pair.b is not None:
            assert (a[pair.a] == b[pair.b]) == (pair.change == "same")
    assert changes(pairs) == distance(a, b)


@given(tokens, tokens)
def test_changes_do_not_depend_on_which_comes_first(a: list[int], b: list[int]):
    assert changes(align(a, b)) == changes(align(b, a))
    assert changes(align(a, a)) == 0


def test_a_prompt_beside_itself_does_not_differ(tmp_path: Path):
    one = kept(Lab(tmp_path))
    found = differences(one, one, align(one.meta.token_ids, one.meta.token_ids))
    assert len(found) == 5
    for difference in found:
        # Directions are kept in half precision.
        assert np.abs(difference.cosine - 1).max() < 2e-3
        assert difference.distance.max() < 0.07
        assert np.array_equal(difference.lens_a, difference.lens_b)
        assert difference.features == ()


def test_only_what_comes_after_a_changed_token_differs(tmp_path: Path):
    lab = Lab(tmp_path)
    a, b = kept(lab, (3, 14, 15, 9, 26)), kept(lab, (3, 14, 16, 9, 26))
    found = differences(a, b, align(a.meta.token_ids, b.meta.token_ids))
    assert [bool(one.features) for one in found] == [False, False, True, True, True]
    assert found[2].cosine[0] < 0.99
    moved = found[2].features
    assert all(abs(x.a - x.b) >= abs(y.a - y.b) for x, y in zip(moved, moved[1:], strict=False))


def test_prompts_of_two_models_are_not_compared(tmp_path: Path):
    import dataclasses

    one = kept(Lab(tmp_path))
    other = KeptPrompt(one.folder, dataclasses.replace(one.meta, model="another"))
    with pytest.raises(BadRequest):
        differences(one, other, [])
