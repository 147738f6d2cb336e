"""The microscope in a real browser, on the starter dictionary: how long a person waits, and what it takes.

    python bench/browser.py [--quick] [--lab LAB]

`hooke serve` runs as a process of its own and Debian's chromium looks at it, headless, with software rendering: frame
times are a floor for the machine, not a target. Times are from the user's act to the change that it asked for, as the
page itself sees it, at the second frame after it. The first of each kind is left out: it loads what the others use.
A hover begins with the time stamp of the pointer's event and goes from one token, bar, cell or point to another. The
tooltip of a token is the browser's own, which no page can see painted: there it is the token's hover state that counts.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from peers.measure import report, versions
from playwright.sync_api import Page, sync_playwright

from hooke.features.query import Index
from hooke.lab import open_lab
from hooke.models.load import load
from hooke.text.corpora import open_corpus

STATIC = Path(__file__).resolve().parent.parent / "src" / "hooke" / "server" / "static"
DICTIONARY = "/d/smollm2-res"

# Resolves with the milliseconds from an act to the second frame after its effect. (The pages forbid eval.)
UNTIL = """async () => {{
  const effect = () => {effect};
  const started = performance.now(), before = effect();
  {act};
  while (effect() === before) await new Promise(requestAnimationFrame);
  await new Promise(requestAnimationFrame);
  return performance.now() - started;
}}"""
FRAMES = """async () => {
  let box = document.querySelector('[role=row][aria-rowindex]');
  while (box.scrollHeight < box.clientHeight + 500) box = box.parentElement;
  const times = [];
  let last = performance.now();
  for (let n = 0; n < 90; n++) {
    box.scrollTop += 120;
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    times.push(now - last);
    last = now;
  }
  return times;
}"""
ROW = "[role=row][aria-rowindex]"
TOTAL = "document.querySelector('.chips b').textContent"
CURRENT = f"document.querySelector('{ROW}.current')?.getAttribute('aria-rowindex')"
FILTER = """const box = [...document.querySelectorAll('label')].find(one => one.textContent.includes('density ≤'))
    .querySelector('select');
  box.selectedIndex = {place};
  box.dispatchEvent(new Event('change', {{bubbles: true}}))"""
KEY = "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'j', bubbles: true}))"


# Makes ready for one movement of the pointer: milliseconds from its event to the second frame after its effect, or null
# where it had none, as from a point to the same point.
HOVER = """() => {{
  const effect = () => {effect};
  const before = effect();
  window.hovered = new Promise(done => window.addEventListener('pointermove', async event => {{
    do {{
      if (performance.now() - event.timeStamp > 1000) return done(null);
      await new Promise(requestAnimationFrame);
    }} while (effect() === before);
    await new Promise(requestAnimationFrame);
    done(performance.now() - event.timeStamp);
  }}, {{capture: true, once: true}}));
}}"""
# The middles of the elements that can be pointed at without scrolling.
MIDDLES = """selector => [...document.querySelectorAll(selector)].flatMap(one => {
  const box = one.getClientRects()[0];
  if (!box) return [];
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  return document.elementFromPoint(x, y) === one ? [[x, y]] : [];
})"""
TOKEN = ".tokens [title]"
POINTED = f"[...document.querySelectorAll('{TOKEN}')].indexOf(document.querySelector('{TOKEN}:hover'))"
BAR = "svg .catch"
MARKED_BAR = "[...document.querySelectorAll('svg .bar')].findIndex(one => one.classList.contains('pointed'))"
CELL = "document.querySelector('.said span').textContent"
POINT = "document.querySelector('.tip b')?.textContent"
NODE = "document.querySelector('.tip b')?.textContent + document.querySelector('.tip')?.style.left"
SHOWN = "document.querySelector('.count').textContent"
SLIDE = """const bar = document.querySelector('.controls input[type=range]');
  bar.value = {share};
  bar.dispatchEvent(new Event('input', {{bubbles: true}}))"""
DRAGGED = """() => { window.isDragged = false; window.dragged = new Promise(async done => {
  const times = [];
  let last = await new Promise(requestAnimationFrame);
  for (let n = 0; n < 60; n++) {
    const now = await new Promise(requestAnimationFrame);
    times.push(now - last);
    last = now;
  }
  window.isDragged = true;
  done(times);
}); }"""
GRAPH = "bench-graph"
TRACED = "The official language of the country where Osaka is located is"
PROMPT = "The Eiffel Tower is in the city of Paris, and the Colosseum is in the city of Rome."

Places = list[tuple[float, float]]


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few repetitions: shows that it works")
    parser.add_argument("--lab", type=Path, help="a lab that has the model and the text of the starter's index")
    asked = parser.parse_args()
    repetitions, n_hovers = (3, 5) if asked.quick else (12, 40)
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(asked.lab or Path(folder), repetitions, n_hovers)
    report(tool="hooke", versions=versions("playwright"), rows=rows)


def measure(lab: Path, repetitions: int, n_hovers: int) -> list[dict[str, Any]]:
    """Rows of what was waited for, in milliseconds, and of what it took, in kilobytes and megabytes."""
    hooke = str(Path(sys.executable).with_name("hooke"))
    _fetch_text(lab)
    if not (lab / "graphs" / f"{GRAPH}.json").exists():
        told = ["trace", "smollm2-135m", TRACED, "--name", GRAPH, "--max-nodes", "4600", "--lab", str(lab), "--json"]
        subprocess.run([hooke, *told], check=True, stdout=subprocess.DEVNULL)
    command = [hooke, "serve", "--port", "0", "--json", "--lab", str(lab)]
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            told = json.loads(server.stdout.readline())
            listening = time.perf_counter() - started
            with sync_playwright() as playwright:
                chromium = playwright.chromium.launch(
                    executable_path=shutil.which("chromium"),
                    args=["--no-sandbox", "--disable-dev-shm-usage", "--enable-precise-memory-info"],
                )
                page = chromium.new_page(viewport={"width": 1400, "height": 1000})
                begun = time.perf_counter()
                page.goto(told["link"])
                page.get_by_role("heading", level=1).wait_for()
                first = time.perf_counter() - begun
                rows = [_row("hooke serve until it listens", [listening * 1000])]
                rows.append(_row("the first page of a fresh browser", [first * 1000]))
                address = told["address"].rstrip("/")
                rows += _waits(page, address, repetitions)
                rows += _graph(page, address, repetitions, n_hovers)
                tab = page.evaluate("performance.memory.usedJSHeapSize") / 1e6
                rows.append({"what": "script memory of the tab", "megabytes": tab})
                rows.append({"what": "server, own memory", "megabytes": _own_megabytes(server.pid)})
                # Last, because the prompt loads the model, which would count as the server's memory.
                rows += _hovers(page, address, n_hovers)
        finally:
            server.terminate()
    sizes = [file.stat().st_size for file in STATIC.rglob("*") if file.is_file()]
    return [*rows, {"what": "the built pages, all files", "kilobytes": sum(sizes) / 1000}]


def _fetch_text(lab: Path) -> None:
    here = open_lab(lab)
    index = Index.open("starter", lab=here)
    if index.text is None:
        index.fetch_text(load(index.manifest.model, lab=here).tokenizer, open_corpus(index.manifest.corpus))


def _waits(page: Page, address: str, repetitions: int) -> list[dict[str, Any]]:
    def feature(number: int) -> float:
        begun = time.perf_counter()
        page.goto(f"{address}{DICTIONARY}/f/{100 + number}")
        page.get_by_text("What fires it").wait_for()
        page.locator(".tokens").first.wait_for()
        return (time.perf_counter() - begun) * 1000

    def changed(number: int) -> float:
        return page.evaluate(UNTIL.format(act=FILTER.format(place=1 + number % 3), effect=TOTAL))

    def chosen(_: int) -> float:
        return page.evaluate(UNTIL.format(act=KEY, effect=CURRENT))

    rows = [_row("a feature page opened by its address, until its examples are there", _repeat(feature, repetitions))]
    page.goto(f"{address}{DICTIONARY}")
    page.locator(ROW).nth(3).wait_for()
    rows.append(_row("a filter changed, until the new count is there", _repeat(changed, repetitions)))
    page.goto(f"{address}{DICTIONARY}")
    page.locator(ROW).nth(3).wait_for()
    rows.append(_row("a key, until the next row is marked", _repeat(chosen, repetitions)))
    rows.append(_row("a frame while the list scrolls", page.evaluate(FRAMES)[5:]))
    return rows


def _graph(page: Page, address: str, repetitions: int, n_hovers: int) -> list[dict[str, Any]]:
    """A graph of 5,000 nodes and 100,000 edges, as it opens, and then with every node and every edge drawn."""

    def opened(_: int, query: str = "") -> float:
        begun = time.perf_counter()
        page.goto(f"{address}/g/{GRAPH}{query}")
        page.locator(".count").first.wait_for()
        page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return (time.perf_counter() - begun) * 1000

    def slid(number: int) -> float:
        return page.evaluate(UNTIL.format(act=SLIDE.format(share=0.3 + 0.05 * (number % 8)), effect=SHOWN))

    rows = [_row("a graph opened by its address, until it is drawn", _repeat(opened, repetitions))]
    rows.append(_row("the slider of a graph's nodes, until the new graph is drawn", _repeat(slid, repetitions)))
    rows += _moved(page, "as it opens", n_hovers)
    every = _repeat(lambda number: opened(number, "?nodes=1&edges=1&rest=true&constants=true"), min(3, repetitions))
    rows.append(_row("the same with every node and edge, until it is drawn", every))
    return rows + _moved(page, "with every node and edge", n_hovers)


def _moved(page: Page, how: str, n_hovers: int) -> list[dict[str, Any]]:
    places = _scattered(page, "canvas.above")
    hovers = _hover(page, places, NODE, n_hovers)
    page.evaluate(DRAGGED)
    (x, y), *_ = places
    page.mouse.move(x, y)
    page.mouse.down()
    while not page.evaluate("() => window.isDragged"):
        x, y = x + 2, y + 1
        page.mouse.move(x, y)
    page.mouse.up()
    return [
        _row(f"the pointer on another node of a graph {how}, until its tip is there", hovers),
        _row(f"a frame while a graph is moved, {how}", page.evaluate("() => window.dragged")[5:]),
    ]


def _hovers(page: Page, address: str, n: int) -> list[dict[str, Any]]:
    page.goto(f"{address}{DICTIONARY}/f/100")
    page.locator(TOKEN).nth(30).wait_for()
    page.locator(BAR).first.wait_for()
    tokens, bars = page.evaluate(MIDDLES, TOKEN), page.evaluate(MIDDLES, BAR)
    rows = [
        _row(
            "the pointer on another token of an example, until it is the hovered one", _hover(page, tokens, POINTED, n)
        ),
        _row("the pointer on another bar of the histogram, until it is marked", _hover(page, bars, MARKED_BAR, n)),
    ]
    page.goto(f"{address}/p?dictionary={DICTIONARY.rpartition('/')[2]}")
    page.get_by_label("Prompt", exact=True).fill(PROMPT)
    page.get_by_role("button", name="Run", exact=True).click()
    cells = _scattered(page, "[role=grid] canvas")
    rows.append(
        _row("the pointer on another cell of a prompt's grid, until it is outlined", _hover(page, cells, CELL, n))
    )
    page.goto(f"{address}{DICTIONARY}/map")
    compute, canvas = page.get_by_role("button", name="Compute the map"), page.locator(".field canvas")
    compute.or_(canvas).first.wait_for()
    if compute.is_visible():
        compute.click()
    points = _scattered(page, ".field canvas")
    rows.append(_row("the pointer on another point of the map, until its tip is there", _hover(page, points, POINT, n)))
    return rows


def _scattered(page: Page, selector: str) -> Places:
    """Places all over an element, the same ones each time, away from its edges."""
    element = page.locator(selector)
    element.wait_for(timeout=300_000)
    page.wait_for_timeout(1000)
    box = element.bounding_box()
    assert box
    draw = random.Random(0)
    share = [(draw.uniform(0.15, 0.85), draw.uniform(0.15, 0.85)) for _ in range(200)]
    return [(box["x"] + across * box["width"], box["y"] + down * box["height"]) for across, down in share]


def _hover(page: Page, places: Places, effect: str, n: int) -> list[float]:
    """Milliseconds of that many movements that had an effect, the first one left out."""
    taken: list[float] = []
    for x, y in islice(cycle(places), 4 * n):
        page.evaluate(HOVER.format(effect=effect))
        page.mouse.move(x, y)
        waited = page.evaluate("() => window.hovered")
        if waited is not None:
            taken.append(waited)
        if len(taken) > n:
            return taken[1:]
    raise RuntimeError(f"Only {len(taken)} of {4 * n} movements of the pointer had an effect.")


def _repeat(act: Callable[[int], float], repetitions: int) -> list[float]:
    return [act(number) for number in range(repetitions + 1)][1:]


def _row(what: str, milliseconds: list[float]) -> dict[str, Any]:
    high = quantiles(milliseconds, n=20)[-1] if len(milliseconds) > 2 else max(milliseconds)
    return {"what": what, "n": len(milliseconds), "p50_ms": median(milliseconds), "p95_ms": high}


def _own_megabytes(process: int) -> float:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) * 1024 / 1e6


if __name__ == "__main__":
    main()
