"""The page of jobs: they come, move and end on it without being asked for."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import assert_accessible
from tests.cli.tiny_lab import TinyLab
from tests.server.tiny_server import Microscope, running


@pytest.fixture
def jobs_page(microscope: Microscope, opened: Page) -> Page:
    """The page of jobs."""
    opened.goto(f"{microscope.address}/jobs")
    expect(opened.get_by_role("heading", name="Jobs")).to_be_visible()
    return opened


def start(server: Microscope, kind: str, **arguments: object) -> str:
    """Start a job by hand, as another page would."""
    with server.client() as client:
        answer = client.post("/api/jobs", json={"kind": kind, "arguments": arguments})
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]


def test_a_job_comes_and_fails_with_a_hint_without_a_reload(jobs_page: Page, microscope: Microscope):
    start(microscope, "train", name="never", activations="nowhere", site="resid_post.1")
    job = jobs_page.get_by_role("article", name=re.compile("train never"))
    expect(job).to_be_visible()
    expect(job).to_contain_text("failed", timeout=60_000)
    expect(job.get_by_role("alert")).to_contain_text("No activations 'nowhere'")
    expect(job.get_by_role("alert")).to_contain_text("Check the name")
    job.get_by_text("Arguments").click()
    expect(job.get_by_role("row", name=re.compile("^site"))).to_contain_text("resid_post.1")


def test_a_waiting_job_can_be_cancelled_and_resumed(server_lab: TinyLab, page: Page):
    with running(server_lab.lab, model=server_lab.model) as server:
        page.goto(server.link("/jobs"))
        start(server, "train", name="first", activations="nowhere", site="resid_post.1")
        start(server, "train", name="second", activations="nowhere", site="resid_post.1")
        job = page.get_by_role("article", name=re.compile("train second")).last
        job.get_by_role("button", name="Cancel").click()
        expect(job).to_contain_text("cancelled")
        job.get_by_role("button", name="Resume").click()
        expect(page.get_by_role("article", name=re.compile("train second"))).to_have_count(2)


def test_a_filter_is_kept_in_the_address(jobs_page: Page, microscope: Microscope):
    start(microscope, "train", name="filtered", activations="nowhere", site="resid_post.1")
    expect(jobs_page.get_by_role("article", name=re.compile("train filtered"))).to_contain_text(
        "failed", timeout=60_000
    )
    jobs_page.get_by_role("button", name=re.compile("^done")).click()
    expect(jobs_page).to_have_url(re.compile(r"\?show=done$"))
    expect(jobs_page.get_by_role("article", name=re.compile("train filtered"))).to_be_hidden()
    jobs_page.reload()
    expect(jobs_page.get_by_role("button", name=re.compile("^done"))).to_have_attribute("aria-pressed", "true")


def test_the_page_is_accessible(jobs_page: Page, microscope: Microscope):
    start(microscope, "train", name="seen", activations="nowhere", site="resid_post.1")
    expect(jobs_page.get_by_role("article", name=re.compile("seen"))).to_contain_text("failed", timeout=60_000)
    assert_accessible(jobs_page)
