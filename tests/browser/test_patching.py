"""The page of patching: a planted circuit is estimated, run cell by cell, run as a whole, and compared."""

import re
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from hooke.cli.app import main
from hooke.lab import Lab
from hooke.specimens import build
from tests.browser.axe import assert_accessible
from tests.server.tiny_server import Microscope, running

PAIR = build("two-hop").pairs[0]
OWN = {
    "clean": PAIR.clean,
    "corrupted": PAIR.corrupted,
    "answers": f"'{PAIR.answers[0]}'",
    "wrong": f"'{PAIR.wrong[0]}'",
    "model": "specimen-two-hop",
}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Microscope]:
    """A microscope over a lab with the specimen of two hops."""
    root = tmp_path_factory.mktemp("planted") / "lab"
    assert main(["specimen", "build", "two-hop", "--lab", str(root)]) == 0
    with running(Lab(root)) as server:
        yield server


@pytest.fixture
def heads(page: Page, planted: Microscope) -> Page:
    """The map of heads of one pair."""
    page.goto(planted.link(f"/patching?{urlencode(OWN | {'kind': 'heads'})}"))
    expect(page.get_by_role("grid")).to_be_visible()
    return page


def choose(page: Page, layer: int, head: int) -> None:
    """Choose a cell by keys."""
    grid = page.get_by_role("grid")
    grid.focus()
    grid.press("Control+Home")
    for key, times in (("ArrowDown", layer), ("ArrowRight", head)):
        for _ in range(times):
            grid.press(key)
    expect(grid.get_by_role("gridcell")).to_contain_text(f"head {layer}.{head}")


def test_a_pair_that_is_typed_is_patched_and_is_in_the_address(page: Page, planted: Microscope):
    page.goto(planted.link("/patching?model=specimen-two-hop"))
    page.locator("#pairs-from").select_option("my own pair")
    expect(page.get_by_role("button", name="Patch", exact=True)).to_be_disabled()
    page.get_by_label("Clean prompt").fill(PAIR.clean)
    page.get_by_label("Corrupted prompt").fill(PAIR.corrupted)
    page.get_by_label("Answer to the clean one").fill(OWN["answers"])
    page.get_by_label("Answer to the corrupted one").fill(OWN["wrong"])
    page.get_by_role("button", name="Patch", exact=True).click()
    grid = page.get_by_role("grid", name="Effects: layers by tokens")
    expect(grid).to_have_attribute("aria-colcount", str(1 + len(PAIR.clean.split())))
    expect(page).to_have_url(re.compile("clean="))
    page.get_by_role("button", name="Heads", exact=True).click()
    expect(page.get_by_role("grid", name="Effects: layers by heads")).to_be_visible()
    expect(page).to_have_url(re.compile("kind=heads"))
    page.reload()
    expect(page.get_by_role("grid", name="Effects: layers by heads")).to_be_visible()
    assert_accessible(page)


def test_enter_runs_the_chosen_cell_beside_its_control(heads: Page):
    choose(heads, 1, 0)
    panel = heads.get_by_role("region", name="Chosen cell")
    expect(panel).to_contain_text("Run it")
    heads.get_by_role("grid").press("Enter")
    run = panel.get_by_role("row", name=re.compile("exact run"))
    expect(run).to_be_visible(timeout=30_000)
    assert float((run.locator("td").first.text_content() or "").replace("−", "-")) > 0.3
    expect(panel.get_by_role("row", name=re.compile("control"))).to_be_visible()
    expect(panel).to_contain_text("One pair, so no interval")
    expect(heads.get_by_role("region", name="Estimates and runs")).to_contain_text("One cell")


def test_a_click_runs_a_cell(heads: Page):
    heads.get_by_role("grid").click(position={"x": 34 + 30, "y": 24 + 20 + 8})
    expect(heads.get_by_role("region", name="Chosen cell").get_by_role("heading")).to_contain_text("head 1.0")
    expect(heads.get_by_role("row", name=re.compile("exact run"))).to_be_visible(timeout=30_000)


def test_estimates_and_runs_are_compared_over_cells_drawn_at_random(heads: Page):
    heads.keyboard.press("x")
    compared = heads.get_by_role("region", name="Estimates and runs")
    expect(compared).to_contain_text(re.compile(r"8 cells: correlation .*Drawn at random"), timeout=60_000)
    compared.get_by_text("Table", exact=True).click()
    expect(compared.locator("tbody tr")).to_have_count(8)
    expect(compared.locator("tbody")).to_contain_text("not by hand")


def test_the_whole_map_is_run_by_a_job_and_both_can_be_seen(heads: Page):
    heads.get_by_role("button", name="Run all cells exactly").click()
    choice = heads.get_by_role("group", name="Which map")
    expect(choice).to_be_visible(timeout=90_000)
    expect(heads.locator("figure").first).to_contain_text("Exact: a run for each cell")
    expect(heads.get_by_role("region", name="Estimates and runs")).to_contain_text("All cells of the map.")
    choice.get_by_role("button", name="Estimates").click()
    expect(heads.locator("figure").first).to_contain_text("from one backward pass")
    expect(heads).to_have_url(re.compile("job=.*show=estimates"))
    heads.reload()
    expect(choice).to_be_visible()


def test_tokens_that_come_twice_are_told_apart(page: Page, planted: Microscope):
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    words = PAIR.clean.split()
    assert len(set(words)) < len(words)
    page.goto(planted.link(f"/patching?{urlencode(OWN)}"))
    page.get_by_role("grid").focus()
    page.keyboard.press("Control+Home")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("gridcell")).to_contain_text("layer 0, token 1 “")
    page.get_by_role("button", name="Run all cells exactly").click()
    expect(page.get_by_role("region", name="Estimates and runs")).to_contain_text(
        f"{2 * (1 + len(words))} cells: correlation", timeout=90_000
    )


def test_a_pair_of_unequal_length_is_refused_in_words(page: Page, planted: Microscope):
    page.goto(planted.link(f"/patching?{urlencode(OWN | {'corrupted': 'the'})}"))
    expect(page.get_by_role("alert")).to_contain_text("Patching goes token by token")


def test_a_pair_of_a_set_can_be_taken_and_changed(page: Page, planted: Microscope):
    page.goto(planted.link("/patching?model=specimen-two-hop"))
    page.locator("#pairs-from").select_option("capitals")
    page.get_by_label("of it").select_option("2")
    page.get_by_role("button", name="Change it").click()
    expect(page.get_by_label("Clean prompt")).to_have_value(re.compile("What is the capital of"))
    expect(page.get_by_label("Answer to the clean one")).to_have_value(re.compile("' .+'"))


def test_without_models_the_page_says_so(page: Page, planted: Microscope):
    with running(planted.lab, read_only=True) as quiet:
        page.goto(quiet.link(f"/patching?{urlencode(OWN)}"))
        expect(page.get_by_text("runs without models")).to_be_visible()
        expect(page.get_by_role("grid")).to_have_count(0)
        assert_accessible(page)


def test_the_page_fits_at_its_narrowest(heads: Page):
    heads.set_viewport_size({"width": 1000, "height": 800})
    assert heads.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_paths_to_a_receiver_are_patched_by_a_job_and_a_sender_is_run_beside_its_control(
    page: Page, planted: Microscope
):
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    page.goto(planted.link(f"/patching?{urlencode(OWN)}"))
    page.get_by_role("link", name="Paths…").click()
    expect(page).to_have_url(re.compile("/patching/paths.*clean="))
    page.locator("#receivers").fill("m1")
    page.locator("#receivers").press("Enter")
    page.get_by_role("button", name="Patch the paths").click()
    grid = page.get_by_role("grid", name="Effects of senders: layers by heads and MLP")
    expect(grid).to_be_visible(timeout=120_000)
    grid.focus()
    for key in ("Control+Home", "ArrowDown", "Enter"):
        grid.press(key)
    chosen = page.get_by_role("region", name="Chosen sender")
    expect(chosen.get_by_role("heading")).to_have_text("head 1.0")
    expect(chosen.get_by_role("row", name=re.compile("control"))).to_be_visible(timeout=60_000)
    assert float((chosen.locator("td").first.text_content() or "").replace("−", "-")) > 0.3
    assert_accessible(page)
