"""What is planted in a pair of models."""

import torch

from hooke.specimens.planted_pair import (
    COUNTS,
    N_PLANTED,
    WEAKNESS,
    D,
    group_of,
    pair_batch,
    pair_stream,
    planted_pairs,
)


def test_groups_are_at_the_sites_that_they_are_named_after():
    first, second = planted_pairs(0).chunk(2, dim=1)
    groups = group_of()
    assert {group: groups.count(group) for group in COUNTS} == COUNTS
    at = {group: [place for place, one in enumerate(groups) if one == group] for group in COUNTS}
    assert torch.equal(first[at["both"]], second[at["both"]])
    torch.testing.assert_close(WEAKNESS * first[at["weak"]], second[at["weak"]])
    assert second[at["first"]].abs().max() == first[at["second"]].abs().max() == 0
    torch.testing.assert_close(first[at["first"]].norm(dim=1), torch.ones(COUNTS["first"]))


def test_batches_are_the_same_each_time_and_differ_from_each_other():
    assert torch.equal(next(pair_stream(3, 64)(2)), pair_batch(3, 2, 64))
    assert not torch.equal(pair_batch(3, 2, 64), pair_batch(3, 1, 64))
    assert pair_batch(0, 0, 64).shape == (64, 2 * D)
    assert planted_pairs(0).shape[0] == N_PLANTED
