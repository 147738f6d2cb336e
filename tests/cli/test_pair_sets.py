"""Sets of pairs by name or file."""

from pathlib import Path

import pytest

from hooke.cli.pair_sets import chosen_pairs
from hooke.errors import BadRequest
from hooke.text.pairs import PromptPair, pairs_to_jsonl
from hooke.text.tasks import task


def test_a_task_brings_its_own_metric():
    given = chosen_pairs("greater-than", None, None)
    assert (given.name, given.metric) == ("greater-than", "probability")
    assert given.pairs == task("greater-than").pairs()
    assert chosen_pairs("greater-than", None, "logit").metric == "logit"


def test_a_file_is_judged_by_logits(tmp_path: Path):
    file = tmp_path / "set.jsonl"
    pair = PromptPair(clean="a", corrupted="b", answers=("x",), wrong=("y",))
    file.write_text(pairs_to_jsonl([pair]))
    given = chosen_pairs(None, file, None)
    assert (given.name, given.metric, given.pairs) == (str(file), "logit", [pair])


def test_one_of_both_is_needed():
    for task_name, file in ((None, None), ("capitals", Path("set.jsonl"))):
        with pytest.raises(BadRequest, match="either --task NAME or --pairs FILE"):
            chosen_pairs(task_name, file, None)
