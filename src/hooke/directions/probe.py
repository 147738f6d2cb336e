"""A probe: directions at one or more sites that score every token, and how a text's tokens become one score.

score of a token = sum over sites of (row of the site · direction) + bias
score of a text  = its tokens' scores, pooled; above 0 it takes the text for one with the concept
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors.torch import save_file
from torch import Tensor

from hooke.configs import from_dict, to_dict
from hooke.directions.direction import Direction, Made, check_fits, read_vectors
from hooke.directions.pooling import Pooling, running
from hooke.errors import BadArtefact, BadConfig
from hooke.findings import Finding
from hooke.lab import Lab, provenance, read_json, staged, write_json
from hooke.models.model import Model
from hooke.sites import Site, parse_site

_ROOM = "probes"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Probe:
    """What scores tokens, and pools their scores."""

    name: str
    """Its name in the lab."""
    sites: tuple[str, ...]
    """Where it reads, one vector each."""
    vectors: tuple[Float[Tensor, " _width"], ...]
    """What each site's rows are multiplied by, float32; any standardisation is folded in."""
    bias: float
    """Added to a token's score."""
    pooling: Pooling
    """How a text's tokens become one score."""
    made: Made
    """Where it comes from."""
    attention: tuple[Float[Tensor, " _width"], ...] = ()
    """With attention pooling, the vectors of the second score, one for each site; else none."""
    findings: tuple[Finding, ...] = ()
    """Its card: what was measured of it on texts held out, beside its baselines."""

    def __post_init__(self) -> None:
        if not self.sites or len(self.sites) != len(self.vectors) or len(set(self.sites)) != len(self.sites):
            raise BadConfig(
                f"'{self.name}' is no probe.",
                f"It has {len(self.sites)} sites and {len(self.vectors)} vectors.",
                "Give one vector for each of one or more different sites.",
            )
        if len(self.attention) != (len(self.sites) if self.pooling.how == "attention" else 0):
            raise BadConfig(
                f"'{self.name}' is no probe.",
                f"It pools by {self.pooling.how}, with {len(self.attention)} vectors of attention.",
                "Attention pooling needs one for each site, no other pooling has any.",
            )

    def directions(self) -> tuple[Direction, ...]:
        """What it reads, site by site, as directions that can steer."""
        several = len(self.sites) > 1
        return tuple(
            Direction(name=f"{self.name}-{site}" if several else self.name, site=site, vector=vector, made=self.made)
            for site, vector in zip(self.sites, self.vectors, strict=True)
        )


def token_scores(probe: Probe, rows: Mapping[Site, Float[Tensor, "*batch width"]]) -> Float[Tensor, "*batch"]:
    """Scores of tokens, given the rows of each of the probe's sites."""
    return _products(probe.sites, probe.vectors, rows) + probe.bias


def token_attention(probe: Probe, rows: Mapping[Site, Float[Tensor, "*batch width"]]) -> Float[Tensor, "*batch"] | None:
    """The second scores that attention pooling weighs tokens by; None with another pooling."""
    return _products(probe.sites, probe.attention, rows) if probe.attention else None


def _products(sites: Sequence[str], vectors: Sequence[Tensor], rows: Mapping[Site, Tensor]) -> Tensor:
    found = (rows[parse_site(site)].float() for site in sites)
    return torch.stack([one @ vector.to(one.device) for one, vector in zip(found, vectors, strict=True)]).sum(0)


def text_scores(probe: Probe, rows: Mapping[Site, Float[Tensor, "token width"]]) -> list[float]:
    """The score of one text after each of its tokens; the last is the score of all of it."""
    weights = token_attention(probe, rows)
    return running(token_scores(probe, rows).tolist(), probe.pooling, None if weights is None else weights.tolist())


def check_probe(probe: Probe, model: Model, *, force: bool = False) -> None:
    """Refuse a probe that was made on another model; see `check_fits` of directions.

    Raises:
        UnknownSite, UnsupportedModel, ShapeMismatch, BadArtefact: see there.
    """
    for direction in probe.directions():
        check_fits(direction, model, force=force)


def save_probe(lab: Lab, probe: Probe) -> Path:
    """Keep a probe in the lab under its name; one of that name is replaced.

    Raises:
        BadRequest: its name is no plain name.
    """
    target = lab.path(_ROOM, probe.name)
    tensors = {f"vector.{at}": vector.clone().contiguous() for at, vector in enumerate(probe.vectors)}
    tensors |= {f"attention.{at}": vector.clone().contiguous() for at, vector in enumerate(probe.attention)}
    described = _Described(
        sites=probe.sites, bias=probe.bias, pooling=probe.pooling, made=probe.made, findings=probe.findings
    )
    with staged(target) as aside:
        aside.mkdir()
        save_file(tensors, aside / "weights.safetensors")
        write_json(aside / "config.json", to_dict(described))
        write_json(aside / "provenance.json", provenance(seed=probe.made.seed, inputs=asdict(probe.made)))
    return target


def load_probe(lab: Lab, name: str) -> Probe:
    """A probe of the lab.

    Raises:
        UnknownName: there is none of this name.
        BadArtefact: its files are damaged, or do not belong together.
    """
    folder = lab.find(_ROOM, name)
    found = from_dict(_Described, read_json(folder / "config.json"))
    tensors = read_vectors(folder / "weights.safetensors")
    return Probe(
        name=name,
        sites=found.sites,
        vectors=_rows(tensors, "vector", len(found.sites), folder),
        bias=found.bias,
        pooling=found.pooling,
        made=found.made,
        attention=_rows(tensors, "attention", len(found.sites) if found.pooling.how == "attention" else 0, folder),
        findings=found.findings,
    )


def _rows(tensors: dict[str, Any], kind: str, n: int, folder: Path) -> tuple[Tensor, ...]:
    missing = [f"{kind}.{at}" for at in range(n) if f"{kind}.{at}" not in tensors]
    if missing:
        raise BadArtefact(f"'{folder}' holds no whole probe.", f"Missing: {', '.join(missing)}.", "Make it again.")
    return tuple(tensors[f"{kind}.{at}"] for at in range(n))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Described:
    sites: tuple[str, ...]
    bias: float
    pooling: Pooling
    made: Made
    findings: tuple[Finding, ...] = ()
