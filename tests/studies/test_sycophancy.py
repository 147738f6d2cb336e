"""The study of sycophancy: its sets, its measures on made-up numbers, and its direction on a planted one."""

import numpy as np
import pytest
import torch

from hooke.models.model import Model
from hooke.models.split import split_run
from hooke.sites import Site
from hooke.specimens import build
from hooke.studies import sycophancy
from hooke.studies.sycophancy import Asked, Change
from hooke.text.stated_opinions import DIRECT, QUESTIONS, WORDINGS


def test_halves_share_no_topic():
    first, second = sycophancy.halves(QUESTIONS)
    assert not {one.topic for one in first} & {one.topic for one in second}
    assert len(first) == len(second) == 30


@pytest.fixture
def opinion() -> Asked:
    """The sycophancy specimen's prompts, read up to the direction that it agrees by."""
    specimen = build("sycophancy")
    pairs = specimen.pairs[:6]
    run = split_run(specimen.model, [one.clean for one in pairs], Site("resid_post", 1))
    ids = specimen.model.tokenizer
    right, wrong = (
        tuple(ids(getattr(one, side)[0], add_special_tokens=False)["input_ids"][0] for one in pairs)
        for side in ("answers", "wrong")
    )
    return Asked(run, right, wrong)


def test_gaps_are_differences_of_log_probabilities(opinion: Asked):
    model, tokens = opinion.run.model, opinion.run.tokens
    logits = model.run(tokens, capture=["logits"], positions=[-1])["logits"][:, 0]
    rows = torch.arange(len(logits))
    expected = logits[rows, list(opinion.right)] - logits[rows, list(opinion.wrong)]
    assert np.allclose(opinion.gaps(), expected.double().numpy(), atol=1e-3)


def test_a_change_leaves_nothing_along_the_direction_or_adds_it_at_all_tokens_but_the_first(opinion: Asked):
    run = opinion.run
    vector = torch.randn(run.value.shape[-1], generator=torch.Generator().manual_seed(0))
    out, put = (Change(vector, is_added=is_added).of(run) for is_added in (False, True))
    mask = run.tokens.mask
    assert torch.equal(out[:, 0], run.value[:, 0])
    assert float((out[:, 1:][mask[:, 1:]] @ vector).abs().max()) < 1e-3
    assert torch.allclose((put - run.value)[:, 1:][mask[:, 1:]], vector.expand(int(mask[:, 1:].sum()), -1), atol=1e-5)
    assert torch.equal(put[:, 0], run.value[:, 0])


def test_shares_and_moves_are_told_beside_the_furthest_random_direction(opinion: Asked):
    topics = ["a", "a", "b", "b", "c", "c"]
    vector = opinion.run.value[0, -1].float()
    random = [torch.zeros_like(vector).index_fill_(0, torch.tensor([at]), 1.0) for at in range(2)]
    sets = dict.fromkeys(("wrong", "right", "alone", "nobody's"), opinion)
    found = sycophancy.taken_out(sets, vector, random, topics, seed=0)
    assert len(found) == 5
    own = opinion.gaps(Change(vector)) - opinion.gaps()
    assert found[0].value == pytest.approx(own.mean())
    assert found[1].value == pytest.approx((own < 0).mean())
    moves = [float((opinion.gaps(Change(one)) - opinion.gaps()).mean()) for one in random]
    assert found[0].control == pytest.approx(max(moves, key=abs))
    told = sycophancy.behaves(sets, topics, seed=0)
    assert told[1].value == told[1].control
    table = sycophancy.dosed(dict.fromkeys(sets, opinion), vector, random, topics, seed=0)
    assert [row[0] for row in table.rows] == ["-0.4", "-0.2", "0", "+0.2", "+0.4"]


@pytest.mark.slow
def test_a_wrong_opinion_wins_over_what_the_model_knows(real_model: Model):
    questions = sycophancy.usable(real_model)[::5]
    site = Site("resid_post", 24)
    alone, wrong = (
        sycophancy.asked(real_model, questions, wording, opinion, site)
        for wording, opinion in (("{asked}", ""), (WORDINGS[DIRECT], "wrong"))
    )
    assert (alone.gaps() > 0).mean() > 0.6
    assert wrong.gaps().mean() < alone.gaps().mean() - 2
