"""What is said of a request between two tokens, whichever engine chooses them."""

import pytest
import torch

from hooke.errors import PromptTooLong
from hooke.models.load import load
from hooke.models.model import Model
from hooke.server.gateway.asks import Ask, Began, Ended, Event, Said, Scored, Spoke
from hooke.server.gateway.speech import Speech, speech_of
from hooke.server.gateway.verdicts import Bank
from tests.cli.tiny_lab import write_model
from tests.server.gateway.doubles import Along, along

END = {0}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load(write_model(tmp_path_factory.mktemp("speech") / "tiny-model"))


def begun(
    model: Model, monitors: tuple[Along, ...] = (), *, n: int = 3, stops: tuple[str, ...] = ()
) -> tuple[Speech, list[Event]]:
    events: list[Event] = []
    ask = Ask(ids=(5, 6, 7), max_tokens=n, monitors=monitors, stops=stops)
    return speech_of(model, Bank(monitors, model.row_width), ask, events.append, context=64), events


def see(speech: Speech, score: float, *, is_prompt: bool) -> list[str]:
    return [one.monitor.name for one in speech.watched if one.see([score], speech.last, is_prompt=is_prompt)]


def kinds(events: list[Event]) -> list[type]:
    return [type(one) for one in events]


def test_without_monitors_it_ends_at_its_last_token(model: Model) -> None:
    speech, events = begun(model, n=2)
    assert speech.begin(())
    assert speech.say(Said(9), END)
    assert speech.go_on(())
    assert not speech.say(Said(10), END)
    assert kinds(events) == [Began, Spoke, Spoke, Ended]
    assert isinstance(events[-1], Ended)
    assert (events[-1].reason, events[-1].n_prompt, events[-1].n_new) == ("length", 3, 2)


def test_with_a_monitor_the_last_token_is_scored_before_the_end(model: Model) -> None:
    speech, events = begun(model, (along("m", "resid_post.1"),), n=1)
    speech.begin(see(speech, 0.0, is_prompt=True))
    assert speech.say(Said(9), END)
    assert not speech.go_on(see(speech, 0.0, is_prompt=False))
    assert kinds(events) == [Began, Scored, Spoke, Scored, Ended]
    assert [one.position for one in events if isinstance(one, Scored)] == [2, 3]


def test_what_may_be_stopped_is_held_back_until_it_was_scored(model: Model) -> None:
    strict = along("m", "resid_post.1", do="stop", watch=1.0, act=2.0)
    speech, events = begun(model, (strict,))
    speech.begin(see(speech, 0.0, is_prompt=True))
    speech.say(Said(9), END)
    assert Spoke not in kinds(events)
    assert speech.go_on(see(speech, 0.0, is_prompt=False))
    assert kinds(events)[-1] is Spoke
    speech.say(Said(10), END)
    assert not speech.go_on(see(speech, 5.0, is_prompt=False))
    end = events[-1]
    assert isinstance(end, Ended)
    # The second token was seen by nobody.
    assert (end.reason, end.n_new) == ("content_filter", 1)
    assert kinds(events).count(Spoke) == 1


def test_a_prompt_that_must_be_stopped_gets_no_token(model: Model) -> None:
    speech, events = begun(model, (along("m", "resid_post.1", do="stop", watch=1.0, act=2.0),))
    assert not speech.begin(see(speech, 5.0, is_prompt=True))
    assert isinstance(events[-1], Ended)
    assert events[-1].reason == "content_filter"


def test_an_end_token_is_not_said(model: Model) -> None:
    speech, events = begun(model)
    speech.begin(())
    assert not speech.say(Said(0), END)
    assert isinstance(events[-1], Ended)
    assert (events[-1].reason, events[-1].n_new) == ("stop", 0)


def test_whoever_has_gone_is_told_nothing_more(model: Model) -> None:
    speech, events = begun(model)
    speech.cancel()
    speech.begin(())
    assert events == []

    def leave(event: Event) -> None:
        raise RuntimeError("gone")

    other = speech_of(model, Bank((), model.row_width), Ask(ids=(1,), max_tokens=1), leave, context=8)
    other.begin(())
    assert other.is_cancelled


def test_nothing_and_too_much_are_refused(model: Model) -> None:
    for ids, n in (((), 1), (tuple(torch.arange(1, 9).tolist()), 2)):
        with pytest.raises(PromptTooLong, match="at most"):
            speech_of(model, Bank((), model.row_width), Ask(ids=ids, max_tokens=n), lambda event: None, context=9)
