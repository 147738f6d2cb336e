import numpy as np

from hooke.features.drafts import Draft
from hooke.features.judges import Judge, RuleJudge
from hooke.features.labelling import Bench, trial_of
from hooke.features.rules import Rule


def draft(bench: Bench, *words: str) -> Draft:
    names = bench.vocabulary.forms.names
    rule = Rule("current", tuple(names.index(word) for word in words))
    return Draft(feature=0, text="", source="rule", kind="token", rule=rule)


def test_a_rule_says_where_it_holds(bench: Bench):
    judge, trial = RuleJudge(bench.held), trial_of(bench.held, 0)
    assert isinstance(judge, Judge)
    right, wrong = draft(bench, "bridge", "river"), draft(bench, "piano")
    assert judge.contains(right, trial.firing).all()
    assert not judge.contains(right, trial.hard).any()
    marks = [np.array([peak]) for peak in trial.firing.peaks]
    assert judge.fits(right, trial.firing, marks).all()
    assert not judge.fits(wrong, trial.firing, marks).any()
    told = judge.strengths(right, trial.firing)
    assert told.sum() == np.isin(trial.firing.tokens, trial.fires).sum()


def test_the_odd_one_is_one_without_the_rule(bench: Bench):
    judge, trial = RuleJudge(bench.held), trial_of(bench.held, 0)
    five = trial.firing[:4].joined(trial.hard[:1])
    assert judge.odd(draft(bench, "bridge", "river"), five, 5).tolist() == [0, 0, 0, 0, 1]
    nobody = draft(bench, "bridge")
    none_holds = trial.hard[:5]
    assert judge.odd(nobody, none_holds, 5).tolist() == [0.2] * 5
