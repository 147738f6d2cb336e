"""What tests of the routes of alerts share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hooke.lab import Lab
from hooke.monitors.alerts import AlertBook
from hooke.server.live_monitors import LiveMonitors
from tests.server.tiny_server import Microscope


@pytest.fixture
def live(microscope: Microscope, tmp_path: Path) -> Iterator[LiveMonitors]:
    """What the server hears, anew for each test, with a book of its own."""
    state, book = microscope.app.state, AlertBook(Lab(tmp_path))
    before = state.alerts, state.live
    state.alerts, state.live = book, LiveMonitors("", book.put, book.standing)
    yield state.live
    state.alerts, state.live = before
