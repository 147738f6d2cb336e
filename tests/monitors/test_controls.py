"""Controls: random directions know nothing of the planted one, words know what words can."""

from pathlib import Path

import pytest

from hooke.monitors.controls import random_area, random_monitors, words_area
from hooke.monitors.evaluation import area_of
from hooke.monitors.stream import open_monitor
from hooke.monitors.transcripts import Text, score_texts
from tests.monitors.planted import planted_probe, planted_spec, specimen, texts_of


def test_random_directions_are_as_long_and_know_less(tmp_path: Path) -> None:
    found = specimen()
    spec, lab = planted_spec(found, found.model, tmp_path)
    probe = planted_probe(found, found.model)
    drawn = random_monitors(spec, probe, 12)
    vectors = [one.scorers[0].probe.vectors[0] for one in drawn if one.scorers[0].probe is not None]
    assert [float(one.norm()) for one in vectors] == pytest.approx([float(probe.vectors[0].norm())] * 12, rel=1e-5)
    scored = score_texts(found.model, [open_monitor(spec, found.model, lab), *drawn], texts_of(found))
    assert area_of(scored, 0)[0] == 1.0
    control = random_area(scored, range(1, 13))
    assert 0.5 <= control.interval[0] <= control.value < 1.0


def test_words_tell_what_words_can() -> None:
    fit = [Text(text=f"{word} {at}", label=word == "yes") for at in range(6) for word in ("yes", "no")]
    assert words_area(fit, [Text(text="yes sir", label=True), Text(text="no sir", label=False)]).value == 1.0
    other = [Text(text="perhaps", label=True), Text(text="perhaps", label=False)]
    assert words_area(fit, other).value == 0.5
