"""`hooke monitor`: monitors made, calibrated, measured and run."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cyclopts import Group, Parameter

from hooke.cli.answer import Answer
from hooke.cli.options import Everywhere, ModelOptions
from hooke.cli.terminal import note, table, title
from hooke.configs import to_dict
from hooke.errors import BadRequest
from hooke.pages.numerals import interval, percent

if TYPE_CHECKING:
    import hooke.directions.pooling
    import hooke.lab
    import hooke.models.model
    import hooke.monitors.cascade
    import hooke.monitors.evaluation
    import hooke.monitors.fit
    import hooke.monitors.spec
    import hooke.monitors.stream

MODEL = "smollm2-135m"
_DOES = Group("What it does", sort_key=4)


def list_monitors(*, everywhere: Everywhere = Everywhere()) -> Answer:
    """List the monitors in the lab: what they look for, their thresholds, and until when those are believed."""
    from hooke.monitors.spec import load_spec, monitor_names

    specs = [load_spec(everywhere.lab, name) for name in monitor_names(everywhere.lab)]
    rows = [(one.name, one.about, _level(one.watch), _level(one.act), one.action.do, _until(one)) for one in specs]
    shown = table(("name", "looks for", "watch>", "act>", "action", "calibrated until"), rows)
    empty = note("No monitors yet: make one with `hooke monitor fit`.")
    return Answer(data={"monitors": [to_dict(one) for one in specs]}, shown=(shown if rows else empty,))


def _level(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _until(spec: "hooke.monitors.spec.MonitorSpec") -> str:
    if spec.calibration is None:
        return "not calibrated"
    return f"{spec.calibration.expires}{', expired' if spec.is_expired() else ''}"


@Parameter(name="*", group=_DOES)
@dataclass(frozen=True, kw_only=True, slots=True)
class MonitorOptions:
    """What a monitor reads, and what it does."""

    reads: Literal["all", "prompt", "generated"] = "all"
    """Whose tokens count: all, the prompt's, or the answer's."""
    warm_up: int = 4
    """Tokens before which nothing is judged."""
    combine: Literal["sum", "max"] = "sum"
    """How the scores of several scorers become one."""
    on_error: Literal["open", "closed"] = "open"
    """Where the scorer fails at a token: open lets it pass, closed takes it for one that starts the action."""
    action: Literal["annotate", "log", "escalate", "steer", "stop"] = "annotate"
    """What is done with a request from the token on at which it is above the second threshold."""
    second: str = ""
    """To escalate: the second monitor."""
    recipe: str = ""
    """To steer: a recipe of the lab."""

    def spec(
        self,
        model: "hooke.models.model.Model",
        scorers: "tuple[hooke.monitors.spec.Scorer, ...]",
        pooling: "hooke.directions.pooling.Pooling",
        *,
        name: str,
        about: str,
    ) -> "hooke.monitors.spec.MonitorSpec":
        """The monitor, before it is calibrated."""
        from hooke.monitors.digests import digests_of
        from hooke.monitors.spec import Action, MonitorSpec

        return MonitorSpec(
            name=name,
            about=about,
            scorers=scorers,
            combine=self.combine,
            pooling=pooling,
            reads=self.reads,
            warm_up=self.warm_up,
            action=Action(do=self.action, second=self.second, recipe=self.recipe),
            on_error=self.on_error,
            valid_for=digests_of(model),
        )


def fit(
    texts: str,
    /,
    *,
    name: str,
    model: str = MODEL,
    about: str = "",
    probe: tuple[str, ...] = (),
    feature: tuple[str, ...] = (),
    site: tuple[str, ...] = (),
    method: Literal["means", "logistic"] = "means",
    form: Literal["plain", "chat"] = "plain",
    seed: int = 0,
    longest: int = 256,
    monitor: MonitorOptions = MonitorOptions(),
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Make a monitor from labelled texts, or from a probe of the lab.

    Groups of texts are parted once: on half of them the probe is fitted, on a fifth its site is chosen, and the rest
    are left for `hooke monitor eval`; of a probe that `hooke probe fit` made on the same texts, those that it was
    confirmed on. It has no thresholds before `hooke monitor calibrate`.

    Parameters
    ----------
    texts
        A concept set, such as truth or personal-data, or a .jsonl file with "text", "label" and "group" in each line.
    name
        Name of the monitor in the lab, and of its probe.
    model
        A name from `hooke model list`, a folder, an id on the hub or a .gguf file.
    about
        What it is meant to find, in one sentence.
    probe
        A probe of the lab, in the place of one that is fitted here; may be given several times.
    feature
        A feature, such as resid_post.15/12@smollm2-res, in the place of a probe; those of one dictionary are summed.
    site
        A site that it may read; may be given several times: the best by other texts is taken. Four layers unless given.
    method
        means: difference of means; logistic: logistic regression with strong regularisation.
    form
        chat: each text as a user's message in the chat template.
    seed
        By which groups are parted.
    longest
        Tokens of a text that are read.
    """
    from hooke.directions.probe import save_probe
    from hooke.monitors.fit import FitRecord, fit_probe, given_scorers, labelled_texts, part
    from hooke.monitors.results import save_result
    from hooke.monitors.spec import save_spec
    from hooke.text.concepts import CONCEPTS

    lab = everywhere.lab
    lab.path("monitors", name)
    items, is_given, areas = labelled_texts(texts, form), bool(probe or feature), {}
    opened = loading.load(model, lab)
    if not is_given:
        parts, sites = part(items, seed=seed), opened.expand(site or _layers(opened))
        found = fit_probe(opened, parts, sites, name=name, concept=texts, method=method, seed=seed, longest=longest)
        save_probe(lab, found)
        areas = found.made.settings["areas_when_chosen"]
    scorers, pooling = given_scorers(opened, lab, probe if is_given else (name,), feature)
    told = about or (CONCEPTS[texts].about if texts in CONCEPTS else f"Texts as in {texts}.")
    spec = monitor.spec(opened, scorers, pooling, name=name, about=told)
    folder = save_spec(lab, spec)
    record = FitRecord.of(texts, items, form=form, seed=seed, longest=longest)
    save_result(lab, name, "fit", record.of_given(lab, items, probe, feature) if is_given else record)
    best = max(areas, key=lambda one: areas[one], default="")
    rows = [(one, f"{area:.3f}", "chosen" if one == best else "") for one, area in areas.items()]
    return Answer(
        data={"spec": to_dict(spec), "areas": areas, "folder": folder},
        shown=(
            title(spec.name, spec.about),
            *((table(("site", "area on the choosing texts>", ""), rows),) if rows else ()),
            note("Not calibrated: `hooke monitor calibrate` sets its thresholds on ordinary traffic."),
        ),
    )


def _layers(model: "hooke.models.model.Model") -> list[str]:
    return [f"resid_post.{round(share * (model.n_layers - 1))}" for share in (0.25, 0.4, 0.55, 0.7)]


def calibrate(
    name: str,
    /,
    *,
    model: str = MODEL,
    corpus: str = "default:heldout",
    documents: int = 480,
    watch: float = 0.05,
    act: float = 0.01,
    days: int = 90,
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Set a monitor's thresholds on ordinary traffic: the smallest whose share of texts is surely under a target.

    Each document is read in one form, plain or as a message in the chat template, in turn. A text is above a threshold
    where its score is at any token. With 95 % confidence no more than the target share of such texts is above it.

    Parameters
    ----------
    name
        A monitor of the lab.
    model
        The model that it was made for.
    corpus
        Ordinary texts: default:heldout, a file, a folder, or hf:NAME.
    documents
        How many; 299 or more for 1 %.
    watch
        Share of ordinary texts that may be above the threshold that is worth a look.
    act
        Share that may be above the one that starts the action.
    days
        Days after which it must be done again.
    """
    from hooke.monitors.calibrate import calibrated
    from hooke.monitors.fit import labelled_texts, part
    from hooke.monitors.results import save_result
    from hooke.monitors.spec import load_spec, save_spec
    from hooke.monitors.stream import open_monitor
    from hooke.monitors.traffic import Reference, read_traffic
    from hooke.monitors.transcripts import forms_of, ordinary_texts, score_texts, texts_fingerprint
    from hooke.text.corpora import open_corpus

    lab = everywhere.lab
    spec, record = load_spec(lab, name).uncalibrated(), fit_record(lab, name)
    opened = loading.load(model, lab)
    texts = ordinary_texts(open_corpus(corpus), documents, forms=forms_of(opened))
    monitor = open_monitor(spec, opened, lab)
    peaks, rows_kept = read_traffic(opened, monitor, texts, longest=record.longest)
    choosing = part(labelled_texts(record.texts, record.form), seed=record.seed).choose if record.was_fitted else ()
    scored = score_texts(opened, [monitor], choosing, longest=record.longest)
    fingerprint = texts_fingerprint(texts)
    spec = calibrated(
        spec,
        peaks,
        traffic=f"{documents} documents of {corpus}, {' and '.join(forms_of(opened))}",
        fingerprint=fingerprint,
        targets={"watch": watch, "act": act},
        labelled=[(one.peaks[0], bool(one.text.label)) for one in scored],
        labelled_name=record.texts,
        days=days,
    )
    save_spec(lab, spec)
    save_result(lab, name, "traffic", Reference.of(corpus, peaks))
    rows_kept.save(lab, name)
    assert spec.calibration is not None
    rows = [
        (level, f"{one.threshold:.3f}", percent(one.target), f"{one.n_above} of {one.n:,}", percent(one.upper))
        for level, one in spec.calibration.certificates.items()
    ]
    return Answer(
        data={"spec": to_dict(spec)},
        shown=(
            title(name, f"calibrated until {spec.calibration.expires}"),
            table(("level", "threshold>", "target>", "above>", "at most, 95 %>"), rows),
            note(f"Ordinary traffic: {spec.calibration.traffic}, the first {record.longest} tokens of each."),
        ),
    )


def fit_record(lab: "hooke.lab.Lab", name: str) -> "hooke.monitors.fit.FitRecord":
    """On which texts a monitor was fitted.

    Raises:
        BadRequest: nothing says so.
    """
    from hooke.monitors.fit import FitRecord
    from hooke.monitors.results import load_result

    found = load_result(lab, name, "fit", FitRecord)
    if found is None:
        raise BadRequest(
            f"Nothing says which texts '{name}' was fitted on.",
            "It has no fit.json.",
            "Make it with `hooke monitor fit`.",
        )
    return found


def evaluate(
    name: str,
    /,
    *,
    model: str = MODEL,
    documents: int = 380,
    controls: int = 20,
    second: str | None = None,
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Measure a calibrated monitor on texts that it has not seen: slice by slice, the worst first, beside controls.

    The labelled texts are the groups that `fit` left over, the ordinary ones the documents after those of `calibrate`.

    Parameters
    ----------
    name
        A monitor of the lab.
    model
        The model that it was made for.
    documents
        Ordinary documents.
    controls
        Random directions that it is compared with.
    second
        Another calibrated monitor, as a second stage that is asked about what this one flags.
    """
    from hooke.monitors.measure import measure
    from hooke.monitors.results import save_result
    from hooke.monitors.spec import load_spec

    lab = everywhere.lab
    spec, record = load_spec(lab, name), fit_record(lab, name)
    other = None if second is None else load_spec(lab, second)
    opened = loading.load(model, lab)
    found, stages = measure(opened, lab, spec, record, n_documents=documents, n_controls=controls, second=other)
    save_result(lab, name, "evaluation", found)
    if stages is not None:
        save_result(lab, name, "cascade", stages)
    slices = [
        (one.kind, one.name, *_share(one.false_alarms), *_share(one.recall))
        for one in found.slices
        if one.kind != "source" or one.false_alarms is not None
    ]
    columns = ("", "", "false alarms>", "", "of>", "recall>", "", "of>")
    areas = [(one.name, f"{one.value:.3f}", interval(one.interval)) for one in found.areas]
    rare = [(f"{one.prevalence:.2%}", *_right(one)) for one in found.precisions]
    total = [
        ("ordinary texts", "", *_share(found.false_alarms_traffic), "", "", ""),
        (found.texts, "", *_share(found.false_alarms_labelled), *_share(found.recall)),
    ]
    shown = [
        title(name, f"above {found.threshold:.3f}; {spec.about}"),
        table(columns, [*total, *slices]),
        "",
        table(("how well scores part the labelled texts", "area>", "95 %"), areas),
        "",
        table(("share of texts with it", "of flags are right>", "at worst>", "at best>"), rare),
        *map(note, found.not_estimable),
    ]
    if stages is not None:
        shown += ["", _stages(stages, second or "")]
    return Answer(data={"evaluation": found, "cascade": stages}, shown=tuple(shown))


def _share(share: "hooke.monitors.evaluation.Share | None") -> tuple[str, str, str]:
    return ("", "", "") if share is None else (percent(share.value), interval(share.interval), f"{share.n:,}")


def _right(one: "hooke.monitors.evaluation.Precision") -> tuple[str, ...]:
    return tuple("no flags" if share is None else percent(share) for share in (one.value, one.low, one.high))


def _stages(found: "hooke.monitors.cascade.Cascade", second: str):  # noqa: ANN202
    rows = [
        ("first stage alone", *_share(found.false_alarms_first), *_share(found.recall_first)),
        (f"{second} alone", *_share(found.false_alarms_second), *_share(found.recall_second)),
        ("both", *_share(found.false_alarms), *_share(found.recall)),
        ("reaches the second stage", *_share(found.escalated), "", "", ""),
        (f"{found.cost:,.0f} multiply-adds a token, not {found.cost_second_on_all:,.0f}", *[""] * 6),
    ]
    return table(("", "false alarms>", "", "of>", "recall>", "", "of>"), rows)


def run(
    name: str,
    /,
    *,
    text: str | None = None,
    file: Path | None = None,
    prompt: str | None = None,
    model: str = MODEL,
    max_tokens: int = 48,
    force: bool = False,
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Run a monitor over a text, over a file of texts, or over what the model says.

    Parameters
    ----------
    name
        A monitor of the lab.
    text
        A text to read.
    file
        A .jsonl file with "text" in each line.
    prompt
        A message to the model, whose answer is watched token by token.
    model
        The model that it was made for.
    max_tokens
        Tokens of the answer.
    force
        Take the monitor although it was made for another model or template, or has expired.
    """
    from hooke.monitors.spec import load_spec
    from hooke.monitors.stream import open_monitor

    if sum(one is not None for one in (text, file, prompt)) != 1:
        raise BadRequest("A monitor runs over one thing.", "", "Give one of --text, --file and --prompt.")
    lab = everywhere.lab
    spec = load_spec(lab, name)
    opened = loading.load(model, lab)
    monitor = open_monitor(spec, opened, lab, force=force)
    if file is not None:
        return _over_file(opened, monitor, file)
    return _along(opened, monitor, text, prompt, max_tokens)


def _over_file(model: "hooke.models.model.Model", monitor: "hooke.monitors.stream.OpenMonitor", file: Path) -> Answer:
    from hooke.monitors.transcripts import read_transcripts, score_texts

    scored = score_texts(model, [monitor], read_transcripts(file))
    rows = [{"peak": one.peaks[0], "level": monitor.level(one.peaks[0]), "text": one.text.text} for one in scored]
    shown = [
        (one["level"], f"{one['peak']:.3f}", one["text"][:80]) for one in sorted(rows, key=lambda one: -one["peak"])
    ]
    return Answer(
        data={"monitor": monitor.name, "texts": rows},
        shown=(title(monitor.name, monitor.spec.about), table(("level", "peak>", "text"), shown)),
    )


def _along(
    model: "hooke.models.model.Model",
    monitor: "hooke.monitors.stream.OpenMonitor",
    text: str | None,
    prompt: str | None,
    max_tokens: int,
) -> Answer:
    from hooke.cli.terminal import Heat
    from hooke.models.generate import conversation_tokens
    from hooke.monitors.live import speak_watched

    if prompt is not None:
        ids = conversation_tokens(model, [{"role": "user", "content": prompt}]).ids[0].tolist()
    else:
        ids, max_tokens = model.tokenize(text or "").ids[0].tolist(), 0
    told = list(speak_watched(model, ids, [monitor], max_tokens=max_tokens))
    rows = [
        {
            "token": model.tokenizer.decode([one.token]),
            "is_prompt": one.is_prompt,
            "score": one.readings[0].score,
            "level": one.readings[0].level,
            "is_first": one.readings[0].is_first,
        }
        for one in told
    ]
    values = [max(0.0, one["score"]) if one["score"] == one["score"] else 0.0 for one in rows]
    firsts = [(one["level"], at, one["token"], f"{one['score']:.3f}") for at, one in enumerate(rows) if one["is_first"]]
    return Answer(
        data={"monitor": monitor.name, "tokens": rows},
        shown=(
            title(monitor.name, monitor.spec.about),
            Heat([one["token"] for one in rows], values),
            table(("first at", "token>", "", "score>"), firsts) if firsts else note("Quiet at every token."),
        ),
    )
