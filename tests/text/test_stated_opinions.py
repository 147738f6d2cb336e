"""Questions with opinions about them."""

from collections import Counter

from hooke.text.stated_opinions import ALONE, DIRECT, NOBODYS, QUESTIONS, WORDINGS


def test_topics_are_equally_large_and_answers_differ():
    assert len(set(Counter(one.topic for one in QUESTIONS).values())) == 1
    assert len({one.asked for one in QUESTIONS}) == len(QUESTIONS)
    assert all(one.right != one.wrong for one in QUESTIONS)


def test_every_wording_and_nobodys_holds_question_and_answer():
    assert DIRECT in WORDINGS
    assert len(WORDINGS) >= 9
    for one in (*WORDINGS.values(), NOBODYS):
        said = one.format(asked="Why?", answer="because")
        assert "Why?" in said
        assert "because" in said
    assert ALONE.format(asked="Why?", answer="because") == "Why?"
