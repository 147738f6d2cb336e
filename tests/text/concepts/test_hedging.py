"""A hedge is one group's own; what is said with it is said without it, too."""

from collections import defaultdict

from hooke.text.concepts.hedging import items


def test_each_statement_of_a_group_is_hedged_and_certain():
    by_style = defaultdict(list)
    for one in items():
        if not one.group.startswith("words "):
            by_style[one.group, one.style].append(one)
    assert len(by_style) == 48
    for twins in by_style.values():
        hedged, certain = sorted(twins, key=lambda one: not one.label)
        assert (hedged.label, certain.label) == (True, False)
        assert certain.is_near
        shared = set(hedged.text.split()) & set(certain.text.split())
        assert len(shared) >= 5


def test_words_of_hedges_in_another_sense_hedge_nothing():
    sounding = [one for one in items() if one.group.startswith("words ")]
    assert len(sounding) == 8
    assert not any(one.label for one in sounding)
    assert all(one.is_near for one in sounding)
