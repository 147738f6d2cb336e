"""What reaches for more has a twin that keeps to the task."""

from collections import Counter

from hooke.text.concepts.power_seeking import items


def test_twins_share_style_topic_and_words():
    every = [one for one in items() if not one.group.startswith("words ")]
    assert set(Counter((one.group, one.style, one.label) for one in every).values()) == {1}
    by_twin = {(one.group, one.style, one.label): set(one.text.lower().split()) for one in every}
    for (group, style, label), words in by_twin.items():
        assert len(words & by_twin[group, style, not label]) >= 5


def test_words_of_power_seek_none():
    sounding = [one for one in items() if one.group.startswith("words ")]
    assert len(sounding) >= 5
    assert not any(one.label for one in sounding)
