import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import httpx
import openai
import torch

from hooke.directions.direction import Made
from hooke.directions.pooling import Pooling
from hooke.directions.probe import Probe, save_probe
from hooke.models.load import load
from hooke.monitors.digests import Digests, digests_of
from hooke.monitors.spec import MonitorSpec, Scorer, save_spec
from tests.cli.conftest import Hooke
from tests.cli.tiny_lab import TinyLab


def test_keys_are_added_listed_and_removed(hooke: Hooke):
    made = hooke("gateway key add mine --steering calm --per-minute 7 --operator --json").data
    assert made["secret"].startswith("hk-")
    (listed,) = hooke("gateway key list --json").data["keys"]
    assert (listed["name"], listed["per_minute"], listed["is_operator"], listed["steering"]) == (
        "mine",
        7,
        True,
        ["calm"],
    )
    assert "hash" not in listed
    shown = hooke("gateway key list").out
    assert "operator" in shown
    assert made["secret"] not in shown
    assert hooke("gateway key add mine").code == 2
    assert hooke("gateway key remove mine").code == 0
    assert hooke("gateway key remove mine").code == 2
    assert hooke("gateway key list --json").data == {"keys": []}


def test_a_gateway_that_nobody_could_ask_is_not_started(hooke: Hooke):
    done = hooke("gateway serve MODEL --port 0")
    assert done.code == 2
    assert "hooke gateway key add" in done.err


def test_what_is_not_in_the_lab_is_refused_before_it_listens(hooke: Hooke):
    hooke("gateway key add one")
    for words, said in (
        ("--monitor nothing", "nothing"),
        ("--steer nothing", "No recipe"),
        ("--monitor ../keys", "not a name"),
    ):
        done = hooke(f"gateway serve MODEL --port 0 {words}")
        assert done.code == 2
        assert said in done.err
    assert hooke("gateway key remove one").code == 0


def test_a_monitor_of_another_model_or_of_what_is_missing_is_refused_before_it_listens(hooke: Hooke, tiny: TinyLab):
    hooke("gateway key add one")
    foreign = replace(upward(tiny), name="foreign", valid_for=Digests(model="another"))
    lost = replace(upward(tiny), name="lost", scorers=(Scorer(features=("resid_post.1/3@nowhere",)),))
    for spec, code, said in ((foreign, 1, "not valid for this model"), (lost, 2, "nowhere")):
        save_spec(tiny.lab, spec)
        done = hooke(f"gateway serve MODEL --port 0 --offer {spec.name}")
        assert done.code == code
        assert said in done.err
    hooke("gateway key remove one")


def upward(tiny: TinyLab) -> MonitorSpec:
    """A monitor of the tiny model, with its probe in the lab."""
    model = load(tiny.model, lab=tiny.lab)
    made = Made(method="by hand", concept="none", model=model.name, model_fingerprint=model.fingerprint)
    vector = torch.linspace(-1.0, 1.0, 32)
    pooling = Pooling(how="max")
    save_probe(
        tiny.lab, Probe(name="up", sites=("resid_post.1",), vectors=(vector,), bias=0.5, pooling=pooling, made=made)
    )
    return MonitorSpec(
        name="upward",
        about="It goes up.",
        scorers=(Scorer(probe="up"),),
        pooling=pooling,
        act=1e6,
        valid_for=digests_of(model),
    )


def test_words_that_name_no_verb_of_keys_are_told_those_there_are(hooke: Hooke):
    done = hooke("gateway key ad x")
    assert done.code == 2
    assert "Did you mean 'add'" in done.err
    assert "hooke gateway key --help" in done.err


def test_it_serves_and_ends_on_a_signal(tiny: TinyLab, hooke: Hooke, tmp_path: Path):
    secret = hooke("gateway key add two --json").data["secret"]
    save_spec(tiny.lab, upward(tiny))
    key = tmp_path / "signing.pem"
    public = hooke(f"monitor new-key {key} --json").data["public_key"]
    program = "from hooke.cli.app import main; raise SystemExit(main())"
    words = [
        "gateway",
        "serve",
        str(tiny.model),
        "--port",
        "0",
        "--monitor",
        "upward",
        "--sign",
        str(key),
        "--json",
        "--lab",
        str(tiny.lab.root),
    ]
    environment = os.environ | {"NO_PROXY": "*"}
    with subprocess.Popen(
        [sys.executable, "-c", program, *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8", env=environment,
    ) as server:  # fmt: skip
        assert server.stdout
        assert server.stderr
        address = json.loads(server.stdout.readline())["address"]
        client = openai.OpenAI(
            base_url=address, api_key=secret, max_retries=2, http_client=httpx_without_proxy(), timeout=60
        )
        with client:
            found = client.completions.create(model="tiny-model", prompt="A secret cat", max_tokens=3)
        (verdict,) = (found.model_extra or {})["hooke"]["monitors"]
        assert (verdict["name"], verdict["level"], verdict["n_failed"]) == ("upward", "quiet", 0)
        server.send_signal(signal.SIGTERM)
        code, rest = server.wait(30), server.stderr.read()
    assert code in (0, 143, -15)
    lines = [json.loads(line) for line in rest.splitlines()]
    assert any(line["event"] == "request" and line["status"] == 200 and line["key"] == "two" for line in lines)
    assert "secret" not in rest.replace(secret, "")
    folder = tiny.lab.root / "audits" / "gateway"
    verified = hooke(f"monitor verify-log {folder} --key {public} --json").data["verified"]
    assert verified["n_signed"] == verified["n_anchors"] == 1
    entries = (folder / "log.jsonl").read_text()
    assert '"answer"' in entries
    assert '"upward"' in entries
    assert not any(line["event"] == "canary.silent" for line in lines)
    hooke("gateway key remove two")


def httpx_without_proxy():
    """A client that asks this machine itself, whatever the caller's environment says."""
    return openai.DefaultHttpxClient(trust_env=False) if hasattr(openai, "DefaultHttpxClient") else httpx.Client()
