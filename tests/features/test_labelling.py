import dataclasses
import shutil
from pathlib import Path

import pytest

from hooke.chat import Nonsense
from hooke.dictionaries import save_dictionary
from hooke.dictionaries.dictionary import Dictionary
from hooke.errors import BadRequest, LabBusy, ShapeMismatch
from hooke.features import labelling as module
from hooke.features.drafts import Draft
from hooke.features.judges import RuleJudge
from hooke.features.labelling import Bench, LabelConfig, Labelled, halves, label_index, open_bench, rehearse
from hooke.features.labels import Label
from hooke.features.query import Index
from hooke.features.rule_explainer import RuleExplainer
from hooke.features.scorers import JUDGED, Judged
from hooke.lab import Lab, writing
from tests.features.planted import World, planted_corpus

CONFIG = LabelConfig(
    explainer="rule", scorers=("detection", "fuzzing"), judge="rule", features=tuple(range(6)), n_tokens=1600
)


class Person:
    """Says the same of everything, and counts whom it was asked about."""

    name = "person"

    def __init__(self, text: str | None = "<b>it</b> \x1b[31m fires") -> None:
        self.text, self.asked = text, []

    def drafts(self, cases):
        for case in cases:
            self.asked.append(case.feature)
            usual = case.trial.is_enough and self.text is not None
            yield Draft(feature=case.feature, text=str(self.text), source="person", kind="text") if usual else None


@pytest.fixture
def lab(features_lab: Lab, tmp_path: Path) -> Lab:
    lab = Lab(tmp_path / "lab")
    shutil.copytree(features_lab.path("features", "full"), lab.path("features", "full"))
    return lab


def run(lab: Lab, bench: Bench, explainer=None, name: str = "full", config: LabelConfig = CONFIG) -> Labelled:
    def prepare(index: Index):
        made = explainer or RuleExplainer(bench.made, bench.vocabulary, bench.promoted())
        scorers = [Judged(name, JUDGED[name], RuleJudge(bench.held)) for name in config.scorers]
        return bench, made, scorers if explainer is None else []

    return label_index(name, lab, config, prepare)


def test_labels_and_scores_are_in_the_index_afterwards(lab: Lab, bench: Bench):
    before = Index.open("full", lab=lab)
    first = before.label(0)
    done = run(lab, bench)
    assert (len(done.labels), done.n_rare, done.n_failed) == (3, 3, 0)
    after = Index.open("full", lab=lab)
    found = after.label(0)
    assert found is not None
    assert [score.scorer for score in found.scores] == ["detection", "fuzzing"]
    assert found.main is not None
    assert (found.score, found.n) == (found.main.value, found.main.n)
    assert found.score is not None
    assert found.score > 0.9
    assert found.f1 == 1
    assert len(after.labels.of(0)) == 1, "a new rule takes the place of the first one"
    assert first is not None
    assert after.label(4) == before.label(4), "a feature that was not labelled keeps its first label"
    assert after.card(0).examples == before.card(0).examples
    assert {hit.feature for hit in after.search("bridge")} >= {0, 3}
    assert after.manifest.provenance["labels"][0]["explainer"] == "rule"


def test_labels_of_another_maker_come_beside(lab: Lab, bench: Bench):
    run(lab, bench)
    run(lab, bench, Person())
    labels = Index.open("full", lab=lab).labels.of(0)
    assert [label.source for label in labels] == ["rule", "person"], "scored labels go before others"
    assert labels[1].text == "<b>it</b> \x1b[31m fires"


def test_an_index_elsewhere_is_copied_and_left_alone(copied: Path, bench: Bench, tmp_path: Path):
    lab = Lab(tmp_path / "lab")
    before = {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}
    done = run(lab, bench, name=str(copied))
    assert done.folder == lab.path("features", "full")
    assert {path: path.read_bytes() for path in before} == before
    assert Index.open("full", lab=lab).label(0) is not None


def test_a_job_that_was_stopped_goes_on(lab: Lab, bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_AT_ONCE", 2)
    monkeypatch.setattr(module, "panel", lambda *_: [])
    person, make = Person(), module.scored

    def stop_at_the_third(bench, draft, *rest) -> Label:
        if draft.feature == 3:
            raise KeyboardInterrupt
        return make(bench, draft, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(module, "scored", stop_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            run(lab, bench, person)
    assert [label.source for label in Index.open("full", lab=lab).labels.of(0)] == ["rule"], "nothing half done is seen"
    (work,) = lab.path("features", "full").parent.glob(".full.labels-*.jsonl")
    work.write_text(work.read_text() + '{"feature": 3, "la')
    person.asked.clear()
    done = run(lab, bench, person)
    assert 0 not in person.asked
    assert 1 not in person.asked
    assert len(done.labels) == 3
    assert not work.exists()


def test_two_jobs_on_one_index_are_refused(lab: Lab, bench: Bench):
    with writing(lab.path("features", "full")), pytest.raises(LabBusy, match=r"cannot be labelled now.*process \d+"):
        run(lab, bench)


def test_nothing_but_nonsense_stops_the_job(lab: Lab, bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_TRIED", 2)
    person = Person(text=None)
    with pytest.raises(Nonsense, match="No usable label came"):
        run(lab, bench, person)
    assert Index.open("full", lab=lab).labels.of(0)[0].source == "rule"


def test_features_without_an_answer_are_tried_again(lab: Lab, bench: Bench):
    done = run(lab, bench, Person(text=None), config=dataclasses.replace(CONFIG, features=(0, 2)))
    assert (done.n_failed, len(done.labels)) == (2, 0)
    again = run(lab, bench, Person(), config=dataclasses.replace(CONFIG, features=(0, 2)))
    assert (again.n_failed, len(again.labels)) == (0, 2)


def test_an_index_of_other_weights_is_refused(lab: Lab, world: World):
    rows = {name: getattr(world.dictionary, name).detach() for name in ("W_enc", "b_enc", "W_dec", "b_dec")}
    other = Dictionary(world.dictionary.config, **(rows | {"b_enc": rows["b_enc"] + 1}))
    save_dictionary(other, lab.path("dictionaries", "planted"))
    index = Index.open("full", lab=lab)
    with pytest.raises(ShapeMismatch, match="other weights"):
        open_bench(index, world.model, planted_corpus(), planted_corpus(seed=1), n_tokens=64)


def test_labels_are_not_scored_on_what_they_were_made_from(lab: Lab, world: World):
    save_dictionary(world.dictionary, lab.path("dictionaries", "planted"))
    index = Index.open("full", lab=lab)
    with pytest.raises(BadRequest, match="same text"):
        open_bench(index, world.model, planted_corpus(), planted_corpus(), n_tokens=64)


def test_halves_share_no_document():
    corpus = planted_corpus(7)
    even, odd = halves(corpus)
    assert [len(list(one.documents())) for one in (even, odd)] == [4, 3]
    assert even.fingerprint != odd.fingerprint
    merged = [document.text for pair in zip(even.documents(), odd.documents(), strict=False) for document in pair]
    assert merged == [document.text for document in corpus.documents()][:6]


def test_a_rehearsal_says_how_much_there_is_to_do(bench: Bench):
    person = Person()
    assert rehearse(CONFIG, bench, person, []) == 1
    assert sorted(person.asked) == list(range(6))
