"""Circuits of components, found: the methods by name."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hooke.circuits.acdc import acdc
from hooke.circuits.components import open_components
from hooke.circuits.edge_masks import learn_masks
from hooke.circuits.edge_scores import EdgeScores, eap, eap_ig_activations, eap_ig_inputs, exact
from hooke.circuits.pairs import Pairs
from hooke.errors import UnknownName, did_you_mean
from hooke.models.model import Model


@dataclass(frozen=True, kw_only=True, slots=True)
class DiscoverSettings:
    """How edges are scored."""

    method: str = "eap-ig-inputs"
    """A name of `METHODS`."""
    steps: int = 5
    """Derivatives of EAP-IG."""
    threshold: float = 0.01
    """Nats by which the removal of an edge that ACDC keeps moves the answer."""
    mask_steps: int = 200
    """Steps in which masks are learnt."""
    seed: int = 0
    """Seed of masks and of random scores."""

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UnknownName(
                f"No method '{self.method}' of discovery.",
                did_you_mean(self.method, METHODS),
                f"There are: {', '.join(METHODS)}.",
            )


METHODS: dict[str, Callable[[Model, Pairs, DiscoverSettings], EdgeScores]] = {
    "eap": lambda model, pairs, _: eap(model, pairs),
    "eap-ig-inputs": lambda model, pairs, own: eap_ig_inputs(model, pairs, steps=own.steps),
    "eap-ig-activations": lambda model, pairs, own: eap_ig_activations(model, pairs, steps=own.steps),
    "exact": lambda model, pairs, _: exact(model, pairs),
    "acdc": lambda model, pairs, own: acdc(model, pairs, threshold=own.threshold),
    "masks": lambda model, pairs, own: learn_masks(model, pairs, n_steps=own.mask_steps, seed=own.seed),
    "random": lambda model, _, own: random_scores(model, seed=own.seed),
}


def discover(model: Model, pairs: Pairs, settings: DiscoverSettings = DiscoverSettings()) -> EdgeScores:
    """A score for every edge of the model.

    Raises:
        BadRequest: the method needs a run for each edge, and the model has too many.
        UnsupportedModel: the model cannot be run component by component.
        HookeError: a run is not finite.
    """
    return METHODS[settings.method](model, pairs, settings)


def random_scores(model: Model, *, seed: int = 0) -> EdgeScores:
    """Scores that know nothing: the control of every method."""
    graph = open_components(model).graph
    drawn = np.random.default_rng(seed).standard_normal((1, *graph.exists.shape), dtype=np.float32)
    return EdgeScores(graph, "random", drawn * graph.exists.numpy())
