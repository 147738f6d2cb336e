import json
import time

import numpy as np
import pytest

from hooke.features.card import AFTER, BEFORE, GROUPS, read_histogram, read_sources, shown
from hooke.features.query import Index
from hooke.features.store import N_BINS, Manifest
from tests.features.planted import N_FEATURES


@pytest.mark.parametrize("feature", range(N_FEATURES))
def test_a_card_is_plain_json(index: Index, feature: int):
    card = index.card(feature)
    data = json.loads(json.dumps(card.to_json()))
    assert data["n_active"] == card.n_active
    assert data["labels"][0]["source"] == "rule"
    assert [group["name"] for group in data["groups"]] == [group.name for group in card.groups]


def test_a_card_of_a_dead_feature_says_so(index: Index):
    card = index.card(5)
    assert card.groups == card.partners == card.examples == ()
    assert card.label is not None
    assert card.label.kind == "dead"
    assert (card.density, card.max, card.mean) == (0, 0, 0)
    assert sum(card.histogram.counts) == 0


def test_a_card_takes_milliseconds(index: Index):
    index.card(0)
    times = []
    for _ in range(20):
        start = time.perf_counter()
        index.card(0)
        times.append(time.perf_counter() - start)
    # 5 ms is the aim; the shape checks that only tests have, and busy machines, need room.
    assert np.median(times) < 0.05


def test_groups_are_named_by_their_share_of_the_firings():
    assert GROUPS == ("strongest", "80–100 %", "60–80 %", "40–60 %", "20–40 %", "0–20 %")


def test_what_is_shown_stays_in_the_window():
    assert shown(0, 256) == (0, AFTER + 1)
    assert shown(100, 256) == (100 - BEFORE, 100 + AFTER + 1)
    assert shown(255, 256) == (255 - BEFORE, 256)


def test_empty_bins_below_the_smallest_activation_are_left_out():
    counts = np.zeros(N_BINS, np.uint32)
    counts[[20, 31]] = 5, 2
    histogram = read_histogram(counts, 40_000)
    assert histogram.counts == (5, *[0] * 10, 2)
    assert len(histogram.edges) == len(histogram.counts) + 1
    # Half-octaves.
    assert histogram.edges[2] / histogram.edges[0] == pytest.approx(2, rel=1e-4)


def test_shares_of_sources_are_beside_their_base_rates(index: Index):
    manifest = Manifest(
        **{name: getattr(index.manifest, name) for name in Manifest.__dataclass_fields__}
        | {"sources": ("a", "b"), "source_tokens": (900, 100)}
    )
    shares = read_sources(np.array([10, 30]), manifest)
    assert [(one.source, one.share, one.base) for one in shares] == [("b", 0.75, 0.1), ("a", 0.25, 0.9)]
