"""Requests in, events out: the same as one by one, monitors in time, failures and departures nobody else's."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from hooke.errors import PromptTooLong, ShapeMismatch, UnsupportedModel
from hooke.models.edits import Add, Cap
from hooke.models.generate import Sampling, generate_tokens
from hooke.models.load import load
from hooke.models.model import Model
from hooke.models.scope import Given, Schedule
from hooke.server.gateway.asks import Ask, Began, Ended, Failed, Scored, Spoke
from hooke.server.gateway.engine import Engine
from hooke.server.gateway.speech import EngineClosed, EngineFull
from hooke.sites import parse_site
from tests.cli.tiny_lab import write_model
from tests.server.gateway.doubles import Along, Nan, Raising, Squared, along, ask_of

SITE = parse_site("resid_post.1")
VECTOR = torch.randn(32, generator=torch.Generator().manual_seed(1)) * 3
STEERED = (Add(site="resid_post.1", vector=VECTOR, positions="1:"),)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    loaded = load(write_model(tmp_path_factory.mktemp("gateway") / "tiny-model"))
    loaded.hf.generation_config.eos_token_id = None
    loaded.tokenizer.eos_token = None
    return loaded


@pytest.fixture
def engine(model: Model) -> Iterator[Engine]:
    made = Engine(model, max_rows=3, max_waiting=4)
    yield made
    made.close()


def prompt(length: int) -> tuple[int, ...]:
    return tuple(torch.randint(3, 300, (length,), generator=torch.Generator().manual_seed(length)).tolist())


def alone(model: Model, ask: Ask) -> list[int]:
    generator = None if ask.seed is None else torch.Generator().manual_seed(ask.seed)
    tokens = model.tokenize(torch.tensor(ask.ids))
    steps = generate_tokens(model, tokens, ask.edits, ask.max_tokens, ask.sampling, generator)
    return [int(ids[0]) for ids, _ in steps]


def follow(model: Model, monitor: Along, ids: list[int]) -> list[float]:
    """What the monitor says of each token, off line."""
    rows = model.run(torch.tensor(ids), capture=monitor.sites)
    return monitor.scores({site: rows[site][0] for site in monitor.sites})[:, 0].tolist()


def test_many_at_once_say_what_each_says_alone(model: Model) -> None:
    watching = along("m", "resid_post.1", "mlp_out.0")
    asks = [
        Ask(ids=prompt(9), max_tokens=12),
        Ask(ids=prompt(3), max_tokens=5, edits=STEERED),
        Ask(ids=prompt(14), max_tokens=9, monitors=(watching,)),
        Ask(ids=prompt(6), max_tokens=12, sampling=Sampling(temperature=0.9, top_p=0.8), seed=5),
        Ask(ids=prompt(4), max_tokens=3, edits=STEERED),
    ]
    engine = Engine(model, monitors=[watching], max_rows=3)
    heard = [ask_of(engine, ask)[1] for ask in asks]
    ends = [one.end() for one in heard]
    engine.close()
    for ask, one, end in zip(asks, heard, ends, strict=True):
        assert one.said == alone(model, ask)
        assert (end.reason, end.n_prompt, end.n_new) == ("length", len(ask.ids), ask.max_tokens)
        assert one.text == model.tokenizer.decode(one.said, skip_special_tokens=True)


@pytest.mark.parametrize("kind", [Along, Squared])
def test_a_monitor_sees_each_token_once_and_in_time(model: Model, kind: type[Along]) -> None:
    monitor, other = along("m", "resid_post.1", kind=kind), along("other", "mlp_out.0", seed=9)
    engine = Engine(model, monitors=[monitor, other])
    watched = ask_of(engine, Ask(ids=prompt(7), max_tokens=6, monitors=(monitor, other)))[1]
    ask_of(engine, Ask(ids=prompt(12), max_tokens=9, edits=STEERED))[1].end()
    watched.end()
    engine.close()
    expected = follow(model, monitor, [*prompt(7), *watched.said])
    scored = [event for event in watched.events if isinstance(event, Scored)]
    assert [event.position for event in scored] == list(range(6, 13)), (
        "the prompt, then each new token, the last one too"
    )
    found = [event.verdicts[0].score for event in scored]
    assert found == pytest.approx(expected[6:], rel=1e-4, abs=1e-4)
    kinds = [type(event) for event in watched.events]
    assert kinds[:3] == [Began, Scored, Spoke], "the prompt is scored before the first token"
    assert kinds[3:5] == [Scored, Spoke], "each token is scored before the next"


def test_linear_monitors_share_one_product_and_others_do_not(model: Model) -> None:
    engine = Engine(model, monitors=[along("a", "resid_post.1"), along("b", "resid_post.1", kind=Squared)])
    assert engine._bank.stacked == {"a"}
    engine.close()


def test_a_monitor_that_stops_lets_nothing_out_that_it_stopped_at(model: Model) -> None:
    ids = prompt(7)
    said = alone(model, Ask(ids=ids, max_tokens=8))
    for seed in range(30):
        plain = along("m", "resid_post.1", seed=seed)
        scores = follow(model, plain, [*ids, *said])
        # A threshold that the prompt and the first tokens do not reach, and some later one does.
        tops = [max(scores[: 7 + n]) for n in range(9)]
        at = next((n for n in range(2, 9) if tops[n] > tops[n - 1] + 0.1), 0)
        if at:
            break
    strict = along("m", "resid_post.1", seed=seed, act=(tops[at] + tops[at - 1]) / 2, do="stop")
    engine = Engine(model, monitors=[strict])
    stopped = ask_of(engine, Ask(ids=prompt(7), max_tokens=8, monitors=(strict,)))[1]
    end = stopped.end()
    engine.close()
    assert end.reason == "content_filter"
    assert stopped.said == said[: at - 1]
    assert end.n_new == at - 1
    assert end.verdicts[0].act_at == 7 + at - 1


def test_a_prompt_at_act_gets_no_answer(model: Model) -> None:
    strict = along("m", "resid_post.1", act=-1e9, do="stop")
    engine = Engine(model, monitors=[strict])
    heard = ask_of(engine, Ask(ids=prompt(7), max_tokens=8, monitors=(strict,)))[1]
    assert heard.end().reason == "content_filter"
    assert heard.said == []
    engine.close()


def test_a_second_monitor_acts_only_where_the_first_asks_it(model: Model) -> None:
    for first_act, reason in ((-1e9, "content_filter"), (1e9, "length")):
        first = along("first", "resid_post.1", act=first_act, do="escalate", second="second")
        second = along("second", "resid_post.1", act=-1e9, do="stop")
        engine = Engine(model, monitors=[first, second])
        assert ask_of(engine, Ask(ids=prompt(7), max_tokens=3, monitors=(first, second)))[1].end().reason == reason
        engine.close()


def test_a_monitor_that_steers_does_from_the_next_token_on(model: Model) -> None:
    steering = along("m", "mlp_out.0", act=-1e9, do="steer", recipe="r")
    engine = Engine(model, monitors=[steering], recipes={"r": STEERED})
    heard = ask_of(engine, Ask(ids=prompt(7), max_tokens=8, monitors=(steering,)))[1]
    heard.end()
    engine.close()
    later = (Add(site="resid_post.1", vector=VECTOR, when="generated"),)
    assert heard.said == alone(model, Ask(ids=prompt(7), max_tokens=8, edits=later))


def test_a_monitor_that_caps_does_from_the_next_token_on(model: Model) -> None:
    cap = Cap(site="resid_post.1", direction=VECTOR, low=-0.1, high=0.1)
    capping = along("m", "mlp_out.0", act=-1e9, do="steer", recipe="r")
    engine = Engine(model, monitors=[capping], recipes={"r": (cap,)})
    heard = ask_of(engine, Ask(ids=prompt(7), max_tokens=8, monitors=(capping,)))[1]
    heard.end()
    engine.close()
    assert heard.said == alone(model, Ask(ids=prompt(7), max_tokens=8, edits=(replace(cap, when="generated"),)))
    assert heard.said != alone(model, Ask(ids=prompt(7), max_tokens=8))


def test_scoped_edits_of_many_at_once_are_those_of_each_alone(engine: Engine, model: Model) -> None:
    given = Given(site="resid_post.0", direction=VECTOR, above=0.0)
    edits = (
        Add(site="resid_post.1", vector=VECTOR, schedule=Schedule(start=1, hold=2, fade=3)),
        Add(site="resid_post.0", vector=-VECTOR, given=given),
    )
    asks = [Ask(ids=prompt(length), max_tokens=8 + length, edits=edits) for length in (4, 9, 6)]
    heard = [ask_of(engine, ask)[1] for ask in asks]
    for one, ask in zip(heard, asks, strict=True):
        one.end()
        assert one.said == alone(model, ask)
        assert one.said != alone(model, Ask(ids=ask.ids, max_tokens=ask.max_tokens))


@pytest.mark.parametrize("kind", [Raising, Nan])
@pytest.mark.parametrize(("on_error", "reason"), [("open", "length"), ("closed", "content_filter")])
def test_a_monitor_that_fails_is_open_or_closed_as_it_says(
    model: Model, kind: type[Along], on_error: str, reason: str
) -> None:
    failing = along("bad", "resid_post.1", kind=kind, act=5.0, do="stop", on_error=on_error)
    good = along("good", "resid_post.1")
    engine = Engine(model, monitors=[failing, good])
    with_it = ask_of(engine, Ask(ids=prompt(7), max_tokens=4, monitors=(failing, good)))[1]
    beside = ask_of(engine, Ask(ids=prompt(5), max_tokens=4, monitors=(good,)))[1]
    end = with_it.end()
    assert end.reason == reason
    assert end.verdicts[0].n_failed == (11 if on_error == "open" else 7)
    assert end.verdicts[1].n_failed == 0
    assert beside.end().reason == "length"
    assert beside.said == alone(model, Ask(ids=prompt(5), max_tokens=4))
    engine.close()


def test_who_leaves_takes_nobody_along(engine: Engine, model: Model) -> None:
    leaving, heard = ask_of(engine, Ask(ids=prompt(7), max_tokens=200))
    stays = ask_of(engine, Ask(ids=prompt(9), max_tokens=30))[1]
    heard.until(Spoke)
    leaving.cancel()
    stays.end()
    assert stays.said == alone(model, Ask(ids=prompt(9), max_tokens=30))
    assert len(heard.said) < 200
    deadline = time.monotonic() + 20
    while engine.n_running and time.monotonic() < deadline:
        time.sleep(0.01)
    assert engine.gauge.n_cancelled == 1
    assert engine.gauge.n_tokens < 230


def test_a_request_whose_edits_do_not_fit_fails_alone(engine: Engine, model: Model) -> None:
    bad = ask_of(engine, Ask(ids=prompt(7), max_tokens=4, edits=(Add(site="resid_post.1", vector=torch.ones(5)),)))[1]
    good = ask_of(engine, Ask(ids=prompt(7), max_tokens=4))[1]
    with pytest.raises(ShapeMismatch):
        bad.end()
    assert good.end().reason == "length"


def test_steering_that_breaks_the_numbers_breaks_one_text_only(engine: Engine, model: Model) -> None:
    wild = (Add(site="logits", vector=torch.full((model.d_vocab,), 3e38), scale=3.0, when="generated"),)
    hot = Sampling(temperature=1.0)
    bad = ask_of(engine, Ask(ids=prompt(7), max_tokens=9, edits=wild, sampling=hot, seed=1))[1]
    good = ask_of(engine, Ask(ids=prompt(9), max_tokens=9))[1]
    with pytest.raises(RuntimeError):
        bad.end()
    good.end()
    assert good.said == alone(model, Ask(ids=prompt(9), max_tokens=9))


def test_a_step_that_fails_ends_those_under_way_and_nothing_else(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(engine._batch, "step", broken)
        with pytest.raises(MemoryError):
            ask_of(engine, Ask(ids=prompt(7), max_tokens=4))[1].end()
    assert ask_of(engine, Ask(ids=prompt(7), max_tokens=4))[1].end().n_new == 4


def test_the_queue_is_bounded_and_a_closing_engine_finishes(model: Model) -> None:
    engine = Engine(model, max_rows=1, max_waiting=2)
    gate = threading.Event()
    engine.submit(Ask(ids=prompt(5), max_tokens=9), lambda event: gate.wait(30) if isinstance(event, Began) else None)
    while engine.n_waiting != 0:
        time.sleep(0.001)
    time.sleep(0.05)
    waiting = [ask_of(engine, Ask(ids=prompt(5), max_tokens=9))[1] for _ in range(2)]
    with pytest.raises(EngineFull):
        ask_of(engine, Ask(ids=prompt(5), max_tokens=9))
    gate.set()
    engine.close(grace=60.0)
    assert [one.end().n_new for one in waiting] == [9, 9]
    with pytest.raises(EngineClosed):
        ask_of(engine, Ask(ids=prompt(5), max_tokens=9))


def test_an_engine_that_must_not_wait_says_so_to_those_it_leaves(model: Model) -> None:
    engine = Engine(model)
    heard = ask_of(engine, Ask(ids=prompt(5), max_tokens=240))[1]
    heard.until(Spoke)
    engine.close()
    with pytest.raises(EngineClosed):
        heard.end()


def test_ends_stops_and_probabilities(engine: Engine, model: Model) -> None:
    heard = ask_of(engine, Ask(ids=prompt(7), max_tokens=20, top=3))[1]
    heard.end()
    told = [one for event in heard.events if isinstance(event, Spoke) for one in event.said]
    logits = model.run(torch.tensor(prompt(7))).logits[0, -1].log_softmax(-1)
    assert told[0].logprob == pytest.approx(float(logits[told[0].token]), abs=1e-4)
    assert [token for token, _ in told[0].top] == logits.topk(3).indices.tolist()
    stop = heard.text[5:8]
    stopped = ask_of(engine, Ask(ids=prompt(7), max_tokens=20, stops=(stop,)))[1]
    assert stopped.end().reason == "stop"
    assert stopped.text == heard.text[: heard.text.index(stop)]
    assert ask_of(engine, Ask(ids=prompt(7), max_tokens=0))[1].end().n_new == 0


def test_what_cannot_be_served_is_refused_at_once(engine: Engine, model: Model) -> None:
    with pytest.raises(PromptTooLong, match="at most 249"):
        ask_of(engine, Ask(ids=prompt(7), max_tokens=250))
    with pytest.raises(PromptTooLong):
        ask_of(engine, Ask(ids=(), max_tokens=2))
    with pytest.raises(UnsupportedModel, match="'m'"):
        Engine(model, monitors=[along("m", "k.1", width=8)])


def test_a_listener_that_raises_is_taken_for_one_that_left(engine: Engine) -> None:
    def gone(event: object) -> None:
        raise ConnectionResetError

    speech = engine.submit(Ask(ids=prompt(7), max_tokens=4), gone)
    assert ask_of(engine, Ask(ids=prompt(7), max_tokens=4))[1].end().n_new == 4
    assert speech.is_cancelled
    assert not any(
        isinstance(event, Failed | Ended) for event in ask_of(engine, Ask(ids=prompt(3), max_tokens=1))[1].events
    )
