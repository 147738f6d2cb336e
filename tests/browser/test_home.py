"""The home page: what is there, the box that opens anything, the tour, and a server that goes away."""

import re
from contextlib import ExitStack

from playwright.sync_api import Page, expect

from tests.browser.axe import assert_accessible
from tests.cli.tiny_lab import TinyLab
from tests.server.tiny_server import Microscope, running


def test_everything_in_the_lab_is_listed_and_leads_to_its_page(opened: Page):
    table = opened.get_by_label("Dictionaries")
    expect(table.get_by_role("link", name="tiny", exact=True)).to_be_visible()
    expect(
        table.get_by_role("row", name=re.compile("^bare")).get_by_role("link", name="Build its index")
    ).to_be_visible()
    expect(opened.get_by_label("Runs").get_by_role("link", name="trained")).to_be_visible()
    table.get_by_role("link", name="tiny", exact=True).click()
    expect(opened).to_have_url(re.compile("/d/tiny$"))
    expect(opened.get_by_role("table", name="Features")).to_be_visible()
    opened.go_back()
    expect(opened.get_by_role("heading", name="Library")).to_be_visible()


def test_the_open_box_takes_an_id_and_says_what_it_does_not_know(opened: Page):
    opened.keyboard.press("o")
    box = opened.locator("#open-box")
    expect(box).to_be_focused()
    box.fill("tiny/7")
    box.press("Enter")
    expect(opened).to_have_url(re.compile("/d/tiny/f/7$"))
    box.fill("tinny")
    box.press("Enter")
    expect(opened.get_by_role("alert")).to_contain_text("tiny")


def test_words_in_the_find_box_are_searched_for(opened: Page):
    find = opened.get_by_label("Find features by words, or open an id")
    find.fill("river stone")
    find.press("Enter")
    expect(opened).to_have_url(re.compile(r"/d/smollm2-res\?q=river\+stone$"))
    expect(opened.locator("#search-features")).to_have_value("river stone")


def test_the_tour_leads_through_five_pages_and_is_then_known(opened: Page):
    # The starter's model is not read here: that takes long, and the steps do not need its answer.
    opened.route(re.compile("/try$|/map$"), lambda route: route.abort())
    opened.get_by_role("button", name="Take the tour").click()
    card = opened.get_by_role("region", name="Tour")
    paths = []
    for step in range(1, 6):
        expect(card).to_contain_text(f"{step} of 5")
        expect(opened).to_have_url(re.compile("map$" if step == 5 else "f/" if step > 1 else "q="))
        paths.append(re.sub(r"https?://[^/]+|\?.*|\d+$", "", opened.url.partition("?")[0]))
        card.get_by_role("button", name="Next" if step < 5 else "Done").click()
    assert paths == ["/d/smollm2-res", *3 * ["/d/smollm2-res/f/"], "/d/smollm2-res/map"]
    expect(card).to_be_hidden()
    opened.get_by_role("link", name="hooke").click()
    expect(opened.get_by_role("button", name="Take the tour")).to_be_hidden()


def test_the_key_sheet_lists_the_keys_and_gives_the_focus_back(opened: Page):
    opened.keyboard.press("?")
    sheet = opened.get_by_role("dialog", name="Keys")
    expect(sheet).to_contain_text("the open box")
    opened.keyboard.press("Escape")
    expect(sheet).to_be_hidden()


def test_a_server_that_goes_away_is_told_and_comes_back(server_lab: TinyLab, page: Page):
    with ExitStack() as second:
        with running(server_lab.lab) as first:
            page.goto(first.link("/d/tiny"))
            expect(page.get_by_role("row").nth(3)).to_be_visible()
        page.get_by_role("button", name="Random").click()
        expect(page.get_by_text("The server does not answer.")).to_be_visible()
        expect(page.get_by_role("row").nth(3)).to_be_visible()
        port = int(first.address.rpartition(":")[2])
        second.enter_context(running(server_lab.lab, port=port, keys=first.keys))
        expect(page.get_by_text("The server does not answer.")).to_be_hidden(timeout=15_000)
        page.get_by_role("button", name="Random").click()
        expect(page).to_have_url(re.compile(r"/f/\d+$"))


def test_a_page_that_does_not_exist_says_so(opened: Page, microscope: Microscope):
    opened.goto(f"{microscope.address}/nowhere/at/all")
    expect(opened.get_by_role("heading", name="No such page")).to_be_visible()


def test_the_page_is_accessible_in_both_themes(opened: Page):
    expect(opened.get_by_role("button", name="Take the tour")).to_be_visible()
    opened.wait_for_load_state("networkidle")
    assert_accessible(opened)
    opened.keyboard.press("?")
    assert_accessible(opened)


def test_nothing_is_asked_of_another_machine(microscope: Microscope, page: Page):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(microscope.link())
    for path in ("/", "/d/tiny", "/d/tiny/f/3", "/d/tiny/map"):
        page.goto(microscope.address + path)
        page.wait_for_load_state("networkidle")
    assert [url for url in asked if not url.startswith((microscope.address, "data:", "blob:"))] == []
