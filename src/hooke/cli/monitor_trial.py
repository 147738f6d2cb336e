"""`hooke monitor redteam | drift | card`: a monitor attacked, held against today's traffic, and described."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cyclopts import Group, Parameter

from hooke.cli.answer import Answer
from hooke.cli.label import EndpointOptions
from hooke.cli.monitor import MODEL, fit_record
from hooke.cli.options import Everywhere, ModelOptions
from hooke.cli.terminal import note, table, title
from hooke.errors import BadRequest
from hooke.pages.numerals import interval, percent

if TYPE_CHECKING:
    import hooke.lab
    import hooke.models.model
    import hooke.monitors.attacks
    import hooke.monitors.drift
    import hooke.monitors.drift_rows
    import hooke.monitors.fit
    import hooke.monitors.redteam
    import hooke.monitors.spec

_RATE = 0.05
"""False discovery rate of what is said to fire otherwise."""
_SHOWN = 12
_ATTACK = Group("Attacker", sort_key=4)


@Parameter(name="*", group=_ATTACK)
@dataclass(frozen=True, kw_only=True, slots=True)
class AttackOptions:
    """What an attacker may do."""

    texts: int = 6
    """Texts that a prefix is sought on, and as many that it is judged on; texts that T1 rewords."""
    tries: int = 3
    """Rewordings of each text by T1."""
    steps: int = 40
    """Steps of T2 and T3."""
    length: int = 8
    """Positions of their prefix."""
    weight: float = 0.1
    """Share of the attacker's loss that is for the model to go on as before; the rest is for not being seen."""
    against: tuple[str, ...] = ()
    """Another calibrated monitor that the last prefix is tried on; may be given several times."""
    rounds: int = 0
    """How often the probe is fitted anew on the prefixes that T3 found, and attacked again."""
    seed: int = 0
    """Seed of the first prefix."""

    def config(self) -> "hooke.monitors.attacks.AttackConfig":
        """How a prefix is sought."""
        from hooke.monitors.attacks import AttackConfig

        looks = tuple(sorted({0, self.steps // 8, self.steps // 4, self.steps // 2, self.steps}))
        return AttackConfig(length=self.length, steps=self.steps, looks=looks, weight=self.weight, seed=self.seed)


def redteam(
    name: str,
    /,
    *,
    model: str = MODEL,
    level: tuple[Literal["T0", "T1", "T2", "T3"], ...] = ("T0", "T3"),
    threshold: Literal["watch", "act"] = "act",
    attacker: AttackOptions = AttackOptions(),
    asking: EndpointOptions = EndpointOptions(),
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Attack a calibrated monitor, and show what it still catches by what the attacker may do and for how long.

    T0 rewords by rule, texts without the concept too. T1 lets a language model reword, which learns the scores: the
    endpoint where one is named, else the model itself. T2 seeks a prefix of tokens and T3 one of free vectors, on some
    texts; they are judged on others, beside an attacker who does nothing and a prefix that was never optimised.

    Parameters
    ----------
    name
        A monitor of the lab.
    model
        The model that it was made for.
    level
        Attacks; may be given several times. What others found before at the same threshold is kept.
    threshold
        Which of its thresholds is attacked: watch where nothing is above act to begin with.
    """
    from hooke.features.speakers import LocalSpeaker
    from hooke.monitors.measure import unseen
    from hooke.monitors.redteam import RedTeam, attack, joined
    from hooke.monitors.results import load_result, save_result, spec_digest
    from hooke.monitors.rewriter import reword
    from hooke.monitors.spec import load_spec, not_calibrated
    from hooke.monitors.stream import open_monitor

    lab = everywhere.lab
    spec, record = load_spec(lab, name), fit_record(lab, name)
    others = {one: load_spec(lab, one) for one in attacker.against}
    for one in (spec, *others.values()):
        if one.act is None or one.watch is None:
            raise not_calibrated(one.name)
    _, test = unseen(record)
    opened = loading.load(model, lab)
    monitor, frozen = open_monitor(spec, opened, lab), _threshold(spec, threshold)
    found = attack(
        opened,
        monitor,
        test,
        threshold=frozen,
        spec_digest=spec_digest(spec),
        levels=[one for one in level if one != "T1"],
        n=attacker.texts,
        config=attacker.config(),
        others={one: (open_monitor(own, opened, lab), _threshold(own, threshold)) for one, own in others.items()},
    )
    if "T1" in level:
        hidden = [one for one in test if one.label][: attacker.texts]
        speaker = LocalSpeaker(opened) if asking.endpoint_model is None else asking.open(lab)
        told = reword(opened, monitor, hidden, frozen, speaker, tries=attacker.tries)
        found = replace(found, reworded=told)
    if attacker.rounds:
        found = replace(found, rounds=_rounds(opened, lab, spec, record, attacker, threshold))
    found = joined(load_result(lab, name, "redteam", RedTeam), replace(found, at=threshold))
    save_result(lab, name, "redteam", found)
    return _attacked(name, found)


def _threshold(spec: "hooke.monitors.spec.MonitorSpec", level: Literal["watch", "act"]) -> float:
    found = spec.act if level == "act" else spec.watch
    assert found is not None
    return found


def _rounds(
    model: "hooke.models.model.Model",
    lab: "hooke.lab.Lab",
    spec: "hooke.monitors.spec.MonitorSpec",
    record: "hooke.monitors.fit.FitRecord",
    attacker: AttackOptions,
    level: Literal["watch", "act"],
) -> "tuple[hooke.monitors.redteam.Curve, ...]":
    from hooke.monitors.hardening import hardened, refitting
    from hooke.monitors.measure import unseen
    from hooke.monitors.redteam import target_of
    from hooke.monitors.results import load_result
    from hooke.monitors.stream import open_monitor
    from hooke.monitors.traffic import Reference
    from hooke.monitors.transcripts import forms_of, ordinary_texts
    from hooke.text.corpora import open_corpus

    reference = load_result(lab, spec.name, "traffic", Reference)
    if reference is None or spec.calibration is None or not record.was_fitted:
        raise BadRequest(
            f"'{spec.name}' cannot be fitted anew.",
            "It was not fitted and calibrated here.",
            "Use `hooke monitor fit` without --probe, then `hooke monitor calibrate`.",
        )
    fit, test = unseen(record)
    target = target_of(model, open_monitor(spec, model, lab), test, _threshold(spec, level), n=attacker.texts)
    ordinary = ordinary_texts(open_corpus(reference.corpus), reference.n, forms=forms_of(model))
    share = spec.calibration.certificates[level].target
    refit = refitting(target, fit, ordinary, share=share, longest_traffic=record.longest)
    return hardened(target, attacker.config(), rounds=attacker.rounds, refit=refit)


def _attacked(name: str, found: "hooke.monitors.redteam.RedTeam") -> Answer:
    broken = ", ".join(found.broken_by)
    return Answer(
        data={"redteam": found, "broken_by": found.broken_by},
        shown=(
            title(name, f"frozen threshold {found.at}, {found.threshold:.3f}"),
            table(("texts", "recall>", "", "of>", "false alarms>", "", "of>"), _family_rows(found)),
            "",
            table(("attack", "steps>", "caught>", "same next token>", "nats>", "length>"), _look_rows(found)),
            note(f"Broken by: {broken}." if broken else "None of these leaves less than half of what was caught."),
        ),
    )


def _family_rows(found: "hooke.monitors.redteam.RedTeam") -> list[tuple[str, ...]]:
    return [
        (
            one.name,
            percent(one.recall.value),
            interval(one.recall.interval),
            str(one.recall.n),
            percent(one.false_alarms.value),
            interval(one.false_alarms.interval),
            str(one.false_alarms.n),
        )
        for one in (found.as_they_are, *found.families)
    ]


def _look_rows(found: "hooke.monitors.redteam.RedTeam") -> list[tuple[str, ...]]:
    rewordings = found.reworded.caught if found.reworded is not None else ()
    rows = [
        ("T1", f"{tries}", f"{caught} of {found.reworded.n}", "", "", "")
        for tries, caught in enumerate(rewordings)
        if found.reworded is not None
    ]
    looks = [("does nothing", found.nothing)] if found.nothing is not None else []
    for curve in found.curves:
        looks += [(curve.level, one) for one in curve.looks]
        looks += [(f"{name}, without it", one) for name, one in curve.untouched.items()]
        looks += [(f"{curve.level} against {name}", one) for name, one in curve.transfer.items()]
    for number, curve in enumerate(found.rounds):
        name = f"T3, fitted anew {number} times"
        looks += [(f"{name}, without it", curve.alone)] if curve.alone is not None else []
        looks += [(name, one) for one in curve.looks]
    return rows + [
        (
            name,
            str(one.step),
            f"{one.caught} of {one.n}",
            f"{one.behaves} of {one.n}",
            f"{one.kl:.2f}",
            f"{one.norm:.2f}",
        )
        for name, one in looks
    ]


def drift(
    name: str,
    /,
    *,
    corpus: str,
    documents: int = 300,
    skip: int = 0,
    alpha: float = 0.01,
    model: str = MODEL,
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Hold today's traffic against that of the calibration: an alarm with an error rate, and numbers to look at.

    Beside it: which probes and features fire more or less often, at a false discovery rate of 5 % over all of the
    monitor's, and what share of a site's variance lies outside the calibration's main subspace.

    A model, tokenizer, template or precision that is not the monitor's is an alarm of its own, before any text is read.

    Parameters
    ----------
    name
        A calibrated monitor of the lab.
    corpus
        Traffic of today.
    documents
        How many texts, in their order.
    skip
        Texts to leave out at the start.
    alpha
        Chance of an alarm, ever, where nothing has changed.
    model
        The model that is served.
    """
    from hooke.monitors.digests import digests_of
    from hooke.monitors.drift import DriftAlarm, shift
    from hooke.monitors.drift_rows import changes
    from hooke.monitors.results import load_result
    from hooke.monitors.spec import load_spec, not_calibrated
    from hooke.monitors.stream import open_monitor
    from hooke.monitors.traffic import Reference, TrafficRows, read_traffic
    from hooke.monitors.transcripts import forms_of, ordinary_texts
    from hooke.text.corpora import open_corpus

    lab = everywhere.lab
    spec, reference = load_spec(lab, name), load_result(lab, name, "traffic", Reference)
    if reference is None or spec.act is None or spec.watch is None:
        raise not_calibrated(name)
    opened = loading.load(model, lab)
    changed = spec.valid_for.differing(digests_of(opened))
    if changed:
        words = f"ALARM: not what it was made for: {', '.join(changed)}."
        return Answer(data={"is_alarmed": True, "changed": changed}, shown=(title(name), words), exit_code=1)
    alarm = DriftAlarm(reference.known(), alpha=alpha)
    texts = ordinary_texts(open_corpus(corpus), documents, skip=skip, forms=forms_of(opened))
    longest = fit_record(lab, name).longest
    peaks, seen = read_traffic(opened, open_monitor(spec, opened, lab), texts, longest=longest)
    firing, spread = changes(TrafficRows.load(lab, name), seen)
    capitals = [alarm.see(peak) for peak in peaks]
    found = shift(reference.known(), peaks, {"watch": spec.watch, "act": spec.act})
    told = f"ALARM at text {alarm.first_alarm}" if alarm.is_alarmed else "no alarm"
    return Answer(
        data={
            "is_alarmed": alarm.is_alarmed,
            "first_alarm": alarm.first_alarm,
            "capital": capitals[-1],
            "needed": 2 / alpha,
            "shift": found,
            "firing": firing,
            "outside": spread,
            "changed": (),
        },
        shown=(
            title(name, f"{documents} texts of {corpus}"),
            f"{told}; the bet against 'unchanged' stands at {capitals[-1]:.3g}, an alarm takes {2 / alpha:.3g}.",
            *_described(found, firing, spread),
        ),
        exit_code=1 if alarm.is_alarmed else 0,
    )


def _described(
    found: "hooke.monitors.drift.Shift",
    firing: "Sequence[hooke.monitors.drift_rows.Firing]",
    spread: "Sequence[hooke.monitors.drift_rows.Outside]",
) -> list:
    above = [(level, percent(old), percent(new)) for level, (old, new) in found.shares.items()]
    peaks = [
        table(("texts above", "calibration>", "now>"), above),
        note(f"Population stability index {found.psi:.3f}: by custom 0.1 is worth a look. It has no error rate."),
    ]
    if not firing:
        return [*peaks, note("What fires was not kept by this calibration: calibrate again to see it here.")]
    rows = [
        (one.name, percent(one.before), percent(one.now), f"{one.p:.2g}", f"{one.q:.2g}", "changed" * (one.q <= _RATE))
        for one in firing[:_SHOWN]
    ]
    where = [
        (one.site, *(cell for own in (one.before, one.now) for cell in (percent(own.value), interval(own.interval))))
        for one in spread
    ]
    return [
        *peaks,
        "",
        table(("fires in texts", "calibration>", "now>", "p>", "q>", ""), rows),
        "",
        table(("variance outside the main subspace", "calibration>", "", "now>", ""), where),
        note(f"Of what is called changed, {percent(_RATE)} may be by chance; shares of variance have no error rate."),
    ]


def card(
    name: str, /, *, html: Path | None = None, out: Path | None = None, everywhere: Everywhere = Everywhere()
) -> Answer:
    """Show a monitor's card: what it reads, how often it is wrong, what attacked it, and where it was not tested.

    Parameters
    ----------
    name
        A monitor of the lab.
    html
        Write it as an HTML page.
    out
        Write it as Markdown.
    """
    from hooke.monitors.card import card as card_of
    from hooke.monitors.card import markdown
    from hooke.monitors.results import spec_digest
    from hooke.monitors.spec import load_spec
    from hooke.pages.monitor_card import monitor_card
    from hooke.pages.page import write_page

    spec = load_spec(everywhere.lab, name)
    parts = card_of(everywhere.lab, spec)
    text = markdown(spec, parts)
    if html is not None:
        write_page(html, monitor_card(spec, parts, provenance={"monitor": name, "spec": spec_digest(spec)}))
    if out is not None:
        write_page(out, text)
    return Answer(data={"name": name, "about": spec.about, "parts": parts}, shown=(text,))
