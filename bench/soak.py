"""The gateway under mixed load with faults: what it answered, what memory it took, and whether its log holds.

    python bench/soak.py [--minutes 30] [--clients 6] [--model smollm2-135m]

A real `hooke gateway serve` watches with probe monitors of the lab made here (random: only the plumbing is tried) and a
monitor of dictionary features. Clients send good requests, whole and streamed, steered and not, and faults: broken
JSON, huge bodies, wrong keys, strengths out of bounds, unknown names, clients that leave in the middle, and connections
that send a byte a second. Halfway through the server is killed and started anew on the same log. Each kind of request
knows what the answer must be; whatever else comes is an error. Prints one JSON object.
"""

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from gateway import DICTIONARY, monitor, opened

from hooke.directions.recipe import Recipe, RecipeEdit, save_recipe
from hooke.lab import Lab
from hooke.models.load import load
from hooke.monitors.audit_check import exported, verify
from hooke.monitors.spec import Scorer, save_spec
from hooke.server.gateway.keys import add_key

PROMPTS = (
    "The old bridge over the river",
    "Question: what is the capital of France?\nAnswer:",
    "Once upon a time there was a little girl who lived near the wood, and every morning she went to",
    "def add(a, b):\n    return",
)


@dataclass
class Tally:
    """What came back, by kind of request."""

    good: Counter[str] = field(default_factory=Counter)
    """Answers as they had to be."""
    busy: Counter[str] = field(default_factory=Counter)
    """Told to try again, or cut off by the kill: neither is an error."""
    bad: Counter[str] = field(default_factory=Counter)
    """Anything else, with what it was."""
    acknowledged: set[str] = field(default_factory=set)
    """Requests whose answer came back whole."""
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True)
class Client:
    """One that sends requests of all kinds."""

    address: str
    key: str
    model: str
    tally: Tally
    is_down: threading.Event
    """Set while the server is killed."""

    def run(self, until: float, seed: int) -> None:
        draw = random.Random(seed)
        kinds: dict[str, tuple[int, Callable[[random.Random, httpx.Client], str]]] = {
            "chat": (6, self.chat), "completion": (6, self.completion), "streamed": (6, self.streamed),
            "steered": (4, self.steered), "leaves": (2, self.leaves), "broken JSON": (1, self.broken),
            "huge body": (1, self.huge), "wrong key": (1, self.wrong_key), "too strong": (1, self.too_strong),
            "unknown monitor": (1, self.unknown_monitor), "too long": (1, self.too_long), "slow": (1, self.slow),
        }  # fmt: skip
        names, weights = list(kinds), [weight for weight, _ in kinds.values()]
        with httpx.Client(base_url=self.address, timeout=180, trust_env=False) as client:
            while time.monotonic() < until:
                name = draw.choices(names, weights)[0]
                was_down = self.is_down.is_set()
                try:
                    found = kinds[name][1](draw, client)
                except (httpx.HTTPError, OSError) as error:
                    found = "cut off" if was_down or self.is_down.is_set() else f"{type(error).__name__}: {error}"
                with self.tally.lock:
                    counts = {"as it must": self.tally.good, "busy": self.tally.busy, "cut off": self.tally.busy}
                    if found in counts:
                        counts[found][name] += 1
                    else:
                        self.tally.bad[f"{name}: {found}"] += 1
                if found in ("busy", "cut off"):
                    time.sleep(1)

    def body(self, draw: random.Random, **more: Any) -> dict[str, Any]:
        return {"model": self.model, "max_tokens": draw.randint(1, 24), "temperature": draw.choice([0, 1]), **more}

    def post(self, client: httpx.Client, path: str, body: dict[str, Any], key: str = "") -> httpx.Response:
        return client.post(path, json=body, headers={"authorization": f"Bearer {key or self.key}"})

    def judged(self, answer: httpx.Response, status: int = 200) -> str:
        if answer.status_code == 429:
            return "busy" if answer.headers.get("retry-after") else "429 without Retry-After"
        if answer.status_code != status:
            return f"{answer.status_code} {answer.text[:120]}"
        if status != 200:
            return "as it must" if answer.json()["error"]["message"] else "no message"
        told = answer.json()["hooke"]
        if any(one["score"] is None for one in told["monitors"]) or len(told["monitors"]) < 3:
            return "a monitor is missing"
        with self.tally.lock:
            self.tally.acknowledged.add(told["request"])
        return "as it must"

    def chat(self, draw: random.Random, client: httpx.Client) -> str:
        messages = [{"role": "user", "content": draw.choice(PROMPTS)}]
        return self.judged(self.post(client, "/v1/chat/completions", self.body(draw, messages=messages)))

    def completion(self, draw: random.Random, client: httpx.Client) -> str:
        return self.judged(self.post(client, "/v1/completions", self.body(draw, prompt=draw.choice(PROMPTS))))

    def steered(self, draw: random.Random, client: httpx.Client) -> str:
        steering = [{"name": "push", "strength": draw.random()}]
        body = self.body(draw, prompt=draw.choice(PROMPTS), hooke={"steering": steering, "monitors": ["offered"]})
        return self.judged(self.post(client, "/v1/completions", body))

    def streamed(self, draw: random.Random, client: httpx.Client) -> str:
        body = self.body(draw, prompt=draw.choice(PROMPTS), stream=True)
        with client.stream("POST", "/v1/completions", json=body, headers=self.heads) as answer:
            if answer.status_code != 200:
                answer.read()
                return self.judged(answer)
            chunks = [line for line in answer.iter_lines() if line.startswith("data: ")]
        if chunks[-1] != "data: [DONE]":
            return "cut off" if self.is_down.is_set() else "the stream did not end"
        told = next(one["hooke"] for one in map(json.loads, (c[6:] for c in reversed(chunks[:-1]))) if "hooke" in one)
        with self.tally.lock:
            self.tally.acknowledged.add(told["request"])
        return "as it must"

    def leaves(self, draw: random.Random, client: httpx.Client) -> str:
        body = self.body(draw, prompt=draw.choice(PROMPTS), stream=True) | {"max_tokens": 200}
        with client.stream("POST", "/v1/completions", json=body, headers=self.heads) as answer:
            if answer.status_code != 200:
                answer.read()
                return self.judged(answer)
            next(answer.iter_lines())
        return "as it must"

    def broken(self, draw: random.Random, client: httpx.Client) -> str:
        answer = client.post(
            "/v1/completions", content='{"prompt": "a', headers=self.heads | {"content-type": "application/json"}
        )
        return self.judged(answer, 400)

    def huge(self, draw: random.Random, client: httpx.Client) -> str:
        return self.judged(self.post(client, "/v1/completions", self.body(draw, prompt="word " * 400_000)), 413)

    def wrong_key(self, draw: random.Random, client: httpx.Client) -> str:
        return self.judged(self.post(client, "/v1/completions", self.body(draw, prompt="a"), key="hk-" + "0" * 40), 401)

    def too_strong(self, draw: random.Random, client: httpx.Client) -> str:
        body = self.body(draw, prompt="a", hooke={"steering": [{"name": "push", "strength": 50}]})
        return self.judged(self.post(client, "/v1/completions", body), 403)

    def unknown_monitor(self, draw: random.Random, client: httpx.Client) -> str:
        body = self.body(draw, prompt="a", hooke={"monitors": ["../../secret"]})
        return self.judged(self.post(client, "/v1/completions", body), 404)

    def too_long(self, draw: random.Random, client: httpx.Client) -> str:
        return self.judged(self.post(client, "/v1/completions", self.body(draw, prompt="word " * 20_000)), 400)

    def slow(self, draw: random.Random, client: httpx.Client) -> str:
        host, port = self.address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=60) as wire:
            wire.sendall(b"POST /v1/completions HTTP/1.1\r\nhost: a\r\n")
            began = time.monotonic()
            try:
                while time.monotonic() - began < 30:
                    wire.sendall(b"x")
                    wire.settimeout(1)
                    try:
                        if not wire.recv(100):
                            return "as it must"
                    except TimeoutError:
                        continue
            except (BrokenPipeError, ConnectionResetError):
                return "as it must"
        return "a slow head was waited for"

    @property
    def heads(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.key}"}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--model", default="smollm2-135m")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(soak(Lab(Path(folder)), asked.model, asked.minutes * 60, asked.clients)))


def soak(lab: Lab, model: str, seconds: float, n_clients: int) -> dict[str, Any]:
    prepare(lab, model)
    key = add_key(lab, "soak", steering=("*",), per_minute=100_000, at_once=64)
    watcher = add_key(lab, "watcher", per_minute=100_000, is_operator=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address, tally, is_down = f"http://127.0.0.1:{port}", Tally(), threading.Event()
    server = Serving(lab, model, port, watcher)
    server.start()
    until = time.monotonic() + seconds
    client = Client(address, key, model, tally, is_down)
    threads = [threading.Thread(target=client.run, args=(until, seed)) for seed in range(n_clients)]
    for one in threads:
        one.start()
    while time.monotonic() < until - seconds / 2:
        server.look()
        time.sleep(5)
    is_down.set()
    server.kill()
    server.start()
    time.sleep(5)
    is_down.clear()
    while any(one.is_alive() for one in threads):
        server.look()
        time.sleep(5)
    is_well, ended = server.stop()
    found = verify(lab.path("audits", "gateway"))
    entries = exported(lab.path("audits", "gateway"))
    logged = {one["body"]["request"] for one in entries if one["event"] == "answer"}
    return {
        "minutes": seconds / 60, "clients": n_clients, "model": model,
        "good": dict(tally.good), "busy": dict(tally.busy), "errors": dict(tally.bad),
        "acknowledged": len(tally.acknowledged), "acknowledged_but_not_logged": len(tally.acknowledged - logged),
        "entries": found.n, "log_is_sound": found.is_sound, "torn_bytes": found.torn_bytes,
        "problems": [one.told for one in found.problems],
        "megabytes": server.memory, "canary_is_well": is_well, "exit_status": ended,
        "tracebacks": server.log.read_text().count("Traceback"),
    }  # fmt: skip


@dataclass
class Serving:
    """The gateway's process."""

    lab: Lab
    model: str
    port: int
    watcher: str
    memory: list[list[float]] = field(default_factory=list)
    """Resident megabytes every five seconds, a list for each start."""

    @property
    def log(self) -> Path:
        return self.lab.root / "gateway.log"

    def start(self) -> None:
        watching = [word for name in ("one", "two", "features") for word in ("--monitor", name)]
        words = ["gateway", "serve", self.model, *watching, "--offer", "offered", "--steer", "push"]
        command = [str(Path(sys.executable).parent / "hooke"), *words, "--port", str(self.port), "--canary", "30"]
        with self.log.open("a") as out:
            self.process = subprocess.Popen([*command, "--lab", str(self.lab.root)], stdout=out, stderr=out)
        self.memory.append([])
        began = time.monotonic()
        while time.monotonic() - began < 300:
            try:
                if httpx.get(f"http://127.0.0.1:{self.port}/ready", trust_env=False).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(1)
        raise SystemExit(f"the gateway did not start: {self.log.read_text()[-500:]}")

    def look(self) -> None:
        status = Path(f"/proc/{self.process.pid}/statm").read_text().split()
        self.memory[-1].append(round(int(status[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6, 1))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> tuple[bool, int]:
        heads = {"authorization": f"Bearer {self.watcher}"}
        metrics = httpx.get(f"http://127.0.0.1:{self.port}/metrics", headers=heads, trust_env=False).text
        self.process.send_signal(signal.SIGTERM)
        return "hooke_canary_is_well 1" in metrics, self.process.wait(timeout=120)


def prepare(lab: Lab, name: str) -> None:
    model = load(name)
    middle = model.n_layers // 2
    for one in (
        monitor(model, lab, "one", [f"resid_post.{middle}"]),
        monitor(model, lab, "two", [f"resid_post.{middle // 2}", f"resid_post.{middle}"]),
        monitor(model, lab, "offered", [f"resid_post.{middle}"]),
        opened(model, lab, "features", Scorer(features=(f"resid_post.15/7@{DICTIONARY}",))),
    ):
        save_spec(lab, one.spec)
    width = model.row_width(model.expand([f"resid_post.{middle}"])[0])
    edit = RecipeEdit(site=f"resid_post.{middle}", vector=tuple([0.1] * width), strength=1.0)
    save_recipe(lab, Recipe(name="push", edits=(edit,)))


if __name__ == "__main__":
    main()
