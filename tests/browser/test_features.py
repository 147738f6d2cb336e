"""The list of features: searched, filtered, sorted, walked by keys, and picked from."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import assert_accessible
from tests.server.tiny_server import Microscope


@pytest.fixture
def features(opened: Page, microscope: Microscope) -> Page:
    """The list of the tiny dictionary."""
    opened.goto(f"{microscope.address}/d/tiny?sort=number&max_density=1")
    expect(rows(opened).first).to_be_visible()
    return opened


def rows(page: Page):
    """The rows of the table, without its head."""
    return page.get_by_role("table", name="Features").locator("[role=row][aria-rowindex]")


def numbers(page: Page) -> list[int]:
    """The features that are shown, in their order."""
    return [int(text) for text in rows(page).locator("a").all_text_contents()]


def test_a_column_sorts_and_the_address_keeps_it(features: Page):
    assert numbers(features)[:3] == [0, 1, 2]
    features.get_by_role("columnheader", name="max").get_by_role("button").click()
    expect(features).to_have_url(re.compile("sort=max.*descending=1"))
    expect(features.get_by_role("columnheader", name="max")).to_have_attribute("aria-sort", "descending")
    expect(rows(features).first).not_to_contain_text(re.compile(r"^\s*0\b"))
    order = numbers(features)
    features.reload()
    expect(rows(features).first).to_be_visible()
    assert numbers(features) == order


def test_what_a_filter_hides_is_counted_and_comes_back_with_a_click(features: Page):
    features.get_by_label("density ≤").select_option("0.01")
    chip = features.get_by_role("button", name=re.compile("hidden: density above 1.0 %"))
    expect(chip).to_be_visible()
    n_hidden = int((chip.text_content() or "").split()[0])
    total = features.locator(".chips b").first
    expect(total).to_have_text(str(48 - n_hidden))
    chip.click()
    expect(total).to_have_text("48")


def test_keys_walk_the_list_pick_from_it_and_open_a_row(features: Page):
    features.keyboard.press("j")
    features.keyboard.press("x")
    features.keyboard.press("j")
    features.keyboard.press("x")
    basket = features.get_by_role("region", name="Your list")
    expect(basket).to_contain_text("2 in the list")
    basket.get_by_role("button", name="Show").click()
    expect(rows(features)).to_have_count(2)
    assert numbers(features) == [1, 2]
    with features.expect_download() as saved:
        basket.get_by_role("button", name="Save as one HTML file").click()
    assert saved.value.suggested_filename == "tiny-2-features.html"
    text = saved.value.path().read_text(encoding="utf-8")
    assert "<html" in text
    assert "resid_post.1/1@tiny" in text
    features.keyboard.press("j")
    features.keyboard.press("Enter")
    expect(features).to_have_url(re.compile("/d/tiny/f/2$"))


def test_a_search_is_saved_under_a_name_applied_and_forgotten_by_keys(features: Page, microscope: Microscope):
    features.goto(f"{microscope.address}/d/tiny?sort=max&descending=1&max_density=0.05")
    expect(rows(features).first).to_be_visible()
    order = numbers(features)
    features.keyboard.press("s")
    name = features.get_by_label("Name of the search")
    expect(name).to_be_focused()
    name.fill("strong and rare")
    name.press("Enter")
    group = features.get_by_role("group", name="Saved searches")
    saved = group.get_by_role("button", name="strong and rare", exact=True)
    expect(saved).to_have_attribute("aria-pressed", "true")
    assert_accessible(features)
    features.goto(f"{microscope.address}/d/tiny?kind=nothing")
    expect(saved).to_have_attribute("aria-pressed", "false")
    saved.focus()
    saved.press("Enter")
    expect(features).to_have_url(re.compile("sort=max"))
    expect(features).not_to_have_url(re.compile("kind="))
    expect(rows(features).first).to_be_visible()
    expect(rows(features).first.locator("a").first).to_have_text(str(order[0]))
    group.get_by_role("button", name="Forget the search strong and rare").press("Enter")
    expect(saved).to_have_count(0)
    features.reload()
    expect(rows(features).first).to_be_visible()
    expect(saved).to_have_count(0)


def test_words_are_searched_for_as_they_are_typed(features: Page):
    features.keyboard.press("/")
    features.keyboard.type("river", delay=20)
    expect(features).to_have_url(re.compile("q=river"))
    expect(features.locator(".chips")).to_contain_text("in ")
    expect(rows(features).first).to_be_visible()
    features.locator("#search-features").fill("zzzzzz")
    expect(features.get_by_text("Nothing was found for")).to_be_visible()
    features.get_by_role("button", name="In examples").click()
    expect(features).to_have_url(re.compile("mode=examples"))


def test_a_sentence_is_pasted_and_what_fires_is_found(features: Page):
    features.get_by_text("Text", exact=True).click()
    features.locator("#search-features").fill("A cat sat on the iron bridge.")
    expect(rows(features).first.locator(".peak")).to_be_visible()
    features.locator(".strip button", has_text="cat").first.click()
    expect(features.locator(".strip")).to_contain_text("features fire, strongest first")
    feature = numbers(features)[0]
    rows(features).first.locator("a").click()
    expect(features).to_have_url(re.compile(f"/d/tiny/f/{feature}$"))


@pytest.mark.parametrize(("mode", "query"), [("meaning", "animals"), ("token", " the"), ("examples", "on the mat")])
def test_the_other_ways_to_search_answer(features: Page, microscope: Microscope, mode: str, query: str):
    features.goto(f"{microscope.address}/d/tiny?mode={mode}&q={query}")
    expect(features.locator(".chips")).to_contain_text(re.compile(r"\d+ features? in \d+ ms"))
    expect(features.get_by_role("alert")).to_have_count(0)


def test_a_dictionary_without_an_index_offers_to_build_one(opened: Page, microscope: Microscope):
    opened.goto(f"{microscope.address}/d/bare")
    expect(opened.get_by_role("heading", name="No index of bare yet")).to_be_visible()
    expect(opened.get_by_role("button", name="Build the index")).to_be_visible()
    assert_accessible(opened)


def test_only_rows_in_view_are_drawn(features: Page):
    features.route("**/api/dictionaries/tiny/features?*", lambda route: route.fulfill(json=many(5000)))
    features.reload()
    expect(rows(features).first).to_be_visible()
    assert rows(features).count() < 80
    # Its accuracy, what other features' labels score, and over how many passages.
    assert rows(features).first.get_by_role("cell").all_inner_texts()[4:7] == ["0.90", "0.52", "71"]


def many(n: int) -> dict[str, object]:
    """A page of the listing that is far longer than the screen."""
    row = {
        "label": "x",
        "kind": "token",
        "source": "rule",
        "part": "a",
        "score": 0.9,
        "null": 0.52,
        "is_better": True,
        "n": 71,
        "unit": "passages",
        "f1": 0.8,
        "density": 0.01,
        "max": 3,
    }
    items = [{"feature": number, "address": f"resid_post.1/{number}@tiny", **row} for number in range(n)]
    return {"items": items, "next": None, "total": n, "n_features": n, "hidden": [], "facets": []}


def test_the_page_is_accessible_in_both_themes(features: Page):
    features.keyboard.press("x")
    features.wait_for_load_state("networkidle")
    assert_accessible(features)
    features.locator("#search-features").fill("river")
    expect(features.locator(".chips")).to_contain_text("ms")
    features.wait_for_load_state("networkidle")
    assert_accessible(features)


@pytest.mark.parametrize("width", [1000, 1400])
def test_nothing_is_wider_than_the_window(features: Page, width: int):
    features.set_viewport_size({"width": width, "height": 800})
    assert features.evaluate("document.documentElement.scrollWidth") <= width
