"""Whole errands across pages, as a person would run them."""

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from hooke.cli.app import main
from hooke.lab import Lab
from tests.browser.axe import assert_accessible
from tests.cli.tiny_lab import TinyLab
from tests.server.tiny_server import Microscope, running


def test_a_feature_is_found_by_its_meaning_and_steered_with(opened: Page, microscope: Microscope):
    opened.goto(f"{microscope.address}/d/tiny")
    opened.get_by_text("Meaning", exact=True).click()
    opened.locator("#search-features").fill("animals near water")
    found = opened.get_by_role("table", name="Features").locator("[role=row][aria-rowindex]")
    expect(opened).to_have_url(re.compile("mode=meaning"))
    expect(opened.locator(".chips")).to_contain_text(re.compile(r"in \d+ ms"))
    expect(found.first.locator("a")).to_be_visible()
    feature = found.first.locator("a").text_content() or ""
    found.first.locator("a").click()
    expect(opened).to_have_url(re.compile(f"/d/tiny/f/{feature}$"))
    opened.get_by_role("link", name="Open in steering").or_(
        opened.get_by_role("button", name="Open in steering")
    ).click()
    expect(opened.get_by_role("group", name="Edit 1")).to_contain_text(f"resid_post.1/{feature}@tiny")
    opened.get_by_label("new tokens").fill("4")
    opened.get_by_role("button", name="Run", exact=True).click()
    expect(opened.get_by_role("region", name="Metrics")).to_contain_text("perplexity", timeout=30_000)
    for arm in ("Base", "Treated", "Random"):
        expect(opened.get_by_role("region", name=re.compile(f"^{arm}:"))).to_contain_text(re.compile(r"\d tokens"))


def test_neurons_of_a_model_for_which_nothing_was_trained_have_all_pages(
    server_lab: TinyLab, tmp_path: Path, page: Page
):
    lab = Lab(tmp_path / "lab")
    words = ["index", "neurons.1", "--model", str(server_lab.model), "--corpus", str(server_lab.corpus)]
    assert main([*words, "--tokens", "1500", "--context", "32", "--lab", str(lab.root)]) == 0
    (name,) = lab.names("features")
    with running(lab, model=server_lab.model) as server:
        page.goto(server.link(f"/d/{name}"))
        found = page.get_by_role("table", name="Features").locator("[role=row][aria-rowindex]")
        expect(found.first.locator("a")).to_be_visible()
        found.first.locator("a").click()
        for heading in ("How strongly it fires", "What fires it", "What it does to the next token", "Steer with it"):
            expect(page.get_by_text(heading)).to_be_visible()
        page.locator("textarea").first.fill("The cat sat on the bridge.")
        expect(page.get_by_text(re.compile("of its maximum|does not fire|silent", re.I)).first).to_be_visible()
        expect(page.get_by_role("alert")).to_have_count(0)
        assert_accessible(page)
        page.goto(f"{server.address}/d/{name}?mode=text&q=The+cat+sat")
        expect(page.locator(".chips")).to_contain_text(re.compile(r"in \d+ ms"))
        expect(page.get_by_role("alert")).to_have_count(0)
