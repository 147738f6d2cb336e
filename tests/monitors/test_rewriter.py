"""A model that rewords until a monitor lets a text pass."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from hooke.chat import Message, Nonsense
from hooke.errors import BadRequest
from hooke.monitors.rewriter import reword
from hooke.monitors.stream import open_monitor
from tests.monitors.planted import planted_spec, specimen, texts_of


class Scripted:
    """Answers what it was given, in turn, and remembers what it was asked."""

    name = "scripted"

    def __init__(self, answers: Sequence[str]) -> None:
        self.answers, self.asked = list(answers), []

    def ask(self, messages: Sequence[Message], *, max_tokens: int, check: Callable[[str], Any] | None = None) -> str:
        self.asked.append(messages[0]["content"])
        answer = self.answers.pop(0)
        if answer == "nonsense":
            raise Nonsense("No.")
        return answer


def test_the_best_try_so_far_counts_and_scores_are_told(tmp_path: Path) -> None:
    found = specimen()
    spec, lab = planted_spec(found, found.model, tmp_path)
    monitor = open_monitor(spec, found.model, lab)
    hidden = [one for one in texts_of(found) if one.label][:1]
    hides, shows = "this is just a party : what to do with the logs :", hidden[0].text
    speaker = Scripted(["nonsense", hides, shows])
    told = reword(found.model, monitor, hidden, 0.25, speaker, tries=3)
    assert (told.caught, told.n_refused, told.n) == ((1, 1, 0, 0), 1, 1)
    assert told.kept_words == pytest.approx(5 / 6)
    assert "scored" not in speaker.asked[1]
    assert f"scored -0.50; find one that scores lower: {hides}" in speaker.asked[2]


def test_without_texts_there_is_nothing_to_reword(tmp_path: Path) -> None:
    found = specimen()
    spec, lab = planted_spec(found, found.model, tmp_path)
    with pytest.raises(BadRequest, match="with the concept"):
        reword(found.model, open_monitor(spec, found.model, lab), [], 0.25, Scripted([]))
