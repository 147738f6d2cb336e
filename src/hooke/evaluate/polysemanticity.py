"""How many unlike contexts a unit fires in: the same measure of features, neurons and random directions.

A unit has one meaning where its firings are alike in one way at least: the same token, the same token before or behind,
or the same kind of text (`distinct_contexts.py`). Its score is the smallest of these effective numbers of contexts,
each over that of tokens drawn at random: near 0 for one meaning, near 1 for none.

What fires seldom is alike more easily, so that density is matched set by set: of each feature of the first dictionary
all firings count, m of them; of every other unit of the set, only the m strongest. The strongest examples alone make
units look as if they meant one thing (Bolukbasi et al. 2021), so that a unit is judged twice: by firings drawn from all
m, and by the strongest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from hooke.activations.harvest import ActivationBatch, stream
from hooke.dictionaries import Dictionary, check_fits
from hooke.errors import BadConfig, BadRequest
from hooke.evaluate.distinct_contexts import VIEWS, Contexts
from hooke.findings import Estimate, Finding, estimate
from hooke.models.model import Model
from hooke.progress import track
from hooke.sites import Site
from hooke.text.documents import Corpus
from hooke.text.windows import WindowConfig

SAMPLES = ("all firings", "strongest firings")
_FEWEST = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class PolysemanticityConfig:
    """How much is measured."""

    n_tokens: int = 65_536
    """Tokens of text."""
    n_units: int = 256
    """Units of each kind, drawn at random."""
    n_examples: int = 32
    """Firings that a unit is judged by, of as many documents."""
    windows: WindowConfig = WindowConfig()
    """How the text is cut."""
    seed: int = 0
    """Seed of everything that is drawn."""

    def __post_init__(self) -> None:
        if min(self.n_units, self.n_examples) < _FEWEST or self.n_tokens < self.windows.context:
            raise BadConfig(
                f"{self.n_units} units by {self.n_examples} firings in {self.n_tokens} tokens cannot be measured.",
                f"A window has {self.windows.context} tokens.",
                f"Give at least {_FEWEST} units, {_FEWEST} examples and a window of text.",
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """Units of one kind."""

    name: str
    """A dictionary's name, or 'random directions'."""
    site: str
    """Where they are read."""
    n_units: int
    """How many were judged: those of the sets whose firings are in enough documents."""
    density: Estimate
    """Mean share of tokens that count as firings."""
    scores: tuple[Estimate, ...]
    """Mean score by sample (`SAMPLES`), with intervals over units."""
    narrowest: tuple[dict[str, float], ...]
    """By sample: the share of units whose firings are most alike in each way."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Polysemanticity:
    """What was measured."""

    model: str
    """The model."""
    corpus: str
    """The text."""
    corpus_fingerprint: str
    """Hash of the corpus."""
    n_tokens: int
    """Tokens that could count."""
    n_examples: int
    """Firings of a unit."""
    kinds: tuple[tuple[Kind, Kind], ...]
    """Each dictionary beside random directions at its site."""
    by_chance: Estimate
    """The score of tokens drawn at random: a unit without meaning."""
    seed: int
    """Seed of everything that was drawn."""

    def findings(self) -> tuple[Finding, ...]:
        """Each dictionary's scores beside those of random directions."""
        return tuple(
            Finding(
                claim=f"{own.name}: unlike contexts of {sample}, over those of random tokens",
                value=own.scores[at].value,
                interval=own.scores[at].interval,
                n=own.n_units,
                control=control.scores[at].value,
                control_interval=control.scores[at].interval,
                control_name="random directions at the same site, as many firings each",
                method=f"{self.n_examples} firings a unit, of as many documents; narrowest of {len(VIEWS)} ways "
                "to be alike, effective number; bootstrap over units",
                seed=self.seed,
                artefacts={"corpus": self.corpus_fingerprint},
            )
            for own, control in self.kinds
            for at, sample in enumerate(SAMPLES)
        )


def polysemanticity(
    model: Model, dictionaries: Sequence[Dictionary], corpus: Corpus, *, config: PolysemanticityConfig | None = None
) -> Polysemanticity:
    """The scores of units of each dictionary, and of random directions at its site; the first one sets the densities.

    Raises:
        ShapeMismatch: a dictionary does not belong to the model.
        BadRequest: a dictionary reads several sites, or the text is too short.
    """
    config = config or PolysemanticityConfig()
    sites = [_site(one, model) for one in dictionaries]
    generator = np.random.default_rng(config.seed)
    seen = _Seen(dictionaries, sites, model, config)
    for batch in _read(model, corpus, sites, config):
        seen.add(batch)
    embedding = model.hf.get_input_embeddings().weight.detach().float().cpu()  # pyright: ignore
    contexts = Contexts(*seen.text(), embedding, n=config.n_examples, generator=generator)
    drawn = _draw([one.firings(contexts.usable) for one in seen.dictionaries], contexts, config, generator)
    sizes = np.array([len(one) for one in drawn[0]])
    kinds = []
    for own, firings, projected in zip(seen.dictionaries, drawn, seen.projected, strict=True):
        directions = _strongest_of(torch.cat(projected).numpy(), sizes, contexts.usable)
        pair = ((own.name, firings), ("random directions", directions))
        kinds.append(tuple(_kind(name, own.site, some, contexts, generator) for name, some in pair))
    return Polysemanticity(
        model=model.name,
        corpus=corpus.name,
        corpus_fingerprint=corpus.fingerprint,
        n_tokens=int(contexts.usable.sum()),
        n_examples=config.n_examples,
        kinds=tuple(kinds),
        by_chance=estimate(contexts.at_random.min(1), generator=generator),
        seed=config.seed,
    )


def _site(dictionary: Dictionary, model: Model) -> Site:
    check_fits(dictionary, model)
    if len(dictionary.reads) != 1:
        raise BadRequest(
            f"'{dictionary.name}' cannot be measured this way.",
            f"It reads {len(dictionary.reads)} sites.",
            "Only dictionaries that read one site can.",
        )
    return dictionary.reads[0]


def _read(
    model: Model, corpus: Corpus, sites: Sequence[Site], config: PolysemanticityConfig
) -> Iterator[ActivationBatch]:
    wanted = list(dict.fromkeys(sites))
    batches = stream(model, corpus, wanted, windows=config.windows, n_tokens=config.n_tokens)
    total = ceil(config.n_tokens / config.windows.context) * config.windows.context
    return track(batches, "polysemanticity", total=total, unit="tokens", size=lambda one: len(one.tokens))


class _Seen:
    """What the pass over the text leaves."""

    def __init__(
        self, dictionaries: Sequence[Dictionary], sites: Sequence[Site], model: Model, config: PolysemanticityConfig
    ) -> None:
        self.dictionaries = [_Firings(one, site) for one, site in zip(dictionaries, sites, strict=True)]
        torch_generator = torch.Generator().manual_seed(config.seed)
        self._directions = [torch.randn(model.width(site), config.n_units, generator=torch_generator) for site in sites]
        self.projected: list[list[Float[Tensor, "token unit"]]] = [[] for _ in sites]
        self._rows: list[tuple[ndarray, ...]] = []

    def add(self, batch: ActivationBatch) -> None:
        """A batch of windows."""
        for own, directions, projected in zip(self.dictionaries, self._directions, self.projected, strict=True):
            read = batch.sites[own.site].float()
            own.add(read)
            projected.append(read.cpu() @ directions)
        self._rows.append(tuple(one.cpu().numpy() for one in (batch.tokens, batch.document, batch.counted)))

    def text(self) -> tuple[ndarray, ndarray, ndarray]:
        """Tokens, documents, and which of them count."""
        tokens, document, counted = (np.concatenate(one) for one in zip(*self._rows, strict=True))
        return tokens, document, counted


class _Firings:
    """Where a dictionary's features fired."""

    def __init__(self, dictionary: Dictionary, site: Site) -> None:
        self.name, self.site = dictionary.name, site
        self._dictionary = dictionary
        self._n_tokens = 0
        self._entries: list[tuple[ndarray, ndarray, ndarray]] = []

    def add(self, read: Float[Tensor, "token width"]) -> None:
        """The activations of some more tokens."""
        acts = self._dictionary.encode(read.to(self._dictionary.device))
        token, column = (acts.values > 0).cpu().nonzero(as_tuple=True)
        entry = (token + self._n_tokens, acts.indices.cpu()[token, column], acts.values.cpu()[token, column])
        self._entries.append(tuple(one.numpy() for one in entry))
        self._n_tokens += len(read)

    def firings(self, usable: ndarray) -> list[Int[ndarray, " place"]]:
        """By feature, the usable places where it fires, the strongest first."""
        places, features, values = (np.concatenate(one) for one in zip(*self._entries, strict=True))
        kept = usable[places]
        places, features, values = places[kept], features[kept], values[kept]
        order = np.lexsort((-values, features))
        ends = np.cumsum(np.bincount(features, minlength=self._dictionary.n_features))
        return np.split(places[order], ends[:-1])


def _draw(
    dictionaries: Sequence[list[ndarray]],
    contexts: Contexts,
    config: PolysemanticityConfig,
    generator: np.random.Generator,
) -> list[list[Int[ndarray, " place"]]]:
    """Sets of units, by dictionary: a feature of the first, and of each other one a unit that fires as often."""
    first, *others = dictionaries
    judged = (at for at in generator.permutation(len(first)) if contexts.chosen(first[at]) is not None)
    chosen = [at for at, _ in zip(judged, range(config.n_units), strict=False)]
    if len(chosen) < _FEWEST:
        raise BadRequest(
            "Too few features fire often enough to be judged.",
            f"{len(chosen)} fire in {contexts.n} documents of this text.",
            "Give more text (--tokens), or fewer --examples.",
        )
    drawn = [[first[at] for at in chosen]]
    for other in others:
        counts = np.array([len(one) for one in other])
        row = []
        for at in chosen:
            able = generator.permutation(np.flatnonzero(counts >= len(first[at])))
            unit = next((one for one in able if contexts.chosen(other[one][: len(first[at])]) is not None), None)
            if unit is not None:
                counts[unit] = 0
                row.append(other[unit][: len(first[at])])
        drawn.append(row)
    return drawn


def _strongest_of(
    projected: Float[ndarray, "token unit"], sizes: Int[ndarray, " set"], usable: ndarray
) -> list[Int[ndarray, " place"]]:
    places = np.flatnonzero(usable)
    return [places[np.argsort(-projected[places, at], kind="stable")[:size]] for at, size in enumerate(sizes.tolist())]


def _kind(
    name: str, site: Site, firings: Sequence[ndarray], contexts: Contexts, generator: np.random.Generator
) -> Kind:
    judged = [one for one in firings if contexts.chosen(one) is not None]
    scores, narrowest = [], []
    for sample in SAMPLES:
        ordered = [generator.permutation(one) if sample == "all firings" else one for one in judged]
        sets = [some for one in ordered if (some := contexts.chosen(one)) is not None]
        shares = contexts.shares(np.stack(sets)) if sets else np.full((1, len(VIEWS)), np.nan)
        scores.append(estimate(shares.min(1), generator=generator))
        narrowest.append({view: float((shares.argmin(1) == at).mean()) for at, view in enumerate(VIEWS)})
    densities = [len(one) / contexts.usable.sum() for one in judged]
    return Kind(
        name=name,
        site=str(site),
        n_units=len(judged),
        density=estimate(densities or [np.nan], generator=generator),
        scores=tuple(scores),
        narrowest=tuple(narrowest),
    )
