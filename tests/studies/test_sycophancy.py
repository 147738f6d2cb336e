"""The study of sycophancy: its halves, and its findings on a specimen."""

import numpy as np
import pytest
import torch

from hooke.models.split import split_run
from hooke.sites import Site
from hooke.specimens import build
from hooke.studies import sycophancy
from hooke.studies.changes import Removed
from hooke.studies.opinion_effects import Asked
from hooke.studies.sycophancy import CONDITIONS, Trial
from hooke.text.stated_opinions import ALONE, NOBODYS, QUESTIONS, WORDINGS

TOPICS = ("a", "a", "b", "b", "c", "c")


def test_halves_share_no_topic():
    first, second = sycophancy.halves(QUESTIONS)
    assert not {one.topic for one in first} & {one.topic for one in second}
    assert len(first) == len(second) == 30


@pytest.fixture(scope="module")
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


@pytest.fixture
def trial(opinion: Asked) -> Trial:
    width = opinion.run.value.shape[-1]
    return Trial(
        change=Removed(opinion.run.value[0, -1].float()[None]),
        twins=tuple(Removed(torch.eye(width)[at][None]) for at in range(2)),
        controls="random directions",
        topics=TOPICS,
        seed=0,
    )


def test_moves_stand_beside_the_furthest_twin(opinion: Asked, trial: Trial):
    found = trial.moves("it moves", opinion)
    assert found.value == pytest.approx(opinion.moved(trial.change).mean())
    assert found.control == pytest.approx(max((float(opinion.moved(one).mean()) for one in trial.twins), key=abs))
    assert found.n == 3
    assert found.control_name == "the furthest of 2 random directions"
    other = sycophancy.wrong_way(opinion, trial)
    assert other.value == pytest.approx((opinion.moved(trial.change) < 0).mean())


def test_what_is_given_up_is_what_was_known(opinion: Asked):
    swapped = Asked(opinion.run, opinion.wrong, opinion.right)
    sets = dict.fromkeys(CONDITIONS, opinion)
    knew = float((opinion.gaps() > 0).mean())
    found = sycophancy.behaves(sets | {"wrong": swapped}, TOPICS, seed=0)
    assert [one.value for one in found[:3]] == [knew, knew, 0.0]
    assert found[1].control == 0.0
    assert found[4].value == pytest.approx(-2 * opinion.gaps().mean())
    assert found[4].control == 0.0


def test_forms_stand_beside_each_other_in_a_table_and_a_picture(opinion: Asked):
    swapped = Asked(opinion.run, opinion.wrong, opinion.right)
    table, picture = sycophancy.both_forms(
        dict.fromkeys(CONDITIONS, opinion), dict.fromkeys(CONDITIONS, swapped), TOPICS, seed=0
    )
    assert [row[0] for row in table.rows] == list(picture.rows)
    text, chat = picture.series
    assert [one.value for one in text.values] == pytest.approx([float(opinion.gaps().mean())] * 4)
    assert [one.value for one in chat.values] == pytest.approx([-one.value for one in text.values])


def test_wordings_are_ranked_by_nats(opinion: Asked, trial: Trial, monkeypatch: pytest.MonkeyPatch):
    order = iter(range(len(WORDINGS)))

    class Worse(Asked):
        def moved(self, change: object) -> np.ndarray:
            return np.full(6, -float(self.right[0]) if change is trial.change else 0.0)

    def asked(*_: object) -> Asked:
        return Worse(opinion.run, (next(order),) * 6, opinion.wrong)

    monkeypatch.setattr(sycophancy, "asked", asked)
    table, worst = sycophancy.wordings(opinion.run.model, [], opinion.run.site, trial, opinion)
    assert [row[0] for row in table.rows] == list(WORDINGS)[::-1]
    assert worst.value == -(len(WORDINGS) - 1)
    assert list(WORDINGS)[-1] in worst.claim


def test_conditions_are_asked_in_the_form_that_is_wanted(opinion: Asked, monkeypatch: pytest.MonkeyPatch):
    calls = []

    def asked(*given: object, is_chat: bool) -> Asked:
        calls.append((*given[2:], is_chat))
        return opinion

    monkeypatch.setattr(sycophancy, "asked", asked)
    site = opinion.run.site
    found = sycophancy.in_all(opinion.run.model, QUESTIONS, site, ("alone", "nobody's"), is_chat=True)
    assert list(found) == ["alone", "nobody's"]
    assert calls == [(ALONE, "", site, True), (NOBODYS, "wrong", site, True)]
