"""A running microscope over a tiny lab (see tiny_server.py)."""

from collections.abc import Iterator

import httpx
import pytest

from tests.cli.tiny_lab import TinyLab
from tests.server.tiny_server import Microscope, make_server_lab, running


@pytest.fixture(scope="session")
def server_lab(tmp_path_factory: pytest.TempPathFactory) -> TinyLab:
    """The lab. Tests that write in it take names of their own."""
    return make_server_lab(tmp_path_factory.mktemp("server"))


@pytest.fixture(scope="session")
def microscope(server_lab: TinyLab) -> Iterator[Microscope]:
    """A server over the lab."""
    with running(server_lab.lab, model=server_lab.model) as server:
        yield server


@pytest.fixture
def api(microscope: Microscope) -> Iterator[httpx.Client]:
    """A client that is let in."""
    with microscope.client() as client:
        yield client
