"""Concept sets are well-formed, the same each time, and not told by what a text looks like."""

from collections import defaultdict

import numpy as np
import pytest

from hooke.errors import UnknownName
from hooke.text.concepts import CONCEPTS, concept, open_concept

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


def test_an_unknown_set_is_refused():
    with pytest.raises(UnknownName, match="Did you mean 'sentiment'"):
        concept("sentiments")


def test_a_set_is_opened_by_its_name():
    assert open_concept("sarcasm") == ("sarcasm", list(concept("sarcasm").items()))
    with pytest.raises(UnknownName, match="or give a .jsonl file"):
        open_concept("irony")
