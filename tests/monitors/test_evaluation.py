"""Error rates: slices, worst first, and what a flag means."""

import math
from collections.abc import Sequence

import pytest

from hooke.monitors.evaluation import Evaluation, Share, evaluate, precision
from hooke.monitors.transcripts import Scored, Text


def _scored(peaks: Sequence[float], **about: object) -> list[Scored]:
    return [Scored(text=Text(text=str(at), **about), n_tokens=20, peaks=(peak,)) for at, peak in enumerate(peaks)]  # pyright: ignore[reportArgumentType]


def _evaluated() -> Evaluation:
    labelled = [
        *_scored([2.0, 2.0, 0.0, 2.0], label=True, style="mail", source="set"),
        *_scored([0.0, 0.0, 0.0, 0.0], label=True, style="chat", source="set", language="fr"),
        *_scored([0.0, 2.0], label=False, style="mail", source="set", is_near=True),
    ]
    traffic = [*_scored([0.0] * 98 + [2.0] * 2, source="code, chat"), *_scored([0.0] * 300, source="wiki, plain")]
    return evaluate(labelled, traffic, threshold=1.0, spec_digest="d", texts="set", traffic_name="t")


def test_shares_are_counted_slice_by_slice() -> None:
    found = _evaluated()
    assert (found.recall.value, found.recall.n) == (3 / 8, 8)
    assert found.false_alarms_labelled.value == 0.5
    assert found.false_alarms_traffic is not None
    assert found.false_alarms_traffic.value == pytest.approx(2 / 400)
    slices = {(one.kind, one.name): one for one in found.slices}
    chat = slices["style", "chat"]
    assert chat.recall is not None
    assert (chat.recall.value, chat.false_alarms) == (0.0, None)
    near = slices["near", "looks like the other label"]
    assert near.false_alarms is not None
    assert near.false_alarms.value == 0.5
    assert slices["language", "fr"].recall == chat.recall
    assert ("length", "under 32 tokens") in slices


def test_the_worst_comes_first_by_its_bound() -> None:
    found = _evaluated()
    bounds = [one.false_alarms.interval[1] for one in found.slices if one.false_alarms is not None]
    assert bounds == sorted(bounds, reverse=True)
    assert found.worst_source is not None
    assert found.worst_source.name == "set"


def test_what_there_are_too_few_texts_for_is_said() -> None:
    assert [one.split("'")[1] for one in _evaluated().not_estimable] == ["code, chat"]


@pytest.mark.parametrize(
    ("prevalence", "false_alarms", "right"),
    [(0.001, 0.01, 0.074), (0.001, 0.001, 0.445), (0.0001, 0.01, 0.008), (0.0001, 0.001, 0.074)],
)
def test_the_prevalence_calculator_is_as_published(prevalence: float, false_alarms: float, right: float) -> None:
    recall, alarms = (Share(value=one, interval=(one, one), n=1) for one in (0.8, false_alarms))
    assert precision(prevalence, recall, alarms).value == pytest.approx(right, abs=6e-4)


def test_without_flags_there_is_no_precision() -> None:
    none = Share(value=0.0, interval=(0.0, 1.0), n=1)
    assert precision(0.1, none, none).value is None
    quiet = evaluate(
        [*_scored([0.0, -math.inf], label=True), *_scored([0.0], label=False)],
        [],
        threshold=1.0,
        spec_digest="d",
        texts="x",
        traffic_name="",
    )
    assert (quiet.precisions[0].value, quiet.false_alarms_traffic) == (None, None)
    assert quiet.precisions[0].high is not None
