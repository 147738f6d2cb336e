"""The client of chat endpoints against one that misbehaves in every way that was thought of."""

import json
from pathlib import Path

import pytest

from hooke.chat import Chat, Endpoint, n_tokens
from hooke.errors import BadRequest, CostLimit, EndpointFailed
from tests.fake_endpoint import Reply, endpoint, in_turn, says

HELLO = [{"role": "user", "content": "hello"}]


def a_chat(url: str, kept: Path, waits: list[float] | None = None, limit: float | None = None, **settings) -> Chat:
    slept = waits if waits is not None else []
    found = Endpoint(model="m", url=url, **{"timeout": 5.0, "tries": 3, **settings})
    return Chat(found, kept=kept, limit=limit, sleep=lambda seconds: slept.append(seconds))


def test_an_answer_comes_and_is_counted(tmp_path: Path):
    with endpoint(in_turn(says("hi", prompt_tokens=7, completion_tokens=2))) as there:
        chat = a_chat(there.url, tmp_path, key="secret", price_in=1_000_000, price_out=2_000_000)
        assert chat.ask(HELLO, max_tokens=5) == "hi"
    assert there.keys == ["Bearer secret"]
    assert there.asked[0]["messages"] == HELLO
    assert (chat.spent.n_calls, chat.spent.n_in, chat.spent.n_out, chat.spent.cost) == (1, 7, 2, 11)


def test_the_same_question_is_paid_for_once(tmp_path: Path):
    with endpoint(in_turn(says("hi"))) as there:
        for _ in range(2):
            chat = a_chat(there.url, tmp_path)
            assert chat.ask(HELLO, max_tokens=5) == "hi"
        assert chat.ask(HELLO, max_tokens=6) == "hi"
    assert len(there.asked) == 2
    assert (chat.spent.n_calls, chat.spent.n_kept) == (1, 1)


def test_a_torn_kept_answer_is_asked_for_again(tmp_path: Path):
    with endpoint(in_turn(says("hi"))) as there:
        a_chat(there.url, tmp_path).ask(HELLO, max_tokens=5)
        (file,) = tmp_path.iterdir()
        file.write_text('{"answ')
        assert a_chat(there.url, tmp_path).ask(HELLO, max_tokens=5) == "hi"
    assert len(there.asked) == 2


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_refusal_is_waited_out(tmp_path: Path, status: int):
    waits: list[float] = []
    with endpoint(in_turn(Reply(status), Reply(status), says("hi"))) as there:
        assert a_chat(there.url, tmp_path, waits).ask(HELLO, max_tokens=5) == "hi"
    assert waits == [1.0, 2.0]


def test_it_waits_as_long_as_it_is_asked_to(tmp_path: Path):
    waits: list[float] = []
    with endpoint(in_turn(Reply(429, headers={"Retry-After": "17"}), says("hi"))) as there:
        a_chat(there.url, tmp_path, waits).ask(HELLO, max_tokens=5)
    assert waits == [17.0]


def test_it_does_not_wait_for_an_hour(tmp_path: Path):
    waits: list[float] = []
    with (
        endpoint(in_turn(Reply(429, b"slow down", {"Retry-After": "3600"}))) as there,
        pytest.raises(EndpointFailed, match="asks to wait 3600 seconds"),
    ):
        a_chat(there.url, tmp_path, waits).ask(HELLO, max_tokens=5)
    assert waits == []


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_said_at_once_and_never_shown(tmp_path: Path, status: int):
    with (
        endpoint(in_turn(Reply(status, b"bad key topsecret"))) as there,
        pytest.raises(EndpointFailed, match="HOOKE_ENDPOINT_KEY") as refused,
    ):
        a_chat(there.url, tmp_path, key="topsecret").ask(HELLO, max_tokens=5)
    assert len(there.asked) == 1
    assert "topsecret" not in str(refused.value) + repr(Endpoint(model="m", url="u", key="topsecret"))


def test_it_gives_up_with_the_last_reason(tmp_path: Path):
    with (
        endpoint(in_turn(Reply(500, b"the machine is on fire"))) as there,
        pytest.raises(EndpointFailed, match=r"no usable answer in 3 tries.*500.*on fire"),
    ):
        a_chat(there.url, tmp_path).ask(HELLO, max_tokens=5)
    assert len(there.asked) == 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "body",
    [b"<html>hello</html>", b"\xff\xfe", b"[]", b'{"choices": []}', b'{"choices": [{"message": {"content": 5}}]}', b""],
)
def test_nonsense_is_no_answer(tmp_path: Path, body: bytes):
    with (
        endpoint(in_turn(Reply(200, body))) as there,
        pytest.raises(EndpointFailed, match="answered nonsense"),
    ):
        a_chat(there.url, tmp_path).ask(HELLO, max_tokens=5)
    assert len(there.asked) == 3


def test_an_answer_that_fails_its_check_is_not_kept(tmp_path: Path):
    def check(answer: str) -> None:
        json.loads(answer)

    with endpoint(in_turn(says("as an assistant, I"), says('{"label": "x"}'))) as there:
        assert a_chat(there.url, tmp_path).ask(HELLO, max_tokens=5, check=check) == '{"label": "x"}'
    assert len(there.asked) == 2
    assert len(list(tmp_path.iterdir())) == 1


def test_one_that_hangs_is_left(tmp_path: Path):
    with (
        endpoint(in_turn(Reply(hangs=True))) as there,
        pytest.raises(EndpointFailed, match=r"did not answer within 0\.2 seconds"),
    ):
        a_chat(there.url, tmp_path, timeout=0.2, tries=2).ask(HELLO, max_tokens=5)
    assert len(there.asked) == 2


def test_one_that_is_not_there_is_said_to_be(tmp_path: Path):
    with pytest.raises(EndpointFailed, match="could not be reached"):
        a_chat("http://127.0.0.1:9/v1", tmp_path, tries=1).ask(HELLO, max_tokens=5)


def test_the_limit_holds_before_the_call(tmp_path: Path):
    # The call may cost 2 tokens read (5 bytes) and 10 written: 12.
    prices = {"price_in": 1_000_000, "price_out": 1_000_000}
    with endpoint(in_turn(says("hi", prompt_tokens=2, completion_tokens=3))) as there:
        with pytest.raises(CostLimit, match="higher limit"):
            a_chat(there.url, tmp_path, limit=11, **prices).ask(HELLO, max_tokens=10)
        assert there.asked == []
        chat = a_chat(there.url, tmp_path, limit=16, **prices)
        chat.ask(HELLO, max_tokens=10)
        with pytest.raises(CostLimit):
            chat.ask([*HELLO, *HELLO], max_tokens=10)
        assert chat.ask(HELLO, max_tokens=10) == "hi", "what is kept costs nothing"
    assert len(there.asked) == 1


def test_calls_that_hang_are_paid_for(tmp_path: Path):
    prices = {"price_in": 1_000_000, "price_out": 1_000_000}
    with endpoint(in_turn(Reply(hangs=True))) as there, pytest.raises(CostLimit):
        a_chat(there.url, tmp_path, limit=25, timeout=0.2, tries=9, **prices).ask(HELLO, max_tokens=10)
    assert len(there.asked) == 2


def test_a_limit_without_prices_is_refused(tmp_path: Path):
    with pytest.raises(BadRequest, match="needs prices"):
        a_chat("http://127.0.0.1:9", tmp_path, limit=1)


@pytest.mark.parametrize("url", ["", "ftp://host", "no address", "http://"])
def test_an_endpoint_needs_an_address(url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("HOOKE_ENDPOINT_URL", raising=False)
    with pytest.raises(BadRequest):
        Endpoint.given("m", url)


def test_address_and_key_come_from_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOOKE_ENDPOINT_URL", "https://host/v1/")
    monkeypatch.setenv("HOOKE_ENDPOINT_KEY", "k")
    found = Endpoint.given("m")
    assert (found.url, found.key) == ("https://host/v1", "k")


def test_tokens_are_rather_overestimated():
    assert n_tokens("hello") == 2
    assert n_tokens("") == 0
