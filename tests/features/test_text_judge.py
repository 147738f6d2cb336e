import json
import re

import numpy as np

from hooke.features.drafts import Draft
from hooke.features.labelling import Bench, trial_of
from hooke.features.scorers import JUDGED, Judged
from hooke.features.speakers import Writer
from hooke.features.text_judge import TextJudge

LABEL = Draft(feature=3, text="the word bridge", source="m", kind="text")


class Reader:
    """A speaker that really looks for the word bridge; every n-th answer is nonsense."""

    name = "reader"

    def __init__(self, fails_every: int = 0) -> None:
        self.n_asked, self._fails_every = 0, fails_every

    def ask(self, messages, *, max_tokens, check=None):
        from hooke.chat import Nonsense

        self.n_asked += 1
        if self._fails_every and self.n_asked % self._fails_every == 0:
            raise Nonsense("nonsense")
        task, _, shown = messages[0]["content"].partition("\n\n")
        texts = [json.loads(line.split(" ", 1)[1]) for line in shown.splitlines() if re.match(r"\d+\. ", line)]
        if "Which is the one" in task:
            return json.dumps([1 + next((at for at, text in enumerate(texts) if "bridge" not in text), 0)])
        if "stand between" in task:
            return json.dumps([int("bridge" in "".join(re.findall("⟦(.*?)⟧", text))) for text in texts])
        return json.dumps([(9 if "how strongly" in task else 1) * ("bridge" in text) for text in texts])


def test_a_model_that_reads_well_judges_well(bench: Bench):
    judge = TextJudge(Reader(), Writer(bench.held.evidence.text, bench.vocabulary))
    trial = trial_of(bench.held, 3)
    for name, task in JUDGED.items():
        score = Judged(name, task, judge).score(LABEL, trial, [])
        assert score is not None
        # The first token of a window is not counted, whatever it is, so that a perfect reader is a little wrong.
        assert score.value > 0.85, name
        assert score.judge == "reader"


def test_nonsense_is_left_out_of_the_score(bench: Bench):
    writer, trial = Writer(bench.held.evidence.text, bench.vocabulary), trial_of(bench.held, 3)
    score, full = (
        Judged("detection", JUDGED["detection"], TextJudge(reader, writer)).score(LABEL, trial, [])
        for reader in (Reader(fails_every=2), Reader())
    )
    assert score is not None
    assert full is not None
    assert score.n < full.n
    assert score.value > 0.85


def test_passages_that_were_not_judged_are_not_a_number(bench: Bench):
    judge = TextJudge(Reader(fails_every=1), Writer(bench.held.evidence.text, bench.vocabulary))
    trial = trial_of(bench.held, 3)
    assert np.isnan(judge.contains(LABEL, trial.firing)).all()
    assert np.isnan(judge.odd(LABEL, trial.firing[:5], 5)).all()
    assert judge.strengths(LABEL, trial.firing[:2]) is None
