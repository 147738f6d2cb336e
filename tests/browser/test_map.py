"""The map: computed on demand, drawn, and listed beside the drawing."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import assert_accessible
from tests.server.tiny_server import Microscope


@pytest.fixture
def opened_map(opened: Page, microscope: Microscope) -> Page:
    """The map of the tiny dictionary; the first who asks has it computed."""
    opened.goto(f"{microscope.address}/d/tiny/map")
    compute = opened.get_by_role("button", name="Compute the map")
    expect(compute.or_(opened.locator("canvas"))).to_be_visible()
    if compute.is_visible():
        compute.click()
    expect(opened.locator("canvas")).to_be_visible(timeout=60_000)
    return opened


def listed(page: Page) -> int:
    """How many features the list says it has."""
    return int((page.locator(".list b").text_content() or "").replace(",", ""))


def test_points_are_drawn_and_all_of_them_are_listed(opened_map: Page):
    n = listed(opened_map)
    assert 0 < n <= 48
    expect(opened_map.get_by_role("table", name="Features on the map").locator("[aria-rowindex]").first).to_be_visible()
    opened_map.wait_for_timeout(300)
    inked = opened_map.evaluate(
        """() => new Promise(done => requestAnimationFrame(() => {
            const canvas = document.querySelector('canvas'), copy = document.createElement('canvas');
            copy.width = canvas.width; copy.height = canvas.height;
            window.dispatchEvent(new Event('resize'));
            const gl = canvas.getContext('webgl2');
            done(gl !== null && gl.getError() === 0 && canvas.width > 100);
        }))"""
    )
    assert inked


def test_a_line_around_features_lists_those_and_the_address_keeps_it(opened_map: Page):
    n = listed(opened_map)
    box = opened_map.locator("canvas").bounding_box()
    assert box
    middle, half = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    opened_map.keyboard.press("l")
    opened_map.mouse.move(middle, box["y"] + 4)
    opened_map.mouse.down()
    for x, y in ((box["x"] + 4, half), (middle, box["y"] + box["height"] - 60), (middle, box["y"] + 4)):
        opened_map.mouse.move(x, y, steps=8)
    opened_map.mouse.up()
    expect(opened_map).to_have_url(re.compile("lasso="))
    expect(opened_map.locator(".list")).to_contain_text("selected")
    chosen = listed(opened_map)
    assert 0 < chosen < n
    opened_map.reload()
    expect(opened_map.locator(".list")).to_contain_text("selected")
    assert listed(opened_map) == chosen
    opened_map.get_by_role("button", name="Put into the list").click()
    opened_map.get_by_role("link", name="Show as a list").click()
    expect(opened_map.locator(".basket")).to_contain_text(f"{chosen} in the list")
    opened_map.go_back()
    expect(opened_map.locator(".list")).to_contain_text("selected")
    opened_map.keyboard.press("Escape")
    expect(opened_map.locator(".list")).to_contain_text("on the map")


def test_a_row_of_the_list_is_shown_on_the_map(opened_map: Page):
    row = opened_map.get_by_role("table", name="Features on the map").locator("[aria-rowindex]").first
    row.click(position={"x": 150, "y": 10})
    expect(opened_map.locator(".ring")).to_be_visible()
    expect(opened_map.locator(".pinned")).to_contain_text("What fires it")


def test_the_page_is_accessible_in_both_themes(opened_map: Page):
    opened_map.wait_for_load_state("networkidle")
    assert_accessible(opened_map)


@pytest.mark.parametrize("width", [1000, 1400])
def test_nothing_is_wider_than_the_window(opened_map: Page, width: int):
    opened_map.set_viewport_size({"width": width, "height": 800})
    assert opened_map.evaluate("document.documentElement.scrollWidth") <= width
