"""vLLM as the engine, by a double of it: the events of the reference engine, and what is refused."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
import torch

from hooke.errors import HookeError, PromptTooLong, UnsupportedModel
from hooke.models.edits import Add, Cap, Edit, Project
from hooke.models.load import load
from hooke.models.model import Model
from hooke.models.scope import Given
from hooke.server.gateway.asks import Ask, Event, Scored
from hooke.server.gateway.engine import Engine
from hooke.server.gateway.speech import EngineClosed, EngineFull
from hooke.server.gateway.vllm_engine import VllmConfig, VllmEngine
from tests.cli.tiny_lab import write_model
from tests.server.gateway.doubles import Along, Squared, along, ask_of
from tests.server.gateway.fake_vllm import FakeLLM, put_in_place, texts

PUSH = Add(site="resid_post.0", vector=torch.linspace(-2, 2, 32), positions="1:")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load(write_model(tmp_path_factory.mktemp("vllm") / "tiny-model"))


@pytest.fixture
def fake(model: Model, monkeypatch: pytest.MonkeyPatch) -> FakeLLM:
    return put_in_place(monkeypatch, model)


@pytest.fixture
def engine(model: Model, fake: FakeLLM) -> Iterator[VllmEngine]:
    made = VllmEngine(model, monitors=monitors(), max_rows=2, max_waiting=4, config=VllmConfig(context=64))
    yield made
    made.close()


def monitors() -> list[Along]:
    return [along("one", "resid_post.1"), along("both", "resid_pre.1", "resid_post.1", seed=3)]


def heard(engine: Engine | VllmEngine, asks: Sequence[Ask]) -> list[tuple[list[int], str, list[list[float]]]]:
    """Tokens, why it ended and the scores of each request, all asked at once."""
    listeners = [ask_of(engine, ask)[1] for ask in asks]
    found = []
    for one in listeners:
        reason = one.end().reason
        found.append((one.said, reason, scores_of(one.events)))
    return found


def scores_of(events: Sequence[Event]) -> list[list[float]]:
    return [[each.score for each in event.verdicts] for event in events if isinstance(event, Scored)]


def test_it_says_and_scores_what_the_reference_does(model: Model, engine: VllmEngine) -> None:
    first, second, third, fourth = texts((7, 3, 12, 5))
    watching = tuple(monitors())
    asks = [
        Ask(ids=first, max_tokens=6, monitors=watching),
        Ask(ids=second, max_tokens=4),
        Ask(ids=third, max_tokens=5, monitors=watching, edits=(PUSH,)),
        Ask(ids=fourth, max_tokens=0, monitors=watching),
    ]
    reference = Engine(model, monitors=monitors())
    expected = heard(reference, asks)
    reference.close()
    found = heard(engine, asks)
    for mine, theirs in zip(found, expected, strict=True):
        assert mine[:2] == theirs[:2]
        torch.testing.assert_close(torch.tensor(mine[2]), torch.tensor(theirs[2]), rtol=1e-4, atol=1e-4)


def test_what_is_watched_reads_no_prefix_and_what_is_steered_leaves_its_own(engine: VllmEngine, fake: FakeLLM) -> None:
    (ids,) = texts((5,))
    heard(engine, [Ask(ids=ids, max_tokens=2)])
    heard(engine, [Ask(ids=ids, max_tokens=2, monitors=tuple(monitors()))])
    heard(engine, [Ask(ids=ids, max_tokens=2, edits=(PUSH,))])
    assert [asked.skip_reading_prefix_cache for _, asked in fake.asked] == [False, True, True]
    assert ["cache_salt" in prompt for prompt, _ in fake.asked] == [False, False, True]
    assert [asked.max_tokens for _, asked in fake.asked] == [2, 3, 2]


@pytest.mark.parametrize(("chunk", "expected"), [(None, (None, None)), (0, (False, 2048)), (48, (True, 48))])
def test_prompts_are_cut_as_asked_and_else_as_vllm_likes(
    model: Model, fake: FakeLLM, chunk: int | None, expected: tuple[bool | None, int | None]
) -> None:
    VllmEngine(model, config=VllmConfig(chunk=chunk)).close()
    asked = vars(fake.settings)
    assert (asked.get("enable_chunked_prefill"), asked.get("max_num_batched_tokens")) == expected
    assert asked["dtype"] == "float32"


def test_a_token_that_no_monitor_saw_fails_the_request_and_no_other(engine: VllmEngine, fake: FakeLLM) -> None:
    (ids,) = texts((5,))
    fake.loses = {3}
    with pytest.raises(HookeError, match="not seen every token"):
        heard(engine, [Ask(ids=ids, max_tokens=2, monitors=tuple(monitors()))])
    fake.loses = set()
    assert len(heard(engine, [Ask(ids=ids, max_tokens=2, monitors=tuple(monitors()))])[0][0]) == 2


def test_an_answer_that_vllm_breaks_off_is_not_whole(engine: VllmEngine, fake: FakeLLM) -> None:
    fake.ends_after = 1
    with pytest.raises(EngineClosed, match="ended an answer"):
        heard(engine, [Ask(ids=texts((5,))[0], max_tokens=4)])


def test_too_long_and_too_many_are_refused(engine: VllmEngine) -> None:
    with pytest.raises(PromptTooLong, match="at most 63"):
        engine.submit(Ask(ids=texts((60,))[0], max_tokens=4), lambda event: None)
    ask = Ask(ids=texts((20,))[0], max_tokens=40, monitors=tuple(monitors()))

    def ask_many() -> None:
        for _ in range(50):
            engine.submit(ask, lambda event: None)

    with pytest.raises(EngineFull, match="busy"):
        ask_many()


def test_a_closed_engine_takes_nothing(model: Model, fake: FakeLLM) -> None:
    engine = VllmEngine(model)
    engine.close()
    assert not engine.is_alive
    with pytest.raises(EngineClosed):
        engine.submit(Ask(ids=(1, 2), max_tokens=1), lambda event: None)


@pytest.mark.parametrize(
    ("monitor", "match"),
    [
        (along("m", "resid_post.1", kind=Squared), "not linear"),
        (along("m", "mlp_out.1"), "mlp_out.1"),
        (along("m", "resid_post.1", do="steer", recipe="calm"), "steers"),
    ],
)
def test_monitors_that_its_worker_cannot_run_are_refused(
    model: Model, fake: FakeLLM, monitor: Along, match: str
) -> None:
    with pytest.raises(UnsupportedModel, match=match):
        VllmEngine(model, monitors=[monitor])


@pytest.mark.parametrize(
    "edit",
    [
        Project(site="resid_post.0", direction=torch.ones(32)),
        Cap(site="resid_post.0", direction=torch.ones(32), high=1.0),
        Add(site="z.0", vector=torch.ones(32)),
        replace(PUSH, given=Given(site="resid_post.0", direction=torch.ones(32), above=0.0)),
    ],
)
def test_edits_that_its_worker_cannot_make_are_refused(engine: VllmEngine, edit: Edit) -> None:
    with pytest.raises(UnsupportedModel, match="vLLM"):
        engine.submit(Ask(ids=texts((5,))[0], max_tokens=2, edits=(edit,)), lambda event: None)


def test_without_vllm_it_says_what_to_do(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "vllm", None)
    with pytest.raises(UnsupportedModel, match="environment of its own"):
        VllmEngine(model)
