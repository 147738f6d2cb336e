"""Tasks are well-formed, and the same each time."""

import pytest

from hooke.errors import UnknownName
from hooke.text.tasks import TASKS, agreement, indirect_object, task, two_hop_language


@pytest.mark.parametrize("name", list(TASKS))
def test_a_task_is_a_set_of_thirty_or_more_different_pairs(name: str):
    pairs = task(name).pairs()
    assert len(pairs) >= 30
    assert len({(pair.clean, pair.corrupted) for pair in pairs}) == len(pairs)
    for pair in pairs:
        assert pair.clean != pair.corrupted
        assert not set(pair.answers) & set(pair.wrong)
        assert pair.group
    assert task(name).pairs() == pairs


def test_who_gives_is_not_given():
    for pair in task("indirect-object").pairs():
        assert pair.clean.count(pair.wrong[0]) == 2
        assert pair.clean.count(pair.answers[0]) == 1
        assert pair.corrupted.count(pair.answers[0]) == 2


def test_years_that_are_later_are_right():
    for pair in task("greater-than").pairs():
        tens = pair.clean.split("17")[1][0]
        assert set(pair.answers) == {str(one) for one in range(10) if one > int(tens)}
        assert set(pair.wrong) == {str(one) for one in range(10) if one < int(tens)}
        assert pair.corrupted.split("17")[1][0] == "0"


def test_tasks_are_put_in_other_words():
    for usual, other in (
        (indirect_object(), indirect_object("{who} gave a {thing} to {first} or {second} in the {place}")),
        (two_hop_language(), two_hop_language("In {} they speak")),
        (agreement(), agreement("Today the {noun} behind the {near}")),
    ):
        assert [(one.answers, one.wrong, one.group) for one in usual] == [
            (one.answers, one.wrong, one.group) for one in other
        ]
        assert not {one.clean for one in usual} & {one.clean for one in other}


def test_an_unknown_task_is_refused():
    with pytest.raises(UnknownName, match="Did you mean 'capitals'"):
        task("capital")
