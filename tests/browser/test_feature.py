"""A feature's page: its panels, its keys, a text of one's own, and text that means harm."""

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.axe import assert_accessible
from tests.server.tiny_server import Microscope

FEATURE = 5


@pytest.fixture
def feature(opened: Page, microscope: Microscope) -> Page:
    """The page of a feature that fires."""
    opened.goto(f"{microscope.address}/d/tiny/f/{FEATURE}")
    expect(opened.get_by_role("heading", level=1)).to_be_visible()
    return opened


def test_every_panel_answers(feature: Page):
    expect(feature.get_by_label("What fires it", exact=True).locator(".peak").first).to_be_visible()
    expect(feature.get_by_label("How strongly it fires").locator("rect.bar").first).to_be_visible()
    expect(feature.get_by_label("What it does to the next token").locator("a.token").first).to_be_visible()
    expect(feature.get_by_label("Features like it").get_by_role("heading", name="Write alike")).to_be_visible()
    expect(feature.get_by_role("alert")).to_have_count(0)


def test_the_table_of_the_histogram_has_the_bars_numbers(feature: Page):
    panel = feature.get_by_label("How strongly it fires")
    panel.get_by_text("Table", exact=True).click()
    cells = panel.locator("figcaption tbody tr td:nth-child(3)").all_text_contents()
    assert len(cells) == panel.locator("rect.bar").count()
    n = int(re.sub(r"\D", "", re.search(r"([\d,]+) activations", panel.text_content() or "").group(1)))  # pyright: ignore[reportOptionalMemberAccess]
    assert sum(int(cell) for cell in cells) == n


def test_keys_lead_to_the_neighbours_and_to_a_random_feature(feature: Page):
    feature.keyboard.press("j")
    expect(feature).to_have_url(re.compile(f"/f/{FEATURE + 1}$"))
    feature.keyboard.press("k")
    expect(feature).to_have_url(re.compile(f"/f/{FEATURE}$"))
    feature.keyboard.press("r")
    expect(feature).not_to_have_url(re.compile(f"/f/{FEATURE}$"))
    feature.keyboard.press("u")
    expect(feature).to_have_url(re.compile("/d/tiny$"))


def test_a_text_of_ones_own_is_read_while_it_is_typed(feature: Page):
    feature.keyboard.press("t")
    feature.keyboard.type("The bridge over the river")
    answer = feature.locator(".answer")
    expect(answer).to_contain_text("bridge")
    expect(answer).to_contain_text(re.compile("Strongest|Silent"))
    expect(feature).to_have_url(re.compile(r"try=The\+bridge"))


def test_an_answer_stays_readable_while_a_newer_one_is_awaited(feature: Page):
    feature.locator("#try-text").fill("The bridge")
    expect(feature.locator(".answer")).to_contain_text("bridge")
    held: list[Route] = []
    feature.route("**/try", lambda route: held.append(route))
    feature.locator("#try-text").fill("The bridge over the river")
    expect(feature.locator(".answer.stale")).to_contain_text("bridge")
    assert_accessible(feature)
    expect(feature.locator(".answer.stale")).to_be_visible()
    for route in held:
        route.continue_()
    expect(feature.locator(".answer")).to_contain_text("river")
    expect(feature.locator(".stale")).to_have_count(0)


def test_groups_and_widths_of_examples_are_in_the_address(feature: Page, microscope: Microscope):
    panel = feature.get_by_label("What fires it", exact=True)
    panel.get_by_role("tab").nth(1).click()
    expect(feature).to_have_url(re.compile("group="))
    panel.get_by_label("text").select_option("all")
    expect(feature).to_have_url(re.compile("width=all"))
    address = feature.url
    feature.goto(microscope.address)
    feature.goto(address)
    expect(panel.get_by_role("tab").nth(1)).to_have_attribute("aria-selected", "true")


def test_a_range_of_the_histogram_limits_the_examples_by_pointer_and_by_keys(feature: Page):
    bars = feature.get_by_label("How strongly it fires").locator("rect.bar")
    expect(bars.first).to_be_visible()
    box = bars.last.bounding_box()
    assert box
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] - 2
    feature.mouse.move(*middle)
    feature.mouse.down()
    feature.mouse.move(middle[0] - box["width"], middle[1], steps=4)
    feature.mouse.up()
    expect(feature).to_have_url(re.compile(r"[?&]from=[\d.]+"))
    panel = feature.get_by_label("What fires it", exact=True)
    chip = panel.get_by_role("button", name="Show examples of every strength")
    expect(chip).to_be_visible()
    least = feature.get_by_label("Least activation of the examples")
    low = float(least.input_value())
    feature.reload()
    expect(chip).to_be_visible()
    assert all(float(text) >= low * 0.99 for text in panel.locator(".value").all_text_contents())
    feature.get_by_label("Largest activation of the examples").fill(str(low))
    least.fill("")
    least.press("Tab")
    expect(chip).to_contain_text("up to")
    expect(feature).not_to_have_url(re.compile("from="))
    assert_accessible(feature)
    chip.click()
    expect(chip).to_have_count(0)
    expect(feature).not_to_have_url(re.compile("to="))
    expect(least).to_have_value("")


def test_the_page_is_copied_as_python(feature: Page):
    feature.keyboard.press("p")
    code = feature.get_by_role("dialog").locator("pre")
    expect(code).to_contain_text("import hooke")
    expect(code).to_contain_text(str(FEATURE))


def test_one_feature_is_saved_as_a_file_that_needs_no_server(feature: Page):
    with feature.expect_download() as saved:
        feature.get_by_role("button", name="Save as HTML").click()
    assert saved.value.suggested_filename == f"tiny-{FEATURE}.html"


def test_near_misses_run_the_model_only_when_asked(feature: Page):
    panel = feature.get_by_label("Near misses")
    panel.get_by_role("button", name="Find near misses").click()
    expect(panel).to_contain_text("windows were run")


def test_a_panel_that_fails_leaves_the_others_and_can_be_tried_again(feature: Page):
    problem = {
        "type": "refused",
        "title": "It broke.",
        "status": 422,
        "detail": "On purpose.",
        "hint": "Again.",
        "trace_id": "7",
    }
    feature.route("**/effects", lambda route: route.fulfill(status=422, json=problem))
    feature.reload()
    panel = feature.get_by_label("What it does to the next token")
    expect(panel.get_by_role("alert")).to_contain_text("It broke.")
    expect(feature.get_by_label("What fires it", exact=True).locator(".peak").first).to_be_visible()
    feature.unroute("**/effects")
    panel.get_by_role("button", name="Try again").click()
    expect(panel.locator("a.token").first).to_be_visible()


def test_an_unknown_feature_says_what_there_is(opened: Page, microscope: Microscope):
    opened.goto(f"{microscope.address}/d/tiny/f/999999")
    expect(opened.get_by_role("alert").first).to_contain_text(re.compile("48|47"))


def test_hostile_text_is_shown_as_text(feature: Page):
    hostile = [
        '<img src=x onerror="window.harm=1">',
        "<script>window.harm=1</script>",
        "\u202egnp.exe",
        "a\x00b",
        "x" * 1_000_000,
        "\U0001f600",
        "{@html 1}",
    ]
    example = {
        "group": "strongest", "window": 1, "position": 9, "peak": 1, "value": 3.0, "percentile": 0.9, "document": 1,
        "activations": [1.0] * len(hostile), "tokens": hostile,
        "token_ids": [1] * len(hostile), "source": "<b>bold</b>",
        "n_alike": 0,
    }  # fmt: skip
    answer = {
        "items": [example],
        "next": None,
        "total": 1,
        "groups": [{"group": "strongest", "n": 1}],
        "n_alike": 0,
        "text_missing": "",
    }

    def labelled(route: Route) -> None:
        head = route.fetch().json()
        head["labels"] = [
            {
                "text": "<img src=x onerror=window.harm=1> \u202e",
                "source": "<i>me</i>",
                "kind": "token",
                "score": 0.9,
                "f1": 0.8,
                "n": 71,
                "unit": "passages",
                "scores": [
                    {
                        "scorer": "detection",
                        "judge": "<b>judge</b>",
                        "value": 0.9,
                        "low": 0.86,
                        "high": 0.94,
                        "n": 71,
                        "null": 0.51,
                        "null_low": 0.4,
                        "null_high": 0.95,
                        "is_better": False,
                    }
                ],
            }
        ]
        route.fulfill(json=head)

    feature.route("**/examples*", lambda route: route.fulfill(json=answer))
    feature.route(f"**/features/{FEATURE}", labelled)
    feature.goto(f"{feature.url}?width=all")
    tokens = feature.get_by_label("What fires it", exact=True).locator("ol")
    expect(tokens).to_contain_text('<img src=x onerror="window.harm=1">')
    expect(tokens).to_contain_text("‹202e›gnp.exe")
    expect(tokens).to_contain_text("a␀b")
    expect(tokens).to_contain_text("1,000,000 characters")
    expect(feature.get_by_role("heading", level=1)).to_contain_text("<img src=x onerror=window.harm=1> ‹202e›")
    header = feature.locator("main header")
    expect(header).to_contain_text("detection 0.90 [0.86 to 0.94], others’ labels 0.51 · F1 0.80 · n = 71 passages")
    expect(header).to_contain_text("do not rely on it")
    header.get_by_text("How good the label is").click()
    expect(header.get_by_role("row", name="detection")).to_contain_text("0.40 to 0.95")
    expect(header.get_by_role("row", name="detection")).to_contain_text("<b>judge</b>")
    assert feature.evaluate("window.harm") is None
    assert feature.locator("main img, main script, main b:text-is('bold')").count() == 0
    assert feature.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_page_is_accessible_in_both_themes(feature: Page):
    feature.locator("#try-text").fill("The river")
    expect(feature.locator(".answer")).to_contain_text("river")
    feature.wait_for_load_state("networkidle")
    assert_accessible(feature)


@pytest.mark.parametrize("width", [1000, 1400])
def test_nothing_is_wider_than_the_window(feature: Page, width: int):
    feature.set_viewport_size({"width": width, "height": 800})
    feature.wait_for_load_state("networkidle")
    assert feature.evaluate("document.documentElement.scrollWidth") <= width
