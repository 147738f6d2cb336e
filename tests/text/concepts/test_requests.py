"""Each request has a harmless twin of the same style and topic."""

from collections import Counter

from hooke.text.concepts.requests import items


def test_twins_share_style_topic_and_words():
    every = [one for one in items() if not one.group.startswith("words ")]
    counts = Counter((one.group, one.style, one.label) for one in every)
    assert set(counts.values()) == {1}
    by_twin = {(one.group, one.style, one.label): set(one.text.lower().split()) for one in every}
    for (group, style, label), words in by_twin.items():
        assert len(words & by_twin[group, style, not label]) >= 3


def test_words_that_sound_like_harm_are_harmless():
    sounding = [one for one in items() if one.group.startswith("words ")]
    assert len(sounding) >= 5
    assert not any(one.label for one in sounding)
    assert all(one.is_near for one in sounding)
