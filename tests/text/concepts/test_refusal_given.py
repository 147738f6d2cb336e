"""The request does not tell whether it is refused."""

from collections import defaultdict

from hooke.text.concepts.refusal_given import items


def test_each_request_is_refused_and_answered():
    labels = defaultdict(set)
    for one in items():
        if one.style == "chat":
            labels[one.text.split("\n")[0]].add(one.label)
    assert len(labels) == 32
    assert all(some == {True, False} for some in labels.values())


def test_no_two_groups_refuse_in_the_same_words():
    refusals = {one.group: one.text.split("Assistant: ")[1] for one in items() if one.label and one.style == "chat"}
    assert len(set(refusals.values())) == len(refusals) == 16


def test_answers_that_sound_like_refusals_answer_harmless_requests():
    near = [one for one in items() if one.is_near]
    assert len(near) == 32
    for one in near:
        assert not one.label
        assert one.group in one.text
