"""Transcoders that read the stream normalised without gain, made to read what the MLP reads.

What the MLP reads is u = n · gain + bias, with n the normalised stream. An encoder E of n is one of u:

    n · E + b  =  u · (E / gain)  +  b - (bias / gain) · E          and a skip S of n likewise, into the decoder's bias
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from hooke.errors import BadRequest, ShapeMismatch

# Below this share of the largest gain, what the MLP reads has next to nothing left of a coordinate.
_LEAST_GAIN = 1e-5


@dataclass(frozen=True, slots=True)
class Norm:
    """What the norm before an MLP does after it has normalised."""

    gain: Float[Tensor, " d"]
    """What each coordinate is multiplied by."""
    bias: Float[Tensor, " d"]
    """What is added after that."""


Norms = Callable[[int], Norm]
"""The norm before the MLP of a layer."""


def fold_norm(weights: dict[str, Tensor], norm: Norm, path: Path) -> dict[str, Tensor]:
    """The weights (W_enc, b_enc, b_dec and perhaps W_skip among them) for inputs with gain and bias.

    Raises:
        ShapeMismatch: the norm has another width, or a gain is so small that nothing of its coordinate is left.
    """
    gain, bias, encoder = norm.gain.float(), norm.bias.float(), weights["W_enc"]
    if len(gain) != len(encoder) or bool((gain.abs() < _LEAST_GAIN * gain.abs().max()).any()):
        raise ShapeMismatch(
            f"'{path}' cannot be made to read the MLP's input of this model.",
            f"It reads {len(encoder)} numbers; the norm has {len(gain)}, the smallest {float(gain.abs().min()):.2g}.",
            "Load the model that it was made for.",
        )
    folded = weights | {
        "W_enc": encoder / gain[:, None],
        "b_enc": weights["b_enc"] - (bias / gain) @ encoder,
    }
    if "W_skip" in weights:
        skip = weights["W_skip"]
        folded |= {"W_skip": skip / gain[:, None], "b_dec": weights["b_dec"] - (bias / gain) @ skip}
    return folded


def require_norms(norms: Norms | None, folder: Path) -> None:
    """Raises:
    BadRequest: there are none.
    """
    if norms is None:
        raise BadRequest(
            f"'{folder}' reads the stream normalised without the norm's gain.",
            "To make it read the MLP's input, the gains of the model are needed.",
            "Import it with its model: hooke dictionary import FOLDER NAME --model MODEL.",
        )
