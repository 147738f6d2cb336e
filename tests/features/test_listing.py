import numpy as np
import pytest

from hooke.errors import BadRequest
from hooke.features.listing import FACETS, Filters, Listing, unset
from hooke.features.query import Index
from tests.features.planted import N_FEATURES, STRENGTH


@pytest.fixture(scope="module")
def listing(index: Index) -> Listing:
    return Listing.of(index)


def test_columns_are_those_of_the_cards(index: Index, listing: Listing):
    for feature in range(N_FEATURES):
        card = index.card(feature)
        assert listing.n_active[feature] == card.n_active
        assert listing.density[feature] == pytest.approx(card.density, rel=1e-6)
        assert listing.max[feature] == np.float32(card.max)
        label = card.label
        assert listing.value("kind", feature) == (label.kind if label else "")
        assert listing.value("part", feature) == (card.by_source[0].source if card.n_active else "")
        if label and label.score is not None:
            assert listing.score[feature] == pytest.approx(label.score, rel=1e-6)


@pytest.mark.parametrize("sort", ["density", "max", "score", "f1"])
@pytest.mark.parametrize("descending", [False, True])
def test_an_order_is_one_and_what_has_no_value_is_last(listing: Listing, sort, descending: bool):
    features = listing.select(Filters(), sort, descending).features
    assert sorted(features.tolist()) == list(range(N_FEATURES))
    values = getattr(listing, sort)[features]
    missing = np.isnan(values)
    assert not missing[: np.count_nonzero(~missing)].any()
    steps = np.diff(values[~missing])
    assert (steps <= 0).all() if descending else (steps >= 0).all()


def test_labels_are_in_the_order_of_the_alphabet(index: Index, listing: Listing):
    features = listing.select(Filters(), "label", False).features.tolist()
    found = [index.label(feature) for feature in features]
    texts = [label.text.casefold() for label in found if label]
    assert texts == sorted(texts)


def test_numbers_go_up_or_down(listing: Listing):
    assert listing.select(Filters(), "number", True).features.tolist() == list(range(N_FEATURES))[::-1]


def test_what_a_filter_alone_hides_comes_back_without_it(listing: Listing):
    filters = {"max_density": 0.2, "alive": True, "min_max": 3.0}
    selection = listing.select(Filters(**filters), "number", False)
    assert set(selection.hidden) == set(filters)
    for name, n in selection.hidden.items():
        without = Filters(**{key: value for key, value in filters.items() if key != name})
        assert len(listing.select(without, "number", False).features) == len(selection.features) + n


def test_a_facet_says_how_many_its_value_would_leave(listing: Listing):
    selection = listing.select(Filters(alive=True), "number", False)
    for facet in FACETS:
        for value, n in selection.facets[facet].items():
            assert len(listing.select(Filters(alive=True, **{facet: value}), "number", False).features) == n


def test_its_own_filter_does_not_empty_a_facet(listing: Listing):
    kinds = listing.select(Filters(), "number", False).facets["kind"]
    one = next(iter(kinds))
    assert listing.select(Filters(kind=one), "number", False).facets["kind"] == kinds


def test_features_that_never_fired_can_be_asked_for(listing: Listing):
    never = [feature for feature, tokens in STRENGTH.items() if not tokens]
    assert listing.select(Filters(alive=False), "number", False).features.tolist() == never
    assert listing.select(Filters(part=unset("part")), "number", False).features.tolist() == never


def test_a_value_that_no_feature_has_is_refused_with_those_there_are(listing: Listing):
    with pytest.raises(BadRequest, match="There are:"):
        listing.select(Filters(kind="colour"), "number", False)


def test_filters_in_force_are_those_that_are_not_as_usual():
    assert Filters().in_force() == {}
    assert Filters(max_density=0.01, alive=False, kind="token").in_force() == {
        "max_density": "0.01",
        "kind": "token",
        "alive": "false",
    }
