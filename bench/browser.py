"""The microscope in a real browser, on the starter dictionary: how long a person waits, and what it takes.

    python bench/browser.py [--quick] [--lab LAB]

`hooke serve` runs as a process of its own and Debian's chromium looks at it, headless, with software rendering: frame
times are a floor for the machine, not a target. Times are from the user's act to the change that it asked for, as the
page itself sees it, at the second frame after it. The first of each kind is left out: it loads what the others use.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from peers.measure import report, versions
from playwright.sync_api import Page, sync_playwright

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


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few repetitions: shows that it works")
    parser.add_argument("--lab", type=Path, help="a lab that has the model and the text of the starter's index")
    asked = parser.parse_args()
    repetitions = 3 if asked.quick else 12
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(asked.lab or Path(folder), repetitions)
    report(tool="hooke", versions=versions("playwright"), rows=rows)


def measure(lab: Path, repetitions: int) -> list[dict[str, Any]]:
    """Rows of what was waited for, in milliseconds, and of what it took, in kilobytes and megabytes."""
    command = [str(Path(sys.executable).with_name("hooke")), "serve", "--port", "0", "--json", "--lab", str(lab)]
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
                rows += _waits(page, told["address"].rstrip("/"), repetitions)
                tab = page.evaluate("performance.memory.usedJSHeapSize") / 1e6
                rows.append({"what": "script memory of the tab", "megabytes": tab})
                rows.append({"what": "server, own memory", "megabytes": _own_megabytes(server.pid)})
        finally:
            server.terminate()
    sizes = [file.stat().st_size for file in STATIC.rglob("*") if file.is_file()]
    return [*rows, {"what": "the built pages, all files", "kilobytes": sum(sizes) / 1000}]


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
