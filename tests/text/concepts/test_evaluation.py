"""A purpose is told by neither form nor task, and not by words that groups share."""

from collections import defaultdict

from hooke.evaluate.sparse_probing import word_probing
from hooke.text.concepts.evaluation import items


def test_each_purpose_comes_in_each_form_and_with_each_task():
    forms = defaultdict(set)
    for one in items():
        forms[one.group, one.label].add((one.style, one.text.split(". ")[-1].split(": ")[-1][-20:]))
    assert len({len(some) for some in forms.values()}) == 1


def test_words_of_a_purpose_stand_in_one_group_only():
    words = defaultdict(set)
    for one in items():
        words[one.group] |= {word for word in one.text.lower().split() if len(word) > 5}
    common = set.intersection(*words.values())
    for group, own in words.items():
        others = set().union(*(some for name, some in words.items() if name != group))
        assert len((own - common) - others) >= 3


def test_what_words_alone_tell_is_little_where_groups_share_none():
    scores = word_probing(list(items()))
    assert abs(scores.parts.sum() / scores.wholes.sum() - 0.5) < 0.15
