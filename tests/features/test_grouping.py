import numpy as np

from hooke.features.grouping import centres_of, nearest_centre


def test_far_groups_are_found_whole():
    generator = np.random.default_rng(0)
    true = np.repeat(np.arange(4), 50)
    rows = (np.eye(4)[true] * 10 + generator.normal(size=(200, 4)) * 0.1).astype(np.float32)
    found = nearest_centre(rows, centres_of(rows, 4, rounds=30))
    pairs = {(a, b) for a, b in zip(true.tolist(), found.tolist(), strict=True)}
    # k-means may part one group and join two others; a start of its own kind is not promised, purity of most is.
    assert len({b for _, b in pairs}) >= 3


def test_the_nearest_centre_is_the_nearest():
    generator = np.random.default_rng(1)
    rows, centres = generator.normal(size=(100, 6)), generator.normal(size=(9, 6))
    distances = ((rows[:, None] - centres[None]) ** 2).sum(-1)
    assert nearest_centre(rows, centres).tolist() == distances.argmin(1).tolist()


def test_there_are_never_more_centres_than_rows():
    rows = np.random.default_rng(2).normal(size=(3, 5)).astype(np.float32)
    assert len(centres_of(rows, 10)) == 3
    assert len(nearest_centre(rows[:0], rows)) == 0
