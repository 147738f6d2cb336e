"""Tensors, features' names and numbers as the plain data of edits: checked on the way in, exact on the way out."""

import base64
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hooke.errors import BadConfig
from hooke.sites import parse_feature


def tensor_to_data(value: Tensor) -> dict[str, Any]:
    """A tensor as its shape and its float32 bytes."""
    array = value.detach().cpu().float().numpy()
    return {"shape": list(array.shape), "float32": base64.b64encode(array.astype("<f4").tobytes()).decode()}


def tensor_from_data(data: dict[str, Any] | list[Any]) -> Tensor:
    """The tensor of such data, or of a plain list of numbers.

    Raises:
        BadConfig: it has other keys.
    """
    if isinstance(data, list):
        return torch.tensor(data, dtype=torch.float32)
    if set(data) != {"shape", "float32"}:
        raise BadConfig(
            "A tensor in an edit was not accepted.", f"Found keys {sorted(data)}.", "Give shape and float32."
        )
    raw = np.frombuffer(base64.b64decode(data["float32"]), dtype="<f4")
    return torch.from_numpy(raw.reshape(data["shape"]).copy())


def finite_tensor(value: Tensor) -> Float[Tensor, "..."]:
    """The tensor in float32, cut from whatever made it.

    Raises:
        BadConfig: it holds values that are not finite.
    """
    tensor = value.detach().to(torch.float32)
    if not bool(torch.isfinite(tensor).all()):
        raise BadConfig("A tensor in an edit holds values that are not finite.", "", "Check what made it.")
    return tensor


def whole_feature(text: str) -> str:
    """A feature's name in its one form.

    Raises:
        BadConfig: it names no dictionary.
    """
    name = parse_feature(text)
    if name.dictionary is None:
        raise BadConfig(f"'{text}' names no dictionary.", "", f"Write '{name}@NAME'.")
    return str(name)


def row_or_feature(value: Tensor | str) -> Tensor | str:
    """A vector, or the name of a feature whose row is meant.

    Raises:
        BadConfig: the vector has more than one axis or is not finite, or the name has no dictionary.
    """
    if isinstance(value, str):
        return whole_feature(value)
    if value.ndim != 1:
        raise BadConfig("An edit's vector has one axis.", f"Found shape {list(value.shape)}.", "Give one row.")
    return finite_tensor(value)


def require_finite(name: str, value: Any) -> None:
    """Raises:
    BadConfig: the value is no finite number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise BadConfig(f"An edit's {name} must be a finite number.", f"Found {value!r}.", "Give a number.")
