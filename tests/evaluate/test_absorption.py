"""Absorption where it was planted: a feature for a letter, silent on some words whose own feature writes the letter."""

import numpy as np
import pytest

from hooke.errors import BadRequest
from hooke.evaluate.absorption import Words, against_read, one_letter, probe_of, words_of
from tests.features.planted import planted_model

N, D = 400, 12


def planted(n_absorbed: int, *, carries: float = 1.0) -> tuple[Words, np.ndarray, np.ndarray, np.ndarray]:
    """Words of two letters: what is read goes along axis 0 for 's'; feature 0 is the letter's, 1 an absorber."""
    generator = np.random.default_rng(0)
    letters = np.array(["s", "t"] * (N // 2))
    is_first = np.arange(N) % 4 < 2
    read = 0.1 * generator.normal(size=(N, D))
    read[letters == "s", 0] += 2
    acts = np.zeros((N, 5))
    acts[letters == "s", 0] = 2
    acts[:, 3] = generator.random(N)
    absorbed = np.flatnonzero((letters == "s") & ~is_first)[:n_absorbed]
    acts[absorbed, 0] = 0
    acts[absorbed, 1] = 2 * carries
    acts[absorbed, 2] = 2
    decoder = np.zeros((5, D))
    decoder[0, 0], decoder[1, :2], decoder[2, :2], decoder[3, 5], decoder[4, 6] = 1, (1, 1), (0.5, 3), 1, 1
    return Words(tuple(f" {letter}" for letter in letters), letters, is_first), read, acts, decoder


@pytest.mark.parametrize("n_absorbed", [0, 10, 30])
def test_absorbed_words_are_counted(n_absorbed: int):
    words, read, acts, decoder = planted(n_absorbed)
    found = one_letter(words, probe_of("s", words, read), "s", acts, decoder, read)
    assert found is not None
    assert (found.n_absorbed, found.n_right, found.n_main) == (n_absorbed, 100, 1)
    # What is read lies 2 along the letter, and so do feature 0 and its absorber.
    assert (found.n_full, found.share) == (n_absorbed, n_absorbed)


def test_a_feature_that_carries_little_of_the_letter_absorbs_nothing():
    words, read, acts, decoder = planted(10)
    # The stronger of two absorbers now carries a third of what all features write of the letter.
    acts = np.concatenate([acts, acts[:, 1:2], acts[:, 1:2]], axis=1)
    decoder = np.concatenate([decoder, decoder[1:2], decoder[1:2]])
    found = one_letter(words, probe_of("s", words, read), "s", acts, decoder, read)
    assert found is not None
    assert found.n_absorbed == 0


def test_a_letter_that_no_probe_can_tell_counts_for_nothing():
    words, read, acts, decoder = planted(10)
    noise = np.random.default_rng(1).normal(size=read.shape)
    probe = probe_of("s", words, noise)
    assert probe.f1 < 0.6
    assert one_letter(words, probe, "s", acts, decoder, read) is None


def test_a_share_of_a_word_is_absorbed_where_the_main_feature_says_half():
    acts = np.array([[1.0, 1, 0, 0], [2, 0, 0, 0], [0, 0.3, 0, 0], [0, 0.5, 0.5, 0.5]])
    cosine, along_read = np.array([1.0, 1, 1, 0.05]), np.array([2.0, 2, 1, 1.5])
    full, share = against_read(acts, cosine, along_read, [0])
    # Half and half; all by the main one; too little; two absorbers together, and a third whose cosine is too small.
    assert share.tolist() == [0.5, 0, 0, 1]
    assert full.tolist() == [False, False, False, False]
    assert against_read(acts[3:], cosine, np.array([1.0]), [0])[0].tolist() == [True]


def test_a_model_without_words_of_one_token_is_refused():
    with pytest.raises(BadRequest, match="too few words of one token"):
        words_of(planted_model())
