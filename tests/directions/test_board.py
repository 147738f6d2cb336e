"""The score-board: the judge that counts, and the methods on a model that speaks by what is added."""

import math

import pytest

from hooke.directions.board import Board, Mark, board, count_words
from hooke.errors import BadRequest, UnknownName
from hooke.sites import Site
from hooke.text.steered_concepts import CONCEPTS, INSTRUCTIONS, SteeredConcept
from tests.directions.talking import talking_model

SEA = CONCEPTS["sea"]


def test_the_judge_counts_distinct_words_up_to_two():
    said = "The ship and the waves came to the shore."
    assert count_words(SEA, 0, said, 2.0) == Mark(concept=2.0, instruction=0.0, fluency=2.0)
    assert count_words(SEA, 0, "The ship met a ship at school.", 2.0).concept == 1
    assert count_words(SEA, 0, "The ship met a ship at school.", 2.0).instruction == 1
    assert count_words(SEA, 0, "The teacher and her students learn.", 2.0).instruction == 2


def test_repetition_and_surprise_are_not_fluent():
    assert count_words(SEA, 0, "sea sea sea sea sea sea", 1.0).fluency == 0
    assert count_words(SEA, 0, "The ship came home.", 4.0).fluency == 1
    assert count_words(SEA, 0, "The ship came home.", 9.0).fluency == 0
    assert count_words(SEA, 0, "", math.inf).fluency == 0


def test_the_overall_mark_is_the_harmonic_mean():
    assert Mark(concept=2.0, instruction=1.0, fluency=2.0).overall == pytest.approx(1.5)
    assert Mark(concept=0.0, instruction=2.0, fluency=2.0).overall == 0


def letters(concept: SteeredConcept, instruction: int, answer: str, surprise: float) -> Mark:
    """Likes long answers to the second half of the instructions, and all others alike."""
    assert surprise > 0
    return Mark(concept=2.0, instruction=2.0 if instruction % 2 else 1.0, fluency=2.0)


@pytest.fixture(scope="module")
def found() -> Board:
    return board(talking_model(256), "sea", Site("resid_post", 0), factors=(0.5, 2.0), max_tokens=4, judge=letters)


def test_all_methods_are_scored_on_the_other_half(found: Board):
    assert {one.method for one in found.rows} == {
        "prompting", "difference of means", "logistic regression", "principal component", "learnt, rank 1",
        "random direction", "bag of words (tells only)",
    }  # fmt: skip
    assert found.n == len(INSTRUCTIONS) // 2
    by_name = {one.method: one for one in found.rows}
    assert by_name["difference of means"].instruction == 2
    assert by_name["difference of means"].factor == 0.5
    assert by_name["prompting"].factor is None
    assert by_name["bag of words (tells only)"].overall.value == 0
    assert found.rows[0].overall.value == 2


def test_what_tells_sentences_apart_is_measured_on_words_that_were_not_read(found: Board):
    by_name = {one.method: one for one in found.rows}
    assert by_name["prompting"].area is None
    for name in ("difference of means", "bag of words (tells only)"):
        area, interval = by_name[name].area, by_name[name].area_interval
        assert area is not None
        assert interval is not None
        assert interval[0] <= area <= interval[1]
    # All words of the sentences that are held out are new, and frames are the same on both sides.
    assert by_name["bag of words (tells only)"].area == pytest.approx(0.5)


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(UnknownName, match="Did you mean 'sea'"):
        board(talking_model(), "see", Site("resid_post", 0))
    for factors, max_tokens in (((), 8), ((0.1,), 1), ((-1.0,), 8)):
        with pytest.raises(BadRequest, match="Nothing would be scored"):
            board(talking_model(), "sea", Site("resid_post", 0), factors=factors, max_tokens=max_tokens)
