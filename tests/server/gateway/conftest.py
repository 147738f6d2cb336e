"""A lab, its model and a gateway that many tests ask."""

from collections.abc import Iterator

import pytest

from hooke.models.model import Model
from tests.cli.tiny_lab import TinyLab, make_tiny_lab
from tests.server.gateway.doubles import along
from tests.server.gateway.tiny_gateway import Live, quiet, running, tiny_model, with_recipes


@pytest.fixture(scope="session")
def gateway_lab(tmp_path_factory: pytest.TempPathFactory) -> TinyLab:
    made = make_tiny_lab(tmp_path_factory.mktemp("gateway"))
    with_recipes(made.lab)
    return made


@pytest.fixture(scope="session")
def gateway_model(gateway_lab: TinyLab) -> Model:
    return tiny_model(gateway_lab)


@pytest.fixture(scope="session")
def live(gateway_lab: TinyLab, gateway_model: Model) -> Iterator[Live]:
    """A gateway with two monitors on everything, one more on request, and a recipe."""
    offered = [along("asked", "resid_post.0", seed=7)]
    with running(
        gateway_lab, gateway_model, monitors=quiet(), offered=offered, steering=["push=-1:1.5"], has_audit=True
    ) as found:
        yield found
