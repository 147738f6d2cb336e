"""Directions and probes to test with."""

import torch

from hooke.directions.direction import Direction, Made
from hooke.directions.pooling import Pooling
from hooke.directions.probe import Probe
from hooke.models.model import Model

SITE = "resid_post.0"


def made_on(model: Model) -> Made:
    return Made(
        method="by hand", concept="none", model=model.name, model_fingerprint=model.fingerprint, n=4, n_groups=2
    )


def direction_of(model: Model, name: str = "up", site: str = SITE) -> Direction:
    vector = torch.linspace(-1, 1, model.d_model)
    return Direction(name=name, site=site, vector=vector, made=made_on(model))


def probe_of(model: Model, pooling: Pooling, name: str = "up", sites: tuple[str, ...] = (SITE,)) -> Probe:
    vectors = tuple(torch.linspace(-1, 1 + at, model.d_model) for at in range(len(sites)))
    attention = vectors if pooling.how == "attention" else ()
    return Probe(
        name=name,
        sites=sites,
        vectors=vectors,
        bias=0.5,
        pooling=pooling,
        made=made_on(model),
        attention=attention,
    )
