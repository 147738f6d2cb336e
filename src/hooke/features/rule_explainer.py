"""Labels without a language model: the simple rule that does best at telling passages apart, in words.

For each kind of rule (a token, a phrase, how a token is written, words of the context, a part of the corpus, that a
promoted token follows) the best one is made twice: for the strongest fifth of the firings, and for all of them, each by
its F1 on running text (`rules.py`). Of these candidates that rule is kept which does best on what it will be scored by:
telling passages with a firing from near misses, from passages alike, from random ones, and firing tokens from others.
All of this happens on the text that labels are made from; none of it is scored.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from hooke.features.drafts import Case, Draft
from hooke.features.explain import FEWEST, KINDS, STRONG, WEAKEST_SCORE, Explainer
from hooke.features.judges import RuleJudge
from hooke.features.rules import Firings, Rule, best_rule
from hooke.features.trials import Trial, TrialMaker, has_any
from hooke.features.vocabulary import Vocabulary
from hooke.features.wording import rule_text, search_words

_ALL = 1


class RuleExplainer:
    """Makes labels of rules, from counting alone."""

    name = "rule"

    def __init__(self, made: TrialMaker, vocabulary: Vocabulary, promoted: Int[ndarray, "feature token"]) -> None:
        """An explainer that makes rules from one reading; `promoted` are the tokens that each feature promotes."""
        evidence = made.evidence
        self._finder = Explainer(vocabulary, evidence.shards, evidence.sources, evidence.n_counted)
        self._judge, self._promoted = RuleJudge(made), promoted

    def drafts(self, cases: Sequence[Case]) -> Iterator[Draft | None]:
        """A label for each of some features of one range; None where one fires too rarely."""
        if not cases:
            return
        places = np.array([case.place for case in cases])
        postings, order = cases[0].postings, cases[0].order
        strong, every = (self._finder.samples(postings, order, places, one_in) for one_in in (STRONG, _ALL))
        for case, samples in zip(cases, zip(strong, every, strict=True), strict=True):
            is_usual = case.trial.is_enough and len(samples[1].strong) >= FEWEST
            yield self._draft(case, samples) if is_usual else None

    def _draft(self, case: Case, samples: tuple[Firings, Firings]) -> Draft:
        promoted = self._promoted[case.feature]
        candidates = [
            (rule, is_output, firings) for firings in samples for rule, is_output in self._of(firings, promoted)
        ]
        quality = [self._quality(case.trial, rule) for rule, _, _ in candidates]
        best = int(np.argmax(quality))
        rule, is_output, firings = candidates[best]
        finder = self._finder
        text = rule_text(rule, firings.strong, finder.reader, finder.sources, is_output=is_output)
        rates, forms = finder.background.rates, finder.vocabulary.forms
        words = search_words(rule, firings.strong, finder.reader, rates, forms, promoted)
        is_weak = quality[best] < WEAKEST_SCORE
        return Draft(
            feature=case.feature,
            text=f"no simple rule (best: {text})" if is_weak else text,
            source=self.name,
            kind="none" if is_weak else KINDS[rule.test],
            words=" ".join(words),
            rule=rule,
        )

    def _of(self, firings: Firings, promoted: Int[ndarray, " token"]) -> Iterator[tuple[Rule, bool]]:
        """The best rule of each kind, and whether it is that a promoted token follows."""
        yield self._finder.output_rule(firings, promoted)[1], True
        for test in KINDS:
            found = best_rule(test, firings, self._finder.background.rates[test])
            if found is not None:
                yield found[1], False

    def _quality(self, trial: Trial, rule: Rule) -> float:
        """The mean of three balanced accuracies: of passages against hard and random ones, and of tokens."""
        holds = self._judge.holds(rule)
        recall = has_any(holds.positions, trial.firing).mean()
        alarms = [has_any(holds.positions, passages).mean() for passages in (trial.hard, trial.random)]
        on_token = holds.everywhere[trial.firing.peaks].mean() - holds.everywhere[trial.hard.peaks].mean()
        return float(0.5 + (2 * recall - sum(alarms) + on_token) / 6)
