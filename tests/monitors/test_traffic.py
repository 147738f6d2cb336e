"""The traffic of a calibration."""

import math
from pathlib import Path

import pytest

from hooke.lab import Lab
from hooke.models.model import Model
from hooke.monitors.spec import save_spec
from hooke.monitors.traffic import Reference, TrafficRows, read_traffic
from hooke.monitors.transcripts import Text, score_texts
from tests.cli.tiny_lab import make_tokenizer
from tests.models.tiny import tiny_hf
from tests.monitors.made import monitor_of


def test_what_was_never_judged_is_below_all_numbers_again() -> None:
    found = Reference.of("c", [1.5, -math.inf])
    assert (found.n, found.peaks) == (2, (1.5, None))
    assert found.known() == [1.5, -math.inf]


def test_what_parts_and_sites_held_is_read_with_the_peaks_and_kept(tmp_path: Path) -> None:
    tokenizer, lab = make_tokenizer(), Lab(tmp_path)
    model = Model(tiny_hf("llama", vocab_size=len(tokenizer)), tokenizer, name="tiny")
    monitor = monitor_of(model, lab)
    save_spec(lab, monitor.spec)
    texts = [Text(text="a longer text of words"), Text(text="short one"), Text(text="the cat sat on the mat")]
    peaks, found = read_traffic(model, monitor, texts)
    assert peaks == pytest.approx([one.peaks[0] for one in score_texts(model, [monitor], texts)])
    (site,) = monitor.sites
    for at, text in enumerate(texts):
        rows = model.run(text.text, capture=[site])[site][0][1:]
        assert found.means[str(site)][at] == pytest.approx(rows.mean(0).numpy(), abs=1e-4)
        assert found.fired[at].tolist() == [bool((monitor.scorers[0].score({site: rows}) > 0).any())]
    assert TrafficRows.load(lab, monitor.name) is None
    found.save(lab, monitor.name)
    again = TrafficRows.load(lab, monitor.name)
    assert again is not None
    assert (again.names, again.fired.tolist()) == (("up",), found.fired.tolist())
    assert again.means[str(site)] == pytest.approx(found.means[str(site)], abs=1e-2)
