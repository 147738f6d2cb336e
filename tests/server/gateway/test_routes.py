"""OpenAI's own client and curl get what the model says; who breaks off or asks for others' things does no harm."""

import json
import subprocess
import threading
import time
from collections.abc import Iterator

import httpx
import openai
import pytest
import torch

from hooke.features.at_token import token_at
from hooke.models.generate import Sampling, conversation_tokens, generate_tokens
from hooke.models.model import Model, Tokens
from hooke.monitors.audit_log import LOG
from hooke.monitors.audit_text import kept_text
from hooke.server.gateway.keys import add_key
from tests.cli.tiny_lab import TinyLab
from tests.server.gateway.doubles import Nan, Raising, along
from tests.server.gateway.tiny_gateway import Live, running

MESSAGES = [{"role": "user", "content": "The bridge over the river"}]
PROMPT = "A cat sat on the mat"


@pytest.fixture
def client(live: Live) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{live.address}/v1", api_key=live.secret, max_retries=0) as made:
        yield made


@pytest.fixture
def raw(live: Live) -> Iterator[httpx.Client]:
    with live.client() as made:
        yield made


def greedy(model: Model, tokens: Tokens, n: int, edits=()) -> str:
    ids = [int(one[0]) for one, _ in generate_tokens(model, tokens, edits, n, Sampling(), None)]
    return model.tokenizer.decode(ids, skip_special_tokens=True)


def body(**more: object) -> dict[str, object]:
    return {"model": "tiny-model", "messages": MESSAGES, "max_tokens": 4, "temperature": 0, **more}


def sse(answer: httpx.Response) -> list[dict]:
    lines = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def test_openais_client_gets_what_generate_says(client: openai.OpenAI, gateway_model: Model):
    expected = greedy(gateway_model, conversation_tokens(gateway_model, MESSAGES), 12)
    found = client.chat.completions.create(model="tiny-model", messages=MESSAGES, max_tokens=12, temperature=0)  # pyright: ignore
    assert found.choices[0].message.content == expected
    assert found.choices[0].finish_reason == "length"
    assert found.usage
    assert (found.usage.completion_tokens, found.usage.total_tokens - found.usage.prompt_tokens) == (12, 12)
    verdicts = (found.model_extra or {})["hooke"]["monitors"]
    assert {one["name"]: one["level"] for one in verdicts} == {"calm": "watch", "other": "quiet"}
    text = client.completions.create(model="tiny-model", prompt=PROMPT, max_tokens=12, temperature=0)
    assert text.choices[0].text == greedy(gateway_model, gateway_model.tokenize(PROMPT), 12)


def test_openais_client_streams_the_same(client: openai.OpenAI, gateway_model: Model):
    expected = greedy(gateway_model, conversation_tokens(gateway_model, MESSAGES), 12)
    chunks = list(
        client.chat.completions.create(
            model="tiny-model", messages=MESSAGES, max_tokens=12, temperature=0, stream=True,  # pyright: ignore
            stream_options={"include_usage": True},
        )
    )  # fmt: skip
    assert "".join(one.choices[0].delta.content or "" for one in chunks if one.choices) == expected
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [one.choices[0].finish_reason for one in chunks if one.choices][-1] == "length"
    assert chunks[-1].usage
    assert chunks[-1].usage.completion_tokens == 12
    texts = list(client.completions.create(model="tiny-model", prompt=PROMPT, max_tokens=6, temperature=0, stream=True))
    assert "".join(one.choices[0].text for one in texts) == greedy(gateway_model, gateway_model.tokenize(PROMPT), 6)


def test_openais_client_is_warned_alike_of_whole_and_streamed_answers(client: openai.OpenAI):
    given = {"model": "tiny-model", "max_tokens": 3, "temperature": 0, "user": "me", "extra_body": {"flavour": 1}}
    whole = client.chat.completions.create(messages=MESSAGES, **given)  # pyright: ignore
    *_, last = client.chat.completions.create(messages=MESSAGES, stream=True, **given)  # pyright: ignore
    text = client.completions.create(prompt=PROMPT, **given)  # pyright: ignore
    *_, piece = client.completions.create(prompt=PROMPT, stream=True, **given)  # pyright: ignore
    warnings = [(one.model_extra or {})["hooke"]["warnings"] for one in (whole, last, text, piece)]
    assert warnings[0] == warnings[1] == warnings[2] == warnings[3]
    assert {(one["code"], one["of"]) for one in warnings[0]} == {
        ("fields-ignored", ""),
        *((code, name) for name in ("calm", "other") for code in
          ("monitor-not-valid", "monitor-not-calibrated", "monitor-not-attacked")),
    }  # fmt: skip
    assert warnings[0][0]["message"].endswith("'flavour', 'user'.")


def test_openais_client_is_told_what_is_wrong_in_its_own_words(client: openai.OpenAI, live: Live):
    with pytest.raises(openai.NotFoundError, match="serves 'tiny-model'"):
        client.chat.completions.create(model="gpt-4", messages=MESSAGES)  # pyright: ignore
    with pytest.raises(openai.BadRequestError, match="not supported") as refused:
        client.chat.completions.create(model="tiny-model", messages=MESSAGES, n=2)  # pyright: ignore
    assert refused.value.param == "n"
    with pytest.raises(openai.BadRequestError, match="reads at most 256"):
        client.completions.create(model="tiny-model", prompt="river " * 300)
    with (
        pytest.raises(openai.AuthenticationError),
        openai.OpenAI(base_url=f"{live.address}/v1", api_key="hk-wrong", max_retries=0) as stranger,
    ):
        stranger.models.list()
    assert [one.id for one in client.models.list()] == ["tiny-model"]
    assert client.models.retrieve("tiny-model").owned_by == "hooke"


def test_probabilities_seeds_and_stops(client: openai.OpenAI, gateway_model: Model):
    chat = client.chat.completions.create(
        model="tiny-model",
        messages=MESSAGES,  # pyright: ignore
        max_tokens=3,
        temperature=0,
        logprobs=True,
        top_logprobs=2,
    )
    assert chat.choices[0].logprobs
    told = chat.choices[0].logprobs.content or []
    assert len(told) == 3
    assert told[0].logprob == pytest.approx(told[0].top_logprobs[0].logprob)
    logits = gateway_model.run(conversation_tokens(gateway_model, MESSAGES)).logits
    assert logits is not None
    assert told[0].logprob == pytest.approx(float(logits[0, -1].log_softmax(-1).max()), abs=1e-4)
    same = [
        client.completions.create(model="tiny-model", prompt=PROMPT, max_tokens=8, seed=3, temperature=1.3, logprobs=1)
        for _ in range(2)
    ]
    assert same[0].choices[0].text == same[1].choices[0].text
    assert same[0].choices[0].logprobs
    assert len(same[0].choices[0].logprobs.token_logprobs or []) == 8
    whole = client.completions.create(model="tiny-model", prompt=PROMPT, max_tokens=12, temperature=0).choices[0].text
    cut = client.completions.create(model="tiny-model", prompt=PROMPT, max_tokens=12, temperature=0, stop=[whole[4:7]])
    assert cut.choices[0].text == whole[: whole.index(whole[4:7])]
    assert cut.choices[0].finish_reason == "stop"


def test_curl_gets_an_answer_and_a_stream(live: Live):
    def curl(*words: str) -> str:
        command = ["curl", "-sS", "--noproxy", "*", "-H", f"Authorization: Bearer {live.secret}", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout

    given = ["-H", "Content-Type: application/json", "-d", json.dumps(body(stream=True))]
    found = curl("-i", f"{live.address}/v1/chat/completions", *given)
    assert "HTTP/1.1 200" in found
    assert "x-hooke-verdicts: calm=watch,other=quiet" in found
    assert found.rstrip().endswith("data: [DONE]")
    assert json.loads(curl(f"{live.address}/v1/models"))["data"][0]["id"] == "tiny-model"
    assert "invalid_value" in curl(f"{live.address}/v1/completions", "-H", "Content-Type: application/json", "-d", "{")


def test_a_monitor_is_added_by_name_and_a_stranger_to_it_may_not(raw: httpx.Client, live: Live, gateway_lab: TinyLab):
    found = raw.post("/v1/chat/completions", json=body(hooke={"monitors": ["asked"]})).json()
    assert [one["name"] for one in found["hooke"]["monitors"]] == ["calm", "other", "asked"]
    secret = add_key(gateway_lab.lab, "narrow", monitors=(), hides_verdicts=True)
    with live.client(secret) as narrow:
        assert narrow.post("/v1/chat/completions", json=body(hooke={"monitors": ["asked"]})).status_code == 403
        plain = narrow.post("/v1/chat/completions", json=body())
        assert plain.json()["hooke"]["monitors"] == []
        assert "x-hooke-verdicts" not in plain.headers
        assert [one["code"] for one in plain.json()["hooke"]["warnings"]] == ["verdicts-hidden"]
        assert all(one["warnings"] == [] for one in narrow.get("/v1/hooke/monitors").json()["monitors"])
        assert [one["name"] for one in narrow.get("/v1/hooke/monitors").json()["monitors"]] == ["calm", "other"]
        assert narrow.get("/metrics").status_code == 403
        assert narrow.get("/v1/hooke/events").status_code == 403
        assert narrow.post("/v1/chat/completions", json=body(hooke={"steering": [{"name": "push"}]})).status_code == 403
        assert narrow.get("/v1/hooke/steering").json() == {"steering": []}


@pytest.mark.parametrize(
    ("extension", "status", "said"),
    [
        ({"monitors": ["../../etc/passwd"]}, 404, "no monitor"),
        ({"monitors": ["..%2f..%2fkeys"]}, 404, "no monitor"),
        ({"monitors": ["asked\u0000"]}, 404, "no monitor"),
        ({"steering": [{"name": "../recipes/push"}]}, 404, "no recipe"),
        ({"steering": [{"name": "lost"}]}, 404, "no recipe"),
        ({"steering": [{"name": "push", "strength": 1.6}]}, 400, "registered from -1 to 1.5"),
        ({"steering": [{"name": "push", "strength": -1.01}]}, 400, "registered from -1 to 1.5"),
        ({"steering": [{"name": "push", "strength": 1e308}]}, 403, "may not steer at strength"),
        ({"steering": [{"name": "push", "vector": [1, 2]}]}, 400, "Extra inputs"),
        ({"edits": [{"edit": "Add", "site": "resid_post.1", "vector": [1.0]}]}, 400, "Extra inputs"),
        ({"steering": "push"}, 400, "list"),
    ],
)  # fmt: skip
def test_names_only_and_within_bounds(raw: httpx.Client, extension: dict, status: int, said: str):
    found = raw.post("/v1/chat/completions", json=body(hooke=extension))
    assert found.status_code == status
    assert said in found.json()["error"]["message"]


def test_a_strength_that_is_no_number_is_refused(raw: httpx.Client):
    for word in ("NaN", "Infinity", "1e999"):
        text = (
            json.dumps(body()).removesuffix("}")
            + f', "hooke": {{"steering": [{{"name": "push", "strength": {word}}}]}}}}'
        )
        found = raw.post("/v1/chat/completions", content=text, headers={"content-type": "application/json"})
        assert found.status_code == 400, found.text


def test_steering_by_name_is_the_recipes_and_is_told(raw: httpx.Client, gateway_model: Model, live: Live):
    found = raw.post(
        "/v1/completions",
        json={"model": "tiny-model", "prompt": PROMPT, "max_tokens": 8, "temperature": 0,
              "hooke": {"steering": [{"name": "push", "strength": 0.5}]}},
    )  # fmt: skip
    edits = live.gateway.recipes["push"].edits(0.5)
    expected = greedy(gateway_model, gateway_model.tokenize(PROMPT), 8, edits)
    assert found.json()["choices"][0]["text"] == expected
    assert expected != greedy(gateway_model, gateway_model.tokenize(PROMPT), 8)
    (applied,) = found.json()["hooke"]["steering"]
    assert (applied["name"], applied["strength"]) == ("push", 0.5)
    assert applied["dose"] > 0
    assert found.headers["x-hooke-steering"] == "push=0.5"


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"null", b"[]", b"\xff\xfe", b"[" * 50_000, b'{"model": "tiny-model", "messages": [{}]}',
     json.dumps(body(messages=[])).encode(), json.dumps(body(temperature="hot")).encode(),
     b'{"model":"tiny-model","messages":[{"role":"user","content":"\\ud800"}]}',
     json.dumps(body(seed=2**70)).encode(), json.dumps(body(max_tokens=-1)).encode(),
     json.dumps(body(max_tokens=5000)).encode(), json.dumps(body(stop=["a"] * 5)).encode(),
     json.dumps(body(tools=[{"type": "function"}])).encode()],
)  # fmt: skip
def test_malformed_words_are_refused_in_openais_shape(raw: httpx.Client, content: bytes):
    found = raw.post("/v1/chat/completions", content=content, headers={"content-type": "application/json"})
    assert found.status_code == 400
    assert set(found.json()["error"]) == {"message", "type", "param", "code"}


def test_token_numbers_and_fields_nobody_knows(raw: httpx.Client, gateway_model: Model):
    ids = gateway_model.tokenize(PROMPT).ids[0].tolist()
    given = {"model": "tiny-model", "prompt": ids, "max_tokens": 5, "temperature": 0, "flavour": "new", "user": "me"}
    found = raw.post("/v1/completions", json=given).json()
    assert found["choices"][0]["text"] == greedy(gateway_model, gateway_model.tokenize(torch.tensor(ids)), 5)
    for wrong in ([10**6], [-1], [10**30]):
        assert raw.post("/v1/completions", json=given | {"prompt": wrong}).status_code == 400


def test_who_breaks_off_frees_the_engine_for_others(live: Live):
    before = live.gateway.engine.gauge.n_cancelled
    with live.client() as leaving:
        with leaving.stream("POST", "/v1/chat/completions", json=body(max_tokens=230, stream=True)) as stream:
            next(stream.iter_lines())
        with pytest.raises(httpx.ReadTimeout):
            leaving.post("/v1/chat/completions", json=body(max_tokens=230), timeout=httpx.Timeout(60, read=0.2))
    deadline = time.monotonic() + 30
    while live.gateway.engine.gauge.n_cancelled < before + 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert live.gateway.engine.gauge.n_cancelled == before + 2
    with live.client() as stays:
        assert stays.post("/v1/chat/completions", json=body()).status_code == 200


def test_limits_of_a_key_and_of_the_queue_are_told_with_a_time(live: Live, gateway_lab: TinyLab, gateway_model: Model):
    secret = add_key(gateway_lab.lab, "slow", per_minute=2)
    with live.client(secret) as slow:
        answers = [slow.post("/v1/chat/completions", json=body()) for _ in range(3)]
    assert [one.status_code for one in answers] == [200, 200, 429]
    assert 20 <= int(answers[2].headers["retry-after"]) <= 30
    with running(gateway_lab, gateway_model, max_rows=1, max_waiting=1) as full, full.client() as one:
        found: list[httpx.Response] = []
        ask = lambda: found.append(one.post("/v1/chat/completions", json=body(max_tokens=100)))  # noqa: E731
        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert {answer.status_code for answer in found} == {200, 429}
        assert all("retry-after" in answer.headers for answer in found if answer.status_code == 429)


@pytest.mark.slow
def test_two_hundred_at_once_are_answered_or_told_to_wait(gateway_lab: TinyLab, gateway_model: Model):
    """Every answer is the right one, whoever runs beside it."""
    prompts = [f"The {word} " * (1 + n % 7) for n, word in enumerate(["cat", "river", "bridge", "iron"] * 50)]
    expected = {text: greedy(gateway_model, gateway_model.tokenize(text), 2) for text in dict.fromkeys(prompts)}
    with running(gateway_lab, gateway_model, max_waiting=400, monitors=[along("m", "resid_post.1")]) as busy:
        limits = httpx.Limits(max_connections=None)
        found: dict[int, str] = {}
        with busy.client(limits=limits) as many:

            def ask(n: int) -> None:
                given = {"model": "tiny-model", "prompt": prompts[n], "max_tokens": 2, "temperature": 0}
                found[n] = many.post("/v1/completions", json=given).json()["choices"][0]["text"]

            threads = [threading.Thread(target=ask, args=(n,)) for n in range(200)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(120)
    assert found == {n: expected[text] for n, text in enumerate(prompts)}


@pytest.mark.parametrize("kind", [Raising, Nan])
def test_a_broken_monitor_breaks_no_answer_unless_it_says_so(
    gateway_lab: TinyLab, gateway_model: Model, kind: type[Raising]
):
    for on_error, reason in (("open", "length"), ("closed", "content_filter")):
        bad = along("bad", "resid_post.1", kind=kind, act=5.0, do="stop", on_error=on_error)
        with running(gateway_lab, gateway_model, monitors=[bad]) as broken, broken.client() as one:
            found = one.post("/v1/chat/completions", json=body()).json()
            assert found["choices"][0]["finish_reason"] == reason
            assert found["hooke"]["monitors"][0]["n_failed"] > 0
            assert found["hooke"]["monitors"][0]["score"] is None
            codes = [warning["code"] for warning in found["hooke"]["warnings"]]
            assert {"monitor-failed", "monitor-judged-nothing"} <= set(codes)
            assert 'hooke_monitor_failures_total{monitor="bad"' in one.get("/metrics").text


def test_the_side_stream_tells_of_ones_own_requests_and_an_operator_of_all(live: Live, gateway_lab: TinyLab):
    mine, other = (add_key(gateway_lab.lab, name) for name in ("mine", "foreign"))
    heard: dict[str, list[tuple[str, dict]]] = {"mine": [], "operator": []}

    def listen_to(name: str, secret: str, ready: threading.Event) -> None:
        with live.client(secret) as reader, reader.stream("GET", "/v1/hooke/events") as stream:
            ready.set()
            kind = ""
            for line in stream.iter_lines():
                if line.startswith("event: "):
                    kind = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    heard[name].append((kind, json.loads(line.removeprefix("data: "))))
                    if sum(one == "ended" for one, _ in heard[name]) == (1 if name == "mine" else 2):
                        return

    readers = []
    for name, secret in (("mine", mine), ("operator", live.secret)):
        ready = threading.Event()
        readers.append(threading.Thread(target=listen_to, args=(name, secret, ready)))
        readers[-1].start()
        ready.wait(30)
    deadline = time.monotonic() + 10
    while len(live.gateway.feed._readers) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    requests = []
    for secret in (other, mine):
        with live.client(secret) as asker:
            requests.append(asker.post("/v1/chat/completions", json=body()).headers["x-hooke-request-id"])
    for reader in readers:
        reader.join(30)
    assert {event["request"] for _, event in heard["mine"]} == {requests[1]}
    assert {event["request"] for _, event in heard["operator"]} == set(requests)
    kinds = [kind for kind, _ in heard["mine"]]
    assert kinds[0] == "began"
    assert kinds.count("scored") == 5, "the prompt, and each of four tokens"
    scored = [event for kind, event in heard["mine"] if kind == "scored"]
    assert len(scored[0]["prompt"]["calm"]) == scored[0]["position"] + 1, "each of the prompt's tokens"
    assert scored[0]["prompt"]["calm"][-1] == scored[0]["scores"]["calm"]
    assert all("prompt" not in event for event in scored[1:])
    assert "rose" in kinds
    assert heard["mine"][-1][1]["verdicts"][0]["name"] == "calm"


def test_the_log_has_the_request_its_verdicts_and_its_end_before_the_answer_ends(live: Live):
    with live.client() as one:
        for streamed in (False, True):
            answer = one.post("/v1/chat/completions", json=body(stream=streamed))
            if streamed:
                assert sse(answer)[-1]["hooke"]["monitors"]
            assert live.gateway.audit
            lines = (live.gateway.audit.folder / LOG).read_text().splitlines()
            number = answer.headers["x-hooke-request-id"]
            own = [entry for line in lines if (entry := json.loads(line))["body"].get("request") == number]
            assert [entry["event"] for entry in own] == ["request", "verdict", "verdict", "answer"]
            assert own[-1]["body"] == {"request": number, "reason": "length", "n_new": 4}
    assert "bridge" not in "\n".join(lines)


def test_the_log_keeps_the_text_around_the_token_and_where_in_it_that_is(gateway_lab: TinyLab, gateway_model: Model):
    loud = along("loud", "resid_post.1", act=-1e9, warm_up=2, do="log")
    with running(gateway_lab, gateway_model, monitors=[loud], has_audit=True) as live, live.client() as one:
        found = one.post("/v1/completions", json={"model": "tiny-model", "prompt": PROMPT, "max_tokens": 2}).json()
        at = found["hooke"]["monitors"][0]["act_at"]
        assert live.gateway.audit
        kept = kept_text(live.gateway.audit.folder, found["hooke"]["request"])
        ids = gateway_model.tokenize(PROMPT).ids[0].tolist()
        assert kept
        assert (kept.monitor, kept.model, kept.at) == (
            "loud",
            "tiny-model",
            len(gateway_model.tokenizer.decode(ids[:at])),
        )
        assert token_at(gateway_model, kept.text, kept.at or 0) == at == 2


def test_an_answer_that_cannot_be_logged_is_not_given(
    gateway_lab: TinyLab, gateway_model: Model, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with running(gateway_lab, gateway_model, has_audit=True) as live, live.client() as one:
        assert live.gateway.audit
        monkeypatch.setattr(live.gateway.audit, "append", full)
        for streamed in (False, True):
            found = one.post("/v1/chat/completions", json=body(stream=streamed))
            assert found.status_code == 507
            assert found.json()["error"]["code"] == "out-of-space"


def test_health_and_models_and_nothing_else_is_there(raw: httpx.Client, live: Live):
    with httpx.Client(base_url=live.address, trust_env=False) as stranger:
        assert stranger.get("/health").json() == {"is_alive": True}
        assert stranger.get("/ready").status_code == 200
        for path in (
            "/metrics",
            "/v1/models",
            "/v1/hooke/events",
            "/v1/openapi.json",
            "/../gateway-keys.json",
            "/nothing",
        ):
            assert stranger.get(path).status_code == 401, path
    for path in ("/nothing", "/v1/models/..%2f..%2fgateway-keys.json", "/v1/models/gpt-4", "/static/../keys"):
        assert raw.get(path).status_code == 404, path
    assert raw.get("/v1/chat/completions").status_code == 405
    assert 'hooke_answers_total{reason="length"}' in raw.get("/metrics").text
