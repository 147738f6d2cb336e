"""The brackets specimen checks count and horizon on every text, and its twin the count only."""

import itertools
import random

import pytest
import torch

from hooke.models.model import Model
from hooke.specimens import Specimen, build
from hooke.specimens.brackets import LONGEST, TOKEN, cases, elevations, places


@pytest.fixture(scope="module")
def brackets() -> Specimen:
    return build("brackets")


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """All short texts of brackets, and some long ones with letters between."""
    drawn = random.Random(0)
    short = [" ".join(words) for n in range(1, 8) for words in itertools.product("()", repeat=n)]
    return short + [" ".join(drawn.choices("()abc", k=drawn.randint(8, LONGEST))) for _ in range(300)]


def says_yes(model: Model, texts: list[str]) -> torch.Tensor:
    run = model.run([f"{text} ?" for text in texts])
    assert run.logits is not None
    last = run.logits[torch.arange(len(texts)), run.tokens.lengths - 1].softmax(-1)
    yes, no = last[:, TOKEN["yes"]], last[:, TOKEN["no"]]
    assert float(torch.maximum(yes, no).min()) > 0.9
    return yes > no


def test_every_text_is_judged_right(brackets: Specimen, texts: list[str]):
    heights = [elevations(text) for text in texts]
    expected = torch.tensor([one[-1] == 0 and min(one) >= 0 for one in heights])
    assert 20 < int(expected.sum()) < len(texts) / 2
    assert torch.equal(says_yes(brackets.model, texts), expected)


def test_the_twin_only_counts(brackets: Specimen, texts: list[str]):
    expected = torch.tensor([elevations(text)[-1] == 0 for text in texts])
    assert torch.equal(says_yes(brackets.twin, texts), expected)


def test_the_second_head_looks_where_most_were_closed_and_else_rests(brackets: Specimen):
    run = brackets.model.run(["( ) a ) ) ( ( ?", "( ) a ( b ) ( ) ?"], capture=["pattern.1"])
    first, second = run["pattern.1"][:, 0]
    assert float(first[8, 5]) > 0.99
    assert float(second[9, 0]) > 0.99


def test_elevations():
    assert elevations("( a ) ) (") == [1, 1, 0, -1, 0]


def test_prompts_are_of_all_three_kinds_and_differ():
    texts = [prompt.removesuffix(" ?") for prompt, _, _ in cases()]
    kinds = [("open" if elevations(text)[-1] else "below" if min(elevations(text)) < 0 else "even") for text in texts]
    assert {kind: kinds.count(kind) for kind in kinds} == {"even": 5, "open": 5, "below": 5}
    assert len(set(texts)) == len(texts)


def test_the_twins_neurons_are_others():
    mine, twins = places(twin=False), places(twin=True)
    assert len({mine.opened, mine.closed, twins.opened, twins.closed}) == 4
    assert len({mine.yes, mine.no, twins.yes, twins.no}) == 4
