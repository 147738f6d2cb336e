"""The head finder and the pages of heads: planted ones are found, looked at on a prompt, and told from chance."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from hooke.cli.app import main
from hooke.lab import Lab
from tests.browser.axe import assert_accessible
from tests.server.tiny_server import Microscope, running

MODEL = "specimen-induction"


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Microscope]:
    """A microscope over a lab with the specimen of induction."""
    root = tmp_path_factory.mktemp("planted") / "lab"
    assert main(["specimen", "build", "induction", "--lab", str(root)]) == 0
    with running(Lab(root)) as server:
        yield server


@pytest.fixture
def finder(page: Page, planted: Microscope) -> Page:
    """The head finder."""
    page.goto(planted.link(f"/heads?model={MODEL}"))
    expect(page.get_by_role("grid")).to_be_visible()
    return page


def test_each_score_has_its_planted_head_first(finder: Page):
    largest = finder.get_by_role("region", name="Largest").locator("tbody tr")
    expect(largest.first).to_contain_text("1.0")
    finder.get_by_role("button", name="Previous token").click()
    expect(finder.get_by_role("grid", name="Previous token: layers by heads")).to_be_visible()
    expect(largest.first).to_contain_text("0.0")
    expect(finder).to_have_url(re.compile("score=previous"))
    expect(finder.get_by_role("region", name="Largest")).to_contain_text("Control: the token two before")
    assert_accessible(finder)


def test_keys_go_through_the_scores_and_lead_to_a_heads_page(finder: Page):
    finder.keyboard.press("m")
    expect(finder.get_by_role("button", name="Copying")).to_have_attribute("aria-pressed", "true")
    grid = finder.get_by_role("grid")
    grid.focus()
    grid.press("Control+Home")
    grid.press("ArrowDown")
    expect(grid.get_by_role("gridcell")).to_contain_text(re.compile(r"head 1\.0: copying .*control"))
    grid.press("Enter")
    expect(finder).to_have_url(re.compile(f"/heads/{MODEL}/1/0"))
    expect(finder.get_by_role("heading", level=1)).to_contain_text("Head 1.0")
    expect(finder.get_by_role("button", name="‹ before")).to_be_enabled()
    finder.keyboard.press("k")
    expect(finder.get_by_role("heading", level=1)).not_to_contain_text("1.0")
    finder.keyboard.press("u")
    expect(finder.get_by_role("grid")).to_be_visible()


def test_a_click_leads_to_a_heads_page(finder: Page):
    finder.get_by_role("grid").click(position={"x": 34 + 74 + 20, "y": 24 + 8})
    expect(finder.get_by_role("heading", level=1)).to_contain_text("Head 0.1")


def test_a_heads_scores_stand_beside_their_controls(page: Page, planted: Microscope):
    page.goto(planted.link(f"/heads/{MODEL}/1/0"))
    row = page.get_by_role("region", name="Scores").get_by_role("row", name=re.compile("Induction"))
    expect(row).to_contain_text("1 of")
    value, _, control = (text.replace("−", "-") for text in row.locator("td").all_inner_texts()[:3])
    assert float(value) > float(control) + 0.5
    expect(row).to_contain_text("the same distance in tokens that do not repeat")
    tables = page.get_by_role("region", name="What its weights say of tokens")
    expect(tables).to_contain_text("Strongest outputs (OV)")
    expect(tables).to_contain_text(re.compile("shuffled .*(larger than in the one shuffle|no larger than chance gave)"))
    assert_accessible(page)


def test_a_head_is_looked_at_on_a_prompt(opened: Page, microscope: Microscope):
    opened.goto(f"{microscope.address}/heads/tiny-model/1/1")
    text = opened.get_by_label("Text", exact=True)
    text.fill("The bridge over the river. The bridge")
    text.press("Enter")
    panel = opened.get_by_role("region", name="Attention")
    expect(panel).to_contain_text("From where it reads", timeout=30_000)
    expect(panel).to_contain_text("head 1.1, token")
    expect(opened).to_have_url(re.compile(r"prompt=\d{8}-"))
    panel.get_by_role("combobox").select_option("2")
    expect(opened).to_have_url(re.compile("pos=2"))
    opened.get_by_role("button", name="‹ before").click()
    expect(panel).to_contain_text("head 1.0, token 2")
    assert_accessible(opened)


def test_what_a_token_raises_is_shown_and_what_is_no_token_refused(opened: Page, microscope: Microscope):
    opened.goto(f"{microscope.address}/heads/tiny-model/0/0?token=%27+the%27")
    tables = opened.get_by_role("region", name="What its weights say of tokens")
    expect(tables).to_contain_text("“␣the” raises")
    expect(tables).to_contain_text("“␣the” lowers")
    tables.get_by_label("reads").fill("notatokenatall")
    tables.get_by_label("reads").press("Enter")
    expect(tables.get_by_role("alert")).to_contain_text("not one token")


def test_a_head_that_is_not_there_is_refused_in_words(page: Page, planted: Microscope):
    page.goto(planted.link(f"/heads/{MODEL}/9/9"))
    expect(page.get_by_role("alert").first).to_contain_text("has no head 9.9")


def test_without_models_the_finder_says_so(page: Page, planted: Microscope):
    with running(planted.lab, read_only=True) as quiet:
        page.goto(quiet.link("/heads"))
        expect(page.get_by_text("runs without models")).to_be_visible()


def test_the_pages_fit_at_their_narrowest(page: Page, planted: Microscope):
    page.set_viewport_size({"width": 1000, "height": 800})
    page.goto(planted.link(f"/heads?model={MODEL}"))
    expect(page.get_by_role("grid")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.goto(f"{planted.address}/heads/{MODEL}/1/0")
    expect(page.get_by_text("Strongest outputs")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
