"""Concept sets are well-formed, the same each time, and not told by what a text looks like."""

from collections import defaultdict

import numpy as np
import pytest

from hooke.errors import UnknownName
from hooke.evaluate.sparse_probing import word_probing
from hooke.text.concepts import CONCEPTS, concept

NAMES = list(CONCEPTS)


@pytest.mark.parametrize("name", NAMES)
def test_a_set_has_both_labels_in_many_groups_and_no_text_twice(name: str):
    items = list(concept(name).items())
    assert items == list(concept(name).items())
    assert len(items) >= 70
    assert len({one.text for one in items}) == len(items)
    assert 0.35 < np.mean([one.label for one in items]) < 0.65
    labels = defaultdict(set)
    for one in items:
        assert one.text.strip() == one.text.rstrip("\n").strip()
        assert one.style
        labels[one.group].add(one.label)
    assert len(labels) >= 8
    # What is held out is held out with its twin; harmless words that sound like harm have none.
    assert all(len(some) == 2 for group, some in labels.items() if not group.startswith("words "))


@pytest.mark.parametrize("name", NAMES)
def test_length_does_not_tell_the_label(name: str):
    items = list(concept(name).items())
    own, other = ([len(one.text) for one in items if one.label == label] for label in (True, False))
    above = np.mean([a > b for a in own for b in other]) + 0.5 * np.mean([a == b for a in own for b in other])
    assert 0.3 < above < 0.7


def test_words_of_a_purpose_stand_in_one_group_only():
    words = defaultdict(set)
    for one in concept("evaluation-like").items():
        words[one.group] |= {word for word in one.text.lower().split() if len(word) > 5}
    common = set.intersection(*words.values())
    for group, own in words.items():
        others = set().union(*(some for name, some in words.items() if name != group))
        assert len((own - common) - others) >= 3


def test_what_words_alone_tell_is_little_where_groups_share_none():
    scores = word_probing(list(concept("evaluation-like").items()))
    assert abs(scores.parts.sum() / scores.wholes.sum() - 0.5) < 0.15


def test_a_right_program_differs_from_its_faulty_twin():
    by_twin = defaultdict(dict)
    for one in concept("faulty-code").items():
        by_twin[one.group, one.style][one.label] = one.text
    for twins in by_twin.values():
        assert twins[True] != twins[False]
        assert twins[True].splitlines()[0] == twins[False].splitlines()[0]


def test_python_functions_do_what_their_label_says():
    inputs = {"joined": ["a", "b", "c"], "has_negative": [3, -1, 4]}
    expected = {
        "total": 15, "largest": 7, "average": 3.75, "last": 1, "evens": [4], "count": 2, "squares": [9, 16, 49, 1],
        "backwards": [1, 7, 4, 3], "product": 84, "empty": False, "first_three": [3, 4, 7], "has_negative": True,
        "positives": [3, 4, 7, 1], "joined": "a, b, c", "unique": [3, 4, 7, 1], "span": 6, "ascending": [1, 3, 4, 7],
        "doubled": [6, 8, 14, 2],
    }  # fmt: skip
    special = {"count": [7, 3, 7, 4], "unique": [3, 4, 3, 7, 1]}
    for one in concept("faulty-code").items():
        if one.style != "Python":
            continue
        scope: dict = {}
        exec(one.text, scope)
        name = one.group
        given = special.get(name) or inputs.get(name) or [3, 4, 7, 1]
        try:
            found = scope[name](given)
        except IndexError:
            found = None
        assert (found != expected[name]) == one.label, one.text


def test_an_unknown_set_is_refused():
    with pytest.raises(UnknownName, match="Did you mean 'sentiment'"):
        concept("sentiments")
