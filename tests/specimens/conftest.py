"""The specimens, built once."""

import pytest

from hooke.specimens import SPECIMENS, Specimen, build


@pytest.fixture(scope="session", params=list(SPECIMENS))
def specimen(request: pytest.FixtureRequest) -> Specimen:
    return build(request.param)


@pytest.fixture(scope="session")
def two_hop() -> Specimen:
    return build("two-hop")


@pytest.fixture(scope="session")
def induction() -> Specimen:
    return build("induction")
