"""The study of opinions: its sets of prompts, and how often an opinion wins."""

import pytest

from hooke.circuits.pairs import open_pairs
from hooke.models.model import Model
from hooke.specimens import build
from hooke.studies import opinion
from hooke.text import tasks
from tests.studies.wiring import given_by, require_apart


@pytest.mark.slow
def test_the_opinion_wins_oftener_than_the_same_answer_without_it(real_model: Model, monkeypatch: pytest.MonkeyPatch):
    found = given_by(monkeypatch, opinion, real_model)
    require_apart(found, 30)
    won = found.more[0]
    assert won.control < 0.1 < 0.3 < won.value
    abouts = [about for about, _ in found.tried]
    nobodys = "where the wrong capital stands in the text and is nobody's opinion"
    first = "where the opinion comes first, in other words"
    assert abouts == [first, nobodys, "on the question alone, asked of two countries"]
    assert set(found.traced["others"]) == {first, nobodys}


def test_nobodys_opinion_is_a_sentence_of_as_many_words_with_the_capital_in_the_same_place():
    pairs = zip(tasks.opinion(), tasks.opinion(opinion.NOBODYS), strict=True)
    for stated, standing in pairs:
        words, others = (one.clean.replace("?", " ?").split() for one in (stated, standing))
        changed = [at for at, (one, other) in enumerate(zip(words, others, strict=True)) if one != other]
        assert "I think it" in stated.clean
        assert len(changed) == 3
        assert (stated.answers, stated.wrong) == (standing.answers, standing.wrong)


def test_an_opinion_wins_where_the_clean_prompt_prefers_its_answer():
    specimen = build("two-hop")
    pairs = open_pairs(specimen.model, specimen.pairs)
    found = opinion.won(specimen.model, pairs, pairs)
    assert (found.value, found.control, found.n) == (1, 0, len(pairs))
    standing = opinion.stands_there(specimen.model, pairs.some(range(5)), pairs)
    assert (standing.value, standing.control, standing.n) == (1, 1, 5)
