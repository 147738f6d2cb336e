"""Latencies, memory and disk of the microscope's server at the starter's size and at a million features.

    python bench/server.py [--quick] [--starter LAB] [--million LAB] [--keep]

`hooke serve` runs as a process of its own; requests come over the loopback on one connection, one after the other,
each with another feature or another question, so that nothing is answered from memory of the same question. Times are
whole requests as a client sees them, with files in the page cache. A feature page is header, histogram and ten
examples, asked for one after the other. The index of a million features is made up (`million.py`); no model can fire
it, so what search by text costs behind the model is measured in this process on a made-up reading of 256 tokens.

`--starter LAB` takes the text of the starter's index, `--million LAB` an index `million`, from a lab that has them
already; `--keep` leaves what was made where it is.
"""

import argparse
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import million
import numpy as np
from peers.measure import report, versions

from hooke.features.aids import aids_folder
from hooke.features.prepare import prepare
from hooke.features.query import Index
from hooke.features.reading import RawReading
from hooke.features.search import by_text, shown
from hooke.lab import Lab
from hooke.models.load import load
from hooke.server.routes.search import hits_of
from hooke.text.corpora import open_corpus

TEXTS = ("The doctor said that the {} was old", "def {}(graph): return graph.edges", "La {} de la ville est belle")
N_CALLS = 100

Row = dict[str, Any]


@contextmanager
def serving(lab: Lab) -> Iterator[tuple[httpx.Client, int]]:
    """A client that is let in, and the server's process."""
    command = [str(Path(sys.executable).with_name("hooke")), "serve", "--port", "0", "--json", "--lab", str(lab.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            told = json.loads(server.stdout.readline())
            with httpx.Client(
                base_url=told["address"], headers={"X-Hooke": "1"}, timeout=300, trust_env=False
            ) as client:
                for _ in range(100):
                    with_link = _opened(client, told["link"])
                    if with_link:
                        break
                    time.sleep(0.1)
                yield client, server.pid
        finally:
            server.terminate()


def _opened(client: httpx.Client, link: str) -> bool:
    try:
        client.get(link, follow_redirects=False)
    except httpx.ConnectError:
        return False
    return True


def timed(name: str, call: Callable[[int], int], n: int) -> Row:
    """Milliseconds of n calls, and the largest answer; the first call is left out."""
    call(0)
    taken, sizes = [], []
    for number in range(1, n + 1):
        started = time.perf_counter()
        sizes.append(call(number))
        taken.append(1000 * (time.perf_counter() - started))
    found = np.array(taken)
    return {
        "what": name,
        "p50_ms": round(float(np.median(found)), 2),
        "p95_ms": round(float(np.quantile(found, 0.95)), 2),
        "kilobytes": round(max(sizes) / 1000, 1),
    }


def measured(size: str, lab: Lab, name: str, n: int) -> list[Row]:
    """All rows of one index."""
    index = Index.open(name, lab=lab)
    draw = random.Random(0)
    words = [word for label in _some_labels(index) for word in label.split()]
    texts = _snippets(index, draw, n + 1)
    kept = sorted(index.vocabulary.text(token) for token in range(300, 20_000))
    tokens = [token for token in kept if token.strip().isalpha() and len(token) > 3]
    base = f"/api/dictionaries/{name}"
    with serving(lab) as (client, process):

        def get(path: str, **query: Any) -> int:
            answer = client.get(base + path, params=query or None)
            answer.raise_for_status()
            return len(answer.content)

        def search(mode: str, question: Callable[[int], str], **more: Any) -> Callable[[int], int]:
            return lambda number: get("/search", q=question(number), mode=mode, **more)

        def page(number: int) -> int:
            feature = draw.randrange(len(index))
            return sum(get(f"/features/{feature}{panel}") for panel in ("", "/histogram", "/examples"))

        calls: dict[str, Callable[[int], int]] = {
            "feature page: header, histogram, 10 examples": page,
            "one panel: effects": lambda _: get(f"/features/{draw.randrange(len(index))}/effects"),
            "one panel: neighbours": lambda _: get(f"/features/{draw.randrange(len(index))}/neighbours"),
            "listing: first page, no filter": lambda number: get("/features", limit=50 + number % 3),
            "listing: sorted, two filters": lambda number: get(
                "/features", sort="score", descending=True, max_density=0.01 - number * 1e-5, alive=True
            ),
            "listing: a facet, by label, deep page": lambda number: get(
                "/features", sort="label", kind="token", min_density=number * 1e-9, cursor=str(len(index) // 8)
            ),
            "search words: one word": search("words", lambda _: draw.choice(words)),
            "search words: beginning of a word": search("words", lambda _: draw.choice(words)[:2]),
            "search words: two words": search("words", lambda _: f"{draw.choice(words)} {draw.choice(words)[:3]}"),
            "search meaning": search("meaning", lambda _: f"{draw.choice(words)} {draw.choice(words)}"),
            "search token: promoted": search("token", lambda _: draw.choice(tokens)),
            "search token: suppressed": search("token", lambda _: draw.choice(tokens), direction="suppressed"),
            "search examples: one word": search("examples", lambda _: draw.choice(words)),
            "search examples: a phrase of the text": search("examples", lambda number: texts[number]),
        }
        rows = [timed(what, call, n) for what, call in calls.items()]
        if size == "starter":
            short = TEXTS[0].format("house")
            get("/search", q=short, mode="text")
            rows.append(
                timed(
                    "search text: 8 tokens, with the model's run",
                    search("text", lambda number: TEXTS[number % 3].format(words[number])),
                    max(3, n // 5),
                )
            )
        rows.append(timed("map: all points", lambda _: get("/map"), max(3, n // 10)))
        held = _memory(process)
    rows.append(timed("search text: behind the model, 256 tokens", _behind_the_model(index), max(3, n // 5)))
    return [{"size": size, **row} for row in rows] + [
        {"size": size, "what": f"memory of the server: {kind}", "megabytes": held[key]}
        for kind, key in (("its own", "RssAnon"), ("pages of mapped files", "RssFile"))
    ]


def _behind_the_model(index: Index) -> Callable[[int], int]:
    generator = np.random.default_rng(0)

    def call(number: int) -> int:
        values = generator.lognormal(0, 1, (256, 32)).astype(np.float32)
        raw = RawReading(np.full(256, 300), np.arange(256) > 0, values, generator.integers(0, len(index), (256, 32)))
        found = by_text(index, raw, "score")
        part = shown(index, found, max_density=0.01, start=0, limit=20)
        hits = hits_of(index, found, part, "", "text", "promoted")
        return sum(len(hit.model_dump_json()) for hit in hits)

    return call


def _some_labels(index: Index) -> list[str]:
    ids = np.random.default_rng(1).integers(1, len(index), 400).tolist()
    return [" ".join(label.words.split()[:6]) for label in index.labels.rows(ids).values() if label.words]


def _snippets(index: Index, draw: random.Random, n: int) -> list[str]:
    """Pieces of the text, three tokens each."""
    text = index.text
    assert text is not None
    found = []
    while len(found) < n:
        window, at = draw.randrange(index.manifest.n_windows), draw.randrange(2, 200)
        tokens = text.window("tokens", window, at, at + 3).tolist()
        if not index.vocabulary.special & set(tokens):
            found.append("".join(index.vocabulary.texts(tokens)).strip() or "the")
    return found


def _memory(process: int) -> dict[str, float]:
    status = Path(f"/proc/{process}/status").read_text()
    return {name: round(int(kb) * 1024 / 1e6) for name, kb in re.findall(r"(RssAnon|RssFile):\s+(\d+)", status)}


def disk(size: str, index: Index) -> list[Row]:
    """What an index takes on disk, and what was made of it."""
    folders = {"the index": index.folder, "what was made of it to answer quickly": aids_folder(index)}
    return [
        {
            "size": size,
            "what": f"disk: {what}",
            "megabytes": round(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6),
        }
        for what, folder in folders.items()
    ]


def starter(place: Path, n: int) -> list[Row]:
    """The starter's index with its text, everything made."""
    lab = Lab(place)
    index = Index.open("starter", lab=lab)
    model = load(index.manifest.model, lab=lab)
    index.fetch_text(model.tokenizer, open_corpus(index.manifest.corpus))
    prepare(index, model)
    return measured("starter", lab, index.manifest.name, n) + disk("starter", index)


def large(place: Path, n: int, n_features: int, n_tokens: int) -> list[Row]:
    """The made-up index; made where it is not there."""
    lab = Lab(place)
    rows: list[Row] = []
    if "million" not in lab.names("features"):
        taken = million.make(lab.path("features", "million"), n_features, n_tokens)
        rows += [{"size": "million", "what": f"making it up: {part}", "seconds": round(s)} for part, s in taken.items()]
    index = Index.open("million", lab=lab)
    started = time.perf_counter()
    prepare(index)
    seconds = round(time.perf_counter() - started)
    if seconds:
        what = "preparing it: orders, vectors, phrases, map (once)"
        rows.append({"size": "million", "what": what, "seconds": seconds})
    return rows + measured("million", lab, "million", n) + disk("million", index)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--starter", type=Path, help="a lab that has the starter's text already")
    parser.add_argument("--million", type=Path, help="a lab that has the index already")
    parser.add_argument("--keep", action="store_true", help="leave the made-up index where it is")
    asked = parser.parse_args()
    n = 5 if asked.quick else N_CALLS
    shape = (20_000, 300_000) if asked.quick else (1_000_000, 10_000_000)
    place = Path(tempfile.mkdtemp(prefix="hooke-bench-"))
    try:
        rows = starter(asked.starter or place / "starter", n) + large(asked.million or place / "million", n, *shape)
    finally:
        if not asked.keep:
            shutil.rmtree(place, ignore_errors=True)
        else:
            print(place, file=sys.stderr)
    report(tool="hooke", rows=rows, versions=versions("fastapi", "uvicorn", "numpy"))


if __name__ == "__main__":
    main()
