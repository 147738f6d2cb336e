"""A feature beside others, on its page and on the map: before anything was computed, and after."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from hooke.cli.app import main
from tests.browser.axe import assert_accessible
from tests.cli.tiny_lab import TinyLab
from tests.cli.tiny_pair import TEXT, make_tiny_pair
from tests.server.tiny_server import Microscope, running


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> TinyLab:
    made = make_tiny_pair(tmp_path_factory.mktemp("pair"))
    for command in (f"interactions tiny {TEXT}", f"interactions under --with tiny {TEXT}"):
        assert main(made.words(command)) == 0
    return made


@pytest.fixture(scope="module")
def scope(pair: TinyLab) -> Iterator[Microscope]:
    with running(pair.lab) as server:
        yield server


@pytest.fixture
def opened(scope: Microscope, page: Page) -> Page:
    page.goto(scope.link())
    return page


def fires(scope: Microscope, index: str) -> int:
    """A feature that has partners and a path."""
    with scope.client() as client:
        for feature in range(48):
            items = client.get(f"/api/dictionaries/{index}/features/{feature}/interactions").json()["items"]
            if all(one["found"]["together"] for one in items) and any(one["found"]["paths"] for one in items):
                return feature
    pytest.fail("no feature has both")


def test_the_page_shows_partners_and_the_other_dictionary(opened: Page, scope: Microscope):
    feature = fires(scope, "tiny")
    opened.goto(f"{scope.address}/d/tiny/f/{feature}")
    like = opened.get_by_label("Features like it")
    like.scroll_into_view_if_needed()
    expect(like).to_contain_text("by chance")
    expect(like).to_contain_text("Control: on the text shifted")
    beside = opened.get_by_label("Beside under")
    expect(beside).to_contain_text("Is written to by")
    expect(beside).to_contain_text("TWERA")
    beside.locator("tbody a").first.click()
    expect(opened).to_have_url(re.compile("/d/under/f/"))
    back = opened.get_by_label("Beside tiny")
    back.scroll_into_view_if_needed()
    expect(back).to_contain_text("Writes to")
    assert_accessible(opened)


@pytest.mark.parametrize("width", [1000, 1400])
def test_nothing_is_wider_than_the_window(opened: Page, scope: Microscope, width: int):
    opened.set_viewport_size({"width": width, "height": 800})
    opened.goto(f"{scope.address}/d/tiny/f/{fires(scope, 'tiny')}")
    opened.get_by_label("In other dictionaries").scroll_into_view_if_needed()
    expect(opened.get_by_label("Beside under")).to_be_visible()
    assert opened.evaluate("document.documentElement.scrollWidth") <= width


def test_where_nothing_was_computed_it_says_how(opened: Page, scope: Microscope):
    opened.route("**/features/*/interactions", lambda route: route.fulfill(
        json={"items": [], "command": "hooke interactions tiny", "command_with": "", "others": []}
    ))  # fmt: skip
    opened.goto(f"{scope.address}/d/tiny/f/5")
    like = opened.get_by_label("Features like it")
    like.scroll_into_view_if_needed()
    expect(like).to_contain_text("hooke interactions tiny")
    expect(opened.get_by_label("In other dictionaries")).to_contain_text("hooke interactions tiny --with OTHER")


def test_the_map_joins_what_fires_together(opened: Page, scope: Microscope):
    opened.goto(f"{scope.address}/d/tiny/map")
    lines = opened.locator("svg.lines line")
    expect(lines.first).to_be_attached()
    everything = lines.count()
    opened.locator(".pairs summary").click()
    rows = opened.get_by_label("Pairs that fire together").locator("tbody tr")
    expect(rows).to_have_count(everything)
    table = opened.get_by_role("table", name="Features on the map").locator("[aria-rowindex]")
    feature = fires(scope, "tiny")
    table.filter(has=opened.get_by_role("link", name=str(feature), exact=True)).first.click(
        position={"x": 150, "y": 10}
    )
    expect(opened.locator(".pinned")).to_be_visible()
    expect(rows.first).to_contain_text(str(feature))
    opened.get_by_role("button", name="lines").click()
    expect(lines).to_have_count(0)
    expect(opened).to_have_url(re.compile("lines=0"))
    assert_accessible(opened)


def test_a_map_without_interactions_says_how_to_get_them(opened: Page, scope: Microscope):
    opened.goto(f"{scope.address}/d/under/map")
    expect(opened.locator("figcaption")).to_contain_text("hooke interactions under")
    expect(opened.locator("svg.lines")).to_have_count(0)
