"""A browser that looks at a running microscope over the tiny lab."""

import shutil

import pytest
from playwright.sync_api import Page

from tests.server.conftest import microscope, server_lab  # noqa: F401
from tests.server.tiny_server import Microscope


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, object]:
    """Debian's browser; nothing is downloaded."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    # Pictures are compared: colours must not follow the profile of the machine's screen.
    flags = ["--no-sandbox", "--disable-dev-shm-usage", "--force-color-profile=srgb"]
    return {"executable_path": chromium, "args": flags, "headless": True}


@pytest.fixture
def opened(microscope: Microscope, page: Page) -> Page:  # noqa: F811
    """A page that was let in and shows the home page; goes on with `page.goto(microscope.address + path)`."""
    page.goto(microscope.link())
    return page
