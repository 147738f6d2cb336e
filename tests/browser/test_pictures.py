"""Every drawing beside the picture that was kept of it, in both themes; those on a canvas at two device scales.

The unlisted page /specimens draws everything from fixed data, in a typeface of blocks, so that no font matters. After a
change that is meant:

    pytest tests/browser/test_pictures.py --renew-pictures

and look at the pictures in tests/browser/pictures before they are committed.
"""

import base64
import json
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

from hooke.lab import Lab
from tests.browser.block_font import block_font
from tests.browser.compare import compare
from tests.server.tiny_server import Microscope, running

PICTURES = Path(__file__).parent / "pictures"
PATIENCE = 10.0
"""Seconds that a drawing gets to become what it should be."""

PLAIN = {
    "difference": "#difference",
    "heat": "#heat",
    "histogram": "#histogram svg",
    "lines": "#lines svg",
    "sparkline": "#sparkline",
}
CANVASES = {
    "attention": "#attention-specimen .both",
    "graph": "#graph .field",
    "grid": "#grid .box",
    "plane": "#plane .field",
    "scatter": "#scatter .field",
}
CASES = [
    (mark, theme, scale)
    for scale, marks in ((1, {**PLAIN, **CANVASES}), (2, CANVASES))
    for mark in sorted(marks)
    for theme in ("light", "dark")
]

BLOCKS = """(() => {
  const bytes = Uint8Array.from(atob('FONT'), one => one.charCodeAt(0));
  document.fonts.add(new FontFace('Blocks', bytes));
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`:root, :root[data-theme] { --sans: Blocks; --mono: Blocks; --serif: Blocks; }
    *, *::before, *::after { transition: none !important; animation: none !important; caret-color: transparent; }`);
  document.adoptedStyleSheets = [sheet];
})()"""

Specimens = Callable[[str, int], Page]


@pytest.fixture(scope="module")
def empty_microscope(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Microscope]:
    """A server over a lab with nothing in it."""
    with running(Lab(tmp_path_factory.mktemp("empty"))) as server:
        yield server


@pytest.fixture(scope="module")
def specimens(empty_microscope: Microscope, browser: Browser) -> Iterator[Specimens]:
    """The page of specimens in a theme at a device scale, opened once for all that look at it."""
    pages: dict[tuple[str, int], Page] = {}
    script = BLOCKS.replace("FONT", base64.b64encode(block_font()).decode())

    def opened(theme: str, scale: int) -> Page:
        if (theme, scale) not in pages:
            page = browser.new_page(
                # High enough that nothing is scrolled: the bar at the top would lie over what is.
                viewport={"width": 1000, "height": 3100},
                device_scale_factor=scale,
                color_scheme="dark" if theme == "dark" else "light",
                reduced_motion="reduce",
            )
            page.add_init_script(script)
            page.route("**/features/0/histogram", answer_histogram)
            page.route("**/attention/0/0", answer_attention)
            page.goto(empty_microscope.link("/specimens"))
            for selector in (PLAIN | CANVASES).values():
                expect(page.locator(selector)).to_be_visible()
            pages[theme, scale] = page
        return pages[theme, scale]

    yield opened
    for page in pages.values():
        page.close()


def answer_histogram(route: Route) -> None:
    """Nine bins, the first of them empty, with a long tail."""
    answer = {
        "edges": [2.0 ** (place / 2 - 2) for place in range(10)],
        "counts": [0, 4000, 2500, 900, 300, 0, 40, 6, 1],
        "n_zero": 90_000,
        "quantiles": [{"share": 0.5, "value": 0.5}, {"share": 0.9, "value": 1.1}, {"share": 0.99, "value": 2.6}],
        "by_source": [],
    }
    route.fulfill(content_type="application/json", body=json.dumps(answer))


def answer_attention(route: Route) -> None:
    """Thirteen tokens that read themselves, the first token, and every third one a little."""
    rows = [[255 if one in (0, to) else 60 * (one % 3 == 1) for one in range(to + 1)] for to in range(13)]
    scales = [1 / max(1, sum(row)) for row in rows]
    arrays = {
        "pattern": np.array([value for row in rows for value in row], dtype=np.uint8),
        "scale": np.array(scales, dtype=np.float32),
    }
    route.fulfill(content_type="application/octet-stream", body=safetensors.numpy.save(arrays))


@pytest.mark.parametrize(("mark", "theme", "scale"), CASES)
def test_drawing_is_the_one_that_was_kept(
    mark: str, theme: str, scale: int, specimens: Specimens, pytestconfig: pytest.Config, tmp_path: Path
):
    drawing = specimens(theme, scale).locator((PLAIN | CANVASES)[mark])
    kept = PICTURES / f"{mark}-{theme}{'@2x' if scale == 2 else ''}.png"
    if pytestconfig.getoption("renew_pictures"):
        time.sleep(1)
        actual = drawing.screenshot()
        kept.write_bytes(_small(actual))
        assert compare(actual, kept.read_bytes()).share == 0
        return
    assert kept.is_file(), f"no picture of {mark} was kept: run with --renew-pictures"
    give_up = time.monotonic() + PATIENCE
    actual = drawing.screenshot()
    # A canvas is drawn in a frame after its data came.
    while not (found := compare(actual, kept.read_bytes(), scale)).is_same and time.monotonic() < give_up:
        time.sleep(0.25)
        actual = drawing.screenshot()
    if found.is_same:
        return
    (tmp_path / "actual.png").write_bytes(actual)
    (tmp_path / "difference.png").write_bytes(found.difference)
    pytest.fail(
        f"{mark} ({theme}, scale {scale}) is not the drawing that was kept: {found.share:.2%} of its pixels differ "
        f"(sizes: {found.sizes[0]} now, {found.sizes[1]} kept).\n  kept:       {kept}\n  "
        f"actual:     {tmp_path / 'actual.png'}\n  difference: {tmp_path / 'difference.png'}\n"
        "If the change is meant: pytest tests/browser/test_pictures.py --renew-pictures, and look at what it writes."
    )


def _small(png: bytes) -> bytes:
    """The picture with sixteen steps a channel: half the bytes, and nearer than what counts as another colour."""
    written = BytesIO()
    pixels = np.asarray(Image.open(BytesIO(png)).convert("RGB")) & 0xF0 | 0x08
    Image.fromarray(pixels).save(written, "PNG", optimize=True)
    return written.getvalue()
