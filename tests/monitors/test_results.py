"""Results beside a spec."""

from pathlib import Path

import pytest

from hooke.errors import UnknownName
from hooke.lab import Lab
from hooke.monitors.results import load_result, save_result, spec_digest
from hooke.monitors.spec import save_spec
from hooke.monitors.traffic import Reference
from tests.monitors.test_spec import _spec


def test_what_is_kept_is_read_back_and_what_was_not_measured_is_none(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    reference = Reference.of("c", [1.0, float("-inf")])
    with pytest.raises(UnknownName):
        save_result(lab, "m", "traffic", reference)
    save_spec(lab, _spec())
    assert load_result(lab, "m", "traffic", Reference) is None
    save_result(lab, "m", "traffic", reference)
    assert load_result(lab, "m", "traffic", Reference) == reference


def test_any_change_of_a_spec_changes_its_digest() -> None:
    assert spec_digest(_spec()) == spec_digest(_spec())
    assert spec_digest(_spec()) != spec_digest(_spec(act=1.0))
