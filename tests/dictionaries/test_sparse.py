import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hooke.dictionaries.sparse import (
    SparseActs,
    add_times,
    concatenate,
    largest,
    merge_rows,
    pattern,
    prefers_dense,
    sampled,
    sparsify,
    sum_by_feature,
    sum_rows,
    transposed_times,
)

seeds = st.integers(0, 2**20)
sizes = st.integers(1, 12)


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@given(tokens=sizes, features=sizes, seed=seeds)
def test_sparse_then_dense_changes_nothing(tokens: int, features: int, seed: int):
    acts = random(2, tokens, features, seed=seed).clamp(min=0)
    found = sparsify(acts)
    assert torch.equal(found.dense(), acts)
    assert torch.equal(found.l0(), (acts > 0).sum(-1))
    assert bool((found.values.diff(dim=-1) <= 0).all())


def test_padding_that_names_an_active_feature_does_not_overwrite_it():
    acts = SparseActs(torch.tensor([[3.0, 0.0]]), torch.tensor([[1, 1]]), 3)
    assert acts.dense().tolist() == [[0.0, 3.0, 0.0]]


@given(tokens=sizes, features=sizes, d=sizes, seed=seeds)
def test_sum_of_rows_is_the_dense_product(tokens: int, features: int, d: int, seed: int):
    acts = random(tokens, features, seed=seed).clamp(min=0)
    rows = random(features, d, seed=seed + 1)
    # At most twelve float32 products, summed in two orders.
    torch.testing.assert_close(sum_rows(sparsify(acts), rows), acts @ rows, rtol=1e-5, atol=1e-5)


def test_sum_of_rows_has_the_gradients_of_the_dense_product():
    acts, rows = random(5, 8, seed=0).clamp(min=0), random(8, 3, seed=1).requires_grad_()
    found = sparsify(acts)
    values = found.values.requires_grad_()
    weight = random(5, 3, seed=2)
    (sum_rows(SparseActs(values, found.indices, 8), rows) * weight).sum().backward()
    torch.testing.assert_close(rows.grad, acts.t() @ weight)
    at_values = (weight @ rows.detach().t()).gather(1, found.indices)
    torch.testing.assert_close(values.grad, at_values)


@given(widths=st.lists(st.integers(1, 4), min_size=1, max_size=4), seed=seeds)
def test_pieces_are_joined_in_order(widths: list[int], seed: int):
    parts = [SparseActs(random(2, w, seed=seed), torch.arange(w).expand(2, w), 5) for w in widths]
    joined = concatenate(parts)
    assert torch.equal(joined.dense(), torch.cat([part.dense() for part in parts]))


# 4,096 and 5,008 features take the way through blocks for the smaller k, 4,100 is no multiple of the block.
@pytest.mark.parametrize("n_features", [8, 4096, 4100, 5008])
@pytest.mark.parametrize("k", [1, 5, 8])
def test_the_largest_are_exact(n_features: int, k: int):
    pre = random(9, n_features, seed=k)
    values, indices = largest(pre, k)
    expected = pre.sort(dim=-1, descending=True)
    assert torch.equal(values, expected.values[:, :k])
    assert torch.equal(indices, expected.indices[:, :k])


def test_the_largest_are_exact_when_they_share_a_block_and_when_many_are_equal():
    pre = torch.zeros(2, 4096)
    pre[0, torch.arange(8) * 256] = torch.arange(8.0) + 1
    pre[1, 100:108] = 2.0
    values, indices = largest(pre, 8)
    assert values.tolist() == [[8, 7, 6, 5, 4, 3, 2, 1], [2] * 8]
    assert sorted(indices[0].tolist()) == [256 * i for i in range(8)]
    assert sorted(indices[1].tolist()) == list(range(100, 108))


@given(n_rows=sizes, n_features=sizes, d=sizes, seed=seeds)
def test_products_with_a_pattern_are_the_dense_products(n_rows: int, n_features: int, d: int, seed: int):
    matrix = random(n_rows, n_features, seed=seed) * (random(n_rows, n_features, seed=seed + 1) > 0)
    rows, features = matrix.nonzero(as_tuple=True)
    values = matrix[rows, features]
    pairs = pattern(features, torch.bincount(rows, minlength=n_rows), n_features)
    weight, x = random(n_features, d, seed=seed + 2), random(n_rows, d, seed=seed + 3)
    # At most twelve float32 products, summed in two orders.
    close = {"rtol": 1e-5, "atol": 1e-5}
    torch.testing.assert_close(add_times(x.clone(), pairs, values, weight), x + matrix @ weight, **close)
    out = torch.full((n_features, d), torch.nan)
    torch.testing.assert_close(transposed_times(pairs, values, x, out=out), matrix.t() @ x, **close)
    torch.testing.assert_close(sampled(pairs, x, weight), (x @ weight.t())[rows, features], **close)
    torch.testing.assert_close(sum_by_feature(pairs, values), matrix.sum(0), **close)


def test_merged_rows_add_up():
    # Each token has two rows, one for the first two features and one for the others, as nested dictionaries have.
    matrix = random(6, 5, seed=0)
    matrix[0::2, 2:], matrix[1::2, :2] = 0, 0
    rows, features = matrix.nonzero(as_tuple=True)
    merged = merge_rows(pattern(features, torch.bincount(rows), 5), 2)
    whole, values = matrix[0::2] + matrix[1::2], matrix[rows, features]
    x, weight = random(3, 4, seed=1), random(5, 4, seed=2)
    torch.testing.assert_close(transposed_times(merged, values, x, out=torch.empty(5, 4)), whole.t() @ x)
    torch.testing.assert_close(add_times(x.clone(), merged, values, weight), x + whole @ weight)


def test_accelerators_and_crowded_patterns_take_dense_products():
    assert prefers_dense(0.01, torch.device("cuda"))
    assert prefers_dense(0.5, torch.device("cpu"))
    assert not prefers_dense(0.01, torch.device("cpu"))
