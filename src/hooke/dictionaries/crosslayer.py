"""Cross-layer transcoders: features read one layer's MLP input and write to that MLP's output and all later ones.

    a[l]     = activation(x[l] · W_enc[l] + b_enc[l])
    m_hat[t] = Σ over l ≤ t of a[l] · W_dec[l][:, place of t among l and after]  +  b_dec[t]  (+ x[t] · W_skip[t])

(Ameisen et al. 2025, "Circuit Tracing".) Decoders are kept with the feature first, so that the rows of a few features
are read from a file without the rest.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hooke.dictionaries.dictionary import ACTIVATION, Kind
from hooke.dictionaries.encoding import Activation, activate, encode_in_pieces
from hooke.dictionaries.replacement import require_layer
from hooke.dictionaries.sparse import SparseActs
from hooke.errors import BadArtefact, BadConfig, ShapeMismatch, UnknownName
from hooke.sites import Site


@dataclass(frozen=True, kw_only=True, slots=True)
class CrossLayerConfig:
    """What a cross-layer transcoder is, apart from its weights.

    Raises:
        BadConfig: the values do not go together.
    """

    name: str
    """Name that feature addresses carry."""
    model: str
    """Name of the model that it belongs to."""
    kind: Kind
    """How it was trained; this also says which activation function it has."""
    layers: tuple[int, ...]
    """Layers that have features, ascending; each writes to itself and those after it."""
    reads: Literal["resid_mid", "mlp_in"]
    """What each layer's features read."""
    n_features: int
    """How many features each layer has."""
    d_in: int
    """Width of what is read."""
    d_out: int
    """Width of what is written."""
    k: int | None = None
    """Active features per token and layer: exact for topk, the training mean for batchtopk."""
    skip: bool = False
    """Whether what is read at a layer also reaches its mlp_out by one matrix, W_skip."""
    signed: bool = False
    """Whether activations below zero stay."""
    folded: tuple[str, ...] = ()
    """What was folded into the weights: activations are in the units before it."""

    def __post_init__(self) -> None:
        if not self.layers or list(self.layers) != sorted(set(self.layers)) or self.layers[0] < 0:
            raise BadConfig(f"'{self.name}' cannot have layers {self.layers}.", "", "Give ascending layer numbers.")
        if min(self.n_features, self.d_in, self.d_out) < 1:
            found = f"n_features={self.n_features}, d_in={self.d_in}, d_out={self.d_out}."
            raise BadConfig(f"'{self.name}' has no features or no width.", found, "Give each of them.")
        if self.kind == "matryoshka" or (self.kind == "topk" and self.k is None):
            raise BadConfig(
                f"'{self.name}' cannot be of kind {self.kind} with k = {self.k}.",
                "",
                "Take topk with a k, batchtopk, relu or jumprelu.",
            )
        if self.k is not None and not 1 <= self.k <= self.n_features:
            found = f"A layer has {self.n_features} features."
            raise BadConfig(f"'{self.name}' cannot have k = {self.k}.", found, "Give a k from 1 to that.")

    @property
    def activation(self) -> Activation:
        """The activation function that `encode` applies."""
        return ACTIVATION[self.kind]


def layer_shapes(config: CrossLayerConfig, layer: int) -> dict[str, tuple[int, ...]]:
    """The tensors of one layer, with their shapes."""
    shapes: dict[str, tuple[int, ...]] = {
        "W_enc": (config.d_in, config.n_features),
        "b_enc": (config.n_features,),
        "W_dec": (config.n_features, len(config.layers) - config.layers.index(layer), config.d_out),
        "b_dec": (config.d_out,),
    }
    if config.activation == "jumprelu":
        shapes["threshold"] = (config.n_features,)
    if config.skip:
        shapes["W_skip"] = (config.d_in, config.d_out)
    return shapes


class CrossLayerTranscoder:
    """A `Replacement` whose features write to every later layer.

    `load` gives the tensors of a layer by the names of `layer_shapes`; the decoder may be memory-mapped, since only
    rows of it are taken. Encoders are kept once they were asked for.

    Raises:
        ShapeMismatch: a layer's tensors do not have the shapes that the config says; when it is asked for.
    """

    def __init__(
        self,
        config: CrossLayerConfig,
        load: Callable[[int], Mapping[str, Tensor]],
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.config = config
        self.name, self.model, self.layers = config.name, config.model, config.layers
        self._load, self._device, self._dtype = load, device, dtype
        self._open: dict[int, dict[str, Tensor]] = {}

    def tensors(self, layer: int) -> dict[str, Tensor]:
        """The tensors of a layer; all but the decoder in the dtype and on the device asked for.

        Raises:
            UnknownName: the layer has no features.
            ShapeMismatch, BadArtefact: its tensors are not what they should be.
        """
        require_layer(self.name, self.layers, layer)
        if layer not in self._open:
            given = dict(self._load(layer))
            expected, found = layer_shapes(self.config, layer), {name: tuple(one.shape) for name, one in given.items()}
            if found != expected:
                raise ShapeMismatch(
                    f"The weights of layer {layer} do not make '{self.name}'.",
                    f"Expected {expected}, found {found}.",
                    "Check the config against the weights.",
                )
            self._open[layer] = {name: one if name == "W_dec" else self._own(one) for name, one in given.items()}
        return self._open[layer]

    def reads(self, layer: int) -> Site:
        """What the features of a layer read."""
        require_layer(self.name, self.layers, layer)
        return Site(self.config.reads, layer)

    def n_features(self, layer: int) -> int:
        """How many features a layer has."""
        require_layer(self.name, self.layers, layer)
        return self.config.n_features

    def encode(self, layer: int, x: Float[Tensor, "*pos d_in"]) -> SparseActs:
        """The active features of a layer."""
        own = self.tensors(layer)

        def encode(rows: Tensor) -> SparseActs:
            pre = self._own(rows) @ own["W_enc"] + own["b_enc"]
            return activate(pre, self.config, own.get("threshold"))

        return encode_in_pieces(x, self.config.n_features, encode)

    def encoder_rows(self, layer: int, indices: Int[Tensor, " n"]) -> Float[Tensor, "n d_in"]:
        """What these features respond to."""
        return self.tensors(layer)["W_enc"][:, indices].T

    def encoder_biases(self, layer: int, indices: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
        """What is added to these features' pre-activations."""
        return self.tensors(layer)["b_enc"][indices]

    def targets(self, layer: int) -> tuple[int, ...]:
        """The layer itself and all later ones."""
        require_layer(self.name, self.layers, layer)
        return tuple(one for one in self.layers if one >= layer)

    def decoder_rows(self, layer: int, indices: Int[Tensor, " n"], target: int) -> Float[Tensor, "n d_out"]:
        """What these features of a layer write to the mlp_out of a target.

        Raises:
            UnknownName: the target is before the layer, or has no features.
            BadArtefact: the rows hold values that are not finite.
        """
        targets = self.targets(layer)
        if target not in targets:
            raise UnknownName(
                f"Features of layer {layer} of '{self.name}' do not write to layer {target}.",
                f"They write to layers {targets[0]} to {targets[-1]}.",
                "Choose one of them.",
            )
        decoder = self.tensors(layer)["W_dec"]
        rows = decoder[indices.to(decoder.device), targets.index(target)]
        if not bool(torch.isfinite(rows).all()):
            raise BadArtefact(
                f"Decoder rows of layer {layer} of '{self.name}' were not read.",
                "They hold values that are not finite.",
                "Fetch or make a fresh copy.",
            )
        return self._own(rows)

    def bias(self, layer: int) -> Float[Tensor, " d_out"]:
        """What is written to a layer's mlp_out whatever is active."""
        return self.tensors(layer)["b_dec"]

    def skip(self, layer: int) -> Float[Tensor, "d_in d_out"] | None:
        """The affine skip of a layer, where there is one."""
        return self.tensors(layer).get("W_skip")

    def release(self, layer: int) -> None:
        """Let go of a layer's weights."""
        self._open.pop(layer, None)

    def _own(self, tensor: Tensor) -> Tensor:
        return tensor.to(device=self._device, dtype=self._dtype)
