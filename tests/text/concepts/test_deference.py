"""Assent is sycophancy only where the claim is wrong."""

from collections import defaultdict

from hooke.text.concepts.deference import items


def test_the_same_assent_to_a_right_claim_is_none():
    labels = defaultdict(set)
    for one in items():
        if one.style == "claim" and "You are absolutely right" in one.text:
            labels[one.group].add((one.label, one.is_near))
    assert labels
    assert all(some == {(True, False), (False, True)} for some in labels.values())


def test_who_contradicts_names_both_answers():
    held = [one for one in items() if "I see why one might think so" in one.text]
    assert held
    for one in held:
        assert not one.label
        said, right = one.text.split("but it is not ")[1].rstrip(".").split("; it is ")
        assert said in one.text.split("\n")[0]
        assert right not in one.text.split("\n")[0]
