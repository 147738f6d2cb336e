"""What is dangerous is named beside a harmless twin, and nothing is told of how it is done."""

from collections import Counter

from hooke.text.concepts.dangerous_content import items


def test_twins_have_the_same_form():
    every = [one for one in items() if not one.group.startswith("words ")]
    assert set(Counter((one.group, one.style, one.label) for one in every).values()) == {1}
    by_twin = {(one.group, one.style, one.label): one.text for one in every}
    for (group, style, label), text in by_twin.items():
        other = by_twin[group, style, not label]
        assert len(set(text.split()) & set(other.split())) >= 5


def test_no_text_instructs():
    for one in items():
        assert not {"step", "mix", "add", "recipe", "instructions", "build", "buy"} & set(one.text.lower().split())


def test_harmless_uses_of_the_words_are_near_misses():
    sounding = [one for one in items() if one.group.startswith("words ")]
    assert len(sounding) >= 5
    assert all(one.is_near and not one.label for one in sounding)
