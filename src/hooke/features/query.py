"""Questions to an index: one feature, features by words, by a token that they promote, by a text that fires them."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from hooke.dictionaries.dictionary import Dictionary
from hooke.dictionaries.load import DEFAULT_STARTER, STARTERS, load_dictionary
from hooke.dictionaries.neurons import kept_name
from hooke.errors import BadArtefact, BadRequest, ShapeMismatch, UnknownName, did_you_mean
from hooke.features.blocks import open_cards
from hooke.features.card import (
    Card,
    Example,
    Neighbour,
    Partner,
    first_label,
    read_effects,
    read_example,
    read_examples,
    read_histogram,
    read_one_example,
    read_sources,
    shown,
)
from hooke.features.labels import Label, LabelReader
from hooke.features.neighbours import association
from hooke.features.reading import RawReading, Reading, rank, run_text, text_features
from hooke.features.store import (
    MANIFEST,
    check_offsets,
    check_within,
    coarse_levels,
    corrupt,
    fingerprint,
    map_tensors,
    read_manifest,
)
from hooke.features.tokens import TokenReader, materialise_tokens, text_folder
from hooke.features.vocabulary import Vocabulary, load_vocabulary
from hooke.lab import Lab, open_lab
from hooke.models.model import Model
from hooke.sites import FeatureName, parse_site
from hooke.text.documents import Corpus

_ORDERS = ("density", "max", "score", "f1")
_BLOCKS_OPEN, _COLUMNS_OPEN = 24, 24


@dataclass(frozen=True, kw_only=True, slots=True)
class Hit:
    """A feature that answers a question."""

    feature: int
    """Its number."""
    name: str
    """Its address."""
    label: Label | None
    """The label that was found, or its best one."""
    density: float
    """Share of tokens on which it is active."""
    max: float
    """Largest activation."""
    value: float
    """What it was ranked by: its place for words, the standardised effect for a token, else the quantity asked for."""


class Index:
    """What is known of a dictionary's features. Open with `Index.open(name)`; any number of processes may read."""

    def __init__(self, folder: Path, lab: Lab) -> None:
        self.folder, self.lab = folder, lab
        self.manifest = read_manifest(folder)
        self.labels = LabelReader(folder / "labels.sqlite")
        self._block = lru_cache(_BLOCKS_OPEN)(self._open_block)
        self._column = lru_cache(_COLUMNS_OPEN)(self._open_column)
        self.aids: dict[str, Any] = {}
        """What was made of the index to answer questions quickly; see `aids.py`."""

    @staticmethod
    def open(ref: str | Path, *, lab: Lab | None = None) -> "Index":
        """The index of a name in the lab, in a folder, or of a starter dictionary ('starter' is the default one).

        Raises:
            UnknownName: there is none.
            BadArtefact: its files are cut short, hostile or of another version.
        """
        lab = lab or open_lab()
        return Index(find_index(ref, lab), lab)

    def __len__(self) -> int:
        return self.manifest.n_features

    def __repr__(self) -> str:
        manifest = self.manifest
        return f"Index({manifest.name}: {len(self)} features of {manifest.dictionary}, {manifest.n_counted} tokens)"

    @property
    def n_features(self) -> int:
        """How many features there are."""
        return self.manifest.n_features

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The text of every token."""
        return load_vocabulary(self.folder / "vocabulary.safetensors", self.manifest.d_vocab)

    @property
    def text(self) -> TokenReader | None:
        """The text that the index was built on, where it is here."""
        return self._text

    @cached_property
    def _text(self) -> TokenReader | None:
        manifest = self.manifest
        folder = self.folder if manifest.tokens == "stored" else text_folder(self.lab, manifest.token_shards)
        if not folder.exists():
            return None
        return TokenReader(folder, manifest.token_shards, manifest.context, manifest.d_vocab)

    @property
    def text_missing(self) -> str:
        """Why there is no text, and what to do; empty where there is."""
        if self.text is not None:
            return ""
        return (
            f"This index comes without the text of '{self.manifest.corpus}': examples show activations but no words. "
            "Where the corpus's packages and the model are installed, hooke makes the text again in about a minute."
        )

    def fetch_text(self, tokenizer: Any, corpus: Corpus) -> None:
        """Make the text of the examples again from the corpus; nothing happens where it is here.

        Raises:
            UnknownName: the corpus is another one than the index was built on.
            BadArtefact: the tokenizer is another one.
            LabBusy: another process is at it.
        """
        if self.text is None:
            materialise_tokens(self.manifest, text_folder(self.lab, self.manifest.token_shards), tokenizer, corpus)
            del self._text

    def address(self, feature: int) -> str:
        """The feature's address."""
        return str(FeatureName(parse_site(self.manifest.site), feature, self.manifest.dictionary))

    def label(self, feature: int) -> Label | None:
        """The feature's best label.

        Raises:
            UnknownName: there is no such feature.
        """
        labels = self.labels.of(self.known(feature))
        return labels[0] if labels else None

    def card(self, feature: int) -> Card:
        """Everything about one feature.

        Raises:
            UnknownName: there is no such feature.
            BadArtefact: a file of the index is damaged.
        """
        path, arrays, row = self._row(self.known(feature))
        manifest, vocabulary = self.manifest, self.vocabulary
        near, partners = arrays["neighbour"][row], arrays["partner"][row]
        check_within(path, near, len(self), "the feature")
        check_within(path, partners, len(self), "the feature")
        labels = self.labels.of_many([feature, *near.tolist(), *partners.tolist()])
        n_active = int(arrays["n_active"][row])
        return Card(
            name=self.address(feature),
            feature=feature,
            index=manifest.name,
            model=manifest.model,
            dictionary=manifest.dictionary,
            site=manifest.site,
            labels=labels.get(feature, ()),
            n_counted=manifest.n_counted,
            n_active=n_active,
            density=n_active / max(manifest.n_counted, 1),
            mean=float(arrays["mean"][row]),
            max=float(arrays["max"][row]),
            histogram=read_histogram(arrays["histogram"][row], manifest.top),
            by_source=read_sources(arrays["by_source"][row], manifest),
            promoted=read_effects(path, arrays["promoted"][row], arrays["promoted_value"][row], vocabulary),
            suppressed=read_effects(path, arrays["suppressed"][row], arrays["suppressed_value"][row], vocabulary),
            effects_chance=manifest.effects_chance,
            neighbours=tuple(
                Neighbour(feature=other, cosine=round(cosine, 4), label=first_label(labels, other))
                for other, cosine in zip(near.tolist(), arrays["neighbour_cosine"][row].tolist(), strict=True)
            ),
            partners=self._partners(feature, partners, arrays["partner_count"][row], labels),
            groups=read_examples(path, arrays, row, manifest, vocabulary, self.text),
            text_missing=self.text_missing,
        )

    def _partners(
        self, feature: int, others: ndarray, together: ndarray, labels: Mapping[int, Sequence[Label]]
    ) -> tuple[Partner, ...]:
        n_active = self._statistics["n_active"]
        there = together > 0
        others, together = others[there], together[there]
        own, theirs = n_active[[feature]].astype(np.float64), n_active[others].astype(np.float64)
        pmi, jaccard = association(together.astype(np.float64), own, theirs, self.manifest.n_counted)
        return tuple(
            Partner(feature=other, count=count, pmi=bits, jaccard=share, label=first_label(labels, other))
            for other, count, bits, share in zip(
                others.tolist(), together.tolist(), pmi.round(3).tolist(), jaccard.round(4).tolist(), strict=True
            )
        )

    def top(self, feature: int, n: int = 20) -> tuple[Example, ...]:
        """The feature's strongest tokens, at most one a window; the card's examples where no postings are kept.

        Raises:
            UnknownName: there is no such feature.
            BadArtefact: a file of the index is damaged.
        """
        self.known(feature)
        if not self.manifest.columns:
            return self.card(feature).examples[:n]
        positions, codes = self._postings(feature)
        order = np.lexsort((positions, -codes.astype(np.int16)))
        windows = positions // self.manifest.context
        _, firsts = np.unique(windows[order], return_index=True)
        chosen = order[np.sort(firsts)[:n]]
        levels = coarse_levels(self.manifest.top)
        return tuple(self._example(int(positions[entry]), positions, levels[codes]) for entry in chosen.tolist())

    def example_windows(self, feature: int) -> list[int]:
        """The windows of a feature's stored examples, strongest first.

        Raises:
            UnknownName: there is no such feature.
        """
        _, arrays, row = self._row(self.known(feature))
        start, stop = (int(offset) for offset in arrays["example_counts_offsets"][row : row + 2])
        return arrays["example_window"][start:stop].tolist()

    def example_at(self, feature: int, place: int) -> Example | None:
        """A stored example of a feature by the place of its peak in the corpus; None where there is no such one.

        Raises:
            UnknownName: there is no such feature.
            BadArtefact: a file of the index is damaged.
        """
        path, arrays, row = self._row(self.known(feature))
        start, stop = (int(offset) for offset in arrays["example_counts_offsets"][row : row + 2])
        window, position = divmod(place, self.manifest.context)
        same = (arrays["example_window"][start:stop] == window) & (arrays["example_position"][start:stop] == position)
        if not same.any():
            return None
        return read_one_example(path, arrays, start + int(np.argmax(same)), self.manifest, self.vocabulary, self.text)

    def ranked(
        self, by: str = "density", n: int = 20, *, ascending: bool = False, max_density: float = 1.0
    ) -> list[Hit]:
        """Features in the order of density, largest activation or label's score; those that never fire are left out.

        Raises:
            BadRequest: no such order.
        """
        alive = (self._statistics["n_active"] > 0) & (self._densities <= max_density)
        if by in ("density", "max"):
            values = self._densities if by == "density" else self._statistics["max"].astype(np.float64)
        elif by in ("score", "f1"):
            values = self.labels.best(by, len(self))
        else:
            raise BadRequest(
                f"Features have no order '{by}'.", did_you_mean(by, _ORDERS), f"Orders: {', '.join(_ORDERS)}."
            )
        candidates = np.flatnonzero(alive & np.isfinite(values))
        order = np.argsort(values[candidates] if ascending else -values[candidates], kind="stable")[:n]
        chosen = candidates[order].tolist()
        labels = self.labels.of_many(chosen)
        return [self._hit(feature, labels.get(feature, ()), float(values[feature])) for feature in chosen]

    def known(self, feature: int) -> int:
        """The feature, where there is such a one.

        Raises:
            UnknownName: there is none.
        """
        if not 0 <= feature < len(self):
            raise UnknownName(
                f"No feature {feature} in the index '{self.manifest.name}'.",
                f"It has the features 0–{len(self) - 1}.",
                "Choose one of them.",
            )
        return feature

    def hit(self, feature: int) -> Hit:
        """One feature as a search would give it.

        Raises:
            UnknownName: there is no such feature.
        """
        labels = self.labels.of_many([self.known(feature)])
        return self._hit(feature, labels.get(feature, ()), 0.0)

    def search(self, words: str, n: int = 20) -> list[Hit]:
        """Features whose label or example words have all of these words (or begin with them), the best match first.

        Raises:
            BadRequest: there is no word to search for.
        """
        found: dict[int, Label] = {}
        for label in self.labels.search(words, 2 * n):
            found.setdefault(label.feature, label)
        hits = [
            self._hit(self.known(feature), (label,), float(rank))
            for rank, (feature, label) in enumerate(found.items(), 1)
        ]
        return hits[:n]

    def promoting(self, token: str | int, n: int = 8) -> list[Hit]:
        """The features that promote a token most; 'york' is the token ' york' where only that exists.

        Raises:
            UnknownName: there is no such token, or it is one whose effects mean nothing (special, or never trained).
        """
        number = self.vocabulary.find(token) if isinstance(token, str) else token
        if not 0 <= number < self.manifest.d_vocab:
            raise UnknownName(
                f"No token {number}.",
                f"This model has the tokens 0–{self.manifest.d_vocab - 1}.",
                "Choose one of them.",
            )
        path = self.folder / "promoting.safetensors"
        features, values = self._promoting["feature"][number], self._promoting["value"][number].astype(np.float64)
        features, values = features[np.isfinite(values)][:n], values[np.isfinite(values)][:n]
        check_within(path, features, len(self), "the feature")
        if not len(features):
            raise UnknownName(
                f"What features do to the token '{self.vocabulary.text(number)}' is not known.",
                "It is special, hardly ever trained, or this dictionary does not write to the residual stream.",
                "Choose a token of ordinary text.",
            )
        labels = self.labels.of_many(features.tolist())
        return [
            self._hit(feature, labels.get(feature, ()), value)
            for feature, value in zip(features.tolist(), values.tolist(), strict=True)
        ]

    def neighbours(self, feature: int) -> tuple[Neighbour, ...]:
        """The features that write in the most similar directions.

        Raises:
            UnknownName: there is no such feature.
        """
        return self.card(feature).neighbours

    def active_on(self, model: Model, text: str, *, dictionary: Dictionary | None = None, n: int = 20) -> Reading:
        """Features that fire on a text: on each token all of them, and the `n` that it brings out most.

        Raises:
            ShapeMismatch: the model or the dictionary is not the one that the index is of.
            UnknownName: the dictionary is not in the lab.
            PromptTooLong, BadRequest: the model cannot read the text.
        """
        raw = self.raw_reading(model, text, dictionary=dictionary)
        maxima, densities = self._statistics["max"], self._densities
        scores = rank(raw.peaks(len(self)), maxima, densities)
        chosen = [feature for feature in np.argsort(-scores, kind="stable")[:n].tolist() if scores[feature] > 0]
        names = [self.address(feature) for feature in chosen]
        labels = self.labels.of_many(chosen)
        tokens = tuple(raw.tokens.tolist())
        return Reading(
            text=text,
            tokens=self.vocabulary.texts(tokens),
            token_ids=tokens,
            counted=tuple(raw.counted.tolist()),
            firings=raw.firings(),
            features=text_features(raw, scores, chosen, labels, names, maxima, densities),
        )

    def raw_reading(self, model: Model, text: str, *, dictionary: Dictionary | None = None) -> RawReading:
        """The tokens of a text and all that fires on them.

        Raises:
            ShapeMismatch, UnknownName, PromptTooLong, BadRequest: see `active_on`.
        """
        return run_text(model, dictionary or self.dictionary, text, self.vocabulary)

    @cached_property
    def dictionary(self) -> Dictionary:
        """The dictionary that the index is of.

        Raises:
            UnknownName: it is not in the lab.
            ShapeMismatch: what has its name there has other weights.
        """
        dictionary = load_dictionary(self.manifest.dictionary, lab=self.lab)
        if fingerprint(dictionary) != self.manifest.dictionary_fingerprint:
            raise ShapeMismatch(
                f"The index '{self.manifest.name}' is of another dictionary '{self.manifest.dictionary}'.",
                "The one in the lab has other weights.",
                "Build the index again.",
            )
        return dictionary

    def _hit(self, feature: int, labels: Sequence[Label], value: float) -> Hit:
        return Hit(
            feature=feature,
            name=self.address(feature),
            label=labels[0] if labels else None,
            density=float(self._densities[feature]),
            max=float(self._statistics["max"][feature]),
            value=value,
        )

    def _row(self, feature: int) -> tuple[Path, dict[str, ndarray], int]:
        """The file of cards that a feature is in, its arrays, and its row there."""
        block, row = divmod(feature, self.manifest.block)
        return self._cards_path(block), self._block(block), row

    def _cards_path(self, block: int) -> Path:
        return self.folder / "cards" / f"{block:05d}.safetensors"

    def _open_block(self, block: int) -> dict[str, ndarray]:
        return open_cards(self._cards_path(block), self._n_rows(block), len(self.manifest.sources))

    def _n_rows(self, block: int) -> int:
        return min(self.manifest.block, len(self) - block * self.manifest.block)

    def columns(self, *names: str) -> dict[str, ndarray]:
        """Some arrays of the cards with a row for every feature.

        Raises:
            BadArtefact: a file of the index is damaged.
        """
        parts: dict[str, list[ndarray]] = {name: [] for name in names}
        for block in range((len(self) - 1) // self.manifest.block + 1):
            arrays = map_tensors(self._cards_path(block), *names)
            for name in names:
                if len(arrays[name]) != self._n_rows(block):
                    raise corrupt(self._cards_path(block), f"'{name}' has {len(arrays[name])} rows")
                parts[name].append(arrays[name])
        return {name: np.concatenate(some) for name, some in parts.items()}

    def cards_files(self) -> Iterator[tuple[int, dict[str, ndarray]]]:
        """The files of cards with the number of their first feature."""
        for block in range((len(self) - 1) // self.manifest.block + 1):
            yield block * self.manifest.block, self._open_block(block)

    @cached_property
    def _statistics(self) -> dict[str, ndarray]:
        """Activity and largest activation of every feature."""
        return self.columns("n_active", "max")

    @property
    def maxima(self) -> ndarray:
        """Largest activation of every feature."""
        return self._statistics["max"]

    @property
    def densities(self) -> ndarray:
        """Share of counted tokens on which each feature is active."""
        return self._densities

    @cached_property
    def _densities(self) -> ndarray:
        return self._statistics["n_active"] / max(self.manifest.n_counted, 1)

    @cached_property
    def _promoting(self) -> dict[str, ndarray]:
        path = self.folder / "promoting.safetensors"
        arrays = map_tensors(path, "feature", "value")
        if (
            arrays["feature"].shape != arrays["value"].shape
            or len(arrays["feature"]) != self.manifest.d_vocab
            or arrays["feature"].ndim != 2
        ):
            raise corrupt(path, "it does not list features for every token")
        return arrays

    def _postings(self, feature: int) -> tuple[ndarray, ndarray]:
        """Positions and codes of the tokens that are kept of a feature, in the corpus's order."""
        columns = [*self.manifest.columns, len(self)]
        number = bisect_right(columns, feature) - 1
        arrays, place = self._column(number), feature - columns[number]
        here = slice(int(arrays["offsets"][place]), int(arrays["offsets"][place + 1]))
        check_within(self._column_path(number), arrays["positions"][here], self.manifest.n_tokens, "the token")
        return arrays["positions"][here].astype(np.int64), arrays["codes"][here]

    def _column_path(self, number: int) -> Path:
        return self.folder / "cols" / f"{number:05d}.safetensors"

    def _open_column(self, number: int) -> dict[str, ndarray]:
        path = self._column_path(number)
        arrays = map_tensors(path, "offsets", "positions", "codes")
        columns = [*self.manifest.columns, len(self)]
        check_offsets(path, arrays["offsets"], columns[number + 1] - columns[number], len(arrays["positions"]))
        if arrays["codes"].shape != arrays["positions"].shape or arrays["codes"].dtype != np.uint8:
            raise corrupt(path, "its positions and activations do not go together")
        return arrays

    def _example(self, peak: int, positions: ndarray, values: ndarray) -> Example:
        """An example around one of a feature's tokens, from its postings."""
        window, position = divmod(peak, self.manifest.context)
        begin, end = (window * self.manifest.context + place for place in shown(position, self.manifest.context))
        activations = np.zeros(end - begin, np.float32)
        inside = slice(*np.searchsorted(positions, [begin, end]).tolist())
        activations[positions[inside] - begin] = values[inside]
        return read_example(window, position, activations, self.manifest, self.vocabulary, self.text)


def find_index(ref: str | Path, lab: Lab) -> Path:
    """The folder of an index; the lab's names go before the starters'.

    Raises:
        UnknownName: there is none.
        BadArtefact: the folder is none.
    """
    path = Path(ref).expanduser()
    if isinstance(ref, Path) or path.is_absolute() or len(path.parts) > 1 or (path / MANIFEST).exists():
        if not (path / MANIFEST).is_file():
            raise BadArtefact(
                f"'{path}' is no feature index.",
                f"It has no {MANIFEST}.",
                "Give the folder of an index, or build one first.",
            )
        return path
    text = kept_name(str(ref), lab.names("features"))
    if text in lab.names("features"):
        return lab.path("features", text)
    starters = {
        folder.parent.name: folder for folder in sorted(STARTERS.glob("*/index")) if (folder / MANIFEST).is_file()
    }
    name = DEFAULT_STARTER if text == "starter" else text
    if name in starters:
        return starters[name]
    names = [*lab.names("features"), *starters]
    raise UnknownName(
        f"No index '{text}' in the lab {lab.root}, nor among the starters.",
        did_you_mean(text, names) or (f"There are: {', '.join(names[:12])}." if names else "There are none yet."),
        "Check the name, or build one with `hooke index`.",
    )
