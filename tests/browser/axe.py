"""Accessibility of a page as axe-core finds it. axe.min.js is axe-core 4.14.1 (MPL-2.0), as its package has it."""

from pathlib import Path

from playwright.sync_api import Page

_AXE = Path(__file__).with_name("axe.min.js").read_text(encoding="utf-8")
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def complaints(page: Page) -> list[str]:
    """What axe finds wrong with the page as it stands, one line each: rule, how bad, where."""
    # From the top: what happens to lie half under the bar that stays there is no fault of the page.
    page.evaluate("scrollTo(0, 0)")
    page.evaluate(_AXE)
    found = page.evaluate("rules => axe.run(document, {runOnly: rules})", _RULES)
    return [
        f"{one['id']} ({one['impact']}): {node['target']} {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


def assert_accessible(page: Page) -> None:
    """The page has nothing that axe complains of, in the light and in the dark."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found = complaints(page)
        assert not found, "\n".join([f"in the {scheme}:", *found])
