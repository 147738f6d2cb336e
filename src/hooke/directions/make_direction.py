"""Directions from labelled texts, from a feature and from a probe."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from hooke.dictionaries import Dictionary
from hooke.dictionaries.crosscoders import rows_at
from hooke.directions.baselines import random_baseline, random_scores, shuffled_baseline
from hooke.directions.direction import Direction, Made
from hooke.directions.fit_probe import FitConfig, confirm
from hooke.directions.group_draws import estimated
from hooke.directions.probe import Probe
from hooke.errors import BadRequest, UnknownName
from hooke.findings import Finding
from hooke.lab import Lab
from hooke.models.model import Model
from hooke.sites import FeatureName
from hooke.text.concepts import Labelled


def direction_of_texts(
    model: Model, items: Sequence[Labelled], *, name: str, concept: str, lab: Lab, config: FitConfig
) -> Direction:
    """What parts labelled texts at one site, measured on groups held out beside random directions and shuffled labels.

    Site, method and pooling are those that do best on the validation part, of those that the config names.

    Raises:
        BadRequest: the config names a method that needs several vectors; or see `fit_probe`.
        UnknownSite, UnsupportedModel, PromptTooLong: see `Model.run`.
    """
    if not config.methods or {"token", "layers"} & set(config.methods):
        raise BadRequest(
            f"Not one direction: {', '.join(config.methods) or 'all methods'}.",
            "Those probes have several vectors.",
            "Use means, logistic, ridge, pca or subspace; or fit a probe and take its directions.",
        )
    found = confirm(model, items, name=name, lab=lab, config=config)
    bench, chosen = found.bench, found.bench.choice
    scores = chosen.score(found.fitted, bench.held)
    area = estimated(bench.draws.areas(scores), n=bench.draws.n_groups)
    beside = (
        random_baseline(bench, scores, random_scores(bench, found.fitted)),
        shuffled_baseline(bench, scores),
    )
    findings = tuple(
        Finding(
            claim=f"AUROC of '{concept}' on {bench.draws.n_groups} groups held out, beside {one.name}",
            value=area.value,
            interval=area.interval,
            n=len(bench.held.items),
            control=one.area.value,
            control_interval=one.area.interval,
            control_name=f"{one.name}: {one.about}",
            method=str(chosen),
            seed=config.seed,
        )
        for one in beside
        if one.area is not None
    )
    made = Made(
        method=chosen.method,
        concept=concept,
        model=model.name,
        model_fingerprint=model.fingerprint,
        n=len(bench.both.items),
        n_groups=len(set(bench.both.groups)),
        seed=config.seed,
        settings={"pooling": chosen.pooling.how, "chosen_of": len(found.tried), "first_token": "left out"},
    )
    return Direction(name=name, site=chosen.sites[0], vector=found.fitted.vectors[0], made=made, findings=findings)


def direction_of_feature(model: Model, dictionary: Dictionary, feature: FeatureName, *, name: str) -> Direction:
    """A feature's decoder row, as long as it is.

    Raises:
        UnknownName: the dictionary does not have the feature.
    """
    if feature.index >= dictionary.n_features:
        raise UnknownName(
            f"No feature '{feature}'.",
            f"'{dictionary.name}' has the features 0–{dictionary.n_features - 1}.",
            "Choose one of them.",
        )
    site = dictionary.writes[0]
    row = rows_at(dictionary, torch.tensor([feature.index]), site, model.name)[0].detach().float().cpu()
    made = Made(method="decoder row", concept=str(feature), model=model.name, model_fingerprint=model.fingerprint)
    return Direction(name=name, site=str(site), vector=row, made=made)


def direction_of_probe(probe: Probe, *, name: str) -> Direction:
    """The vector of a probe that reads one site, with its card.

    Raises:
        BadRequest: it reads several.
    """
    if len(probe.sites) > 1:
        raise BadRequest(
            f"'{probe.name}' is no single direction.", f"It reads {', '.join(probe.sites)}.", "Fit one of one site."
        )
    return replace(probe.directions()[0], name=name, findings=probe.findings)
