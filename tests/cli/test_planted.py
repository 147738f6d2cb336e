"""`hooke specimen dictionaries`."""

import pytest

from hooke.evaluate import planted_exclusives, planted_recovery
from tests.cli.conftest import Hooke


def test_each_kind_stands_beside_a_random_dictionary(hooke: Hooke, monkeypatch: pytest.MonkeyPatch):
    full = planted_recovery.recover_planted
    monkeypatch.setattr(planted_recovery, "recover_planted", lambda kind, seed: full(kind, n_steps=20, seed=seed))
    found = hooke("specimen dictionaries --json --seed 3").data["found"]
    assert len(found) == 3 * len(planted_recovery.KINDS)
    assert {one["control_name"] for one in found} == {"random dictionary of the same shape"}
    assert {one["seed"] for one in found} == {3}
    assert "jumprelu" in hooke("specimen dictionaries").out


def test_crosscoders_stand_beside_a_random_one(hooke: Hooke, monkeypatch: pytest.MonkeyPatch):
    full = planted_exclusives.find_exclusives
    monkeypatch.setattr(planted_exclusives, "find_exclusives", lambda kind, seed: full(kind, n_steps=20, seed=seed))
    done = hooke("specimen crosscoders --json --seed 3").data["found"]
    assert {one["claim"].split(":")[0] for one in done} == {"relu", "batchtopk"}
    assert {one["control_name"] for one in done} == {"random crosscoder of the same shape"}
    assert {one["seed"] for one in done} == {3}


@pytest.mark.parametrize("what", ["dictionaries", "crosscoders"])
def test_a_negative_seed_is_refused(hooke: Hooke, what: str):
    assert hooke(f"specimen {what} --seed -1").code == 2
