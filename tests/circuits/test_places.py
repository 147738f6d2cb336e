"""Parts of tokens, by where the prompts of a pair differ."""

from collections.abc import Sequence

import pytest
import torch

from hooke.circuits.pairs import Pairs
from hooke.circuits.places import PARTS, parts, positions
from hooke.errors import BadRequest
from hooke.models.model import Tokens
from hooke.text.pairs import PromptPair


def pairs_of(*rows: tuple[Sequence[int], Sequence[int]]) -> Pairs:
    longest = max(len(clean) for clean, _ in rows)
    sides = []
    for side in (0, 1):
        ids = torch.tensor([[*row[side], *[0] * (longest - len(row[side]))] for row in rows])
        mask = torch.tensor([[at < len(row[side]) for at in range(longest)] for row in rows])
        sides.append(Tokens(ids, mask))
    pair = PromptPair(clean="a", corrupted="b", answers=("x",), wrong=("y",))
    return Pairs((pair,) * len(rows), sides[0], sides[1], ((1,),) * len(rows), ((2,),) * len(rows))


def named(pairs: Pairs) -> list[list[str]]:
    return [[PARTS[one] if one >= 0 else "" for one in row] for row in parts(pairs).tolist()]


def test_several_changed_tokens_have_a_first_a_last_and_what_is_between():
    pairs = pairs_of(([9, 1, 2, 3, 8, 7, 6, 5], [9, 4, 2, 5, 8, 7, 6, 5]))
    expected = ["before", "first changed", "between", "last changed", "next", "after", "after", "last token"]
    assert named(pairs) == [expected]


def test_a_single_changed_token_is_the_last_one_and_short_prompts_are_padded():
    pairs = pairs_of(([9, 1, 2, 3, 4], [9, 5, 2, 3, 4]), ([9, 1, 2], [9, 5, 2]))
    assert named(pairs) == [
        ["before", "last changed", "next", "after", "last token"],
        ["before", "last changed", "last token", "", ""],
    ]


def test_a_last_token_is_the_last_token_also_where_it_changed():
    assert named(pairs_of(([9, 1, 2], [9, 1, 3]))) == [["before", "before", "last token"]]
    assert named(pairs_of(([1, 2], [4, 3]))) == [["first changed", "last token"]]


def test_positions_need_prompts_of_one_length():
    assert positions(pairs_of(([9, 1], [9, 2]), ([8, 1], [8, 2]))).tolist() == [[0, 1], [0, 1]]
    with pytest.raises(BadRequest, match="from 2 to 3 tokens"):
        positions(pairs_of(([9, 1, 2], [9, 1, 3]), ([9, 1], [9, 2])))
