"""The graph page: read, walked through, pinned, grouped, tested on the model; and the list that traces a prompt."""

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from hooke.circuits.graph_file import open_kept
from hooke.server.routes.graphs import TraceArguments, trace_work
from tests.browser.axe import assert_accessible
from tests.cli.tiny_lab import TinyLab
from tests.server.tiny_server import Microscope

PROMPT = "The bridge over the river"


@pytest.fixture
def graph_page(opened: Page, microscope: Microscope, server_lab: TinyLab) -> Iterator[Page]:
    """The page of a graph of the tiny model; everything is shown."""
    arguments = TraceArguments(
        name="seen", model="tiny-model", prompt=PROMPT, max_nodes=30, reference=str(server_lab.model)
    )
    trace_work(server_lab.lab, arguments)
    opened.goto(f"{microscope.address}/g/seen?nodes=1&edges=1")
    expect(opened.locator("canvas.above")).to_be_visible()
    yield opened
    server_lab.lab.path("graphs", "seen.json").unlink(missing_ok=True)


def features(lab: TinyLab) -> list[str]:
    graph = open_kept("seen", lab.lab)
    return [graph.nodes[number].id for number in range(graph.n_rows) if graph.nodes[number].kind == "feature"]


def go_to(page: Page, microscope: Microscope, query: str) -> None:
    page.goto(f"{microscope.address}/g/seen?nodes=1&edges=1&{query}")
    expect(page.locator("canvas.above")).to_be_visible()


def inked(page: Page) -> int:
    """Pixels of the drawing that are not ground, once it is drawn."""
    count = """() => { const canvas = document.querySelector('canvas');
        const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        let found = 0;
        for (let at = 0; at < data.length; at += 4) if (Math.max(data[at], data[at+1], data[at+2]) < 200) found++;
        return found; }"""
    page.wait_for_function(f"({count})() > 500")
    return page.evaluate(count)


def test_the_graph_is_drawn_and_the_sliders_say_what_they_leave(graph_page: Page):
    everything = inked(graph_page)
    expect(graph_page.get_by_text("replacement")).to_be_visible()
    expect(graph_page.get_by_text("rank correlation with real ablations")).to_be_visible()
    expect(graph_page.get_by_text("hooke graph validate seen")).to_be_visible()
    count = graph_page.locator(".count").first
    before = count.text_content() or ""
    graph_page.get_by_label("Share of the influence that the shown nodes hold").fill("0.1")
    expect(count).not_to_have_text(before)
    expect(graph_page).to_have_url(re.compile("nodes=0.1"))
    graph_page.get_by_label("Share of what edges carry").fill("0.02")
    less = "() => { const c = document.querySelector('canvas'), d = c.getContext('2d').getImageData(0, 0, c.width, "
    less += "c.height).data; let n = 0; for (let i = 0; i < d.length; i += 4) if (Math.max(d[i], d[i+1], d[i+2]) < 200)"
    graph_page.wait_for_function(f"{less} n++; return n < {everything}; }}")
    assert_accessible(graph_page)


def test_keys_walk_choose_and_pin_and_every_step_can_be_undone(
    graph_page: Page, microscope: Microscope, server_lab: TinyLab
):
    first = features(server_lab)[0]
    go_to(graph_page, microscope, f"node={first}")
    card = graph_page.get_by_role("tabpanel")
    expect(card.get_by_role("heading", name=first.split("@")[0])).to_be_visible()
    graph_page.keyboard.press("p")
    expect(card.get_by_role("button", name="Unpin")).to_be_visible()
    graph_page.keyboard.press("]")
    expect(graph_page).not_to_have_url(re.compile(f"node={first.replace('/', '%2F').replace('@', '%40')}(&|$)"))
    graph_page.keyboard.press("z")
    expect(graph_page.get_by_role("tab", name="Pinned", exact=True)).to_be_visible()
    graph_page.keyboard.press("Z")
    expect(graph_page.get_by_role("tab", name="Pinned 1")).to_be_visible()
    graph_page.keyboard.press("Escape")
    expect(card.get_by_text("Point at a node")).to_be_visible()


def test_pins_and_groups_outlive_the_page(graph_page: Page, microscope: Microscope, server_lab: TinyLab):
    one, other = features(server_lab)[:2]
    go_to(graph_page, microscope, f"pins={one},{other}&tab=pinned")
    name = graph_page.get_by_label("Name of a group")
    name.fill("bridge <b>")
    with graph_page.expect_response(lambda answer: answer.url.endswith("/marks") and answer.ok):
        name.press("Enter")
    assert open_kept("seen", server_lab.lab).supernodes == (("bridge <b>", (one, other)),)
    graph_page.goto(f"{microscope.address}/g/seen?tab=pinned")
    expect(graph_page.get_by_role("heading", name="bridge <b>")).to_be_visible()
    with graph_page.expect_response(lambda answer: answer.url.endswith("/marks") and answer.ok):
        graph_page.get_by_role("button", name="Ungroup").click()
    assert open_kept("seen", server_lab.lab).supernodes == ()
    graph_page.get_by_role("button", name="Suggest groups").click()
    expect(graph_page.get_by_text(re.compile("Suggested|Nothing stands out"))).to_be_visible()


def test_what_the_graph_foretells_stands_beside_what_the_model_does(
    graph_page: Page, microscope: Microscope, server_lab: TinyLab
):
    go_to(graph_page, microscope, f"pins={','.join(features(server_lab)[:3])}&tab=pinned")
    graph_page.get_by_role("button", name="Measure").click()
    table = graph_page.get_by_role("region", name="Test on the model").get_by_role("table")
    expect(table.get_by_role("row")).to_have_count(4)
    expect(graph_page.get_by_text("Signs agree for")).to_be_visible()
    assert_accessible(graph_page)


def test_paths_are_listed_and_shown_in_the_field(graph_page: Page, microscope: Microscope):
    go_to(graph_page, microscope, "tab=paths")
    items = graph_page.get_by_role("tabpanel").get_by_role("listitem")
    expect(items.first).to_be_visible()
    before = items.count()
    shown = items.first.get_by_title("Show this way in the field")
    shown.click()
    expect(shown).to_have_attribute("aria-pressed", "true")
    graph_page.get_by_label("from what is unexplained, too").check()
    expect(graph_page).to_have_url(re.compile("unexplained=true"))
    expect(items.first).to_be_visible()
    assert before > 0
    assert_accessible(graph_page)


def test_a_click_chooses_the_node_under_the_pointer_and_the_table_finds_any(graph_page: Page, server_lab: TinyLab):
    inked(graph_page)
    box = graph_page.locator("canvas.above").bounding_box()
    assert box
    # The first target stands at the top, in the column of the last token.
    graph_page.keyboard.press("ArrowUp")
    expect(graph_page).to_have_url(re.compile("node=logit"))
    graph_page.keyboard.press("ArrowDown")
    expect(graph_page).not_to_have_url(re.compile("node=logit"))
    # Keys that walk bring the pointer's node along: what is chosen is named in the card.
    graph_page.mouse.click(box["x"] + 40, box["y"] + box["height"] - 60)
    expect(graph_page.get_by_text("Point at a node").or_(graph_page.get_by_role("button", name="Pin"))).to_be_visible()
    graph_page.keyboard.press("/")
    find = graph_page.get_by_label("Find nodes")
    expect(find).to_be_focused()
    wanted = features(server_lab)[-1].split("@")[0]
    find.fill(wanted)
    graph_page.get_by_role("tabpanel").get_by_role("button", name=wanted, exact=True).first.click()
    expect(graph_page).to_have_url(re.compile(f"node={wanted.replace('/', '%2F')}"))
    assert_accessible(graph_page)


@pytest.mark.parametrize("kind", ["PNG", "SVG"])
def test_the_picture_is_a_file(graph_page: Page, kind: str):
    inked(graph_page)
    with graph_page.expect_download() as waiting:
        graph_page.get_by_role("button", name=kind).click()
    data = waiting.value.path().read_bytes()
    assert data.startswith(b"\x89PNG" if kind == "PNG" else b"<svg")
    assert len(data) > 2000


def test_a_prompt_is_traced_from_the_list(opened: Page, microscope: Microscope, server_lab: TinyLab):
    opened.goto(f"{microscope.address}/graphs")
    opened.get_by_role("textbox", name="Prompt").fill(PROMPT)
    opened.get_by_role("spinbutton", name="nodes").fill("10")
    opened.get_by_role("textbox", name="name", exact=True).fill("from-the-page")
    assert_accessible(opened)
    opened.get_by_role("button", name="Trace").click()
    try:
        expect(opened).to_have_url(re.compile("/g/from-the-page"), timeout=60_000)
        expect(opened.locator("canvas.above")).to_be_visible()
    finally:
        server_lab.lab.path("graphs", "from-the-page.json").unlink(missing_ok=True)


def test_graphs_that_cannot_be_read_say_so(opened: Page, microscope: Microscope, server_lab: TinyLab):
    path = server_lab.lab.path("graphs", "torn.json")
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"metadata": {}}))
    try:
        opened.goto(f"{microscope.address}/graphs")
        expect(opened.get_by_role("region", name="Damaged")).to_contain_text("torn")
        opened.goto(f"{microscope.address}/g/torn")
        expect(opened.get_by_role("alert")).to_contain_text("could not be read")
        opened.goto(f"{microscope.address}/g/absent")
        expect(opened.get_by_role("alert")).to_contain_text("absent")
    finally:
        path.unlink()
