"""A calibrated monitor, measured on texts that neither its probe nor its thresholds have seen."""

from hooke.directions.splits import split_by_group
from hooke.errors import BadRequest
from hooke.lab import Lab
from hooke.models.model import Model
from hooke.monitors.cascade import Cascade, cascade
from hooke.monitors.controls import random_area, random_monitors, words_area
from hooke.monitors.evaluation import Evaluation, evaluate
from hooke.monitors.fit import FitRecord, labelled_texts, part
from hooke.monitors.results import load_result, spec_digest
from hooke.monitors.spec import MonitorSpec, not_calibrated
from hooke.monitors.stream import open_monitor
from hooke.monitors.traffic import Reference
from hooke.monitors.transcripts import Text, forms_of, ordinary_texts, score_texts
from hooke.text.corpora import open_corpus


def measure(
    model: Model,
    lab: Lab,
    spec: MonitorSpec,
    record: FitRecord,
    *,
    n_documents: int = 500,
    n_controls: int = 20,
    second: MonitorSpec | None = None,
) -> tuple[Evaluation, Cascade | None]:
    """Error rates of a monitor, and of it with a second stage behind it, where one is given.

    Raises:
        BadRequest: one of them is not calibrated, or there are too few texts.
        BadArtefact, UnknownName: see `open_monitor`.
    """
    traffic = load_result(lab, spec.name, "traffic", Reference)
    for one in (spec, second or spec):
        if one.act is None or traffic is None:
            raise not_calibrated(one.name)
    assert spec.act is not None
    assert traffic is not None
    fit, test = unseen(record)
    monitors = [open_monitor(one, model, lab) for one in (spec, second) if one is not None]
    probes = [one.probe for one in monitors[0].scorers if one.probe is not None]
    drawn = random_monitors(spec, probes[0], n_controls) if len(probes) == len(spec.scorers) == 1 and n_controls else []
    labelled = score_texts(model, [*monitors, *drawn], test, longest=record.longest, name="score labelled texts")
    ordinary = ordinary_texts(open_corpus(traffic.corpus), n_documents, skip=traffic.n, forms=forms_of(model))
    scored = score_texts(model, monitors, ordinary, longest=record.longest, name="score ordinary texts")
    first = len(monitors)
    controls = [random_area(labelled, range(first, first + len(drawn)))] if drawn else []
    found = evaluate(
        labelled,
        scored,
        threshold=spec.act,
        spec_digest=spec_digest(spec),
        texts=f"{record.texts}, groups held out" if fit else f"{record.texts}, all groups",
        traffic_name=f"documents {traffic.n} to {traffic.n + n_documents - 1} of {traffic.corpus}",
        controls=[*controls, words_area(fit, test)] if fit else controls,
    )
    if second is None:
        return found, None
    assert second.act is not None
    products = (monitors[0].n_products, monitors[1].n_products)
    return found, cascade(labelled, scored, thresholds=(spec.act, second.act), n_products=products)


def unseen(record: FitRecord) -> tuple[tuple[Text, ...], tuple[Text, ...]]:
    """Labelled texts that the probe was fitted on, and those that it was not; of most given probes nobody knows.

    Raises:
        UnknownName, BadRequest: see `labelled_texts`; or the texts are not those that the probe was confirmed on.
    """
    texts = labelled_texts(record.texts, record.form)
    if record.was_fitted:
        parts = part(texts, seed=record.seed)
        return parts.fit, parts.test
    if not record.confirmation:
        return (), tuple(texts)
    split = split_by_group(texts, seed=record.seed)
    if split.fingerprint != record.confirmation:
        raise BadRequest(
            f"'{record.texts}' has other texts than when the probe was confirmed on them.",
            f"Expected {record.confirmation}, found {split.fingerprint}.",
            "Fit the probe again, then the monitor.",
        )
    seen = tuple(texts[at] for at in (*split.fit, *split.validation))
    return seen, tuple(texts[at] for at in split.confirmation)
