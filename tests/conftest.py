"""What every test shares. hooke is imported by tests and fixtures only, after the shape checks were switched on."""

import fcntl
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Tests reach for no hub and open no window, whatever the caller's environment says.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["MPLBACKEND"] = "agg"
# Test workers say 80; what is piped is 120 wide by itself.
os.environ.pop("COLUMNS", None)

settings.register_profile(
    "hooke",
    max_examples=50,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("hooke")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the suite's own. They stand here because pytest reads them before it knows which tests run."""
    parser.addoption(
        "--renew-pictures", action="store_true", help="keep the microscope's drawings as they are now (tests/browser)"
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests come first, in the order that they had, so that no worker is left alone with one at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(autouse=True)
def own_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where `open_lab()` leads during a test: an empty folder of its own."""
    monkeypatch.setenv("HOOKE_LAB", str(tmp_path / "lab"))
    return tmp_path / "lab"


@pytest.fixture(scope="session")
def shared_lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lab for what is dear to make and never changed, such as the converted model; test workers share it."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared" / "lab"


@pytest.fixture(scope="session")
def real_lab(shared_lab: Path):
    """The shared lab, with the real model converted in it; the first worker converts, the others wait."""
    from hooke.lab import Lab
    from hooke.models.gguf_files import converted
    from hooke.models.zoo import zoo_file

    shared_lab.mkdir(parents=True, exist_ok=True)
    with (shared_lab.parent / "converting.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        converted(zoo_file("smollm2-135m"), Lab(shared_lab), "smollm2-135m")
    return Lab(shared_lab)


@pytest.fixture(scope="session")
def real_model(real_lab):
    """The real model, opened once: runs leave nothing behind in it."""
    from hooke.models.load import load

    return load("smollm2-135m", lab=real_lab)
