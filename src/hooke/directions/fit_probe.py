"""A probe from labelled texts: fitted on one part, chosen on another, measured once on a third beside its baselines.

The confirmation part is not read by the model before the choice stands in the lab, in a ledger that counts how often
that part was opened: whoever tries again on the same texts is told so.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from hooke.configs import to_dict
from hooke.directions.baselines import Bench, measured_baselines
from hooke.directions.choosing import Candidate, Tried, candidates, choose
from hooke.directions.direction import Made
from hooke.directions.evidence import RATES, Evidence, Recall, judge, save_evidence
from hooke.directions.group_draws import GroupDraws, estimated
from hooke.directions.low_rates import negatives_needed, threshold_at
from hooke.directions.makers import Fitted, Method
from hooke.directions.pooling import How
from hooke.directions.probe import Probe, save_probe
from hooke.directions.splits import split_by_group
from hooke.directions.token_rows import TokenRows, read_rows
from hooke.findings import area_under_curve
from hooke.lab import Lab
from hooke.models.model import Model
from hooke.sites import Site
from hooke.text.concepts import Labelled

N_SITES = 8
_KEPT = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class FitConfig:
    """What is tried."""

    sites: tuple[str, ...] = ()
    """Where, wildcards too; unless given, eight layers' resid_post spread over the depth."""
    methods: tuple[Method, ...] = ()
    """How; all unless given."""
    poolings: tuple[How, ...] = ()
    """How tokens become a text; unless given, those that go with the method."""
    window: int = 16
    """Tokens of rolling and ema."""
    seed: int = 0
    """Seed of the split, the fits, the controls and the draws."""


def fit_probe(
    model: Model,
    items: Sequence[Labelled],
    *,
    name: str,
    concept: str,
    about: str = "",
    lab: Lab,
    config: FitConfig | None = None,
) -> tuple[Probe, Evidence]:
    """The probe and what was measured of it, both kept in the lab under the name.

    Args:
        concept: name of the set of texts.
        about: a sentence that is so of a text with the label; the model is asked it as a baseline.

    Raises:
        BadRequest: the name is none, the texts have too few groups, or nothing is to be tried.
        UnknownSite, UnsupportedModel, PromptTooLong: see `Model.run`.
    """
    config = config or FitConfig()
    found = confirm(model, items, name=name, lab=lab, config=config)
    evidence = _measured(found, concept, about)
    probe = _probe(model, found.fitted, evidence, found.bench.both, name)
    save_evidence(save_probe(lab, probe), evidence)
    return probe, evidence


@dataclass(frozen=True, kw_only=True, slots=True)
class Confirmed:
    """A choice, and what it takes to measure it on the confirmation part."""

    bench: Bench
    """The parts, read."""
    fitted: Fitted
    """What was chosen, fitted on both parts that are not confirmed on."""
    tried: tuple[Tried, ...]
    """All candidates, the best first."""
    split: str
    """Fingerprint of the confirmation part."""
    opened: int
    """How often it has been opened for this model in this lab."""


def confirm(model: Model, items: Sequence[Labelled], *, name: str, lab: Lab, config: FitConfig) -> Confirmed:
    """Fit, choose, write the choice down, and only then read the confirmation part.

    Raises:
        BadRequest, UnknownSite, UnsupportedModel, PromptTooLong: see `fit_probe`.
    """
    lab.path("probes", name)
    split = split_by_group(items, seed=config.seed)
    sites = model.expand(config.sites) if config.sites else spread_sites(model)
    options = candidates(sites, config.methods, config.poolings, window=config.window)
    seen = read_rows(model, [items[at] for at in (*split.fit, *split.validation)], [*sites, *_embedding(sites)])
    fit = seen.chosen(range(len(split.fit)))
    validation = seen.chosen(range(len(split.fit), len(seen.items)))
    tried = choose(options, fit, validation, seed=config.seed)
    opened = _enter(lab, model, split.fingerprint, name, tried[0])
    chosen = tried[0].candidate
    needed = [*chosen.places, *_embedding(chosen.places)]
    held = read_rows(model, [items[at] for at in split.confirmation], needed, about="read, confirmation")
    bench = Bench(
        model=model,
        choice=chosen,
        fit=fit,
        validation=validation,
        both=seen,
        held=held,
        draws=GroupDraws.of(held.labels, held.groups, seed=config.seed),
        seed=config.seed,
    )
    fitted = chosen.make(seen, seed=config.seed)
    return Confirmed(bench=bench, fitted=fitted, tried=tried, split=split.fingerprint, opened=opened)


def spread_sites(model: Model) -> tuple[Site, ...]:
    """The residual stream after some layers, from the first to the last."""
    layers = np.unique(np.linspace(0, model.n_layers - 1, N_SITES).round().astype(int)).tolist()
    return tuple(site for site in (Site("resid_post", layer) for layer in layers) if model.has(site))


def _embedding(sites: Sequence[Site]) -> list[Site]:
    return [Site("embed")] if Site("embed") not in sites else []


def _measured(found: Confirmed, concept: str, about: str) -> Evidence:
    bench = found.bench
    scores, held, draws = bench.choice.score(found.fitted, bench.held), bench.held, bench.draws
    area = estimated(draws.areas(scores), n=draws.n_groups)
    baselines, percentile = measured_baselines(bench, scores, found.fitted, about)
    near = np.array([one.is_near for one in held.items])
    near_positive, near_negative = scores[near & held.labels], scores[near & ~held.labels]
    return Evidence(
        concept=concept,
        about=about,
        n_fit=len(bench.fit.items),
        n_validation=len(bench.validation.items),
        n_positive=int(held.labels.sum()),
        n_negative=int((~held.labels).sum()),
        n_groups=draws.n_groups,
        n_tried=len(found.tried),
        tried=found.tried[:_KEPT],
        split=found.split,
        opened=found.opened,
        area=area,
        near_area=area_under_curve(near_positive, near_negative)[0]
        if len(near_positive) and len(near_negative)
        else None,
        recalls=tuple(_recall(scores, draws, rate) for rate in RATES),
        percentile=percentile,
        baselines=tuple(baselines),
        verdict=judge(area, draws.n_groups, baselines),
        seed=bench.seed,
    )


def _recall(scores: np.ndarray, draws: GroupDraws, rate: float) -> Recall:
    negatives, found = scores[~draws.labels], draws.recalls(scores, rate)
    threshold = threshold_at(negatives, rate)
    return Recall(
        rate=rate,
        recall=None if found is None else estimated(found, n=draws.n_groups),
        threshold=threshold,
        n_above=0 if threshold is None else int((negatives > threshold).sum()),
        n_negatives=len(negatives),
        n_needed=negatives_needed(rate),
    )


def _probe(model: Model, fitted: Fitted, evidence: Evidence, seen: TokenRows, name: str) -> Probe:
    chosen: Candidate = evidence.choice
    made = Made(
        method=chosen.method,
        concept=evidence.concept,
        model=model.name,
        model_fingerprint=model.fingerprint,
        n=len(seen.items),
        n_groups=len(set(seen.groups)),
        seed=evidence.seed,
        settings={
            "first_token": "left out",
            "chosen_of": evidence.n_tried,
            "confirmation": evidence.split,
            "verdict": evidence.verdict.words,
            "level": evidence.verdict.level,
        },
    )
    return Probe(
        name=name,
        sites=chosen.sites,
        vectors=fitted.vectors,
        bias=fitted.bias,
        pooling=chosen.pooling,
        made=made,
        attention=fitted.attention,
        findings=evidence.findings(),
    )


def _enter(lab: Lab, model: Model, split: str, name: str, chosen: Tried) -> int:
    """Write down the choice before the confirmation part is opened; how often it was, this time included."""
    path = lab.root / "probes" / ".opened" / f"{split}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    line = {
        "name": name,
        "model": model.fingerprint or model.name,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "choice": to_dict(chosen),
    }
    with path.open("a", encoding="utf-8") as handle:
        handle.write(json.dumps(line, ensure_ascii=False) + "\n")
    entries = [json.loads(one) for one in path.read_text(encoding="utf-8").splitlines()]
    return sum(one["model"] == line["model"] for one in entries)
