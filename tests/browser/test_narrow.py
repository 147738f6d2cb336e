"""Pages in a window of 700 pixels: none scrolls sideways, and all pages can be reached from the bar."""

import pytest
from playwright.sync_api import Page, expect

from tests.server.tiny_server import Microscope

WIDTH = 700
PATHS = (
    "/", "/d/tiny", "/d/tiny/f/3", "/d/tiny/map", "/p", "/graphs", "/patching", "/patching/paths", "/discovery",
    "/heads", "/heads/tiny-model/0/1", "/steer", "/monitors", "/runs", "/runs/trained", "/jobs", "/health",
)  # fmt: skip


@pytest.mark.slow
def test_no_page_scrolls_sideways(opened: Page, microscope: Microscope):
    opened.set_viewport_size({"width": WIDTH, "height": 800})
    wide = {}
    for path in PATHS:
        opened.goto(microscope.address + path)
        expect(opened.get_by_role("heading", level=1).first).to_be_visible()
        width = opened.evaluate("document.documentElement.scrollWidth")
        if width > WIDTH:
            wide[path] = width
    assert wide == {}


def test_the_bar_folds_and_hides_nothing(opened: Page):
    opened.set_viewport_size({"width": WIDTH, "height": 800})
    bar = opened.get_by_role("banner")
    boxes = [one.bounding_box() for one in bar.get_by_role("link").all()]
    assert len(boxes) == 12
    assert all(one and one["x"] >= 0 and one["x"] + one["width"] <= WIDTH for one in boxes)
    height = bar.evaluate("bar => bar.clientHeight")
    assert all(one and one["y"] + one["height"] <= height + 1 for one in boxes)
    opened.set_viewport_size({"width": 1100, "height": 800})
    assert bar.evaluate("bar => bar.clientHeight") < height, "one row where there is room"
