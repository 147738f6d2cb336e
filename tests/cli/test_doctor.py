"""`hooke doctor`."""

import pytest

from hooke.cli import doctor
from hooke.cli.doctor import Check
from tests.cli.conftest import Hooke


def test_the_page_says_what_is_here(hooke: Hooke):
    data = hooke("doctor --json").data
    assert set(data["sections"]) == {"Machine", "Packages", "Lab", "Material"}
    found = {check["name"]: check for checks in data["sections"].values() for check in checks}
    assert found["hooke"]["found"] == "0.1.0"
    assert int(found["cores"]["found"]) >= 1
    assert found["features"]["found"].endswith("tiny")
    assert found["memory"]["found"].endswith("GB")


def test_what_is_missing_is_said_with_what_to_do(hooke: Hooke, monkeypatch: pytest.MonkeyPatch):
    lost = Check(name="model", found="not installed", is_missing=True, do="Run: this")
    monkeypatch.setattr(doctor, "_default_model", lambda: lost)
    done = hooke("doctor")
    assert done.code == 1
    assert "Run: this" in done.out
    assert "model" in done.out.splitlines()[-1]


def test_nothing_missing_is_exit_code_0(hooke: Hooke, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(doctor, "_starters", lambda: [Check(name="starter dictionary", found="x")])
    done = hooke("doctor")
    assert (done.code, done.out.splitlines()[-1]) == (0, "Nothing is missing.")


def test_a_package_that_is_not_there_is_missing():
    assert doctor._package("no-such-package-of-hooke").is_missing
    assert not doctor._package("torch").is_missing
