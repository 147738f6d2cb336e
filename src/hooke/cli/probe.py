"""`hooke probe`: probes of concepts, each with the evidence that it was born with."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.console import RenderableType

from hooke.cli.answer import Answer
from hooke.cli.options import Everywhere, ModelOptions, ModelRef
from hooke.cli.terminal import Heat, note, table, title
from hooke.errors import BadRequest
from hooke.pages.numerals import interval, number, percent, signed

if TYPE_CHECKING:
    import hooke.directions.evidence
    import hooke.findings
    import hooke.text.concepts

Method = Literal["means", "logistic", "ridge", "pca", "subspace", "token", "layers"]
How = Literal["last", "mean", "max", "rolling", "ema", "softmax", "attention"]
DEFAULT_MODEL = "smollm2-135m"
_MOST_SHOWN = 20


def fit(
    texts: str,
    /,
    *,
    name: str | None = None,
    model: ModelRef = DEFAULT_MODEL,
    site: tuple[str, ...] = (),
    method: tuple[Method, ...] = (),
    pooling: tuple[How, ...] = (),
    window: int = 16,
    without: tuple[Path, ...] = (),
    question: str | None = None,
    seed: int = 0,
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Fit a probe to labelled texts: chosen on one part, measured once on another, beside its baselines.

    Texts are parted by whole groups. Every site, method and pooling is fitted on one part and compared on the second;
    the best is measured on the third, which is not opened before. Beside it stand what words, length and format, the
    token embeddings, shuffled labels, random directions, a model with weights drawn anew and the model's own answer
    reach on the same texts.

    Parameters
    ----------
    texts
        A concept set that comes with hooke, or a .jsonl, .json or .csv file: see docs/probes.md for the shapes.
    name
        Name of the probe in the lab; the set's or the file's unless given.
    site
        Where to read, e.g. resid_post.12 or resid_post.*; eight layers unless given.
    method
        means, logistic, ridge, pca, subspace, token or layers; all unless given.
    pooling
        last, mean, max, rolling, ema, softmax or attention; those that go with the method unless given.
    window
        Tokens of rolling and ema.
    without
        Files of more texts that do not have the concept, whatever they say: low rates of false alarms take many.
    question
        A sentence that is so of a text with the label, which the model is asked; the set's own unless given.
    seed
        Seed of the split, the fits, the controls and the draws.
    """
    from hooke.directions.fit_probe import FitConfig, fit_probe
    from hooke.text.labelled_files import read_labelled, texts_in

    items, concept, about = read_set(texts)
    items = texts_in([items, *(read_labelled(path, label=False) for path in without)])
    lab = everywhere.lab
    name = name or concept
    lab.path("probes", name)
    config = FitConfig(sites=site, methods=method, poolings=pooling, window=window, seed=seed)
    opened = loading.load(model, lab)
    asked = about if question is None else question
    probe, evidence = fit_probe(opened, items, name=name, concept=concept, about=asked, lab=lab, config=config)
    return Answer(
        data={"name": name, "model": opened.name, "folder": lab.path("probes", name), **_data(evidence)},
        shown=(*_shown(name, opened.name, evidence), note(f'Use it: hooke probe score {probe.name} "a text"')),
    )


def read_set(texts: str) -> tuple[list["hooke.text.concepts.Labelled"], str, str]:
    """A concept set by name, or a file: its texts, its name, and what a text with the label has.

    Raises:
        UnknownName: it is no set and no file.
        BadRequest: the file holds no labelled texts.
    """
    from hooke.text.concepts import CONCEPTS, concept
    from hooke.text.labelled_files import read_labelled

    path = Path(texts)
    if texts not in CONCEPTS and (path.suffix or path.exists()):
        return read_labelled(path), path.stem, ""
    found = concept(texts)
    return list(found.items()), texts, found.about


def list_probes(*, everywhere: Everywhere = Everywhere()) -> Answer:
    """List the probes in the lab, with what may be said of each."""
    from hooke.directions.evidence import load_evidence
    from hooke.directions.probe import load_probe

    lab = everywhere.lab
    found = [(load_probe(lab, name), load_evidence(lab, name)) for name in lab.names("probes")]
    rows = [
        (
            probe.name,
            probe.made.model,
            probe.made.method,
            ", ".join(probe.sites) if len(probe.sites) < 3 else f"{len(probe.sites)} sites",
            probe.pooling.how,
            number(evidence.area.value) if evidence else "–",
            evidence.verdict.level if evidence else "–",
        )
        for probe, evidence in found
    ]
    columns = ("name", "model", "method", "site", "pooling", "AUROC>", "level")
    keys = ("name", "model", "method", "site", "pooling", "auroc", "level")
    shown: tuple[RenderableType, ...] = (title("Probes", str(lab.root)), table(columns, rows))
    if not rows:
        shown = (*shown, note("There are none yet. Make one: hooke probe fit sentiment"))
    return Answer(data={"probes": [dict(zip(keys, row, strict=True)) for row in rows]}, shown=shown)


def show(name: str, /, *, everywhere: Everywhere = Everywhere()) -> Answer:
    """Show what was measured of a probe, beside its baselines.

    Parameters
    ----------
    name
        A probe of the lab.
    """
    from hooke.directions.evidence import load_evidence
    from hooke.directions.probe import load_probe

    probe, evidence = load_probe(everywhere.lab, name), load_evidence(everywhere.lab, name)
    if evidence is None:
        made = {"method": probe.made.method, "concept": probe.made.concept, "sites": probe.sites}
        lost = note("Nothing was measured of it.")
        return Answer(
            data={"name": name, "model": probe.made.model, **made}, shown=(title(name, probe.made.model), lost)
        )
    data = {"name": name, "model": probe.made.model, "made": probe.made, **_data(evidence)}
    return Answer(data=data, shown=_shown(name, probe.made.model, evidence))


def score(
    name: str,
    text: str,
    /,
    *,
    model: str | None = None,
    force: bool = False,
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Score a text, or each text of a file, token by token.

    Above 0 the probe takes a text for one with the concept. The first token is never scored: it holds the attention
    sink.

    Parameters
    ----------
    name
        A probe of the lab.
    text
        A text, or a file with one text a line; a .jsonl or .csv file of labelled texts is read as one.
    model
        Where the model is, if its name alone does not lead to it.
    force
        Score with another model than the probe's, as long as its sites fit.
    """
    from hooke.directions.probe import check_probe, load_probe
    from hooke.directions.score_texts import score_texts

    probe = load_probe(everywhere.lab, name)
    texts = _texts_of(text)
    opened = loading.load(model or probe.made.model, everywhere.lab)
    check_probe(probe, opened, force=force)
    found = score_texts(opened, probe, texts)
    shown: list[RenderableType] = [
        title(name, f"{probe.made.concept}: {probe.made.settings.get('verdict', 'not measured')}")
    ]
    for one in found[:_MOST_SHOWN]:
        shown += [f"{signed(one.score)}  {'above 0' if one.score > 0 else 'below 0'}", Heat(one.tokens, one.scores)]
    if len(found) > _MOST_SHOWN:
        shown.append(note(f"and {len(found) - _MOST_SHOWN:,} more; --json has them all"))
    shown.append(note(f"tokens by score, pooled by {probe.pooling.how}; brackets or colour where it is above 0"))
    return Answer(data={"name": name, "model": opened.name, "texts": found}, shown=tuple(shown))


def _texts_of(text: str) -> list[str]:
    path = Path(text)
    if len(text) > 1000 or path.suffix not in (".txt", ".jsonl", ".json", ".csv", ".tsv") or " " in path.suffix:
        return [text]
    if path.suffix != ".txt":
        from hooke.text.labelled_files import read_labelled

        return [one.text for one in read_labelled(path)]
    try:
        found = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"'{path}' could not be read.", f"{error}.", "Give a text, or a file of texts.") from error
    if not found:
        raise BadRequest(f"'{path}' holds no text.", "", "Give one text a line.")
    return found


def _data(evidence: "hooke.directions.evidence.Evidence") -> dict[str, object]:
    return {
        "verdict": evidence.verdict,
        "choice": evidence.choice,
        "auroc": evidence.area,
        "recalls": evidence.recalls,
        "baselines": [
            {
                "name": one.name,
                "auroc": one.area,
                "recall": one.recall,
                "ahead": one.ahead,
                "is_beaten": one.is_beaten,
                "about": one.about,
            }
            for one in evidence.baselines
        ],
        "percentile_among_random": evidence.percentile,
        "evidence": evidence,
    }


def _shown(name: str, model: str, evidence: "hooke.directions.evidence.Evidence") -> tuple[RenderableType, ...]:
    from hooke.directions.low_rates import precision_at

    said = {True: "beaten", False: "not beaten", None: "not measured"}
    rows = [("the probe", _cell(evidence.area), "", "", str(evidence.choice))]
    rows += [
        (one.name, _cell(one.area), _cell(one.ahead, sign=True), said[one.is_beaten], one.about)
        for one in evidence.baselines
    ]
    ahead = "recall at 1 %" if evidence.baselines[0].recall else "AUROC"
    sizes = (
        f"fitted on {evidence.n_fit} texts, chosen of {evidence.n_tried} on {evidence.n_validation}, measured on "
        f"{evidence.n_positive} with and {evidence.n_negative} without, in {evidence.n_groups} groups"
    )
    notes = [note(f"{sizes}. Above {percent(evidence.percentile)} of random directions.")]
    if evidence.near_area is not None:
        notes.append(note(f"on texts that look like the other label: AUROC {number(evidence.near_area)}"))
    notes += [
        note(f"{one.name} lies surely below chance: what it learnt means the other label in the groups held out")
        for one in evidence.baselines
        if one.area is not None and one.area.interval[1] < 0.5
    ]
    notes += [
        note(
            f"where 1 text in 1,000 has the concept, {percent(precision_at(0.001, one.recall.value, one.rate))} of the "
            f"alarms at {percent(one.rate)} would be right"
        )
        for one in evidence.recalls
        if one.recall is not None
    ]
    if evidence.opened > 1:
        notes.append(
            note(
                f"These texts were opened for the {evidence.opened}. time: what was changed in between was chosen on "
                "them, so that the number is too good."
            )
        )
    return (
        title(f"{name}: {evidence.verdict.level}", model),
        evidence.verdict.words,
        table(("", "AUROC", f"ahead in {ahead}", "", ""), rows),
        *(note(f"recall at {percent(one.rate)} false alarms: {one.words}") for one in evidence.recalls),
        *notes,
    )


def _cell(value: "hooke.findings.Estimate | None", *, sign: bool = False) -> str:
    if value is None:
        return "–"
    first = signed(value.value) if sign else f"{value.value:.3f}"
    return f"{first} {interval(value.interval)}"
