"""The page that says whether the server and its lab are well."""

import re

from playwright.sync_api import Page, expect

from tests.browser.axe import assert_accessible
from tests.cli.tiny_lab import TinyLab
from tests.server.tiny_server import Microscope, running


def test_a_well_server_says_what_was_looked_at(opened: Page, microscope: Microscope):
    opened.goto(f"{microscope.address}/health")
    expect(opened.get_by_role("status").filter(has_text="checks are well")).to_be_visible()
    expect(opened.get_by_role("row", name=re.compile("index tiny"))).to_contain_text("48 features")
    expect(opened.get_by_role("row", name=re.compile("^hooke"))).to_be_visible()


def test_what_is_not_well_comes_first_and_says_what_to_do(server_lab: TinyLab, page: Page):
    manifest = server_lab.lab.root / "features" / "tiny" / "index.json"
    whole = manifest.read_text()
    manifest.write_text("{")
    try:
        with running(server_lab.lab) as server:
            page.goto(server.link("/health"))
            first = page.get_by_role("table").first.get_by_role("row").nth(1)
            expect(first).to_contain_text("not well")
            expect(first).to_contain_text("Build the index again.")
    finally:
        manifest.write_text(whole)


def test_a_server_without_models_says_so(server_lab: TinyLab, page: Page):
    with running(server_lab.lab, read_only=True) as server:
        page.goto(server.link("/health"))
        expect(page.get_by_role("row", name=re.compile("^mode "))).to_contain_text("read only")


def test_the_page_is_accessible(opened: Page, microscope: Microscope):
    opened.goto(f"{microscope.address}/health")
    expect(opened.get_by_role("status").filter(has_text="well")).to_be_visible()
    assert_accessible(opened)
