import numpy as np

from hooke.features.examples import by_strength
from hooke.features.shards import Postings
from hooke.features.statistics import by_source, histograms, strongest
from hooke.features.store import N_BINS, fine_codes

VALUES = np.array([1, 2, 4, 8, 8, 0.5], np.float32)
POSTINGS = Postings(
    3, np.array([0, 4, 4, 6]), np.array([0, 3, 5, 9, 2, 7]), fine_codes(VALUES), np.array([0, 1, 1, 2, 0, 0], np.uint8)
)


def test_a_histogram_has_two_bins_an_octave_down_from_the_largest():
    counts = histograms(POSTINGS, int(fine_codes(VALUES).max()))
    assert counts.shape == (3, N_BINS)
    assert np.flatnonzero(counts[0]).tolist() == [N_BINS - 7, N_BINS - 5, N_BINS - 3, N_BINS - 1]
    assert counts.sum(1).tolist() == [4, 0, 2]


def test_what_is_far_below_the_largest_is_in_the_first_bin():
    values = np.array([2**-20, 8], np.float32)
    given = Postings(0, np.array([0, 2]), np.array([0, 1]), fine_codes(values), np.zeros(2, np.uint8))
    counts = histograms(given, int(fine_codes(values).max()))
    assert (counts[0, 0], counts[0, -1]) == (1, 1)


def test_firings_are_counted_by_source():
    assert by_source(POSTINGS, 3).tolist() == [[1, 2, 1], [0, 0, 0], [2, 0, 0]]


def test_counts_of_two_halves_add_up_to_those_of_the_whole():
    top = int(fine_codes(VALUES).max())
    halves = [
        Postings(3, np.array(offsets), POSTINGS.positions[chosen], POSTINGS.codes[chosen], POSTINGS.source[chosen])
        for chosen, offsets in (([0, 1, 4], [0, 2, 2, 3]), ([2, 3, 5], [0, 2, 2, 3]))
    ]
    for count in (lambda part: histograms(part, top), lambda part: by_source(part, 3)):
        np.testing.assert_array_equal(sum(count(half) for half in halves), count(POSTINGS))


def test_only_the_strongest_are_kept_in_the_corpus_s_order():
    kept = strongest(POSTINGS, by_strength(POSTINGS), 2)
    assert kept.offsets.tolist() == [0, 2, 2, 4]
    assert kept.positions.tolist() == [5, 9, 2, 7]
    assert kept.codes.tolist() == POSTINGS.codes[[2, 3, 4, 5]].tolist()
    assert strongest(POSTINGS, by_strength(POSTINGS), None) is POSTINGS
