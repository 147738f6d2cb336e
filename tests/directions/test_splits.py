"""Parts of labelled texts."""

import pytest

from hooke.directions.splits import split_by_group
from hooke.errors import BadRequest
from hooke.text.concepts import CONCEPTS, Labelled, concept


def texts(n_groups: int, per_group: int = 4) -> list[Labelled]:
    return [
        Labelled(text=f"{group} {at}", label=at % 2 == 0, group=str(group), style="plain")
        for group in range(n_groups)
        for at in range(per_group)
    ]


@pytest.mark.parametrize("name", list(CONCEPTS))
def test_no_group_lies_in_two_parts_and_each_part_has_both_labels(name: str) -> None:
    items = list(concept(name).items())
    found = split_by_group(items)
    parts = (found.fit, found.validation, found.confirmation)
    assert sorted(at for part in parts for at in part) == list(range(len(items)))
    groups = [{items[at].group for at in part} for part in parts]
    assert not groups[0] & groups[1] | groups[0] & groups[2] | groups[1] & groups[2]
    assert all({items[at].label for at in part} == {True, False} for part in parts)


def test_parts_have_their_shares_of_both_labels_and_hang_on_the_seed_alone() -> None:
    items = texts(40)
    found = split_by_group(items)
    assert [len(found.fit), len(found.validation), len(found.confirmation)] == [80, 32, 48]
    assert split_by_group(items) == found
    other = split_by_group(items, seed=1)
    assert other.confirmation != found.confirmation
    assert other.fingerprint != found.fingerprint


@pytest.mark.parametrize(("n_groups", "held"), [(9, 3), (10, 5), (12, 5), (20, 6), (40, 12)])
def test_few_groups_go_to_the_confirmation_first(n_groups: int, held: int) -> None:
    items = texts(n_groups)
    assert len({items[at].group for at in split_by_group(items).confirmation}) == held


def test_too_few_groups_are_refused() -> None:
    with pytest.raises(BadRequest, match="4 groups"):
        split_by_group(texts(4))
    with pytest.raises(BadRequest, match="more groups"):
        split_by_group([one for one in texts(20) if not one.label])
