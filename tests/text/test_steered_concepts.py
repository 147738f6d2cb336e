"""Concepts of the score-board: what is shown and what only judges know."""

import pytest

from hooke.text.steered_concepts import CONCEPTS, INSTRUCTIONS, sentences


@pytest.mark.parametrize("name", CONCEPTS)
def test_unseen_words_are_in_no_sentence_and_groups_have_both_labels(name: str):
    items, concept = list(sentences(name)), CONCEPTS[name]
    assert not set(concept.shown) & set(concept.unseen)
    said = {word.strip(".").lower() for one in items for word in one.text.split()}
    assert not said & set(concept.unseen)
    assert set(concept.shown) <= said
    for group in {one.group for one in items}:
        assert {one.label for one in items if one.group == group} == {True, False}
    assert all(one.label == any(word in concept.shown for word in one.text.rstrip(".").split()) for one in items)


def test_instructions_name_words_of_their_answers():
    assert len(INSTRUCTIONS) % 2 == 0
    for _, words in INSTRUCTIONS:
        assert len(set(words)) == len(words) >= 5
