"""Who marks answers: the judge that counts, and the one that asks a language model."""

import math
from pathlib import Path

import pytest

from hooke.chat import Chat, Endpoint
from hooke.directions import board_marks
from hooke.directions.board_marks import Mark, count_words
from hooke.text.steered_concepts import CONCEPTS, INSTRUCTIONS
from tests.fake_endpoint import endpoint, in_turn, says

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


@pytest.mark.parametrize(
    ("reply", "marks"),
    [("1 2 2", (1, 2, 2)), ("Marks: 0, 1.5, 2", (0, 1.5, 2)), ("1 2", None), ("1 2 3", None), ("very well", None)],
)
def test_three_marks_are_read_or_the_reply_is_refused(reply: str, marks: tuple[float, float, float] | None):
    if marks is not None:
        assert board_marks._marks(reply) == marks
        return
    with pytest.raises(ValueError, match="not three marks"):
        board_marks._marks(reply)


def test_a_language_model_is_asked_of_the_answer_and_its_marks_are_taken(tmp_path: Path):
    with endpoint(in_turn(says("2 0 1"))) as there:
        judge = board_marks.asking(Chat(Endpoint(model="m", url=there.url), kept=tmp_path))
        assert judge(SEA, 0, "The ship came home.", 1.0) == Mark(concept=2.0, instruction=0.0, fluency=1.0)
    said = there.asked[0]["messages"][0]["content"]
    assert "The ship came home." in said
    assert SEA.about in said
    assert INSTRUCTIONS[0][0] in said
