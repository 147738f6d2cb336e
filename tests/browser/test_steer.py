"""The page of steering: a recipe is made, run in three arms, swept over strengths, saved and taken away."""

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, expect

from hooke.server.residents import Residents
from tests.browser.axe import assert_accessible
from tests.cli.tiny_lab import TinyLab
from tests.server.tiny_server import Microscope, running

FEATURE = "resid_post.1/3@tiny"
WITH_FEATURE = "/steer?dictionary=tiny&features=3&prompt=The+river&tokens=6"


@pytest.fixture
def steer_page(opened: Page, microscope: Microscope) -> Page:
    """The page with one feature in its recipe."""
    opened.goto(microscope.address + WITH_FEATURE)
    expect(opened.get_by_role("group", name="Edit 1")).to_contain_text(FEATURE)
    return opened


def test_nothing_runs_before_there_is_a_recipe(opened: Page, microscope: Microscope):
    opened.goto(f"{microscope.address}/steer")
    expect(opened.get_by_text("No edit yet.")).to_be_visible()
    expect(opened.get_by_role("button", name="Run", exact=True)).to_be_disabled()


def test_features_are_added_by_number_and_by_address_and_the_address_of_the_page_follows(
    opened: Page, microscope: Microscope
):
    opened.goto(f"{microscope.address}/steer?model=tiny-model")
    box = opened.get_by_role("searchbox", name="Feature by label, address or number")
    box.fill("3")
    expect(opened.get_by_text(f"Enter adds {FEATURE}")).to_be_visible()
    box.press("Enter")
    box.fill("resid_post.1/5@tiny")
    box.press("Enter")
    expect(opened.get_by_role("group", name="Edit 2")).to_contain_text("resid_post.1/5@tiny")
    expect(opened).to_have_url(re.compile("edits="))
    opened.reload()
    expect(opened.get_by_role("group", name="Edit 1")).to_contain_text(FEATURE)
    opened.get_by_role("button", name="Remove edit 1").click()
    expect(opened.get_by_role("group", name=re.compile("^Edit"))).to_have_count(1)


def test_three_arms_stream_side_by_side_and_are_measured(steer_page: Page):
    steer_page.get_by_role("button", name="Run", exact=True).click()
    for arm in ("Base", "Treated", "Random"):
        expect(steer_page.get_by_role("region", name=re.compile(f"^{arm}:"))).to_be_visible()
    metrics = steer_page.get_by_role("region", name="Metrics")
    expect(metrics).to_contain_text("perplexity", timeout=30_000)
    expect(metrics.get_by_role("columnheader", name="random, n = 1")).to_be_visible()
    assert metrics.get_by_role("row").count() == 6
    base = steer_page.get_by_role("region", name=re.compile("^Base:"))
    expect(base).to_contain_text(re.compile(r"\d tokens"))
    assert_accessible(steer_page)


@contextmanager
def held_model(microscope: Microscope) -> Iterator[threading.Event]:
    """The model runs something long for another reader until the event is set."""
    residents: Residents = microscope.app.state.residents
    gate, is_held = threading.Event(), threading.Event()

    def hold() -> None:
        asyncio.run(residents.with_model("tiny-model", "another", lambda _: (is_held.set(), gate.wait(60))))

    holder = threading.Thread(target=hold)
    holder.start()
    assert is_held.wait(60)
    try:
        yield gate
    finally:
        gate.set()
        holder.join(60)


@pytest.mark.parametrize(("path", "button"), [(WITH_FEATURE, "Run"), ("/d/tiny/f/3", "Continue the text")])
def test_who_waits_for_another_reader_sees_the_place_in_the_queue(
    opened: Page, microscope: Microscope, path: str, button: str
):
    opened.goto(microscope.address + path)
    run = opened.get_by_role("button", name=button, exact=True)
    expect(run).to_be_enabled()
    with held_model(microscope) as gate:
        run.click()
        expect(opened.get_by_text("Model busy: place 1 in its queue")).to_be_visible(timeout=30_000)
        gate.set()
        expect(opened.locator("th", has_text="promoted mass")).to_be_visible(timeout=30_000)
    expect(opened.get_by_text("Model busy")).to_have_count(0)


def test_without_the_random_arm_the_page_says_what_is_missing(steer_page: Page):
    steer_page.get_by_role("checkbox", name="random").uncheck()
    expect(steer_page.get_by_text("Without the random arm")).to_be_visible()


def test_a_sweep_draws_strength_against_effect_beside_its_control(steer_page: Page):
    strengths = steer_page.get_by_role("textbox", name="Strengths of the sweep")
    strengths.fill("0.5, 2")
    strengths.press("Tab")
    expect(steer_page).to_have_url(re.compile("strengths=0.5%2C2"))
    steer_page.get_by_role("button", name="Sweep strengths").click()
    texts = steer_page.get_by_role("region", name="Texts by strength")
    expect(texts.get_by_role("row")).to_have_count(4, timeout=60_000)  # the head, base, two strengths
    grid = steer_page.get_by_role("region", name="Strengths by measures")
    expect(grid.get_by_role("row")).to_have_count(5)  # two of the head, base, two strengths
    expect(grid.get_by_role("rowheader", name="0, base")).to_be_visible()
    steer_page.locator("figure").get_by_text("Table", exact=True).click()
    rows = steer_page.locator("figure tbody")
    for arm in ("base", "treated", "random"):
        expect(rows).to_contain_text(arm)
    assert_accessible(steer_page)


def test_doses_are_measured_beside_random_ones_and_the_usable_ones_are_named(steer_page: Page):
    strengths = steer_page.get_by_role("textbox", name="Strengths of the sweep")
    strengths.fill("0.5, 2")
    strengths.press("Tab")
    steer_page.get_by_role("button", name="Measure doses").click()
    doses = steer_page.get_by_role("region", name="Doses")
    expect(doses.get_by_role("row")).to_have_count(5, timeout=60_000)  # the head, two doses, each with its random one
    expect(steer_page.get_by_text(re.compile("No usable dose|Usable from"))).to_be_visible()
    expect(doses).to_contain_text("random")
    steer_page.get_by_role("combobox", name="shown:").select_option("KL")
    expect(steer_page.locator("figure")).to_contain_text("nats per token")
    assert_accessible(steer_page)
    steer_page.get_by_role("spinbutton", name="Strength of edit 1").fill("0.75")
    steer_page.get_by_role("spinbutton", name="Strength of edit 1").press("Tab")
    expect(steer_page.get_by_text("measured before the recipe was changed")).to_be_visible()


def test_a_recipe_is_saved_opened_by_its_address_and_deleted(
    steer_page: Page, microscope: Microscope, server_lab: TinyLab
):
    name = steer_page.get_by_role("textbox", name="Name of the recipe")
    name.fill("pushed")
    name.press("Tab")
    steer_page.get_by_role("spinbutton", name="Strength of edit 1").fill("0.75")
    steer_page.get_by_role("spinbutton", name="Strength of edit 1").press("Tab")
    steer_page.get_by_role("button", name="Save").click()
    expect(steer_page).to_have_url(re.compile("/steer/pushed"))
    kept = json.loads((server_lab.lab.root / "recipes" / "pushed.json").read_text())
    assert kept["edits"][0]["feature"] == FEATURE
    assert kept["edits"][0]["strength"] == 0.75
    steer_page.goto(f"{microscope.address}/steer/pushed")
    expect(steer_page.get_by_role("spinbutton", name="Strength of edit 1")).to_have_value("0.75")
    steer_page.get_by_role("button", name="delete").click()
    expect(steer_page.get_by_text("pushed deleted")).to_be_visible()
    assert not (server_lab.lab.root / "recipes" / "pushed.json").exists()


def test_an_exported_recipe_can_be_imported(steer_page: Page):
    with steer_page.expect_download() as waiting:
        steer_page.get_by_role("button", name="export").click()
    file = waiting.value.path()
    assert json.loads(file.read_text())["edits"][0]["feature"] == FEATURE
    steer_page.get_by_role("button", name="Remove edit 1").click()
    steer_page.locator("input[type=file]").set_input_files(file)
    expect(steer_page.get_by_role("group", name="Edit 1")).to_contain_text(FEATURE)


def test_a_file_that_is_no_recipe_is_refused_in_words(steer_page: Page):
    file = {"name": "x.json", "mimeType": "application/json", "buffer": b'{"edits": 3}'}
    steer_page.locator("input[type=file]").set_input_files(file)  # pyright: ignore[reportArgumentType]
    expect(steer_page.get_by_text("A recipe has a name and a list of edits.")).to_be_visible()


def test_without_models_recipes_are_made_but_not_run(page: Page, server_lab: TinyLab):
    with running(server_lab.lab, read_only=True) as quiet:
        page.goto(quiet.link(WITH_FEATURE))
        expect(page.get_by_role("group", name="Edit 1")).to_contain_text(FEATURE)
        expect(page.get_by_text("This microscope runs without models")).to_be_visible()
        expect(page.get_by_role("button", name="Run", exact=True)).to_be_disabled()
        expect(page.get_by_role("button", name="export")).to_be_enabled()


def test_the_empty_page_is_accessible_at_its_narrowest(opened: Page, microscope: Microscope):
    opened.set_viewport_size({"width": 1000, "height": 800})
    opened.goto(f"{microscope.address}/steer")
    expect(opened.get_by_text("No edit yet.")).to_be_visible()
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert_accessible(opened)
