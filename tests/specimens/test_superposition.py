"""All experiments with toy models: complete, with controls, and the same for the same seed."""

from hooke.specimens.superposition import EXPERIMENTS, Effort, superposition

LITTLE = Effort(steps=0.02, seeds=0.1)


def test_each_claim_has_an_interval_and_a_control():
    found = superposition(effort=LITTLE, seed=3)
    assert len({one.name for one in found}) == len(EXPERIMENTS)
    findings = [claim.finding for one in found for claim in one.claims]
    assert len({one.claim for one in findings}) == len(findings)
    for one in findings:
        assert one.control_interval is not None, one.claim
        assert one.control_name, one.claim
        assert one.n >= 2, one.claim


def test_a_seed_gives_its_numbers_again():
    first, again, other = (EXPERIMENTS[0](effort=LITTLE, seed=seed) for seed in (1, 1, 2))
    assert first.data == again.data
    assert first.data != other.data
