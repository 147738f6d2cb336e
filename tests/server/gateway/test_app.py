"""How the gateway begins and ends, what it says of itself, and that no request breaks it."""

import json
import threading
import time
import warnings

import httpx
import pytest
import torch
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings

from hooke.models.generate import Sampling, conversation_tokens, generate_tokens
from hooke.models.model import Model
from hooke.server.gateway.app import create_gateway
from hooke.server.gateway.front import Gateway
from hooke.server.gateway.keys import add_key
from tests.cli.tiny_lab import TinyLab
from tests.server.gateway.doubles import along
from tests.server.gateway.tiny_gateway import quiet, running

TEXT = {"model": "tiny-model", "prompt": "A cat sat", "temperature": 0}


def test_answers_under_way_end_before_the_gateway_does(gateway_lab: TinyLab, gateway_model: Model):
    lines: list[str] = []
    with running(gateway_lab, gateway_model, monitors=quiet(), has_audit=True, grace=60.0) as live:
        listening, begun = threading.Event(), threading.Event()

        def follow() -> None:
            with live.client() as client, client.stream("GET", "/v1/hooke/events") as stream:
                listening.set()
                lines.extend(line for line in stream.iter_lines() if line.startswith("event: "))

        def ask() -> None:
            with live.client() as client:
                given = TEXT | {"max_tokens": 150, "stream": True}
                with client.stream("POST", "/v1/completions", json=given) as stream:
                    for line in stream.iter_lines():
                        begun.set()
                        found.append(line)

        found: list[str] = []
        threads = [threading.Thread(target=one) for one in (follow, ask)]
        threads[0].start()
        listening.wait(30)
        threads[1].start()
        begun.wait(30)
        live.server.should_exit = True
        for thread in threads:
            thread.join(60)
        assert [line for line in found if line][-1] == "data: [DONE]"
        assert lines[-1] == "event: end", "the side stream is ended by the gateway"
        with live.client() as late:
            await_refusal(late)
    assert not live.gateway.engine.is_alive


def await_refusal(client: httpx.Client) -> None:
    """Ask until nobody listens any more."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            client.get("/health")
        except httpx.ConnectError:
            return
    raise AssertionError("it listens still")


def test_a_gateway_is_ready_only_while_its_canary_sings(gateway_lab: TinyLab, gateway_model: Model):
    monitor = along("m", "resid_post.1", act=1.0)
    with running(gateway_lab, gateway_model, monitors=[monitor], canary_every=0.05) as live, live.client() as client:
        wait_for(client, 'hooke_canaries_total{outcome="well"}')
        assert client.get("/ready").status_code == 200
        live.gateway.canary._edits = ()
        wait_for(client, 'hooke_canaries_total{outcome="silent"}')
        assert client.get("/ready").status_code == 503
        assert "hooke_canary_is_well 0.0" in client.get("/metrics").text
        assert client.post("/v1/completions", json=TEXT).status_code == 200, "it goes on answering"


def wait_for(client: httpx.Client, line: str) -> None:
    deadline = time.monotonic() + 30
    while line not in client.get("/metrics").text:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_request_breaks_it(gateway_lab: TinyLab, gateway_model: Model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the fuzzer's own
        import schemathesis

        gateway = Gateway(gateway_lab.lab, gateway_model, monitors=quiet(), steering=["push"], max_new=3)
        secret = add_key(gateway_lab.lab, "fuzz", steering=("*",), per_minute=10**6, is_operator=True)
        headers = {"authorization": f"Bearer {secret}"}
        app = create_gateway(gateway, canary_every=0.0)
        with TestClient(app, raise_server_exceptions=False, headers=headers) as client:
            told = client.get("/v1/openapi.json").json()
            schema = schemathesis.openapi.from_dict(told).exclude(path=["/v1/hooke/events"])
            operations = [found.ok() for found in schema.get_all_operations()]
            assert len(operations) >= 9
            broken = {one.path: text for one in operations if (text := _broken(one, client))}
    assert broken == {}


def _broken(operation: object, client: TestClient) -> str:
    """What the first request said that the server did not survive or answer in its own shape."""

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(case=operation.as_strategy())  # pyright: ignore[reportAttributeAccessIssue]
    def ask(case) -> None:
        words = case.as_transport_kwargs(base_url="http://testserver")
        for left_out in ("cookies", "timeout", "verify", "headers"):
            words.pop(left_out, None)
        body = words.get("json")
        if isinstance(body, dict) and "model" in body:
            words["json"] = body | {"model": "tiny-model"}
        answer = client.request(**words, headers={"content-type": "application/json"} if "data" in words else {})
        assert answer.status_code < 500, f"{case.as_curl_command()} {answer.text[:300]}"
        if answer.status_code >= 400:
            assert set(answer.json()["error"]) == {"message", "type", "param", "code"}

    try:
        ask()
    except AssertionError as error:
        return str(error)
    return ""


@pytest.mark.slow
def test_the_real_model_is_served_as_it_speaks(real_model: Model, gateway_lab: TinyLab):
    messages = [{"role": "user", "content": "What is the capital of France?"}]
    tokens = conversation_tokens(real_model, messages)
    expected = [int(one[0]) for one, _ in generate_tokens(real_model, tokens, (), 8, Sampling(), None)]
    monitor = along("m", "resid_post.15", "resid_post.3", width=576, act=1e9)
    made = TinyLab(gateway_lab.lab, gateway_lab.model, gateway_lab.corpus)
    with running(made, real_model, monitors=[monitor], canary_every=600.0) as live:
        import openai

        with openai.OpenAI(base_url=f"{live.address}/v1", api_key=live.secret, max_retries=0) as client:
            asks = [
                {"model": real_model.name, "prompt": text, "max_tokens": 8}
                for text in ("Once upon a time there", "Iron")
            ]
            others = [threading.Thread(target=client.completions.create, kwargs=ask) for ask in asks]
            for one in others:
                one.start()
            found = client.chat.completions.create(
                model=real_model.name, messages=messages, max_tokens=8, temperature=0
            )  # pyright: ignore
            for one in others:
                one.join()
        assert found.choices[0].message.content == real_model.tokenizer.decode(expected, skip_special_tokens=True)
        ids = torch.tensor([*tokens.ids[0].tolist(), *expected])
        rows = real_model.run(ids, capture=monitor.sites, logits=False)
        offline = monitor.scores({site: rows[site][0] for site in monitor.sites})[-1, 0]
        score = json.loads(found.model_dump_json())["hooke"]["monitors"][0]["score"]
        if found.choices[0].finish_reason == "length":
            # Sums over 576 numbers of a stream with a few very large ones, in float32.
            assert score == pytest.approx(float(offline), rel=1e-3)
        assert live.gateway.canary.is_well
