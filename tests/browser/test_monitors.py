"""The pages of monitors: not monitored is told from quiet, verdicts arrive, a threshold is moved, an alert reviewed."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from hooke.lab import Lab
from hooke.monitors.alerts import AlertBook
from hooke.monitors.audit_log import AuditLog
from hooke.monitors.calibrate import calibrated
from hooke.monitors.evaluation import evaluate
from hooke.monitors.results import save_result, spec_digest
from hooke.monitors.spec import save_spec
from hooke.monitors.stream import open_monitor
from hooke.monitors.traffic import Reference
from hooke.monitors.transcripts import score_texts
from hooke.server.live_monitors import LiveMonitors
from tests.browser.axe import assert_accessible
from tests.monitors.planted import planted_spec, specimen, texts_of
from tests.server.test_live_monitors import verdict
from tests.server.tiny_server import Microscope, running


@pytest.fixture(scope="module")
def watching(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Microscope]:
    """A microscope over a lab with a monitor that was measured on its specimen."""
    planted, folder = specimen(), Path(tmp_path_factory.mktemp("watching"))
    spec, lab = planted_spec(planted, planted.model, folder)
    scored = score_texts(planted.model, [open_monitor(spec, planted.model, lab)], texts_of(planted))
    ordinary = [one for one in scored if not one.text.label]
    spec = calibrated(spec, [-0.25] * 300, traffic="ordinary texts", fingerprint="f")
    save_spec(lab, spec)
    told = evaluate(
        scored, ordinary, threshold=-0.25, spec_digest=spec_digest(spec), texts="planted", traffic_name="ordinary texts"
    )
    save_result(lab, spec.name, "evaluation", told)
    save_result(lab, spec.name, "traffic", Reference.of("ordinary", [-0.25] * 300))
    with running(Lab(folder)) as server:
        yield server


@pytest.fixture
def live(watching: Microscope, tmp_path: Path) -> Iterator[LiveMonitors]:
    """What the microscope hears, as if it followed a gateway; anew for each test, with a book of its own."""
    state, book = watching.app.state, AlertBook(Lab(tmp_path))
    before = state.alerts, state.live
    state.alerts, state.live = book, LiveMonitors("http://127.0.0.1:7346", book.put, book.standing)
    state.live.connected({"planted": True})
    yield state.live
    state.alerts, state.live = before


def hear(live: LiveMonitors, name: str, peak: float, level: str) -> None:
    live.hear("began", {"request": name, "n_prompt": 3})
    along = {"planted": [None, 0.1, peak]}
    live.hear("scored", {"request": name, "position": 2, "scores": {"planted": peak}, "prompt": along})
    live.hear("scored", {"request": name, "position": 3, "scores": {"planted": 0.2}})
    end = [verdict("planted", peak, level)]
    live.hear("ended", {"request": name, "reason": "length", "n_new": 1, "verdicts": end})


def test_without_a_gateway_nothing_looks_quiet(page: Page, watching: Microscope):
    page.goto(watching.link("/monitors"))
    expect(page.get_by_role("main").get_by_role("status")).to_contain_text("Nothing is monitored here")
    expect(page.get_by_role("region", name="Board", exact=True)).to_contain_text("✕ not monitored")
    expect(page.get_by_role("table", name="Verdicts, newest first")).to_have_count(0)
    assert_accessible(page)


def test_verdicts_arrive_and_the_tape_stands_still_when_held(page: Page, watching: Microscope, live: LiveMonitors):
    page.goto(watching.link("/monitors"))
    board = page.get_by_role("region", name="Board", exact=True)
    expect(board).to_contain_text("every request")
    hear(live, "req-first", 0.1, "quiet")
    hear(live, "req-loud", 3.0, "act")
    tape = page.get_by_role("table", name="Verdicts, newest first")
    expect(tape.get_by_role("row").nth(1)).to_contain_text("req-loud")
    expect(page.locator("[aria-live=assertive]").first).to_have_text("Alert: planted.")
    expect(board.get_by_role("link", name="1", exact=True)).to_be_visible()
    page.keyboard.press(" ")
    hear(live, "req-later", 0.1, "quiet")
    expect(page.get_by_text("held, 1 waiting")).to_be_visible()
    expect(tape).not_to_contain_text("req-later")
    page.keyboard.press(" ")
    expect(tape.get_by_role("row").nth(1)).to_contain_text("req-later")
    page.get_by_role("button", name="watch and act").click()
    expect(page).to_have_url(re.compile("level=above"))
    expect(tape).not_to_contain_text("req-later")
    page.reload()
    expect(tape.get_by_role("row")).to_have_count(2)
    assert_accessible(page)
    live.broke("The gateway ended its stream.")
    expect(page.get_by_role("main").get_by_role("status")).to_contain_text("is not heard")
    expect(board).to_contain_text("stale since")


def test_an_alert_is_reviewed_with_the_keys(page: Page, watching: Microscope, live: LiveMonitors):
    hear(live, "req-reviewed", 3.0, "act")
    page.goto(watching.link("/alerts/req-reviewed"))
    fired = page.get_by_role("region", name="planted", exact=True)
    expect(fired).to_contain_text("at act")
    expect(fired).to_contain_text("the answer begins at 3")
    fired.get_by_text("Table", exact=True).click()
    expect(fired.locator("tbody tr")).to_have_count(4)
    page.keyboard.press("2")
    page.get_by_label("Note").fill("a test")
    page.get_by_role("button", name="Keep the review").click()
    expect(page.get_by_role("region", name="Review")).to_contain_text("false alarm of planted")
    assert_accessible(page)
    page.get_by_role("link", name="planted", exact=True).click()
    expect(page.get_by_role("region", name="Alerts")).to_contain_text("0 % [0 %, 79.3 %] of 1 of those reviewed")


def test_an_alert_leads_to_features_and_to_alerts_that_ran_alike(page: Page, microscope: Microscope, tmp_path: Path):
    state, text = microscope.app.state, "The bridge over the river was built."
    before = state.alerts, state.live
    state.alerts = book = AlertBook(Lab(tmp_path))
    state.live = live = LiveMonitors("http://127.0.0.1:7346", book.put, book.standing)
    with AuditLog(microscope.lab.path("audits", "gateway"), actor="gateway", sync=False) as log:
        log.append("request", {"request": "req-kept", "model": "tiny-model"})
        log.append("verdict", {"request": "req-kept", "name": "loud", "text_at": text.index(" river")}, text=text)
    for name, offset in (("req-kept", 0.0), ("req-near", 0.25)):
        along = [0.5 * at + offset for at in range(10)]
        live.hear("scored", {"request": name, "position": 9, "scores": {"loud": along[-1]}, "prompt": {"loud": along}})
        end = [verdict("loud", along[-1], "act") | {"action": "log"}]
        live.hear("ended", {"request": name, "reason": "length", "n_new": 1, "verdicts": end})
    page.goto(microscope.link("/alerts/req-kept"))
    fired = page.get_by_role("region", name="Features at the token")
    expect(fired).to_contain_text("where loud acted")
    expect(fired.get_by_role("link").first).to_have_attribute("href", re.compile(r"^/d/tiny/f/\d+$"))
    page.get_by_label("Note").fill("begun here")
    alike = page.get_by_role("region", name="Alerts of loud that ran alike")
    expect(alike).to_contain_text("0.250")
    assert_accessible(page)
    alike.get_by_role("link", name="req-near").click()
    expect(page).to_have_url(re.compile("/alerts/req-near$"))
    expect(alike.get_by_role("link", name="req-kept")).to_be_visible()
    expect(fired).to_contain_text("No text is kept of this request")
    expect(page.get_by_label("Note")).to_have_value("")
    state.alerts, state.live = before


def test_a_threshold_is_moved_by_keys_and_the_numbers_follow(page: Page, watching: Microscope):
    page.goto(watching.link("/monitors/planted"))
    panel = page.get_by_role("region", name="Threshold")
    expect(panel).to_contain_text(re.compile(r"recall\s*100\.0 %"))
    slider = panel.get_by_role("slider")
    slider.focus()
    slider.press("End")
    expect(page).to_have_url(re.compile("threshold="))
    expect(panel).to_contain_text(re.compile(r"recall\s*0 % \["))
    expect(panel).to_contain_text("no flags")
    panel.get_by_role("button", name="to act").click()
    expect(panel).to_contain_text(re.compile(r"recall\s*100\.0 %"))
    expect(page.get_by_role("region", name="Under attack")).to_contain_text("Not attacked.")
    assert_accessible(page)


def test_the_pages_fit_at_their_narrowest(page: Page, watching: Microscope, live: LiveMonitors):
    hear(live, "req-narrow", 3.0, "act")
    page.goto(watching.link("/monitors"))
    for path in ("/monitors", "/monitors/planted", "/alerts/req-narrow"):
        page.goto(watching.address + path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.locator(".wait")).to_have_count(0)
        for width in (1000, 700):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)


def test_an_unknown_monitor_and_an_unknown_alert_are_refused_in_words(page: Page, watching: Microscope):
    page.goto(watching.link("/monitors/plantde"))
    expect(page.get_by_role("alert").first).to_contain_text("planted")
    page.goto(f"{watching.address}/alerts/req-nowhere")
    expect(page.get_by_role("alert").first).to_contain_text("There is no alert 'req-nowhere'")
