"""Judges of answers."""

from dataclasses import replace

import pytest

from hooke.directions.persona_judges import ChatJudge, SignJudge, TraitJudge, _numbers
from hooke.directions.traits import ENTHUSIASM
from hooke.errors import BadRequest


def test_signs_are_counted() -> None:
    judge = SignJudge(ENTHUSIASM)
    assert isinstance(judge, TraitJudge)
    keen, sense = judge.score("What is bread made of?", "Wow, bread is amazing! It is made of flour, and I love it!")
    assert (keen, sense > 80) == (100, True)
    dry, _ = judge.score("What is bread made of?", "Bread is made of flour, water, salt and yeast.")
    assert dry == 0


def test_repetition_and_no_answer_are_not_coherent() -> None:
    judge = SignJudge(ENTHUSIASM)
    assert judge.score("", "wow great " * 20)[1] < 20
    assert judge.score("", "") == (0, 0)
    assert judge.score("", "!!! ??? 12 34 56 78 90 21")[1] < 30


def test_a_trait_without_signs_cannot_be_counted() -> None:
    with pytest.raises(BadRequest, match="no signs"):
        SignJudge(replace(ENTHUSIASM, signs=()))


def test_an_endpoint_is_asked_for_two_numbers() -> None:
    class Answers:
        name = "answers"

        def ask(self, messages, *, max_tokens, check) -> str:
            assert ENTHUSIASM.about in messages[0]["content"]
            check("80 90.5")
            return "80 90.5"

    judge = ChatJudge.__new__(ChatJudge)
    judge.name, judge._trait, judge._chat = "answers", ENTHUSIASM, Answers()  # pyright: ignore[reportAttributeAccessIssue]
    assert judge.score("What?", "That!") == (80, 90.5)
    for reply in ("80", "80 90 3", "200 1", "many"):
        with pytest.raises(ValueError, match="not two numbers"):
            _numbers(reply)
