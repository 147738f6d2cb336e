"""The metrics of a dictionary's quality by name, each with what it needs."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from hooke.dictionaries import check_fits
from hooke.errors import BadRequest, UnknownName, did_you_mean
from hooke.evaluate.absorption import absorption, read_words, words_of
from hooke.evaluate.completeness import completeness
from hooke.evaluate.disentanglement import disentanglement, read_cities
from hooke.evaluate.interpretability import N_TOKENS, interpretability
from hooke.evaluate.quality import Quality, Row, Subject, UnitScores, estimate_units, measure, null_subjects
from hooke.evaluate.sparse_probing import read_texts, sparse_probing, with_references
from hooke.evaluate.unlearning import N_CHOSEN, texts_of, unlearning
from hooke.progress import track
from hooke.text.cities import CITIES
from hooke.text.concepts import CONCEPTS, Labelled, concept
from hooke.text.corpora import open_corpus
from hooke.text.documents import Corpus
from hooke.text.windows import WindowConfig, Windows
from hooke.text.windows import windows as cut_windows

if TYPE_CHECKING:
    from hooke.sites import Site

METRICS = ("sparse-probing", "absorption", "completeness", "interpretability", "unlearning", "disentanglement")
WHOLE = "all of the stream interchanged"
_SAMPLE = 8
"""Windows that controls are fitted to."""


def measure_all(
    own: Subject,
    *,
    corpus: Corpus,
    windows: WindowConfig,
    metrics: Sequence[str] = METRICS,
    concepts: Sequence[str] | None = None,
    more: Sequence[Subject] = (),
    n_windows: int = 32,
    made: Corpus | None = None,
    forget: str = "code",
    seed: int = 0,
) -> tuple[Quality, ...]:
    """These metrics of a dictionary beside its nulls, and beside the subjects in `more`.

    For interpretability, rules are made from `made`, the default corpus unless given, and tried on `corpus`; for
    unlearning, what is forgotten is the source `forget` of `corpus`.

    Raises:
        UnknownName: there is no such metric or concept set.
        BadRequest: the dictionary reads or writes several sites, or the text does not fill two windows; or what a
            metric needs is not there (see each).
    """
    for name in metrics:
        if name not in METRICS:
            raise UnknownName(f"No metric '{name}'.", did_you_mean(name, METRICS), f"There are: {', '.join(METRICS)}.")
    sets = {name: list(concept(name).items()) for name in concepts or CONCEPTS}
    batches = list(cut_windows(corpus, own.model.tokenizer, windows, stop=max(n_windows, _SAMPLE)))
    nulls = (*null_subjects(own, *_sample(own, batches), seed=seed), *more)
    found: list[Quality] = []
    if "sparse-probing" in metrics:
        for name, items in track(sets.items(), "sparse probing", unit="sets", total=len(sets)):
            found += _probed(own, nulls, items, name, seed)
    if "absorption" in metrics:
        found += _absorbed(own, nulls, seed)
    if "completeness" in metrics:
        # Where another site is replaced, another part of the model is at stake.
        same = [one for one in nulls if one.dictionary.writes == own.dictionary.writes]
        method = "the other part at its mean; special tokens and first position as they are"
        found += measure(lambda one: completeness(one, batches), own, same, unit="windows", method=method, seed=seed)
    if "interpretability" in metrics:
        found += _interpreted(own, nulls, made or open_corpus("default"), corpus, windows, seed)
    if "unlearning" in metrics:
        found += _unlearned(own, nulls, corpus, windows, forget, n_windows, seed)
    if "disentanglement" in metrics:
        found += _disentangled(own, nulls, seed)
    return tuple(found)


def _interpreted(
    own: Subject, nulls: Sequence[Subject], made: Corpus, held: Corpus, windows: WindowConfig, seed: int
) -> tuple[Quality, ...]:
    method = f"rules of {made.name}, tried on {held.name}, {N_TOKENS:,} tokens each; no language model"

    def metric(subject: Subject) -> dict[str, UnitScores]:
        return interpretability(subject, made, held, windows=windows, seed=seed)

    return measure(metric, own, nulls, unit="features drawn of each", method=method, seed=seed)


def _unlearned(
    own: Subject,
    nulls: Sequence[Subject],
    corpus: Corpus,
    windows: WindowConfig,
    forget: str,
    n_windows: int,
    seed: int,
) -> tuple[Quality, ...]:
    texts = texts_of(corpus, own.model, forget, config=windows, n_windows=n_windows)
    # Neurons write another part of the model, and a model that learnt nothing has nothing to forget.
    same = [one for one in nulls if one.dictionary.writes == own.dictionary.writes and one.model is own.model]
    method = f"{N_CHOSEN} features of {forget}, chosen on other windows; dose 1 turns a feature's sign round"
    return measure(lambda one: unlearning(one, texts), own, same, unit="windows", method=method, seed=seed)


def _disentangled(own: Subject, nulls: Sequence[Subject], seed: int) -> list[Quality]:
    read = read_cities(own.model, own.dictionary.reads[0], seed=seed)
    same = [one for one in nulls if one.dictionary.writes == own.dictionary.writes and one.model is own.model]
    shares = ", ".join(f"{name} of {right.sum()}" for name, right in read.known.items())
    method = f"of {len(CITIES)} cities the model names {shares}"

    def metric(subject: Subject) -> dict[str, UnitScores]:
        return disentanglement(subject, read, seed=seed)

    found = measure(metric, own, same, unit="cities tried", method=method, seed=seed)
    whole = disentanglement(own, read, seed=seed, whole=True)
    rows = {claim: Row(subject=WHOLE, value=estimate_units(one, seed=seed), above=None) for claim, one in whole.items()}
    return [replace(one, rows=(*one.rows, rows[one.claim])) for one in found]


def _probed(own: Subject, nulls: Sequence[Subject], items: Sequence[Labelled], name: str, seed: int) -> list[Quality]:
    reads = read_texts((own, *nulls), [one.text for one in items])
    method = f"balanced accuracy, {len(items)} texts, five folds by group"

    def metric(subject: Subject) -> dict[str, UnitScores]:
        return sparse_probing(subject, reads, items, seed=seed)

    told = measure(metric, own, nulls, unit="groups of texts", method=method, seed=seed)
    return with_references(told, own, reads, items, name, seed=seed)


def _absorbed(own: Subject, nulls: Sequence[Subject], seed: int) -> tuple[Quality, ...]:
    if own.dictionary.reads != own.dictionary.writes:
        raise BadRequest(
            f"Absorption cannot be measured of '{own.dictionary.name}'.",
            f"It reads {own.dictionary.reads[0]} and writes {own.dictionary.writes[0]}, of which a probe says nothing.",
            "Give a dictionary that writes where it reads, or other metrics.",
        )
    words = words_of(own.model, seed=seed)
    places = {(one.model.name, one.dictionary.reads[0]): one.model for one in (own, *nulls)}
    reads = {
        (name, site): read_words(model, site, words)
        for (name, site), model in track(places.items(), "probes of letters", unit="sites", total=len(places))
    }

    def metric(subject: Subject) -> dict[str, UnitScores]:
        return absorption(subject, words, reads[subject.model.name, subject.dictionary.reads[0]])

    method = f"{len(words.texts):,} words of one token, half of them for probes; letters that a probe can tell"
    return measure(metric, own, nulls, unit="letters", method=method, seed=seed)


def _sample(
    own: Subject, batches: Sequence[Windows]
) -> tuple[Float[Tensor, "token d_in"], Float[Tensor, "token d_out"]]:
    """Counted tokens of the first windows: what the dictionary reads and what it should write."""
    dictionary = own.dictionary
    if len(dictionary.reads) != 1 or len(dictionary.writes) != 1:
        raise BadRequest(
            f"'{dictionary.name}' cannot be measured this way.",
            f"It reads {len(dictionary.reads)} sites and writes {len(dictionary.writes)}.",
            "Only dictionaries with one site each can.",
        )
    check_fits(dictionary, own.model)
    if sum(len(batch.tokens) for batch in batches) < 2:
        raise BadRequest("The text does not fill two windows.", "", "Give more text, or a smaller context.")
    reads, writes = dictionary.reads[0], dictionary.writes[0]
    rows: dict[Site, list[Tensor]] = {reads: [], writes: []}
    for batch in batches[: max(1, _SAMPLE // len(batches[0].tokens))]:
        run = own.model.run(batch.tokens, capture={reads, writes}, logits=False)
        for site in rows:
            rows[site].append(run[site].flatten(2).float().cpu()[batch.counted])
    return torch.cat(rows[reads]), torch.cat(rows[writes])
