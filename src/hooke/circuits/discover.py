"""Circuits of components, found: the methods by name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hooke.circuits.acdc import acdc
from hooke.circuits.components import open_components
from hooke.circuits.edge_masks import learn_masks
from hooke.circuits.edge_scores import EdgeScores, eap, eap_ig_activations, eap_ig_inputs, exact
from hooke.circuits.faithfulness import Curve, Point, curves, stability
from hooke.circuits.pairs import Pairs
from hooke.errors import BadRequest, UnknownName, did_you_mean
from hooke.findings import Finding
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


@dataclass(frozen=True, slots=True)
class Discovery:
    """Edges scored on one half of the pairs, and what they give back on the other half."""

    scores: EdgeScores
    curves: tuple[Curve, ...]
    """One for each order that was asked for."""
    control: Curve
    """The same with random edges."""
    stability: Finding | None
    """None where a method scores the set as a whole."""
    n_scored: int
    """Pairs that the scores are made of."""
    tried: Pairs
    """The others."""

    @property
    def curve(self) -> Curve:
        """In the first order."""
        return self.curves[0]

    def enough(self, share: float) -> Point:
        """The smallest circuit on the curve that gives back so much of the answer, else the whole model."""
        points = self.curve.points
        return next((one for one in points if one.faithfulness.value >= share), points[-1])


def discover_and_measure(
    model: Model, pairs: Pairs, settings: DiscoverSettings = DiscoverSettings(), *, orders: Sequence[str] = ("size",)
) -> Discovery:
    """Scores from one half of the pairs, drawn by the seed; their circuits on the other half beside random ones.

    Raises:
        BadRequest: there are fewer than four pairs, or no such order; see `discover`.
        UnsupportedModel, HookeError: see `discover` and `hooke.circuits.faithfulness.measure`.
    """
    if len(pairs) < 4:
        raise BadRequest(
            f"{len(pairs)} pairs cannot be halved.", "Edges are scored on one half and tried on the other.", "Give 4."
        )
    rows = np.random.default_rng(settings.seed).permutation(len(pairs))
    first, second = (pairs.some(sorted(half.tolist())) for half in np.array_split(rows, 2))
    scores = discover(model, first, settings)
    ranked = [*((scores, order) for order in orders), (random_scores(model, seed=settings.seed), orders[0])]
    *found, control = curves(model, second, ranked, seed=settings.seed)
    hundredth = max(1, scores.graph.n_edges // 100)
    one_by_one = len(scores.by_pair) > 1
    steady = stability(scores, hundredth, seed=settings.seed) if one_by_one else None
    return Discovery(scores, tuple(found), control, steady, len(first), second)


def random_scores(model: Model, *, seed: int = 0) -> EdgeScores:
    """Scores that know nothing: the control of every method."""
    graph = open_components(model).graph
    drawn = np.random.default_rng(seed).standard_normal((1, *graph.exists.shape), dtype=np.float32)
    return EdgeScores(graph, "random", drawn * graph.exists.numpy())
