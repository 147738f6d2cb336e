"""The card of a monitor: what it reads, how often it is wrong, where it was not tested, in plain words.

What was not measured is said to be so. No sentence here speaks of compliance, of what a model intends, or of anything
beyond what was measured; `forbidden` finds such phrases, in this card or any other text.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hooke.directions.evidence import Evidence, load_evidence
from hooke.findings import Estimate
from hooke.lab import Lab
from hooke.monitors.cascade import Cascade
from hooke.monitors.evaluation import Evaluation, Share, Slice
from hooke.monitors.fit import FitRecord
from hooke.monitors.redteam import Curve, RedTeam
from hooke.monitors.results import load_result, spec_digest
from hooke.monitors.scorers import scorer_digest
from hooke.monitors.spec import MonitorSpec

_FORBIDDEN = (
    r"\bcompl(?:y|ies|iant|iance)\b",
    r"\bcertif(?:y|ies|ied|ication)\b",
    r"\bconformity\b",
    r"\bno (?:deception|backdoors?|sandbagging)\b",
    r"\bthe model (?:intends|wants|knows|believes)\b",
    r"\bguarantee[sd]?\b",
    r"\brobust (?:to|against)\b",
    r"\bzero false alarms\b",
    r"\b(?:causes?|proves?)\b",
    r"\blegal advice\b",
    r"\bis safe\b",
    r"\ball (?:features|circuits)\b",
)
_WORST = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One part of a card."""

    title: str
    """Its heading."""
    sentences: tuple[str, ...]
    """What it says."""
    columns: tuple[str, ...] = ()
    """Names of a table's columns."""
    rows: tuple[tuple[str, ...], ...] = ()
    """The table."""


def forbidden(text: str) -> list[str]:
    """Phrases of a text that claim what no measurement here can show."""
    return [found.group(0) for pattern in _FORBIDDEN for found in re.finditer(pattern, text, re.IGNORECASE)]


def card(lab: Lab, spec: MonitorSpec) -> tuple[Part, ...]:
    """All that is known of a monitor.

    Raises:
        UnknownName, BadArtefact, BadConfig: see `load_result`.
    """
    evaluation = load_result(lab, spec.name, "evaluation", Evaluation)
    attacked = load_result(lab, spec.name, "redteam", RedTeam)
    stages = load_result(lab, spec.name, "cascade", Cascade)
    fit = load_result(lab, spec.name, "fit", FitRecord)
    digest = spec_digest(spec)
    return (
        _reads(spec, fit),
        _thresholds(spec),
        *(_rates(evaluation, digest) if evaluation is not None else (_nothing("How often it is wrong"),)),
        *_born_with(lab, spec),
        *((_two_stages(stages),) if stages is not None else ()),
        _attacks(attacked, digest),
        _not_tested(spec, evaluation),
    )


def markdown(spec: MonitorSpec, parts: Sequence[Part]) -> str:
    """A card as Markdown."""
    lines = [f"# Monitor {spec.name}", "", spec.about, ""]
    for part in parts:
        lines += [f"## {part.title}", ""]
        lines += [line for sentence in part.sentences for line in (sentence, "")]
        if part.rows:
            lines += ["| " + " | ".join(part.columns) + " |", "|" + " --- |" * len(part.columns)]
            lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in part.rows] + [""]
    return "\n".join(lines)


def _nothing(title: str) -> Part:
    return Part(title=title, sentences=("Not measured.",))


def _reads(spec: MonitorSpec, fit: FitRecord | None) -> Part:
    what = " and ".join(
        f"the probe '{one.probe}'" if one.probe else f"{len(one.features)} features, {', '.join(one.features[:5])}"
        for one in spec.scorers
    )
    whose = {
        "all": "the prompt's and the answer's tokens",
        "prompt": "the prompt's tokens",
        "generated": "the answer's tokens",
    }
    of = spec.valid_for
    sentences = [
        f"It reads {what} on {whose[spec.reads]}, pooled by '{spec.pooling.how}'"
        + (f" over about {spec.pooling.window} tokens." if spec.pooling.how in ("ema", "rolling") else "."),
        f"The first {spec.skip + spec.warm_up} tokens are never judged: a shorter text is never flagged.",
        "A text is flagged where its score is above the threshold at any of its tokens.",
        f"It is valid for weights {of.model or 'without a digest'}, tokenizer {of.tokenizer or 'none'}, chat template "
        f"{of.template or 'none'} and numbers in {of.precision}; on anything else it is refused unless forced.",
        f"Where its scorer fails it fails {spec.on_error}. Its action is to {spec.action.do}.",
        "A score says that something in the activations goes with the label of the texts that it was fitted on. It "
        "does not say why, nor what the model is about to do.",
    ]
    if fit is not None:
        made = "Its probe was given; it may have been fitted on any of"
        if fit.was_fitted or fit.confirmation:
            made = "It was fitted on a part of"
        sentences.insert(1, f"{made} the texts of '{fit.texts}', read {fit.form}, by the seed {fit.seed}.")
    return Part(title="What it reads", sentences=tuple(sentences))


def _thresholds(spec: MonitorSpec) -> Part:
    if spec.calibration is None:
        return Part(title="Thresholds", sentences=("Not calibrated.",))
    found = spec.calibration
    rows = tuple(
        (level, f"{one.threshold:.3f}", f"{one.n_above} of {one.n:,}", f"{one.upper:.2%}")
        for level, one in found.certificates.items()
    )
    sentences = (
        f"Set on {found.traffic}, on {found.made}; taken until {found.expires}, and not after a change of weights, "
        "tokenizer, template or precision.",
        "The bound is for texts like those; other traffic can be flagged more often.",
    )
    return Part(
        title="Thresholds",
        sentences=sentences,
        columns=("level", "above", "ordinary texts above", "at most, 95 %"),
        rows=rows,
    )


def _rates(found: Evaluation, digest: str) -> tuple[Part, ...]:
    stale = () if found.spec_digest == digest else ("These were measured before the monitor was last changed.",)
    worst = found.worst_source
    headline = (
        f"The source with the most false alarms is {worst.name}: {_told(worst.false_alarms)}."
        if worst is not None
        else "No source has texts without the concept."
    )
    sentences = (
        *stale,
        headline,
        f"Of ordinary texts ({found.traffic}) {_told(found.false_alarms_traffic)} are flagged.",
        f"Of texts with the concept ({found.texts}) {_told(found.recall)} are flagged, of those without it "
        f"{_told(found.false_alarms_labelled)}.",
    )
    rows = tuple((one.kind, one.name, _told(one.false_alarms), _told(one.recall)) for one in _worst(found.slices))
    rates = Part(
        title="How often it is wrong",
        sentences=sentences,
        columns=("", "worst first", "false alarms", "recall"),
        rows=rows,
    )
    areas = Part(
        title="Beside controls",
        sentences=("How often a text with the concept scores above one without it: 0.5 is chance.",),
        columns=("scores of", "area", "95 %"),
        rows=tuple(
            (one.name, f"{one.value:.3f}", f"{one.interval[0]:.3f} to {one.interval[1]:.3f}") for one in found.areas
        ),
    )
    rare = Part(
        title="What a flag means where the thing is rare",
        sentences=("At this recall and these false alarms on ordinary texts, with their intervals' ends:",),
        columns=("share of texts with it", "of flags are right", "at worst", "at best"),
        rows=tuple((f"{one.prevalence:.2%}", *map(_right, (one.value, one.low, one.high))) for one in found.precisions),
    )
    return rates, areas, rare


def _born_with(lab: Lab, spec: MonitorSpec) -> tuple[Part, ...]:
    """What was measured of each of its probes when it was made, where it still is the one that is read."""
    found = []
    for one in spec.scorers:
        if one.probe not in lab.names("probes") or scorer_digest(one, lab) != one.digest:
            continue
        evidence = load_evidence(lab, one.probe)
        if evidence is not None:
            found.append(_evidence(one.probe, evidence))
    return tuple(found)


def _evidence(name: str, found: Evidence) -> Part:
    rows = [(name, *_estimated(found.area), "")]
    for one in found.baselines:
        ahead = one.about if one.ahead is None else "{:+.3f} to {:+.3f}".format(*one.ahead.interval)
        rows.append((one.name, *_estimated(one.area), ahead))
    return Part(
        title="What its probe was born with",
        sentences=(f"On texts of '{found.concept}' that it was neither fitted nor chosen on: {found.verdict.words}.",),
        columns=("", "area", "95 %", "the probe is ahead by"),
        rows=tuple(rows),
    )


def _estimated(found: Estimate | None) -> tuple[str, str]:
    return ("–", "") if found is None else (f"{found.value:.3f}", "{:.3f} to {:.3f}".format(*found.interval))


def _worst(slices: Sequence[Slice]) -> list[Slice]:
    """The worst by false alarms, and the worst by recall."""
    missed = sorted((one for one in slices if one.recall is not None), key=lambda one: one.recall.interval[0])  # pyright: ignore[reportOptionalMemberAccess]
    alarms = [one for one in slices if one.false_alarms is not None][:_WORST]
    return [*alarms, *(one for one in missed[: _WORST // 2] if one not in alarms)]


def _two_stages(found: Cascade) -> Part:
    sentences = (
        f"{_told(found.escalated)} of ordinary texts reach the second stage; a token costs {found.cost:,.0f} "
        f"multiply-adds on average, not {found.cost_second_on_all:,.0f}.",
        f"Both together flag {_told(found.false_alarms)} of ordinary texts, and {_told(found.recall)} of those with "
        "the concept.",
    )
    return Part(title="With a second stage", sentences=sentences)


def _attacks(found: RedTeam | None, digest: str) -> Part:
    title = "Under attack"
    if found is None:
        return Part(
            title=title, sentences=("Not attacked. Every monitor that was attacked by one who tries has fallen.",)
        )
    stale = () if found.spec_digest == digest else ("This was measured before the monitor was last changed.",)
    broken = ", ".join(found.broken_by)
    told = f"Broken by: {broken}." if broken else "None of these attacks left less than half of what was caught."
    rows = [("as they are", "", _told(found.as_they_are.recall), _told(found.as_they_are.false_alarms))]
    rows += [("T0 reworded", one.name, _told(one.recall), _told(one.false_alarms)) for one in found.families]
    if found.reworded is not None:
        told_words = (
            f"{found.reworded.kept_words:.0%} of the longer words kept; whether it says the same was not judged"
        )
        rows += [
            ("T1", f"{tries} tries of {found.reworded.speaker}; {told_words}", f"{caught} of {found.reworded.n}", "")
            for tries, caught in enumerate(found.reworded.caught)
        ]
    if found.nothing is not None:
        rows.append(("does nothing", "", f"{found.nothing.caught} of {found.nothing.n}", ""))
    for curve in found.curves:
        rows += [
            (curve.level, f"{one.step} steps; same next token in {one.behaves}", f"{one.caught} of {one.n}", "")
            for one in curve.looks
        ]
        rows += [
            (curve.level, f"the same prefix against {name}{_before(curve, name)}", f"{one.caught} of {one.n}", "")
            for name, one in curve.transfer.items()
        ]
    for number, curve in enumerate(found.rounds):
        last = curve.looks[-1]
        what = f"{last.step} steps, the probe fitted anew {number} times on what was found"
        if curve.alone is not None:
            what += f"; without a prefix it catches {curve.alone.caught}"
        rows.append((curve.level, what, f"{last.caught} of {last.n}", ""))
    return Part(
        title=title,
        sentences=(
            *stale,
            f"At its threshold '{found.at}', above {found.threshold:.3f}.",
            told,
            "An attacker who adapts to the monitor, or has more time, may do better.",
        ),
        columns=("attack", "", "caught", "false alarms"),
        rows=tuple(rows),
    )


def _before(curve: Curve, name: str) -> str:
    return f", which without it catches {curve.untouched[name].caught}" if name in curve.untouched else ""


def _not_tested(spec: MonitorSpec, found: Evaluation | None) -> Part:
    sentences = [
        "On other models, precisions, templates, languages, lengths and kinds of traffic than those named here.",
        "Against people who know that it is there.",
    ]
    if found is None:
        sentences.insert(0, "On any text at all.")
    else:
        languages = sorted(one.name for one in found.slices if one.kind == "language" and one.recall is not None)
        sentences.append(f"Languages with the concept in the test: {', '.join(languages) or 'none'}.")
        sentences += found.not_estimable
    if spec.reads == "generated":
        sentences.append("On prompts: only answers are read.")
    return Part(title="Where it was not tested", sentences=tuple(sentences))


def _told(share: Share | None) -> str:
    if share is None:
        return "not measured"
    low, high = share.interval
    return f"{share.value:.1%} ({low:.1%} to {high:.1%}, n = {share.n:,})"


def _right(share: float | None) -> str:
    return "no flags" if share is None else f"{share:.1%}"
