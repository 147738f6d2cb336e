"""The page of a prompt: run one, look at it in every way, go into a cell, pin tokens, compare two."""

import json
import re
import shutil

import httpx
import pytest
from playwright.sync_api import Page, expect

from hooke.models.load import load as load_model
from hooke.prompts.fitted_lens import save_lens
from tests.browser.axe import assert_accessible
from tests.cli.tiny_lab import TinyLab
from tests.prompts.random_lens import random_lens
from tests.server.tiny_server import Microscope, running

TEXT = "The river runs over the stone."
OTHER = "The river runs under the stone."


def model_of(client: httpx.Client) -> str:
    """The model of the dictionary 'tiny'."""
    dictionaries = client.get("/api/library").json()["dictionaries"]
    return next(one["model"] for one in dictionaries if one["index"] == "tiny")


@pytest.fixture(scope="session")
def kept(microscope: Microscope) -> dict[str, str]:
    """Two prompts that were run, by their texts."""
    ids = {}
    with microscope.client() as client:
        model = model_of(client)
        for text in (TEXT, OTHER):
            answer = client.post("/api/prompts", json={"model": model, "text": text, "dictionaries": ["tiny"]})
            assert answer.status_code == 200, answer.text
            ids[text] = answer.json()["id"]
    return ids


@pytest.fixture
def prompt_page(opened: Page, microscope: Microscope, kept: dict[str, str]) -> Page:
    """The page of the first."""
    opened.goto(f"{microscope.address}/p/{kept[TEXT]}")
    expect(opened.get_by_role("grid")).to_be_visible()
    return opened


def test_a_text_is_run_and_leads_to_its_grid(opened: Page, microscope: Microscope):
    opened.goto(f"{microscope.address}/p?text=A+stone+lies+here&dictionary=tiny")
    expect(opened.get_by_label("Prompt", exact=True)).to_have_value("A stone lies here")
    opened.get_by_role("button", name="Run", exact=True).click()
    expect(opened).to_have_url(re.compile(r"/p/\d{8}-"))
    expect(opened.get_by_role("grid")).to_have_attribute("aria-rowcount", "3")
    expect(opened.get_by_role("grid")).to_contain_text("layer")
    opened.goto(f"{microscope.address}/p")
    expect(opened.get_by_role("link", name="A stone lies here").first).to_be_visible()


def test_the_arrow_keys_go_through_the_grid_and_the_address_follows(prompt_page: Page):
    grid = prompt_page.get_by_role("grid")
    grid.focus()
    grid.press("Control+Home")
    expect(prompt_page).to_have_url(re.compile(r"layer=0&pos=0|pos=0&layer=0"))
    grid.press("ArrowRight")
    grid.press("ArrowDown")
    expect(prompt_page).to_have_url(re.compile("layer=1"))
    expect(prompt_page).to_have_url(re.compile("pos=1"))
    expect(grid.get_by_role("gridcell")).to_contain_text("token 1")
    expect(prompt_page.get_by_role("region", name="Cell")).to_contain_text("Layer 1, token 1")


def test_every_way_to_look_has_a_table_with_the_same_numbers(prompt_page: Page):
    group = prompt_page.get_by_role("group", name="What the grid shows")
    names = [name.strip() for name in group.get_by_role("button").all_inner_texts()]
    assert {"Lens token", "Rank", "Entropy", "Norm", "Top features", "Active", "Error"} <= set(names)
    for name in ("Norm", "Top features", "Error"):
        group.get_by_role("button", name=name).click()
        expect(group.get_by_role("button", name=name)).to_have_attribute("aria-pressed", "true")
        prompt_page.locator("figure").first.get_by_text("Table", exact=True).click()
        rows = prompt_page.locator("figure").first.locator("tbody tr")
        expect(rows.first).to_contain_text("The")
        prompt_page.locator("figure").first.get_by_text("Table", exact=True).click()


def test_features_of_the_grid_have_labels_and_layers_without_a_dictionary_stay(
    prompt_page: Page, microscope: Microscope
):
    prompt_page.get_by_role("button", name="Top features").click()
    grid = prompt_page.get_by_role("grid", name="Top features: features by tokens")
    grid.focus()
    grid.press("Control+Home")
    cell = grid.get_by_role("gridcell")
    expect(cell).to_contain_text(re.compile("layer 0, where no dictionary is open: the lens says"))
    expect(prompt_page.get_by_role("region", name="Cell")).to_contain_text("Layer 0, token 0")
    grid.press("ArrowDown")
    grid.press("ArrowRight")
    expect(cell).to_contain_text(re.compile(r"feature \d+ \(.+\) at"))
    found = re.search(r"feature (\d+) \((.+)\) at", cell.text_content() or "")
    assert found
    with microscope.client() as client:
        row = client.post("/api/dictionaries/tiny/rows", json={"features": [int(found[1])]}).json()["items"][0]
    assert found[2] == (row["label"] or "no label")


def test_a_feature_of_the_cell_leads_to_its_page(prompt_page: Page):
    cell = prompt_page.get_by_role("region", name="Cell")
    link = cell.get_by_role("link").first
    number = link.inner_text()
    link.click()
    expect(prompt_page).to_have_url(re.compile(f"/d/tiny/f/{number}$"))


def test_pinned_tokens_rank_the_parts_of_the_model(prompt_page: Page):
    cell = prompt_page.get_by_role("region", name="Cell")
    cell.get_by_role("button", name="target", exact=True).nth(0).click()
    cell.get_by_role("button", name="distractor", exact=True).nth(1).click()
    panel = prompt_page.get_by_role("region", name="Targets")
    expect(panel).to_contain_text("logits")
    panel.get_by_text("Table", exact=True).click()
    expect(panel.get_by_role("row", name=re.compile("mlp_out.1"))).to_be_visible()
    expect(prompt_page).to_have_url(re.compile("target=%23"))
    prompt_page.reload()
    expect(prompt_page.get_by_role("region", name="Targets")).to_contain_text("logits")


def test_the_attention_of_a_head_is_shown_and_changed(prompt_page: Page):
    panel = prompt_page.get_by_role("region", name="Attention")
    panel.get_by_label("head").select_option("1")
    expect(prompt_page).to_have_url(re.compile("head=1"))
    expect(panel).to_contain_text("From where it reads")
    panel.get_by_text("Table", exact=True).click()
    weights = [float(text) for text in panel.locator("tbody tr td:nth-child(3)").all_inner_texts()]
    assert sum(weights) == pytest.approx(1, abs=0.03), "a row of attention sums to one, but for its rounding to bytes"
    panel.get_by_role("link", name="the head's page").click()
    expect(prompt_page.get_by_role("heading", level=1)).to_contain_text(re.compile(r"Head \d\.1"))
    expect(prompt_page.get_by_role("region", name="Attention")).to_contain_text("From where it reads")


def test_two_prompts_are_compared(prompt_page: Page, kept: dict[str, str]):
    prompt_page.keyboard.press("c")
    dialog = prompt_page.get_by_role("dialog", name="Compare with")
    dialog.get_by_role("button", name=OTHER).click()
    expect(prompt_page).to_have_url(re.compile(f"with={kept[OTHER]}"))
    expect(prompt_page.get_by_role("grid", name=re.compile("Two prompts"))).to_be_visible()
    expect(prompt_page.get_by_text(re.compile(r"\d+ tokens? differs?"))).to_be_visible()
    prompt_page.get_by_role("button", name="End comparing").click()
    expect(prompt_page.get_by_role("group", name="What the grid shows")).to_be_visible()


def test_without_models_a_kept_prompt_is_read_and_a_new_one_is_refused(
    server_lab: TinyLab, page: Page, kept: dict[str, str]
):
    with running(server_lab.lab, read_only=True) as server:
        page.goto(server.link(f"/p/{kept[TEXT]}"))
        expect(page.get_by_role("grid")).to_be_visible()
        expect(page.get_by_role("region", name="Cell")).to_contain_text("norm")
        page.goto(f"{server.address}/p")
        expect(page.get_by_text("runs without models")).to_be_visible()
        expect(page.get_by_role("button", name="Run", exact=True)).to_be_disabled()


def test_hostile_text_is_shown_as_text(opened: Page, microscope: Microscope):
    text = "<img src=x onerror=alert(1)> \u202eabc\x00 </script>"
    opened.on("dialog", lambda _: pytest.fail("markup of a prompt was run"))
    with microscope.client() as client:
        model = model_of(client)
        answer = client.post("/api/prompts", json={"model": model, "text": text, "dictionaries": []})
    assert answer.status_code == 200, answer.text
    opened.goto(f"{microscope.address}/p/{answer.json()['id']}")
    expect(opened.get_by_role("heading", level=1)).to_contain_text("<img src=x")
    assert json.dumps(opened.locator("img").count()) == "0"


def test_a_prompt_that_is_gone_says_so(opened: Page, microscope: Microscope):
    opened.goto(f"{microscope.address}/p/20200101-000000-00000000")
    expect(opened.get_by_role("alert")).to_be_visible()
    expect(opened.get_by_role("link", name="All kept prompts")).to_be_visible()


def test_the_pages_are_accessible(prompt_page: Page, microscope: Microscope):
    expect(prompt_page.get_by_role("region", name="Cell")).to_contain_text("norm")
    assert_accessible(prompt_page)
    prompt_page.goto(f"{microscope.address}/p")
    expect(prompt_page.get_by_role("heading", name="Kept prompts")).to_be_visible()
    assert_accessible(prompt_page)


def test_a_fitted_lens_is_chosen_and_a_missing_one_names_its_command(
    opened: Page, microscope: Microscope, server_lab: TinyLab
):
    with microscope.client() as client:
        name = model_of(client)
        folder = save_lens(
            server_lab.lab, random_lens(load_model(str(server_lab.model), name=name, lab=server_lab.lab))
        )
        try:
            made = client.post("/api/prompts", json={"model": name, "text": TEXT, "dictionaries": ["tiny"]}).json()
        finally:
            shutil.rmtree(folder)
    opened.goto(f"{microscope.address}/p/{made['id']}?layer=0&pos=2")
    group = opened.get_by_role("group", name="Lens", exact=True)
    expect(group).to_contain_text(f"hooke fit-lens {name} --kind jacobian")
    cell = opened.get_by_role("region", name="Cell")
    expect(cell.locator("table").last).to_be_visible()
    # Labels' scores come by a request of their own.
    expect(cell).to_contain_text("n = ")
    before = cell.inner_text()
    group.get_by_role("button", name="Tuned lens").click()
    expect(group.get_by_role("button", name="Tuned lens")).to_have_attribute("aria-pressed", "true")
    expect(opened).to_have_url(re.compile("lens=tuned"))
    expect(opened.get_by_text("what an affine map can read off a layer")).to_be_visible()
    expect(cell).not_to_have_text(before, use_inner_text=True)
    assert_accessible(opened)
    group.get_by_role("button", name="Logit lens").click()
    expect(cell).to_have_text(before, use_inner_text=True)
