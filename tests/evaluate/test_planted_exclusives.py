"""Crosscoders on a pair of models whose exclusive features are planted."""

from hooke.evaluate.planted_exclusives import find_exclusives


def test_batchtopk_calls_exclusive_what_is_and_nothing_that_is_in_both():
    found = {one.claim: one for one in find_exclusives("batchtopk", n_steps=600)}
    for group in ("first", "second"):
        named = found[f"batchtopk: called exclusive, in the {group} only"]
        assert named.value > 0.5
        assert named.control == 0
        assert found[f"batchtopk: borne out by latent scaling, in the {group} only"].value > 0.5
    assert found["batchtopk: called exclusive, in both alike"].value == 0
    assert found["batchtopk: found, in both alike"].value > 0.7
    assert found["batchtopk: found, in both alike"].control == 0
