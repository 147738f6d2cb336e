"""Verdicts, and evidence that is read back."""

from pathlib import Path

import pytest

from hooke.directions.choosing import Candidate, Tried
from hooke.directions.evidence import (
    EMBEDDING,
    FORMAT,
    RANDOM,
    REDRAWN,
    WORDS,
    Baseline,
    Evidence,
    Recall,
    judge,
    load_evidence,
    save_evidence,
)
from hooke.directions.pooling import Pooling
from hooke.directions.probe import save_probe
from hooke.findings import Estimate
from hooke.lab import Lab
from tests.directions.made import probe_of
from tests.models.tiny import tiny_model


def estimate(value: float, half: float = 0.05) -> Estimate:
    return Estimate(value=value, interval=(value - half, value + half))


def baseline(name: str, ahead: float | None) -> Baseline:
    area = None if ahead is None else estimate(0.9 - ahead)
    return Baseline(
        name=name, area=area, recall=None, ahead=None if ahead is None else estimate(ahead), about="made for this test"
    )


ALL = [baseline(name, 0.2) for name in (WORDS, FORMAT, EMBEDDING, REDRAWN, RANDOM)]


def test_a_probe_that_beats_all_is_beyond_controls() -> None:
    found = judge(estimate(0.9), 20, ALL)
    assert (found.level, "beyond every baseline" in found.words) == ("L2", True)


@pytest.mark.parametrize("ahead", [0.04, -0.1])
def test_a_probe_that_does_not_surely_beat_one_says_which(ahead: float) -> None:
    found = judge(estimate(0.9), 20, [baseline(WORDS, ahead), *ALL[1:]])
    assert found.level == "L1"
    assert "does not surely beat bag of words" in found.words


def test_what_was_not_measured_is_not_beaten() -> None:
    found = judge(estimate(0.9), 20, [*ALL[:3], baseline(REDRAWN, None)])
    assert (found.level, "not measured: weights drawn anew" in found.words) == ("L1", True)


def test_chance_is_not_found_and_two_groups_are_no_evidence() -> None:
    chance = judge(estimate(0.54), 20, ALL)
    assert (chance.level, chance.words.startswith("not found")) == ("L0", True)
    few = judge(estimate(0.99, 0.0), 2, ALL)
    assert (few.level, "2 groups" in few.words) == ("L0", True)


def evidence() -> Evidence:
    candidate = Candidate(method="means", sites=("resid_post.0",), pooling=Pooling())
    none = Recall(rate=0.01, recall=None, threshold=None, n_above=0, n_negatives=40, n_needed=299)
    some = Recall(rate=0.05, recall=estimate(0.8), threshold=1.5, n_above=1, n_negatives=400, n_needed=59)
    return Evidence(
        concept="music",
        about="It is music.",
        n_fit=50,
        n_validation=20,
        n_positive=15,
        n_negative=15,
        n_groups=9,
        n_tried=30,
        tried=(Tried(candidate=candidate, area=0.99, apart=2.0),),
        split="abc",
        opened=1,
        area=estimate(0.9),
        near_area=None,
        recalls=(none, some),
        percentile=1.0,
        baselines=(*ALL, baseline("asking the model", None)),
        verdict=judge(estimate(0.9), 9, ALL),
        seed=0,
    )


def test_what_is_kept_is_read_back(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    folder = save_probe(lab, probe_of(tiny_model(), Pooling()))
    assert load_evidence(lab, "up") is None
    save_evidence(folder, evidence())
    assert load_evidence(lab, "up") == evidence()


def test_the_card_has_each_measured_baseline_and_each_estimable_recall() -> None:
    found = evidence().findings()
    assert [one.control_name for one in found] == [WORDS, FORMAT, EMBEDDING, REDRAWN, RANDOM, ""]
    assert found[0].control == pytest.approx(0.7)
    assert "5.0%" in found[-1].claim


def test_a_recall_that_cannot_be_told_says_how_many_negatives_it_takes() -> None:
    none, some = evidence().recalls
    assert none.words == "not estimable: 40 negatives, at least 299 are needed"
    assert some.words == "0.800 [0.750, 0.850]"
