"""Several dictionaries trained on the same tokens: one for each layer, or the layers of a cross-layer transcoder.

A batch is a matrix with a row for each token, in which the sites stand side by side. A dictionary that reconstructs
what it reads is the case of one part whose input and output are the same columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from hooke.dictionaries.crosslayer import CrossLayerConfig, CrossLayerTranscoder
from hooke.dictionaries.dictionary import Dictionary
from hooke.dictionaries.sets import TranscoderSet, set_of
from hooke.errors import BadConfig, ShapeMismatch
from hooke.sites import Site
from hooke.training.config import TrainConfig
from hooke.training.crosscoders import calibrate_sites, fold_sites
from hooke.training.losses import Outcome
from hooke.training.state import State, advance, advance_jointly, start
from hooke.training.weights import Unscaled, calibrate, fold, prepare, unscaled

# Features that fire on more than this share of tokens are counted in the log: many of them are a bad sign.
_DENSE = 0.01


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """What the columns of a batch are: for each part what it reads and, unless that is the same, what it writes."""

    reads: tuple[Site, ...]
    """What each part reads."""
    writes: tuple[Site, ...]
    """What each part writes."""
    crosses_layers: bool = False
    """Whether a part writes to all later parts' outputs, too."""
    is_crosscoder: bool = False
    """Whether all sites are read, and written, by one dictionary."""
    models: tuple[str, ...] = ()
    """Crosscoders of two models: which, as they stand side by side at each site."""

    @property
    def sites(self) -> tuple[Site, ...]:
        """The sites of a batch from left to right, all of one width."""
        return self.reads if self.reads == self.writes else (*self.reads, *self.writes)

    @property
    def n_parts(self) -> int:
        """How many sites, each of one model, stand side by side."""
        return len(self.sites) * max(1, len(self.models))


def transcoder_layout(reads: str, layers: Sequence[int], *, crosses_layers: bool) -> Layout:
    """The layout of transcoders of these layers that read sites of this kind."""
    ordered = sorted(set(layers))
    return Layout(
        reads=tuple(Site(reads, layer) for layer in ordered),
        writes=tuple(Site("mlp_out", layer) for layer in ordered),
        crosses_layers=crosses_layers,
    )


@dataclass(slots=True)
class Together:
    """Dictionaries between two steps; all have seen the same tokens."""

    layout: Layout
    """What a batch's columns are."""
    states: list[State]
    """One for each part."""

    @property
    def tokens(self) -> int:
        """Tokens seen."""
        return self.states[0].tokens

    @property
    def step(self) -> int:
        """Steps made."""
        return self.states[0].step

    @property
    def width(self) -> int:
        """Columns of a batch."""
        widths = [len(state.calibration.centre) for state in self.states]
        return sum(widths) + sum(len(state.target.centre) for state in self.states if state.target is not None)


def begin(
    config: TrainConfig, layout: Layout, sample: Float[Tensor, "token columns"], device: torch.device
) -> Together:
    """Dictionaries before the first step, in units taken from the first tokens.

    Raises:
        BadConfig: the config does not go with the layout.
        ShapeMismatch: the columns are not those of the layout.
    """
    _require_possible(config, layout)
    if sample.shape[1] % layout.n_parts:
        found = f"It has {sample.shape[1]} columns."
        raise ShapeMismatch(f"A batch does not hold {layout.n_parts} sites of one width.", found, "")
    inputs, outputs = _parted(layout, sample)
    n_sites = layout.n_parts if layout.is_crosscoder else 1
    units = [calibrate_sites(part, config, n_sites) for part in inputs]
    targets = [None] * len(units) if layout.reads == layout.writes else [calibrate(part, config) for part in outputs]
    states = [
        start(
            config,
            own,
            device=device,
            target=target,
            n_targets=len(units) - number if layout.crosses_layers else 1,
            number=number,
        )
        for number, (own, target) in enumerate(zip(units, targets, strict=True))
    ]
    return share_buffer(Together(layout, states))


def share_buffer(together: Together) -> Together:
    """The same, with one buffer for all: they need it one after the other."""
    for state in together.states:
        state.buffer = together.states[0].buffer
    return together


def advance_all(together: Together, batch: Float[Tensor, "token columns"]) -> list[Outcome]:
    """Make one step of each dictionary on a batch in the sites' own units."""
    inputs, outputs = _parted(together.layout, batch)
    if together.layout.crosses_layers:
        return advance_jointly(together.states, inputs, outputs)
    return [
        advance(state, x, None if state.target is None else y)
        for state, x, y in zip(together.states, inputs, outputs, strict=True)
    ]


def facts(
    together: Together, outcomes: Sequence[Outcome], batch: Float[Tensor, "token columns"]
) -> list[dict[str, float]]:
    """What is said of each part. FVU is of this batch as trained on, its mean removed, before the step."""
    inputs, outputs = _parted(together.layout, batch)
    found = []
    for state, outcome, x, y in zip(together.states, outcomes, inputs, outputs, strict=True):
        device, config = outcome.error.device, state.config
        units, aim = (state.calibration, x) if state.target is None else (state.target, y)
        target = prepare(aim.to(device), units)[:, :-1]
        found.append(
            {
                "loss": float(outcome.loss),
                "fvu": float(outcome.error.square().sum() / (target - target.mean(0)).square().sum()),
                "l0": float(outcome.counts.sum()) / len(batch),
                "dead_share": float(state.firing.dead(config.dead_after).float().mean()),
                "dense_share": float((state.firing.density > _DENSE).float().mean()),
            }
        )
    return found


def pooled(parts: Sequence[dict[str, float]]) -> dict[str, float]:
    """The parts' facts as those of one: the loss summed, the others averaged, and beside them the largest FVU."""
    if len(parts) == 1:
        return parts[0]
    means = {name: sum(part[name] for part in parts) / len(parts) for name in parts[0]}
    return means | {"loss": sum(part["loss"] for part in parts), "worst_fvu": max(part["fvu"] for part in parts)}


def finish(together: Together, *, name: str, model: str) -> Dictionary | TranscoderSet | CrossLayerTranscoder:
    """What the weights make now, in the sites' own units."""
    layout, states = together.layout, together.states
    if layout.crosses_layers:
        return _crosslayer(together, name, model)
    if layout.is_crosscoder:
        (state,) = states
        return fold_sites(
            state.weights,
            state.calibration,
            state.config,
            threshold=state.threshold,
            name=name,
            model=model,
            sites=layout.reads,
            models=layout.models,
        )
    folded = [
        fold(
            state.weights,
            state.calibration,
            state.config,
            threshold=state.threshold,
            name=name if state.target is None else f"{name}.{reads.layer}",
            model=model,
            site=str(reads),
            target=state.target,
            writes=str(writes),
        )
        for state, reads, writes in zip(states, layout.reads, layout.writes, strict=True)
    ]
    return folded[0] if states[0].target is None else set_of(name, folded)


def _crosslayer(together: Together, name: str, model: str) -> CrossLayerTranscoder:
    layout, config = together.layout, together.states[0].config
    layers = [site.layer or 0 for site in layout.reads]
    targets = [state.target for state in together.states if state.target is not None]
    made = {
        layer: unscaled(state.weights, state.calibration, config, tuple(targets[number:]), threshold=state.threshold)
        for number, (layer, state) in enumerate(zip(layers, together.states, strict=True))
    }
    tensors = {layer: one.tensors for layer, one in made.items()}
    described = CrossLayerConfig(
        name=name,
        model=model,
        kind=config.kind,
        layers=tuple(layers),
        reads="resid_mid" if layout.reads[0].kind == "resid_mid" else "mlp_in",
        n_features=config.n_features,
        d_in=tensors[layers[0]]["W_enc"].shape[0],
        d_out=len(targets[0].centre),
        k=config.k if config.is_competitive else None,
        skip=config.skip,
        folded=_folded(made),
    )
    return CrossLayerTranscoder(described, tensors.__getitem__)


def _folded(made: dict[int, Unscaled]) -> tuple[str, ...]:
    return tuple(f"{layer}: {what}" for layer, one in made.items() for what in one.folded)


def _parted(layout: Layout, batch: Tensor) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
    """What the parts read, and what they write."""
    if layout.is_crosscoder:
        return [batch], [batch]
    columns = batch.chunk(len(layout.sites), dim=1)
    if layout.reads == layout.writes:
        return columns, columns
    return columns[: len(layout.reads)], columns[len(layout.reads) :]


def _require_possible(config: TrainConfig, layout: Layout) -> None:
    if layout.reads == layout.writes and config.skip:
        raise BadConfig(
            "A dictionary that reconstructs what it reads has no skip.", "", "Leave it out, or train transcoders."
        )
    if layout.crosses_layers and config.kind in ("matryoshka", "gated"):
        raise BadConfig(f"No cross-layer transcoder of kind {config.kind} can be trained.", "", "Take another kind.")
