"""What of a model's predictions goes through a dictionary's features, and what through their error, once measured.

    LAB/dictionaries/NAME/completeness.json        of a dictionary of the lab
    LAB/cache/completeness-HASH.json               of any other: a starter, or a folder elsewhere

It is measured by `hooke.evaluate.completeness` when that is asked for, never on the way to something else; here it is
kept and read, so that it can stand wherever the dictionary is used.
"""

from dataclasses import dataclass
from pathlib import Path

from hooke.configs import content_hash, from_dict, to_dict
from hooke.dictionaries.formats.native_sets import is_crosslayer, is_set
from hooke.dictionaries.load import find_dictionary
from hooke.errors import BadArtefact, BadConfig, UnknownName
from hooke.findings import Estimate
from hooke.lab import Lab, read_json, write_json

FILE = "completeness.json"
_WEIGHTS = "weights.safetensors"


@dataclass(frozen=True, kw_only=True, slots=True)
class Carried:
    """Shares of the loss between the site at its mean and the model as it is; they need not sum to one."""

    features: Estimate
    """What the features alone carry."""
    error: Estimate
    """What their error alone carries."""
    features_divergence: Estimate
    """KL divergence from the model with the features alone, in nats per token."""
    n_windows: int
    """Windows of text, the units of the intervals."""
    corpus: str
    """The text."""

    def __str__(self) -> str:
        (low, high), (least, most) = self.features.interval, self.error.interval
        return (
            f"features alone carry {self.features.value:.3f} [{low:.3f}, {high:.3f}] of the loss, their error alone "
            f"{self.error.value:.3f} [{least:.3f}, {most:.3f}] ({self.n_windows} windows of {self.corpus})"
        )


def keep_carried(found: Carried, folder: Path, lab: Lab) -> Path:
    """Keep what was measured of the dictionary in a folder; an earlier measurement gives way."""
    path = _path(folder, lab)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, to_dict(found))
    return path


def read_carried(folder: Path, lab: Lab) -> Carried | None:
    """What was measured of the dictionary in a folder; None where nothing was, or what was kept cannot be read."""
    for path in (_path(folder, lab), folder / FILE):
        try:
            return from_dict(Carried, read_json(path))
        except (BadArtefact, BadConfig, OSError):
            continue
    return None


def how_to_measure(name: str) -> str:
    """The command that measures it."""
    return f"hooke dictionary quality {name} --metric completeness"


def not_measured(name: str) -> str:
    """What is said where nothing was measured."""
    return f"not measured: {how_to_measure(name)}"


def carried_words(ref: str, lab: Lab) -> str:
    """What a dictionary's features and error carry, or how to find out; of several layers, what is known of each."""
    try:
        folder = find_dictionary(ref, lab=lab)
    except UnknownName:
        return not_measured(ref)
    if is_crosslayer(folder):
        return f"see hooke dictionary eval {ref}, which puts all layers in the MLPs' place"
    if is_set(folder):
        return _of_layers(ref, [read_carried(one, lab) for one in folder.glob("layer-*")])
    found = read_carried(folder, lab)
    return not_measured(ref) if found is None else str(found)


def _of_layers(ref: str, layers: list[Carried | None]) -> str:
    known = [one for one in layers if one is not None]
    if not known:
        return f"{not_measured(f'{ref}.LAYER')}; all layers at once: hooke dictionary eval {ref}"
    features, error = ([getattr(one, part).value for one in known] for part in ("features", "error"))
    return (
        f"of {len(known)} of {len(layers)} layers, each by itself, features alone carry {min(features):.3f} to "
        f"{max(features):.3f} of the loss, their error alone {min(error):.3f} to {max(error):.3f}"
    )


def _path(folder: Path, lab: Lab) -> Path:
    if folder.resolve().parent == (lab.root / "dictionaries").resolve():
        return folder / FILE
    weights = folder / _WEIGHTS
    facts = weights.stat() if weights.is_file() else None
    known = [str(folder.resolve()), facts and (facts.st_size, facts.st_mtime_ns)]
    return lab.path("cache", f"completeness-{content_hash(known)}.json")
