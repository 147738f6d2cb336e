"""`hooke dictionary quality` and `hooke dictionary match`: metrics of a dictionary beside what has learnt nothing."""

from math import isnan
from typing import TYPE_CHECKING, Literal

from rich.console import RenderableType

from hooke.cli.answer import Answer
from hooke.cli.claims import claims
from hooke.cli.options import Everywhere, ModelOptions, TextOptions
from hooke.cli.terminal import note, table, title
from hooke.pages.numerals import measured, number

if TYPE_CHECKING:
    from hooke.evaluate.quality import Quality

MetricName = Literal[
    "sparse-probing", "absorption", "completeness", "interpretability", "unlearning", "disentanglement"
]


def quality(
    dictionary: str,
    /,
    *,
    metric: list[MetricName] | None = None,
    concept: list[str] | None = None,
    model: str | None = None,
    untrained: int | None = None,
    windows: int = 32,
    forget: str = "code",
    seed: int = 0,
    text: TextOptions = TextOptions(corpus="default:heldout"),
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Measure what a dictionary is good for, beside what has learnt nothing.

    Each metric stands beside the same metric of a random dictionary, of principal components and of the layer's
    neurons, all with as many active features; "above" is the difference, with the same texts drawn for both.

    Parameters
    ----------
    dictionary
        A dictionary's name (see `hooke dictionary list`) or folder.
    metric
        Only these: sparse-probing (do one, two, five, sixteen features tell a concept), absorption (a feature for a
        first letter that is silent where another took its part), completeness (what of the model's predictions goes
        through features, and what through their error; it is kept and shown with the dictionary), interpretability (do
        rules made from one text tell where features fire in another), unlearning (what turning features of one kind of
        text down costs there and elsewhere, dose by dose), disentanglement (does setting features of an attribute of a
        city change that attribute and no other).
    concept
        For sparse probing, only these sets of `hooke concept list`.
    model
        The model, where it is not the one that the dictionary names.
    untrained
        One more null: a dictionary as wide and as sparse, trained here on so many tokens of the default corpus, eight
        times over, of the same model with its weights drawn anew. It is kept in the lab. 98304 take about five minutes.
    windows
        Windows of text for completeness, and of each kind of text for unlearning.
    forget
        For unlearning, the source of the corpus whose text is forgotten: code, chat, wiki-fr, ...
    seed
        Seed of controls, splits and intervals.
    """
    from hooke.dictionaries import find_dictionary, load_dictionary
    from hooke.dictionaries.carried import keep_carried
    from hooke.evaluate.completeness import carried_of
    from hooke.evaluate.quality import Subject
    from hooke.evaluate.quality_suite import METRICS, measure_all
    from hooke.evaluate.untrained import untrained as drawn_anew
    from hooke.text.corpora import open_corpus

    lab = everywhere.lab
    opened = load_dictionary(dictionary, lab=lab)
    subject = Subject(opened.name, opened, loading.load(model or opened.config.model, lab))
    more = ()
    if untrained is not None:
        corpus, cut = open_corpus("default"), text.windows()
        more = (drawn_anew(subject, corpus, n_tokens=untrained, windows=cut, lab=lab, seed=seed),)
    found = measure_all(
        subject, metrics=tuple(metric or METRICS), concepts=concept, more=more, corpus=text.open(),
        windows=text.windows(), n_windows=windows, forget=forget, seed=seed,
    )  # fmt: skip
    kept = carried_of(found, corpus=text.open().name)
    if kept is not None:
        keep_carried(kept, find_dictionary(dictionary, lab=lab), lab)
    shown: list[RenderableType] = [title(f"Quality of {opened.name}", subject.model.name)]
    for one in found:
        shown += [*quality_shown(one), ""]
    return Answer(data={"dictionary": opened.name, "model": subject.model.name, "quality": found}, shown=tuple(shown))


def match(one: str, other: str, /, *, seed: int = 0, everywhere: Everywhere = Everywhere()) -> Answer:
    """Match two dictionaries' features one to one: how many are in both.

    Parameters
    ----------
    one
        A dictionary.
    other
        Another of the same site: another seed, width or kind.
    seed
        Seed of the control and of the intervals.
    """
    from hooke.dictionaries import load_dictionary
    from hooke.evaluate.stability import stability

    opened = [load_dictionary(name, lab=everywhere.lab) for name in (one, other)]
    findings = stability(opened[0], opened[1], seed=seed)
    return Answer(
        data={"findings": findings},
        shown=(title(f"{opened[0].name} and {opened[1].name}"), *claims(findings, prefix=f"{opened[0].name}: ")),
    )


def quality_shown(one: "Quality") -> tuple[RenderableType, ...]:
    """A metric row by row; a dash where a subject has no unit that it can be measured on."""
    rows = [(row.subject, measured(row.value), measured(row.above) if row.above else "") for row in one.rows]
    about = f"n = {number(one.n)} {one.unit}; {one.method}"
    if any(isnan(row.value.value) for row in one.rows):
        about += "; –: no unit of it can be measured"
    return table((one.claim, "value>", "above it>"), rows), note(about)
