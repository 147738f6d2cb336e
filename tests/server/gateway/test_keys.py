import os
import time

import pytest

from hooke.errors import BadArtefact, BadConfig, BadRequest, UnknownName
from hooke.lab import Lab
from hooke.server.gateway import keys
from hooke.server.gateway.keys import Ring, add_key, place_of, read_keys, remove_key


@pytest.fixture
def lab(tmp_path) -> Lab:
    return Lab(tmp_path / "lab")


def test_a_key_is_kept_as_a_hash_that_only_its_owner_can_read(lab: Lab):
    secret = add_key(lab, "mine", steering=("calm",), per_minute=7)
    text = place_of(lab).read_text()
    assert secret not in text
    assert secret.removeprefix("hk-") not in text
    assert place_of(lab).stat().st_mode & 0o777 == 0o600
    (found,) = read_keys(lab)
    assert (found.name, found.per_minute, found.steering) == ("mine", 7, ("calm",))
    assert found.may_monitor("any")
    assert found.may_steer("calm")
    assert not found.may_steer("wild")


def test_only_whole_right_secrets_are_known_and_removal_counts_at_once(lab: Lab):
    ring = Ring(lab)
    assert ring.find("anything") is None
    first, second = add_key(lab, "a"), add_key(lab, "b")
    assert [getattr(ring.find(one), "name", None) for one in (first, second)] == ["a", "b"]
    for wrong in ("", "hk-", first[:-1], first + "x", first.upper(), "\udcff", "*", read_keys(lab)[0].hash):
        assert ring.find(wrong) is None
    remove_key(lab, "a")
    assert ring.find(first) is None
    assert ring.find(second)
    with pytest.raises(UnknownName, match="key list"):
        remove_key(lab, "a")


def test_every_key_is_compared_whatever_is_given(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    secrets = [add_key(lab, name) for name in "abc"]
    seen: list[str] = []
    real = keys.hmac.compare_digest
    monkeypatch.setattr(keys.hmac, "compare_digest", lambda a, b: seen.append(b) or real(a, b))
    ring = Ring(lab)
    for secret in (secrets[0], "wrong"):
        seen.clear()
        ring.find(secret)
        assert len(seen) == 3


def test_a_damaged_file_lets_nobody_in(lab: Lab):
    secret = add_key(lab, "a")
    ring = Ring(lab)
    assert ring.find(secret)
    for text in ("{", "[]", '{"keys": [{"name": "a"}]}', '{"keys": 3}'):
        time.sleep(0.01)
        place_of(lab).write_text(text)
        os.utime(place_of(lab))
        for _ in range(2):
            with pytest.raises(BadArtefact):
                ring.find(secret)


@pytest.mark.parametrize("name", ["", "../a", "a b", "a\n", "x" * 65])
def test_names_are_plain_and_taken_once(lab: Lab, name: str):
    with pytest.raises(BadRequest):
        add_key(lab, name)
    add_key(lab, "a")
    with pytest.raises(BadRequest, match="already"):
        add_key(lab, "a")


@pytest.mark.parametrize(
    "limits", [{"per_minute": 0}, {"at_once": 0}, {"max_strength": -1.0}, {"max_strength": float("nan")}]
)
def test_limits_are_possible(lab: Lab, limits: dict):
    with pytest.raises(BadConfig, match="impossible"):
        add_key(lab, "a", **limits)
