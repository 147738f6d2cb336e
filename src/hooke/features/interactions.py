"""How features interact: with each other, and with those of another dictionary of the same model. Kept in the lab.

    interactions/NAME/interactions.json           what was read, how, and what was found beside its controls
    interactions/NAME/interactions.safetensors    for each feature its partners, paths, match, children and absorbers
    interactions/NAME/provenance.json             command, versions, date

NAME is that of an index, or of two with `--` between them. A run reads the text once (see `co_firing.py`).
"""

import shutil
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Integer
from numpy import ndarray

from hooke.configs import content_hash, from_dict, to_dict
from hooke.dictionaries.dictionary import check_fits
from hooke.errors import BadArtefact, BadConfig, BadRequest, ShapeMismatch, UnknownName
from hooke.features.absorbers import Absorption, absorbers
from hooke.features.co_firing import CoFiring, read_co_firing
from hooke.features.fire_together import Partners, chance_excess, fire_together
from hooke.features.interaction_findings import pair_findings, self_findings
from hooke.features.matches import Matches, matches
from hooke.features.query import Index
from hooke.features.splits import Splits, splits
from hooke.features.store import check_within, corrupt, map_tensors, save_tensors
from hooke.features.virtual_weights import Paths, strongest_paths, ways_between
from hooke.findings import Finding
from hooke.lab import Lab, provenance, read_json, staged, write_json, writing
from hooke.models.model import Model
from hooke.text.documents import Corpus
from hooke.text.windows import WindowConfig

T = TypeVar("T")

MANIFEST = "interactions.json"
_ROOM, _ARRAYS, _PROVENANCE = "interactions", "interactions.safetensors", "provenance.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class InteractionSpec:
    """What decides the content of a run."""

    indexes: tuple[str, ...]
    """Names of one index or of two."""
    dictionary_fingerprints: tuple[str, ...]
    """Hashes of their dictionaries' weights."""
    model: str
    """Name of the model."""
    model_fingerprint: str
    """Hash of its weights."""
    corpus: str
    """Reference of the corpus."""
    corpus_fingerprint: str
    """Hash of its content."""
    n_tokens: int
    """Tokens asked for."""
    windows: WindowConfig
    """How the corpus is cut."""
    seed: int
    """Seed of the controls."""
    schema: int = 1
    """Version of the layout."""


@dataclass(frozen=True, kw_only=True, slots=True)
class InteractionManifest:
    """What is known of a run without its arrays."""

    name: str
    """Its name."""
    spec: InteractionSpec
    """What it is of."""
    sites: tuple[str, ...]
    """Where each dictionary reads."""
    n_features: tuple[int, ...]
    """Features of each dictionary."""
    n_counted: int
    """Tokens that counts are over."""
    n_windows: int
    """Windows that intervals are over."""
    source: int | None
    """Which of two dictionaries writes before the other reads; None where there are no virtual weights."""
    no_paths: str
    """Why there are none; empty where there are."""
    parents: int | None
    """Which of two dictionaries is the smaller one, whose features may be split in the other."""
    no_absorbers: str
    """Why absorbers were not looked for; empty where they were."""
    findings: tuple[Finding, ...]
    """What holds of all features together, beside controls."""


@dataclass(frozen=True)
class Interactions:
    """A run of the lab."""

    folder: Path
    manifest: InteractionManifest

    @cached_property
    def arrays(self) -> dict[str, ndarray]:
        """What is kept for each feature, mapped from the file.

        Raises:
            BadArtefact: it is damaged.
        """
        path, manifest = self.folder / _ARRAYS, self.manifest
        arrays = map_tensors(path, *_expected(manifest))
        for name, of in _expected(manifest).items():
            rows = manifest.n_features[of[0]]
            if len(arrays[name]) != rows:
                raise corrupt(path, f"'{name}' has {len(arrays[name])} rows for {rows} features")
            if of[1] is not None:
                check_within(path, arrays[name], manifest.n_features[of[1]], "the feature")
        return arrays

    def side_of(self, index: Index) -> int:
        """Which of the run's dictionaries an index is of.

        Raises:
            UnknownName: of none.
        """
        if index.manifest.name not in self.manifest.spec.indexes:
            raise UnknownName(f"'{self.manifest.name}' is not about '{index.manifest.name}'.", "", "Open another run.")
        return self.manifest.spec.indexes.index(index.manifest.name)

    def is_of(self, index: Index) -> bool:
        """Whether the index's dictionary still has the weights that the run was made with."""
        side = self.side_of(index)
        return self.manifest.spec.dictionary_fingerprints[side] == index.manifest.dictionary_fingerprint

    def partners(self, side: int) -> Partners:
        """Who fires together with whom."""
        return self._part(Partners, f"{side}.partners")

    def paths(self, side: int) -> Paths:
        """Who writes to whom."""
        return self._part(Paths, f"{side}.paths")

    def matches(self, side: int) -> Matches:
        """Who is whom in the other dictionary."""
        return self._part(Matches, f"{side}.matches")

    @property
    def splits(self) -> Splits:
        """Children of the smaller dictionary's features."""
        return self._part(Splits, "splits")

    @property
    def absorption(self) -> Absorption:
        """What takes the part of its features' matches."""
        return self._part(Absorption, "absorption")

    def _part(self, kind: type[T], prefix: str) -> T:
        return kind(*(self.arrays[f"{prefix}.{field.name}"] for field in fields(kind)))  # pyright: ignore

    def edges(self, features: Integer[ndarray, " n"], n: int) -> list[tuple[int, int, float, int]]:
        """The strongest told pairs of which one end is among these features: both ends, PMI and tokens together."""
        partners = self.partners(0)
        place, slot = np.nonzero(partners.told[features])
        ones, others = features[place].astype(np.int64), partners.feature[features][place, slot].astype(np.int64)
        pmi, count = (part[features][place, slot] for part in (partners.pmi, partners.count))
        low, high = np.minimum(ones, others), np.maximum(ones, others)
        _, first = np.unique(low * self.manifest.n_features[0] + high, return_index=True)
        chosen = first[np.argsort(-pmi[first] * np.log2(count[first]), kind="stable")[:n]]
        return [(int(low[at]), int(high[at]), float(pmi[at]), int(count[at])) for at in chosen.tolist()]


def _expected(manifest: InteractionManifest) -> dict[str, tuple[int, int | None]]:
    """The arrays of a run: which dictionary's features have the rows, and which one's are named in them."""
    both = tuple(range(len(manifest.n_features)))
    found: dict[str, tuple[int, int | None]] = {}

    def add(kind: type[Any], prefix: str, side: int, other: int, named: tuple[str, ...]) -> None:
        for field in fields(kind):
            found[f"{prefix}.{field.name}"] = (side, other if field.name in named else None)

    for side in both:
        other = 1 - side if len(both) == 2 else side
        add(Partners, f"{side}.partners", side, other, ("feature",))
        if len(both) == 2:
            add(Matches, f"{side}.matches", side, other, ("feature", "by_cosine"))
        if manifest.source is not None:
            add(Paths, f"{side}.paths", side, other, ("feature",))
    if manifest.parents is not None:
        add(Splits, "splits", manifest.parents, 1 - manifest.parents, ("child",))
        if not manifest.no_absorbers:
            add(Absorption, "absorption", manifest.parents, 1 - manifest.parents, ("absorber",))
    return found


def run_name(one: str, other: str | None = None) -> str:
    """The name of the run of one index, or of two."""
    return one if other is None else f"{one}--{other}"


def interaction_names(lab: Lab) -> list[str]:
    """Names of the lab's runs."""
    return lab.names(_ROOM)


def manifest_path(lab: Lab, name: str) -> Path:
    """Where a run says what it is.

    Raises:
        UnknownName: there is none of this name.
    """
    return lab.find(_ROOM, name) / MANIFEST


def open_interactions(path: Path) -> Interactions:
    """A run by the path of its manifest.

    Raises:
        BadArtefact: it is damaged.
    """
    data = read_json(path)
    try:
        manifest = from_dict(InteractionManifest, data if isinstance(data, dict) else {})
    except BadConfig as error:
        raise BadArtefact(f"'{path}' does not describe interactions.", error.found, "Compute them again.") from error
    n = len(manifest.spec.indexes)
    if not 1 <= n <= 2 or len(manifest.n_features) != n or len(manifest.spec.dictionary_fingerprints) != n:
        raise corrupt(path, "its numbers cannot be true")
    return Interactions(path.parent, manifest)


def interactions_of(lab: Lab, index: Index) -> list[Interactions]:
    """The lab's sound runs that an index is part of, its own first; those of other weights are left out."""
    own = index.manifest.name
    found = []
    for name in interaction_names(lab):
        if own not in name:
            continue
        try:
            run = open_interactions(manifest_path(lab, name))
        except BadArtefact:
            continue
        if own in run.manifest.spec.indexes and run.is_of(index):
            found.append(run)
    return sorted(found, key=lambda run: len(run.manifest.spec.indexes))


def compute_interactions(
    model: Model,
    one: Index,
    corpus: Corpus,
    *,
    other: Index | None = None,
    n_tokens: int,
    windows: WindowConfig,
    lab: Lab,
    seed: int = 0,
) -> Interactions:
    """The interactions of one dictionary's features, or of two dictionaries', computed now where they are not kept.

    A run that was stopped goes on where it was; one of the same name over another text gives way.

    Raises:
        BadRequest: the two are one dictionary, or the corpus does not fill two windows.
        ShapeMismatch: an index or a dictionary is of another model, or an index is of weights that its dictionary no
            longer has.
        UnknownName: a dictionary is not in the lab.
        LabBusy: another process computes them.
    """
    indexes = (one,) if other is None else (one, other)
    spec = _spec(model, indexes, corpus, n_tokens, windows, seed)
    target = lab.path(_ROOM, run_name(*spec.indexes))
    with writing(target):
        if (target / MANIFEST).is_file():
            kept = open_interactions(target / MANIFEST)
            if kept.manifest.spec == spec:
                return kept
        work = target.parent / f".{target.name}.{content_hash(spec)}.partial"
        dictionaries = [index.dictionary for index in indexes]
        found = read_co_firing(model, dictionaries, corpus, n_tokens=n_tokens, windows=windows, folder=work)
        manifest, arrays = _computed(model, indexes, found, spec, target.name)
        _keep(target, manifest, arrays)
        shutil.rmtree(work, ignore_errors=True)
    return open_interactions(target / MANIFEST)


def add_findings(run: Interactions, findings: tuple[Finding, ...]) -> Interactions:
    """The run with further findings, also where it is kept; those of the same claim give way."""
    claims = {one.claim for one in findings}
    kept = tuple(one for one in run.manifest.findings if one.claim not in claims)
    manifest = replace(run.manifest, findings=(*kept, *findings))
    write_json(run.folder / MANIFEST, to_dict(manifest))
    return Interactions(run.folder, manifest)


def _spec(
    model: Model, indexes: tuple[Index, ...], corpus: Corpus, n_tokens: int, windows: WindowConfig, seed: int
) -> InteractionSpec:
    names = tuple(index.manifest.name for index in indexes)
    if len(set(names)) < len(names):
        raise BadRequest(f"'{names[0]}' was given twice.", "", f"For its own features: hooke interactions {names[0]}")
    for index in indexes:
        if index.manifest.model != model.name or index.manifest.d_vocab != model.d_vocab:
            raise ShapeMismatch(
                f"The index '{index.manifest.name}' is of another model than {model.name}.",
                f"It was built on {index.manifest.model}, with {index.manifest.d_vocab} tokens.",
                "Features interact inside one model: give two dictionaries of the same one.",
            )
        check_fits(index.dictionary, model)
    return InteractionSpec(
        indexes=names,
        dictionary_fingerprints=tuple(index.manifest.dictionary_fingerprint for index in indexes),
        model=model.name,
        model_fingerprint=model.fingerprint,
        corpus=corpus.name,
        corpus_fingerprint=corpus.fingerprint,
        n_tokens=n_tokens,
        windows=windows,
        seed=seed,
    )


def _computed(
    model: Model, indexes: tuple[Index, ...], found: CoFiring, spec: InteractionSpec, name: str
) -> tuple[InteractionManifest, dict[str, ndarray]]:
    manifest = InteractionManifest(
        name=name,
        spec=spec,
        sites=tuple(index.manifest.site for index in indexes),
        n_features=found.n_features,
        n_counted=found.n_counted,
        n_windows=found.n_windows,
        source=None,
        no_paths="",
        parents=None,
        no_absorbers="",
        findings=(),
    )
    if len(indexes) == 1:
        least = chance_excess(found, 0, 0)
        partners = fire_together(found, 0, 0, least=least)
        findings = self_findings(found, spec.indexes[0], partners, least, seed=spec.seed)
        return replace(manifest, findings=findings), _named("0.partners", partners)
    return _computed_pair(model, indexes, found, manifest)


def _computed_pair(
    model: Model, indexes: tuple[Index, ...], found: CoFiring, manifest: InteractionManifest
) -> tuple[InteractionManifest, dict[str, ndarray]]:
    seed, arrays = manifest.spec.seed, dict[str, ndarray]()
    one, other = (index.dictionary for index in indexes)
    least = [chance_excess(found, side, 1 - side) for side in (0, 1)]
    partners = [fire_together(found, side, 1 - side, least=least[side]) for side in (0, 1)]
    matched = matches(found, one, other)
    ways, no_paths = ways_between(one, other, model)
    paths = [strongest_paths(found, ways, side) for side in (0, 1)] if ways else []
    parents = 0 if one.n_features <= other.n_features else 1
    covered = splits(found, parents, seed=seed)
    absorbed, no_absorbers = None, ""
    if one.writes != other.writes:
        no_absorbers = "Absorbers are looked for between dictionaries of one site."
    else:
        pair = (one, other) if parents == 0 else (other, one)
        absorbed = absorbers(found, parents, *pair, matched[parents], seed=seed)
        arrays |= _named("absorption", absorbed)
    for side in (0, 1):
        arrays |= _named(f"{side}.partners", partners[side]) | _named(f"{side}.matches", matched[side])
    for side, one_way in enumerate(paths):
        arrays |= _named(f"{side}.paths", one_way)
    arrays |= _named("splits", covered)
    findings = pair_findings(
        found,
        (one, other),
        manifest.spec.indexes,
        partners[parents],
        least[parents],
        matched[parents],
        ways,
        (parents, covered, absorbed),
        seed=seed,
    )
    source = ways.source if ways else None
    found_of = replace(
        manifest, source=source, no_paths=no_paths, parents=parents, no_absorbers=no_absorbers, findings=findings
    )
    return found_of, arrays


def _named(prefix: str, part: Any) -> dict[str, ndarray]:
    """The arrays of a part, as narrow as their numbers allow."""
    narrow = {"i": np.uint32, "u": np.uint32, "f": np.float32, "b": np.bool_}
    arrays = {field.name: getattr(part, field.name) for field in fields(part)}
    return {f"{prefix}.{name}": array.astype(narrow[array.dtype.kind]) for name, array in arrays.items()}


def _keep(target: Path, manifest: InteractionManifest, arrays: dict[str, ndarray]) -> None:
    with staged(target) as aside:
        aside.mkdir()
        save_tensors(aside / _ARRAYS, arrays)
        inputs = {"model": manifest.spec.model_fingerprint, "dictionaries": manifest.spec.dictionary_fingerprints}
        write_json(aside / _PROVENANCE, provenance(seed=manifest.spec.seed, inputs=inputs))
        write_json(aside / MANIFEST, to_dict(manifest))
