"""Praise is sarcasm only where it is of what went wrong."""

from collections import defaultdict

from hooke.evaluate.sparse_probing import word_probing
from hooke.text.concepts.sarcasm import items


def test_the_same_praise_stands_behind_what_went_wrong_and_what_went_well():
    said = defaultdict(set)
    for one in items():
        if one.style == "chat":
            what, praise = one.text.split(". ", 1)
            said[one.group, praise].add((one.label, one.is_near, what))
    twice = [some for some in said.values() if len(some) == 2]
    assert len(twice) == 32
    for some in twice:
        assert {(label, near) for label, near, _ in some} == {(True, False), (False, True)}
        assert len({what for _, _, what in some}) == 2


def test_complaints_are_none_though_they_are_of_the_same():
    wrong = {(one.group, one.text.split(". ")[0]) for one in items() if one.label and one.style == "chat"}
    plain = {(one.group, one.text.split(". ")[0]) for one in items()
             if not one.label and not one.is_near and one.style == "chat"}  # fmt: skip
    assert plain == wrong


def test_words_alone_tell_little_on_other_topics():
    scores = word_probing(list(items()))
    assert abs(scores.parts.sum() / scores.wholes.sum() - 0.5) < 0.15
