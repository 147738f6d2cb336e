"""Asking the model."""

import pytest

from hooke.directions.asking import asked_scores
from hooke.errors import BadRequest
from tests.features import planted
from tests.features.planted import planted_model


def test_the_score_is_the_log_odds_of_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planted, "WORDS", [*planted.WORDS, "Yes", "No", "Answer", ":"])
    model = planted_model()
    # The model says its last token again, and this template ends with the text.
    model.tokenizer.chat_template = "{{ messages[0]['content'].split('\n\n')[1] }}"
    found = asked_scores(model, ["the music Yes", "the music No", "the music of"] * 4, "It is music.")
    assert found[0] > 0.5
    assert found[1] == pytest.approx(-found[0], abs=1e-5)
    assert found[2] == pytest.approx(0, abs=1e-5)
    assert found[9:].tolist() == pytest.approx(found[:3].tolist(), abs=1e-5)
    model.tokenizer.chat_template = None
    without = asked_scores(model, ["the music Yes", "the music No"], "It is music.")
    assert without[0] == pytest.approx(without[1])


def test_a_model_without_a_word_for_yes_cannot_be_asked() -> None:
    with pytest.raises(BadRequest, match="cannot be asked"):
        asked_scores(planted_model(), ["the"], "It is music.")
