"""`hooke concept ...`: what the sets of labelled texts and the translations say of a dictionary's features."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType

from hooke.cli.answer import Answer, plain_data
from hooke.cli.options import Everywhere, ModelOptions, TextOptions
from hooke.cli.terminal import note, table, title
from hooke.errors import BadRequest, HookeError
from hooke.lab import Lab, provenance, write_json
from hooke.pages.numerals import interval, measured, number, percent

if TYPE_CHECKING:
    from hooke.dictionaries import Dictionary
    from hooke.evaluate.concept_features import Candidate, ConceptFeatures
    from hooke.evaluate.concept_steering import ConceptSteering
    from hooke.evaluate.translated_features import TranslatedFeatures
    from hooke.models.model import Model
    from hooke.text.concepts import Labelled


def list_concepts(*, everywhere: Everywhere = Everywhere()) -> Answer:
    """List the sets of labelled texts that come with hooke."""
    from hooke.text.concepts import CONCEPTS

    found = []
    for name, concept in CONCEPTS.items():
        items = list(concept.items())
        found.append({
            "name": name,
            "about": concept.about,
            "texts": len(items),
            "groups": len({one.group for one in items}),
            "near_misses": sum(one.is_near for one in items),
            "styles": sorted({one.style for one in items}),
            "languages": sorted({one.language for one in items}),
        })  # fmt: skip
    rows = [
        (one["name"], one["texts"], one["groups"], one["near_misses"], " ".join(one["languages"]), one["about"])
        for one in found
    ]
    columns = ("name", "texts>", "groups>", "near misses>", "languages", "a text of it")
    return Answer(data={"concepts": found}, shown=(table(columns, rows),))


def features(
    concept: str,
    dictionary: str = "starter",
    /,
    *,
    candidates: int = 5,
    steer: int = 1,
    strengths: tuple[float, ...] = (0.5, 1.0),
    model: str | None = None,
    seed: int = 0,
    text: TextOptions = TextOptions(corpus="default:heldout", context=64, windows_at_once=8),
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Find single features that tell a concept, beside neurons, random directions and words.

    Candidates are chosen on one half of the groups of texts and confirmed on the other. One is found only if it lies
    above every control there. The best are then added to the model, to see whether they make texts with the concept
    likelier than their twins, beside random directions. The result is kept in the lab, in reports/.

    Parameters
    ----------
    concept
        A name from `hooke concept list`, or a .jsonl file with lines {"text", "label", "group"}.
    dictionary
        A dictionary's name (see `hooke dictionary list`) or folder, or neurons.15 for the neurons of layer 15.
    candidates
        Features that are confirmed.
    steer
        How many of them are steered, those that tell most first; 0 for none.
    strengths
        Doses, in units of the feature's largest activation on the texts.
    model
        The model, where it is not the one that the dictionary names.
    seed
        Seed of the split into halves, the controls and the intervals.
    """
    from hooke.evaluate.concept_features import ConceptConfig, concept_features
    from hooke.text.concepts import open_concept

    if steer < 0:
        raise BadRequest(f"{steer} features cannot be steered.", "", "Give 0 or more.")
    name, items = open_concept(concept)
    lab = everywhere.lab
    opened, subject = _open(dictionary, model, loading, lab)
    config = ConceptConfig(n_candidates=candidates, seed=seed)
    found = concept_features(name, items, opened, subject, config=config)
    order = sorted(found.candidates, key=lambda one: (one.level == "not surely told", -one.effect.value))
    steered = _steered(name, items, order[:steer], opened, subject, text, strengths, seed)
    findings = [*found.findings(), *(finding for one in steered for finding in one.findings())]
    data = {
        "features": found,
        "levels": {one.address: one.level for one in found.candidates},
        "verdict": found.verdict,
        "steering": steered,
        "steering_verdicts": {one.address: one.verdict for one in steered},
        "findings": findings,
    }
    kept = _keep(lab, f"concept-{name}-{opened.name}", data, seed)
    label = _labels(opened.name, lab)
    shown = (*features_shown(found, label), *steering_shown(steered), note(f"kept in {kept}"))
    return Answer(data=data | {"kept": kept}, shown=shown)


def translations(
    dictionary: str = "starter",
    /,
    *,
    model: str | None = None,
    n: int = 12,
    seed: int = 0,
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Find features that fire on the translations of one sentence, beside neurons and random directions.

    Forty sentences in English, French, German, Spanish, Italian and Portuguese, with neither names nor numbers. The
    result is kept in the lab, in reports/.

    Parameters
    ----------
    dictionary
        A dictionary's name (see `hooke dictionary list`) or folder, or neurons.15 for the neurons of layer 15.
    model
        The model, where it is not the one that the dictionary names.
    n
        How many features to show.
    seed
        Seed of the shuffles, the controls and the intervals.
    """
    from hooke.evaluate.translated_features import translated_features
    from hooke.text.translations import translations as sentences

    if n < 0:
        raise BadRequest(f"{n} features cannot be shown.", "", "Give 0 or more.")
    lab = everywhere.lab
    opened, subject = _open(dictionary, model, loading, lab)
    found = translated_features(list(sentences()), opened, subject, seed=seed)
    data = {"translations": found, "verdict": found.verdict, "findings": found.findings()}
    kept = _keep(lab, f"translations-{opened.name}", data, seed)
    shown = (*_translations_shown(found, n, _labels(opened.name, lab)), note(f"kept in {kept}"))
    return Answer(data=data | {"kept": kept}, shown=shown)


def _open(ref: str, model: str | None, loading: ModelOptions, lab: Lab) -> "tuple[Dictionary, Model]":
    from hooke.models.neurons import open_dictionary

    return open_dictionary(ref, lambda name: loading.load(name, lab), model=model, lab=lab)


def _steered(
    name: str,
    items: "Sequence[Labelled]",
    chosen: "Sequence[Candidate]",
    dictionary: "Dictionary",
    model: "Model",
    text: TextOptions,
    strengths: tuple[float, ...],
    seed: int,
) -> "list[ConceptSteering]":
    from hooke.evaluate.concept_steering import ConceptSteerConfig, steer_concept
    from hooke.text.windows import windows

    if not chosen:
        return []
    config = ConceptSteerConfig(strengths=strengths, seed=seed)
    held_out = next(windows(text.open(), model.tokenizer, text.windows()))
    return [steer_concept(name, items, one, dictionary, model, held_out, config=config) for one in chosen]


def _keep(lab: Lab, name: str, data: dict[str, Any], seed: int) -> Path:
    kept = lab.path("reports", f"{name}.json")
    write_json(kept, plain_data(data | {"provenance": provenance(seed=seed)}))
    return kept


def _labels(dictionary: str, lab: Lab) -> Callable[[int], str]:
    """The text of a feature's label, where there is an index of the dictionary."""
    from hooke.features.query import Index

    with suppress(HookeError):
        index = Index.open(dictionary, lab=lab)
        return lambda feature: label.text if (label := index.label(feature)) else ""
    return lambda _: ""


def features_shown(found: "ConceptFeatures", label: Callable[[int], str] = lambda _: "") -> tuple[RenderableType, ...]:
    """Candidate by candidate, and what they stand beside."""
    rows = [
        (
            one.feature,
            one.pooling,
            number(one.chosen, 2),
            measured(one.effect, 2),
            f"{one.chance:.3f}",
            f"{one.matched:.2f}",
            percent(one.caught.value),
            percent(one.near_misses.value) if one.near_misses else "",
            one.level,
            label(one.feature),
        )
        for one in found.candidates
    ]
    columns = (
        "feature>", "of a text", "chosen>", "effect>", "chance>", "as often>", "caught>", "near>", "level", "label",
    )  # fmt: skip
    beside = found.candidates[0].beside if found.candidates else ()
    about = f"{found.n_texts} texts; chosen on {found.n_chosen} groups, confirmed on {found.n_confirmed}"
    return (
        title(f"{found.concept} in {found.dictionary}", about),
        table(columns, rows),
        *(note(f"{one.control}: {measured(one.effect, 2)}") for one in beside),
        note(
            f"a probe of all that it reads: {measured(found.reads, 2)}; 95 of 100 searches with swapped labels stay "
            f"below {found.luck:.2f}"
        ),
        note(
            "effect: in standard deviations of all texts, at most 2 · chance: swaps of labels that do as well, after "
            "Holm · as often: 95 of 100 features of the same firing rate stay below"
        ),
        found.verdict,
    )


def steering_shown(steered: "Sequence[ConceptSteering]") -> tuple[RenderableType, ...]:
    """Dose by dose, beside the strongest random direction."""
    shown: list[RenderableType] = []
    for one in steered:
        rows = [
            (
                number(dose.strength),
                measured(dose.change),
                measured(dose.random),
                percent(dose.wrong_way.value),
                measured(dose.perplexity, 2),
                f"{dose.random_perplexity:.2f}",
            )
            for dose in one.doses
        ]
        columns = ("strength>", "change, nats>", "largest random>", "wrong way>", "perplexity ×>", "random>")
        about = f"{one.n_pairs} pairs of {one.n_groups} groups, {one.n_controls} random directions"
        shown += ["", title(f"Adding {one.address}", about), table(columns, rows), one.verdict]
    return tuple(shown)


def _translations_shown(found: "TranslatedFeatures", n: int, label: Callable[[int], str]) -> tuple[RenderableType, ...]:
    rows = [
        (
            row.language,
            # Their intervals would make the table wider than a terminal, and what does not fit is cut.
            f"{row.kept.value:.3f}",
            f"{row.by_chance.value:.3f}",
            measured(row.lift),
            measured(row.control_lift),
            interval(row.above.interval),
            measured(row.neuron_lift) if row.neuron_lift else "",
        )
        for row in found.languages
    ]
    columns = ("to", "kept>", "by chance>", "lift>", "random directions'>", "above them>", "neurons'>")
    features = [
        (one.feature, f"{one.agreement:.1f}", " ".join(one.languages), one.sentence, label(one.feature))
        for one in found.features[:n]
    ]
    return (
        title(f"Translations in {found.dictionary}", f"{found.n_sentences} sentences"),
        table(columns, rows),
        note("of the features that a sentence fires in English, the share that its translation fires as well"),
        "",
        table(("feature>", "agreement>", "fires in", "the English sentence", "label"), features),
        found.verdict,
    )
