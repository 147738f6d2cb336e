"""A supervised vector at a site, with how it was made: one file in the lab, read back or refused."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from hooke.configs import from_dict, to_dict
from hooke.errors import BadArtefact, BadConfig, ShapeMismatch
from hooke.findings import Finding
from hooke.lab import Lab, provenance, read_json, staged, write_json
from hooke.models.model import Model
from hooke.sites import parse_site
from hooke.tensor_files import read_header

_ROOM = "directions"


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """Where a direction or a probe comes from."""

    method: str
    """How, e.g. 'difference of means'."""
    concept: str
    """The set of texts that it was made on, or the feature that it is."""
    model: str
    """Name of the model."""
    model_fingerprint: str
    """Fingerprint of the model's weights, for which alone it is valid."""
    n: int = 0
    """Texts that it was made on."""
    n_groups: int = 0
    """Groups that they lie in."""
    seed: int = 0
    """Seed of everything random in it."""
    settings: dict[str, Any] = field(default_factory=dict)
    """What else was chosen, and on what."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Direction:
    """A vector at one site."""

    name: str
    """Its name in the lab."""
    site: str
    """Where it is read or added."""
    vector: Float[Tensor, " width"]
    """As wide as a row of its site, float32, on the CPU. Not normalised: its length is part of how it was made."""
    made: Made
    """Where it comes from."""
    findings: tuple[Finding, ...] = ()
    """Its card: what was measured of it, each number beside its control."""

    def __post_init__(self) -> None:
        parse_site(self.site)
        if self.vector.ndim != 1 or not bool(torch.isfinite(self.vector).all()) or not bool(self.vector.any()):
            raise BadConfig(
                f"'{self.name}' is no direction.",
                f"Its vector has the shape {list(self.vector.shape)}, and is zero or not finite somewhere it matters.",
                "Give one row of finite numbers, not all of them 0.",
            )

    @property
    def unit(self) -> Float[Tensor, " width"]:
        """The vector at length 1."""
        return self.vector / self.vector.norm()


def check_fits(direction: Direction, model: Model, *, force: bool = False) -> None:
    """Refuse a direction that was made on another model.

    Args:
        force: take it although the model's weights are others, as long as the site is there and as wide.

    Raises:
        UnknownSite, UnsupportedModel: the model does not have the site.
        ShapeMismatch: the site has another width.
        BadArtefact: the weights are others.
    """
    site = parse_site(direction.site)
    model.require(site)
    if model.row_width(site) != len(direction.vector):
        raise ShapeMismatch(
            f"'{direction.name}' does not fit {model.name}.",
            f"It has {len(direction.vector)} numbers, {site} has {model.row_width(site)}.",
            f"It was made on {direction.made.model}.",
        )
    if not force and direction.made.model_fingerprint != model.fingerprint:
        raise BadArtefact(
            f"'{direction.name}' was made on other weights than {model.name}'s.",
            f"It is valid for {direction.made.model} ({direction.made.model_fingerprint or 'no fingerprint'}).",
            "Make it again on this model, or force it.",
        )


def save_direction(lab: Lab, direction: Direction) -> Path:
    """Keep a direction in the lab under its name; one of that name is replaced.

    Raises:
        BadRequest: its name is no plain name.
    """
    target = lab.path(_ROOM, direction.name)
    with staged(target) as aside:
        aside.mkdir()
        save_file({"vector": direction.vector.contiguous()}, aside / "weights.safetensors")
        write_json(aside / "config.json", _described(direction))
        write_json(aside / "provenance.json", provenance(seed=direction.made.seed, inputs=asdict(direction.made)))
    return target


def load_direction(lab: Lab, name: str) -> Direction:
    """A direction of the lab.

    Raises:
        UnknownName: there is none of this name.
        BadArtefact: its files are damaged, or do not belong together.
    """
    folder = lab.find(_ROOM, name)
    found = from_dict(_Described, read_json(folder / "config.json"))
    vector = read_vectors(folder / "weights.safetensors").get("vector")
    if vector is None:
        raise BadArtefact(f"'{folder}' holds no direction.", "Its weights have no 'vector'.", "Make it again.")
    return Direction(name=name, site=found.site, vector=vector, made=found.made, findings=found.findings)


def read_vectors(path: Path) -> dict[str, Tensor]:
    """The tensors of a small safetensors file, as float32.

    Raises:
        BadArtefact: it is missing, cut short, a pickle, or its header lies.
    """
    read_header(path)
    try:
        return {name: tensor.float() for name, tensor in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise BadArtefact(f"'{path}' could not be read.", f"{error}.", "Make it again.") from error


@dataclass(frozen=True, kw_only=True, slots=True)
class _Described:
    site: str
    made: Made
    findings: tuple[Finding, ...] = ()


def _described(direction: Direction) -> dict[str, Any]:
    return to_dict(_Described(site=direction.site, made=direction.made, findings=direction.findings))
