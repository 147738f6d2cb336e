"""The page of discovery: a planted circuit is asked for, read off the curve, drawn, run, taken away and compared."""

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from hooke.cli.app import main
from hooke.lab import Lab
from hooke.server.routes.discovery import DiscoverArguments, discover_work
from hooke.specimens import build
from hooke.text.pairs import pairs_to_jsonl
from tests.browser.axe import assert_accessible
from tests.server.tiny_server import Microscope, running

SPECIMEN = build("two-hop")
N = len(SPECIMEN.circuit)
PAIRS = [
    {"clean": one.clean, "corrupted": one.corrupted, "answers": list(one.answers), "wrong": list(one.wrong)}
    for one in SPECIMEN.pairs
]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Microscope]:
    """A microscope over a lab with the specimen of two hops and two discoveries of its circuit."""
    lab = Lab(tmp_path_factory.mktemp("planted") / "lab")
    assert main(["specimen", "build", "two-hop", "--lab", str(lab.root)]) == 0
    for method in ("eap", "masks"):
        asked = {
            "model": "specimen-two-hop",
            "pairs": PAIRS,
            "method": method,
            "mask_steps": 20,
            "name": f"by-{method}",
        }
        discover_work(lab, DiscoverArguments.model_validate(asked))
    with running(lab) as server:
        yield server


@pytest.fixture
def opened(page: Page, planted: Microscope) -> Page:
    """The planted circuit, as EAP finds it."""
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    page.goto(planted.link(f"/discovery/by-eap?edges={N}"))
    expect(page.get_by_role("application")).to_be_visible()
    return page


def test_a_file_of_pairs_is_discovered_by_a_job_and_its_page_opens(page: Page, planted: Microscope):
    page.goto(planted.link("/discovery?model=specimen-two-hop"))
    page.locator("#pairs-from").select_option("my own pairs")
    discover = page.get_by_role("button", name="Discover")
    expect(discover).to_be_disabled()
    text = page.locator("form textarea")
    text.fill('{"clean": 3}')
    expect(page.get_by_text("Line 1 is no pair")).to_be_visible()
    assert_accessible(page)
    text.fill(pairs_to_jsonl(SPECIMEN.pairs))
    discover.click()
    expect(page).to_have_url(re.compile("job="))
    expect(page.get_by_role("heading", name="own pairs: edges by eap-ig-inputs")).to_be_visible(timeout=120_000)
    page.goto(planted.address + "/discovery")
    rows = page.get_by_role("region", name="Kept discoveries").get_by_role("row")
    expect(rows).to_have_count(4)
    expect(rows.nth(1)).to_contain_text("eap-ig-inputs")


def test_curve_and_table_say_what_a_circuit_gives_back_beside_random_edges(opened: Page):
    faithfulness = opened.get_by_role("region", name="Faithfulness")
    expect(faithfulness).to_contain_text("as many random edges")
    faithfulness.get_by_text("Table", exact=True).click()
    expect(faithfulness.locator("tbody tr")).to_have_count(10)
    measures = opened.get_by_role("region", name="Measures")
    for words in ("CMD, by size", "CPR, by score", "stability"):
        expect(measures.get_by_role("row", name=re.compile(words))).to_contain_text(re.compile(r"\d\.\d\d \["))
    measures.get_by_role("button", name="5 %", exact=True).click()
    expect(opened).to_have_url(re.compile("edges="))
    expect(measures.get_by_role("button", name="5 %", exact=True)).to_have_attribute("aria-pressed", "true")
    assert_accessible(opened)


def test_a_click_on_the_curve_shows_that_circuit(opened: Page):
    opened.get_by_role("region", name="Faithfulness").locator("circle").last.click()
    n = opened.locator("#n-edges").get_attribute("max")
    expect(opened.locator("#n-edges")).to_have_value(str(n))
    opened.keyboard.press("[")
    expect(opened.locator("#n-edges")).to_have_value(str(round(int(n or 0) / 2)))


def test_the_planted_edges_are_drawn_and_walked_by_keys(opened: Page):
    edges = opened.get_by_role("region", name="Edges")
    expect(edges).to_contain_text(f"Its {N} edges")
    edges.get_by_text("Table", exact=True).click()
    named = edges.locator("figure tbody tr td:first-child").all_text_contents()
    assert set(named) == SPECIMEN.circuit
    assert opened.locator(".drawing path").count() == N
    drawing = opened.get_by_role("application")
    drawing.focus()
    drawing.press("ArrowRight")
    expect(opened.locator("#circuit-said")).to_contain_text("of the drawn edges. Strongest:")
    expect(opened).to_have_url(re.compile("node="))
    drawing.press("Escape")
    expect(opened.locator("#circuit-said")).to_contain_text("Point at a component")


def test_a_circuit_between_two_points_is_run_beside_its_control(opened: Page):
    opened.locator("#n-edges").fill(str(N + 1))
    opened.locator("#n-edges").press("Enter")
    said = opened.get_by_text(re.compile("^(Not on the curve|Run on)"))
    expect(said).to_contain_text("Not on the curve")
    opened.get_by_role("button", name="Run this circuit").click()
    expect(said).to_contain_text("Run on 12 pairs: f 1.00", timeout=60_000)
    expect(said).to_contain_text("as many random edges")


def test_the_circuit_is_taken_away_as_json(opened: Page):
    with opened.expect_download() as waiting:
        opened.get_by_role("link", name="Circuit as JSON").click()
    data = json.loads(waiting.value.path().read_text())
    assert {name for name, edge in data["edges"].items() if edge["in_graph"]} == SPECIMEN.circuit


def test_two_methods_are_drawn_in_one_plot(opened: Page):
    opened.get_by_role("group", name="Drawn beside it").get_by_role("button", name="masks").click()
    faithfulness = opened.get_by_role("region", name="Faithfulness")
    expect(faithfulness.locator(".legend")).to_contain_text(re.compile(r"eap CMD .*masks CMD"))
    expect(opened).to_have_url(re.compile("with=by-masks"))
    faithfulness.get_by_text("Table", exact=True).click()
    expect(faithfulness.locator("tbody tr")).to_have_count(20)
    opened.keyboard.press("m")
    expect(faithfulness.locator(".legend")).to_contain_text(re.compile(r"eap CPR .*masks CPR"))
    opened.set_viewport_size({"width": 1000, "height": 800})
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_without_models_what_is_kept_can_be_read(page: Page, planted: Microscope):
    with running(planted.lab, read_only=True) as quiet:
        page.goto(quiet.link("/discovery"))
        expect(page.get_by_text("runs without models")).to_be_visible()
        page.goto(f"{quiet.address}/discovery/by-eap?edges={N}")
        expect(page.get_by_role("region", name="Edges")).to_contain_text(f"Its {N} edges")
        expect(page.get_by_role("button", name="Run this circuit")).to_have_count(0)
        assert_accessible(page)
