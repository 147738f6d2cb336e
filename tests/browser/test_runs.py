"""The page of training runs: listed, drawn, compared, smoothed, and followed while they grow."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import assert_accessible
from tests.cli.tiny_lab import TinyLab
from tests.server.tiny_server import Microscope


@pytest.fixture
def growing(server_lab: TinyLab) -> Iterator[Path]:
    """The log of a run that is under way."""
    folder = server_lab.lab.root / "dictionaries" / ".growing.training"
    folder.mkdir()
    log = folder / "training.jsonl"
    log.write_text("".join(_line(step) for step in range(1, 6)))
    yield log
    shutil.rmtree(folder)


def _line(step: int) -> str:
    return json.dumps({"step": step, "tokens": 100 * step, "loss": 10.0 / step, "fvu": 1.0 / step, "l0": 2.0}) + "\n"


def test_a_run_is_drawn_with_a_table_of_its_numbers(opened: Page, microscope: Microscope):
    opened.goto(f"{microscope.address}/runs/trained")
    loss = opened.get_by_role("region", name="loss", exact=True)
    expect(loss).to_be_visible()
    loss.get_by_text("Table", exact=True).click()
    expect(loss.locator("tbody tr").first).to_contain_text("trained")
    opened.get_by_text("Settings", exact=False).first.click()
    expect(opened.get_by_role("region", name="Settings")).to_contain_text("n_features")
    assert_accessible(opened)


def test_runs_are_compared_and_the_address_says_which(opened: Page, microscope: Microscope, growing: Path):
    opened.goto(f"{microscope.address}/runs/trained")
    opened.get_by_role("checkbox", name="Draw growing").check()
    expect(opened).to_have_url(re.compile("/runs/trained.*with=growing"))
    loss = opened.get_by_role("region", name="loss", exact=True)
    expect(loss).to_contain_text("growing")
    expect(loss).to_contain_text("trained")
    assert_accessible(opened)
    opened.get_by_role("checkbox", name="Draw trained").uncheck()
    expect(opened).to_have_url(re.compile("/runs/growing"))


def test_curves_grow_with_their_run(opened: Page, microscope: Microscope, growing: Path):
    opened.goto(f"{microscope.address}/runs/growing")
    loss = opened.get_by_role("region", name="loss", exact=True)
    expect(loss).to_contain_text("growing 2 at the end")
    with growing.open("a") as log:
        log.write(_line(10))
    expect(loss).to_contain_text("growing 1 at the end", timeout=10_000)


def test_smoothing_is_in_the_address_and_off_is_off(opened: Page, microscope: Microscope):
    opened.goto(f"{microscope.address}/runs/trained?smooth=0.9")
    loss = opened.get_by_role("region", name="loss", exact=True)
    expect(loss).to_contain_text("strong: smoothed")
    opened.goto(f"{microscope.address}/runs/trained?smooth=0")
    expect(loss).to_be_visible()
    expect(loss).not_to_contain_text("smoothed")


def test_an_unknown_run_is_told_from_those_that_are_there(opened: Page, microscope: Microscope):
    opened.goto(f"{microscope.address}/runs/trainde")
    alert = opened.get_by_role("alert").first
    expect(alert).to_contain_text("trainde")
    expect(alert).to_contain_text("trained")
    expect(opened.get_by_role("link", name="trained", exact=True)).to_be_visible()
