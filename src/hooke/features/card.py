"""What a page about one feature shows, as plain values: statistics, effects, neighbours, labels and examples."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from hooke.features.examples import AFTER, BEFORE, N_BANDS
from hooke.features.labels import Label
from hooke.features.store import Manifest, bin_edges, check_within, coarse_levels
from hooke.features.tokens import TokenReader
from hooke.features.vocabulary import Vocabulary

GROUPS = ("strongest", *(f"{100 - 20 * band}–{120 - 20 * band} %" for band in range(1, N_BANDS + 1)))
"""Names of the groups of examples: the strongest, then fifths of the firings from the highest down."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """A stretch of text on which a feature is active."""

    window: int
    """Number of its window."""
    position: int
    """Position of the peak in the window."""
    peak: int
    """Place of the peak in `activations` and, where there is text, in `tokens`."""
    value: float
    """Activation at the peak."""
    activations: tuple[float, ...]
    """Activation on each token, to about 2 %."""
    tokens: tuple[str, ...]
    """Text of each token; empty where the text is not here."""
    token_ids: tuple[int, ...]
    """The tokens; empty where the text is not here."""
    document: int | None
    """Running number of the document."""
    source: str | None
    """The part of the corpus."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExampleGroup:
    """Examples from one range of a feature's firings."""

    name: str
    """'strongest', or the range in percent of all firings ordered by strength."""
    examples: tuple[Example, ...]
    """The examples, strongest first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenEffect:
    """A token that a feature promotes or suppresses."""

    token: int
    """Its id."""
    text: str
    """Its text."""
    value: float
    """Deviations above (or below) what the dictionary's features do to this token."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Neighbour:
    """A feature that writes in a similar direction."""

    feature: int
    """Its number."""
    cosine: float
    """Cosine of the decoder rows."""
    label: str
    """Its best label."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Partner:
    """A feature that fires on the same tokens."""

    feature: int
    """Its number."""
    count: int
    """Tokens on which both fire (estimated where the feature fires on more than 512)."""
    pmi: float
    """Pointwise mutual information in bits."""
    jaccard: float
    """Tokens on which both fire, as a share of those on which either does."""
    label: str
    """Its best label."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceShare:
    """How much of a feature's firing is in one part of the corpus."""

    source: str
    """The part."""
    share: float
    """Share of the feature's firings."""
    base: float
    """Share of all counted tokens."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Histogram:
    """How many activations lie between each pair of edges (half-octaves; the first bin takes what is smaller)."""

    edges: tuple[float, ...]
    """One more than bins."""
    counts: tuple[int, ...]
    """Activations in each bin."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """Everything that an index knows of one feature."""

    name: str
    """Its address: site/index@dictionary."""
    feature: int
    """Its number."""
    index: str
    """The index."""
    model: str
    """The model."""
    dictionary: str
    """The dictionary."""
    site: str
    """Where it reads."""
    labels: tuple[Label, ...]
    """Its explanations, best first."""
    n_counted: int
    """Tokens that the statistics are over."""
    n_active: int
    """Tokens on which it is active."""
    density: float
    """Share of tokens on which it is active."""
    mean: float
    """Mean activation where it is active."""
    max: float
    """Largest activation."""
    histogram: Histogram
    """Its activations on a logarithmic scale."""
    by_source: tuple[SourceShare, ...]
    """Where it fires, the most over-represented part first."""
    promoted: tuple[TokenEffect, ...]
    """Tokens that it makes more likely, most first."""
    suppressed: tuple[TokenEffect, ...]
    """Tokens that it makes less likely, most first."""
    effects_chance: float
    """The control of both lists: the strongest token of a random direction stays below this 95 times in 100."""
    neighbours: tuple[Neighbour, ...]
    """Features that write alike, nearest first."""
    partners: tuple[Partner, ...]
    """Features that fire together with it, by normalised PMI."""
    groups: tuple[ExampleGroup, ...]
    """Its examples."""
    text_missing: str
    """Why examples have no text, and what to do; empty where they have."""

    @property
    def label(self) -> Label | None:
        """Its best label."""
        return self.labels[0] if self.labels else None

    @property
    def examples(self) -> tuple[Example, ...]:
        """Its strongest examples."""
        return next((group.examples for group in self.groups if group.name == GROUPS[0]), ())

    def within(self, low: float, high: float) -> list[tuple[str, Example]]:
        """Examples of all groups with an activation in [low, high], strongest first, each with its first group."""
        found: dict[tuple[int, int], tuple[str, Example]] = {}
        for group in self.groups:
            for example in group.examples:
                if low <= example.value <= high:
                    found.setdefault((example.window, example.position), (group.name, example))
        return sorted(found.values(), key=lambda one: -one[1].value)

    def to_json(self) -> dict[str, Any]:
        """The card as plain JSON data."""
        return dataclasses.asdict(self)


def read_examples(
    path: Path,
    arrays: Mapping[str, ndarray],
    row: int,
    manifest: Manifest,
    vocabulary: Vocabulary,
    text: TokenReader | None,
) -> tuple[ExampleGroup, ...]:
    """The examples of the feature in a row of a file of cards.

    Raises:
        BadArtefact: the file names a place that the index does not have.
    """
    start, stop = (int(offset) for offset in arrays["example_counts_offsets"][row : row + 2])
    windows, positions, groups = (arrays[f"example_{name}"][start:stop] for name in ("window", "position", "group"))
    check_within(path, windows, manifest.n_windows, "the window")
    check_within(path, positions, manifest.context, "the position")
    check_within(path, groups, len(GROUPS), "the group")
    found: dict[int, list[Example]] = {}
    for number, group in enumerate(groups.tolist(), start):
        found.setdefault(group, []).append(read_one_example(path, arrays, number, manifest, vocabulary, text))
    return tuple(
        ExampleGroup(name=GROUPS[group], examples=tuple(examples)) for group, examples in sorted(found.items())
    )


def read_one_example(
    path: Path,
    arrays: Mapping[str, ndarray],
    number: int,
    manifest: Manifest,
    vocabulary: Vocabulary,
    text: TokenReader | None,
) -> Example:
    """An example by its number in a file of cards.

    Raises:
        BadArtefact: the file names a place that the index does not have.
    """
    here = slice(*arrays["example_lengths_offsets"][number : number + 2].tolist())
    places, codes = arrays["activation_place"][here], arrays["activation_code"][here]
    activations = np.zeros(BEFORE + 1 + AFTER, np.float32)
    check_within(path, places, len(activations), "the place")
    activations[places] = coarse_levels(manifest.top)[codes]
    window, position = int(arrays["example_window"][number]), int(arrays["example_position"][number])
    check_within(path, np.array([window]), manifest.n_windows, "the window")
    check_within(path, np.array([position]), manifest.context, "the position")
    return read_example(window, position, activations, manifest, vocabulary, text)


def read_example(
    window: int,
    position: int,
    activations: ndarray,
    manifest: Manifest,
    vocabulary: Vocabulary,
    text: TokenReader | None,
) -> Example:
    """An example with its text; `activations` begin at its first shown token."""
    begin, end = shown(position, manifest.context)
    tokens: list[int] = []
    document, source = None, None
    if text is not None:
        tokens = text.window("tokens", window, begin, end).tolist()
        document = int(text.window("document", window, position, position + 1)[0])
        number = int(text.window("source", window, position, position + 1)[0])
        source = manifest.sources[number] if number < len(manifest.sources) else None
    values = tuple(np.round(activations[: end - begin], 5).tolist())
    return Example(
        window=window,
        position=position,
        peak=position - begin,
        value=values[position - begin],
        activations=values,
        tokens=vocabulary.texts(tokens),
        token_ids=tuple(tokens),
        document=document,
        source=source,
    )


def shown(position: int, context: int) -> tuple[int, int]:
    """The first position shown around a peak, and the one after the last."""
    return max(0, position - BEFORE), min(context, position + AFTER + 1)


def read_effects(path: Path, tokens: ndarray, values: ndarray, vocabulary: Vocabulary) -> tuple[TokenEffect, ...]:
    """Promoted or suppressed tokens.

    Raises:
        BadArtefact: there is no such token.
    """
    check_within(path, tokens, len(vocabulary), "the token")
    pairs = zip(tokens.tolist(), np.round(values.astype(np.float64), 3).tolist(), strict=True)
    return tuple(TokenEffect(token=token, text=vocabulary.text(token), value=value) for token, value in pairs)


def read_histogram(counts: ndarray, top: int) -> Histogram:
    """A histogram without the empty bins at its lower end."""
    first = int(np.argmax(counts > 0)) if counts.any() else len(counts) - 1
    edges = np.round(bin_edges(top)[first:].astype(np.float64), 5)
    return Histogram(edges=tuple(edges.tolist()), counts=tuple(counts[first:].tolist()))


def read_sources(counts: ndarray, manifest: Manifest) -> tuple[SourceShare, ...]:
    """Shares of the firings by source, the most over-represented first."""
    total, all_tokens = max(int(counts.sum()), 1), max(sum(manifest.source_tokens), 1)
    shares = [
        SourceShare(source=name, share=count / total, base=n_tokens / all_tokens)
        for name, count, n_tokens in zip(manifest.sources, counts.tolist(), manifest.source_tokens, strict=True)
    ]
    return tuple(sorted(shares, key=lambda one: (-one.share / max(one.base, 1e-9), one.source)))


def first_label(labels: Mapping[int, Sequence[Label]], feature: int) -> str:
    """The text of a feature's best label, empty where it has none."""
    return labels[feature][0].text if labels.get(feature) else ""
