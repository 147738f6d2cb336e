"""An affine map for each layer of a model, from the stream that leaves it to another of the same width."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class AffineMaps:
    """The maps, to be multiplied from the right."""

    weights: Float[Tensor, "layer d_model d_out"]
    biases: Float[Tensor, "layer d_out"]

    def __call__(self, stream: Float[Tensor, "*batch d_model"], layer: int) -> Float[Tensor, "*batch d_out"]:
        """What a layer's stream becomes, in float32, on the maps' device."""
        return stream.to(self.weights.device, torch.float32) @ self.weights[layer] + self.biases[layer]
