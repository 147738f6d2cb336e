"""A training run on disk between two steps: one file, replaced in one rename."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from hooke.dictionaries.formats.weights_file import read_weights
from hooke.errors import BadArtefact, BadRequest, HookeError
from hooke.lab import require_space, staged
from hooke.tensor_files import read_header
from hooke.training.config import TrainConfig
from hooke.training.state import State, start
from hooke.training.weights import Calibration

_NUMBERS = ("step", "tokens", "threshold", "last_threshold", "share")
_MOMENTS = ("exp_avg", "exp_avg_sq")


def save_checkpoint(path: Path, state: State, task: dict[str, Any]) -> None:
    """Write the run as it is; `task` is the plain data that a run must agree with to go on from here.

    Raises:
        HookeError: a weight is not finite; the checkpoint that was there before stays.
        OutOfSpace: the disk cannot hold it.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in _tensors(state).items()}
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
        raise diverged(state)
    require_space(path.parent, sum(tensor.nbytes for tensor in tensors.values()))
    units = {"scale": state.calibration.scale, "longest": state.calibration.longest}
    numbers = {name: getattr(state, name) for name in _NUMBERS} | units
    with staged(path) as aside:
        save_file(tensors, aside, metadata={"task": json.dumps(task), "numbers": json.dumps(numbers)})


def load_checkpoint(path: Path, config: TrainConfig, task: dict[str, Any], *, device: torch.device) -> State:
    """The run as it was, on this device.

    Raises:
        BadRequest: it is a run of another task.
        BadArtefact: the file is damaged.
    """
    header = read_header(path)
    width = header["centre"][1][0] if "centre" in header else 0
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
        found, numbers = json.loads(metadata["task"]), json.loads(metadata["numbers"])
        scale, longest = numbers.pop("scale"), numbers.pop("longest")
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise BadArtefact(
            f"'{path}' could not be read as a checkpoint.", f"{error}.", "Delete it and start again."
        ) from error
    if found != json.loads(json.dumps(task)):
        raise BadRequest(
            f"The training under way in '{path.parent}' was started differently.",
            f"Different: {', '.join(_differences(found, task))}.",
            "Start it the same way to go on, choose another name, or delete that folder.",
        )
    state = start(config, Calibration(torch.zeros(width), scale, longest), device=device)
    tensors = _tensors(state)
    stored = read_weights(path, {name: tuple(tensor.shape) for name, tensor in tensors.items()})
    with torch.no_grad():
        for name, tensor in tensors.items():
            tensor.copy_(stored[name])
    for name, number in numbers.items():
        setattr(state, name, number)
    for tensor in state.optimiser.state.values():
        tensor["step"].fill_(state.step)
    return state


def diverged(state: State) -> HookeError:
    """What is said when a number is no longer finite."""
    return HookeError(
        f"Training stopped at step {state.step}, after {state.tokens:,} tokens.",
        "A loss or weight is not finite: the activations hold such a value, or the learning rate is too high.",
        f"Look at them, or take a learning rate below {state.config.peak_lr:.2g}. The last checkpoint is kept.",
    )


def _tensors(state: State) -> dict[str, Tensor]:
    named = dict(state.weights.named())
    tensors = dict(named)
    for name, tensor in named.items():
        tensors |= {f"{name}.{moment}": state.optimiser.state[tensor][moment] for moment in _MOMENTS}
    return tensors | {
        "centre": state.calibration.centre,
        "idle": state.firing.idle,
        "density": state.firing.density,
    }


def _differences(found: Any, asked: Any, at: str = "") -> list[str]:
    if isinstance(found, dict) and isinstance(asked, dict):
        keys = sorted({*found, *asked})
        return [
            line for key in keys for line in _differences(found.get(key), asked.get(key), f"{at}.{key}".lstrip("."))
        ]
    return [] if found == asked else [f"{at} was {found}, is {asked}"]
