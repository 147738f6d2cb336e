"""Label the features of an index, and score the labels: what `hooke label` does.

Labels are made from one reading of a text and scored on another one, which no label was made from. Each label that is
done is a line in a file beside the index, so that work that was stopped goes on where it was; at the end a new index
that differs from the old one in its labels alone takes its place. The starter's index is copied into the lab first.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from hooke.chat import Nonsense
from hooke.configs import content_hash, from_dict, to_dict
from hooke.dictionaries.dictionary import check_fits
from hooke.errors import BadConfig, BadRequest, LabBusy, ShapeMismatch
from hooke.features.drafts import Case, Draft, Explainer
from hooke.features.evidence import read_evidence
from hooke.features.examples import by_strength
from hooke.features.labels import Label, LabelReader, write_labels
from hooke.features.query import Index
from hooke.features.scorers import Scorer
from hooke.features.store import FileEntry, Manifest, file_hash, write_manifest
from hooke.features.trials import Trial, TrialMaker
from hooke.features.vocabulary import Vocabulary
from hooke.lab import Lab, provenance, staged, writing
from hooke.models.model import Model
from hooke.progress import track
from hooke.text.documents import Corpus
from hooke.text.windows import WindowConfig

N_TOKENS = 131_072
"""Tokens that labels are made from, and that they are scored on."""
N_NULLS = 40
"""Features drawn at random, beside whose labels the others' are scored."""
LABELS = "labels.sqlite"

_AT_ONCE = 64
_TRIED = 5
_LOOKED_AT = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelConfig:
    """What decides which labels are made, and how they are scored."""

    explainer: str
    """Who makes them; also their source."""
    scorers: tuple[str, ...]
    """What scores them."""
    judge: str
    """Who answers the scorers that ask."""
    features: tuple[int, ...]
    """The features."""
    n_beside: int = N_NULLS
    """Other features' labels that each is scored beside: fewer where asking costs."""
    n_tokens: int = N_TOKENS
    """Tokens that labels are made from, and scored on."""
    seed: int = 0
    """What is drawn by."""


@dataclass(frozen=True)
class Bench:
    """An index with the two readings that labels need."""

    index: Index
    """The index."""
    model: Model
    """Its model."""
    made: TrialMaker
    """The text that labels are made from."""
    held: TrialMaker
    """The text that they are scored on."""

    @property
    def vocabulary(self) -> Vocabulary:
        """The text of every token."""
        return self.index.vocabulary

    def promoted(self) -> Int[ndarray, "feature token"]:
        """The tokens that each feature promotes."""
        return self.index.columns("promoted")["promoted"].astype(np.int64)


Prepared = tuple[Bench, Explainer, Sequence[Scorer]]
"""Both readings, who makes labels, and what scores them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Labelled:
    """What became of a job."""

    folder: Path
    """The index with the new labels."""
    labels: tuple[Label, ...]
    """The labels that were made."""
    n_rare: int
    """Features that fire too rarely to be labelled."""
    n_failed: int
    """Features for which no usable answer came; asked for again, they are tried again."""


def open_bench(index: Index, model: Model, made: Corpus, held: Corpus, *, n_tokens: int, seed: int = 0) -> Bench:
    """Both readings of an index, made now where they are not there.

    Raises:
        ShapeMismatch: the dictionary has other weights than the index was built for, or the model is another one.
        BadRequest: both texts are the same, or one does not fill a window.
    """
    dictionary = index.dictionary
    check_fits(dictionary, model)
    manifest = index.manifest
    if model.d_vocab != manifest.d_vocab:
        raise ShapeMismatch(
            f"The index '{manifest.name}' is of a model that knows {manifest.d_vocab} tokens.",
            f"{model.name} knows {model.d_vocab}.",
            "Give the index's own model with --model, or build the index again.",
        )
    if made.fingerprint == held.fingerprint:
        raise BadRequest(
            f"Labels would be made from and scored on the same text, '{made.name}'.", "", "Give another --heldout."
        )
    windows = WindowConfig(context=manifest.context)
    readings = [
        read_evidence(model, dictionary, corpus, n_tokens=n_tokens, windows=windows, lab=index.lab)
        for corpus in (made, held)
    ]
    makers = [TrialMaker(one, index.vocabulary, seed=seed + place) for place, one in enumerate(readings)]
    return Bench(index, model, *makers)


def halves(corpus: Corpus) -> tuple[Corpus, Corpus]:
    """Every other document of a corpus, and the rest."""

    def half(rest: int) -> Corpus:
        return Corpus(
            name=f"{corpus.name} ({'even' if rest == 0 else 'odd'} documents)",
            fingerprint=content_hash([corpus.fingerprint, rest]),
            read=lambda: (document for place, document in enumerate(corpus.documents()) if place % 2 == rest),
        )

    return half(0), half(1)


def label_index(
    name: str,
    lab: Lab,
    config: LabelConfig,
    prepare: Callable[[Index], Prepared],
) -> Labelled:
    """Label features of an index and put the labels into it.

    Args:
        name: a name in the lab, or that of a starter, whose index is copied into the lab.
        prepare: opens what the job needs, once nobody else can write to the index.

    Raises:
        LabBusy: its labels are being made by another process.
        Nonsense: the first answers were all unusable.
        ShapeMismatch, BadRequest: see `open_bench`.
    """
    found = Index.open(name, lab=lab)
    target = lab.path("features", found.folder.name if _is_in(found.folder, lab) else found.manifest.name)
    with ExitStack() as stack:
        try:
            stack.enter_context(writing(target))
        except LabBusy as error:
            do = "Wait until that is done, then ask again; nothing was changed."
            raise LabBusy(f"'{target.name}' cannot be labelled now.", error.asked, do) from error
        if not target.exists():
            with staged(target) as aside:
                shutil.copytree(found.folder, aside)
        index = Index.open(target, lab=lab)
        return _label(index, config, *prepare(index))


def _is_in(folder: Path, lab: Lab) -> bool:
    return folder.resolve().parent == (lab.root / "features").resolve()


def _label(
    index: Index, config: LabelConfig, bench: Bench, explainer: Explainer, scorers: Sequence[Scorer]
) -> Labelled:
    for feature in config.features:
        index.known(feature)
    work = _work_file(index, config, bench)
    done = _read_lines(work)
    missing = [feature for feature in config.features if feature not in done]
    others = panel(bench, explainer, config) if missing else []
    failed: list[int] = []
    with work.open("a", encoding="utf-8") as handle:
        blocks = list(_blocks(missing))
        for block in track(blocks, "label", total=len(missing), unit="features", size=len):
            for draft, case in label_block(bench, explainer, block):
                if draft is None and case.trial.is_enough:
                    failed.append(case.feature)
                    _require_some(failed, n_made=len(done))
                    continue
                label = None if draft is None else scored(bench, draft, scorers, beside(draft.feature, others, config))
                done[case.feature] = label
                handle.write(json.dumps({"feature": case.feature, "label": label and to_dict(label)}) + "\n")
            handle.flush()
    labels = [label for label in done.values() if label is not None]
    _put_labels(index, labels, config)
    if not failed:
        work.unlink()
    return Labelled(
        folder=index.folder,
        labels=tuple(labels),
        n_rare=len(done) - len(labels),
        n_failed=len(failed),
    )


def _require_some(failed: Sequence[int], *, n_made: int) -> None:
    """Stop where nothing but nonsense has come: going on would only cost.

    Raises:
        Nonsense: it has.
    """
    if len(failed) >= _TRIED and not n_made:
        raise Nonsense(
            f"No usable label came for any of the first {len(failed)} features.",
            "Every answer was nonsense.",
            "Ask another model; nothing was changed.",
        )


def rehearse(config: LabelConfig, bench: Bench, explainer: Explainer, scorers: Sequence[Scorer]) -> float:
    """Label and score a few features to no avail; how many times as much the whole job is."""
    rng = np.random.default_rng((config.seed, 3))
    drawn = rng.permutation(np.array(config.features))[:_LOOKED_AT].tolist()
    found: list[Draft] = []
    n_seen = 0
    for feature in drawn:
        n_seen += 1
        found += [draft for draft, _ in label_block(bench, explainer, [feature]) if draft is not None]
        if len(found) == _TRIED:
            break
    for draft in found:
        scored(bench, draft, scorers, beside(draft.feature, [*found, replace(draft, feature=-1)], config))
    return len(config.features) / max(n_seen, 1)


def panel(bench: Bench, explainer: Explainer, config: LabelConfig) -> list[Draft]:
    """The labels of some features drawn at random, which every feature is scored beside."""
    rng = np.random.default_rng((config.seed, 1))
    found: list[Draft] = []
    failed: list[int] = []
    for feature in rng.permutation(np.array(config.features)).tolist():
        if len(found) > N_NULLS:
            break
        ((draft, case),) = label_block(bench, explainer, [feature])
        if draft is not None:
            found.append(draft)
        elif case.trial.is_enough:
            failed.append(feature)
            _require_some(failed, n_made=len(found))
    return found


def beside(feature: int, others: Sequence[Draft], config: LabelConfig) -> list[Draft]:
    """The labels that a feature's is scored beside: all of the panel's but its own, or some of them drawn at random."""
    strange = [other for other in others if other.feature != feature]
    drawn = np.random.default_rng((config.seed, feature)).permutation(len(strange))[: config.n_beside]
    return [strange[place] for place in np.sort(drawn).tolist()]


def scored(bench: Bench, draft: Draft, scorers: Sequence[Scorer], others: Sequence[Draft]) -> Label:
    """A label with its scores on held-out text."""
    trial = trial_of(bench.held, draft.feature)
    found = [scorer.score(draft, trial, others) for scorer in scorers] if trial.is_enough else []
    scores = tuple(score for score in found if score is not None)
    label = Label(
        feature=draft.feature,
        text=draft.text,
        source=draft.source,
        kind=draft.kind,
        score=None,
        f1=_f1(bench.held, draft, trial),
        n=len(trial.firing),
        words=draft.words,
        scores=scores,
    )
    main = label.main
    return label if main is None else replace(label, score=main.value, n=main.n)


def _f1(maker: TrialMaker, draft: Draft, trial: Trial) -> float | None:
    """F1 of a rule on all of a text; None for a label that is none."""
    if draft.rule is None or not len(trial.fires):
        return None
    holds = maker.evidence.counted[maker.keys.having(draft.rule.test, draft.rule.keys)]
    both = len(np.intersect1d(holds, trial.fires, assume_unique=True))
    return 2 * both / (len(holds) + len(trial.fires))


def trial_of(maker: TrialMaker, feature: int) -> Trial:
    """The trial of one feature."""
    postings = maker.evidence.shards.postings(feature, feature + 1)
    return maker.trial(postings, by_strength(postings), 0)


def _blocks(features: Sequence[int]) -> Iterator[list[int]]:
    """Features that lie near each other."""
    block: list[int] = []
    for feature in sorted(features):
        if block and feature - block[0] >= _AT_ONCE:
            yield block
            block = []
        block.append(feature)
    if block:
        yield block


def label_block(bench: Bench, explainer: Explainer, block: Sequence[int]) -> Iterator[tuple[Draft | None, Case]]:
    """Labels of some features that lie near each other."""
    first = block[0]
    postings = bench.made.evidence.shards.postings(first, block[-1] + 1)
    order = by_strength(postings)
    cases = [
        Case(postings, order, feature - first, bench.made.trial(postings, order, feature - first)) for feature in block
    ]
    return zip(explainer.drafts(cases), cases, strict=True)


def _work_file(index: Index, config: LabelConfig, bench: Bench) -> Path:
    """Where labels that are done are kept until all are."""
    readings = [to_dict(maker.evidence.spec) for maker in (bench.made, bench.held)]
    name = content_hash([to_dict(config), readings])
    return index.folder.parent / f".{index.folder.name}.labels-{name}.jsonl"


def _read_lines(path: Path) -> dict[int, Label | None]:
    """The labels that are done; a last line that was cut short is none."""
    done: dict[int, Label | None] = {}
    if not path.exists():
        return done
    whole, _, cut = path.read_text(encoding="utf-8").rpartition("\n")
    for line in whole.split("\n") if whole else []:
        try:
            data: dict[str, Any] = json.loads(line)
            done[int(data["feature"])] = None if data["label"] is None else from_dict(Label, data["label"])
        except (ValueError, LookupError, TypeError, BadConfig):
            continue
    if cut:
        path.write_text(f"{whole}\n" if whole else "", encoding="utf-8")
    return done


def _put_labels(index: Index, labels: Sequence[Label], config: LabelConfig) -> None:
    """An index with these labels takes the place of the one without; they replace those of the same source."""
    new = {(label.feature, label.source): label for label in labels}
    kept = [label for label in index.labels.each() if (label.feature, label.source) not in new]
    index.labels.close()
    with staged(index.folder) as aside:
        for file in index.manifest.files:
            if file != LABELS:
                _link(index.folder / file, aside / file)
        write_labels(aside / LABELS, [*new.values(), *kept])
        write_manifest(aside, _manifest(index.manifest, aside / LABELS, config))
    index.labels = LabelReader(index.folder / LABELS)


def _link(source: Path, target: Path) -> None:
    """The same file at another place, without copying it where the disk can do that."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _manifest(old: Manifest, labels: Path, config: LabelConfig) -> Manifest:
    entry = FileEntry(bytes=labels.stat().st_size, sha256=file_hash(labels))
    how = {"explainer": config.explainer, "scorers": list(config.scorers), "judge": config.judge}
    made = {**how, "n_features": len(config.features), **provenance(seed=config.seed)}
    earlier = old.provenance.get("labels", [])
    return replace(old, files={**old.files, LABELS: entry}, provenance={**old.provenance, "labels": [*earlier, made]})
