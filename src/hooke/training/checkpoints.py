"""A training run on disk between two steps: one file, replaced in one rename."""

import json
from collections.abc import Sequence
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


def save_checkpoint(path: Path, states: Sequence[State], task: dict[str, Any]) -> None:
    """Write the run as it is; `task` is the plain data that a run must agree with to go on from here.

    Dictionaries that are trained together are one file, so that they go on from the same step.

    Raises:
        HookeError: a weight is not finite; the checkpoint that was there before stays.
        OutOfSpace: the disk cannot hold it.
    """
    tensors = {
        f"{number}.{name}": tensor.detach().cpu().contiguous()
        for number, state in enumerate(states)
        for name, tensor in _tensors(state).items()
    }
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
        raise diverged(states[0])
    require_space(path.parent, sum(tensor.nbytes for tensor in tensors.values()))
    numbers = [_numbers(state) for state in states]
    with staged(path) as aside:
        save_file(tensors, aside, metadata={"task": json.dumps(task), "numbers": json.dumps(numbers)})


def load_checkpoint(path: Path, config: TrainConfig, task: dict[str, Any], *, device: torch.device) -> list[State]:
    """The run as it was, on this device.

    Raises:
        BadRequest: it is a run of another task.
        BadArtefact: the file is damaged.
    """
    header = read_header(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
        found, numbers = json.loads(metadata["task"]), json.loads(metadata["numbers"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(path, str(error)) from error
    require_same(path, found, task)
    try:
        states = [_blank(config, number, one, header, device) for number, one in enumerate(numbers)]
    except (KeyError, TypeError, IndexError, ValueError, ZeroDivisionError) as error:
        raise damaged(path, f"{error!r}") from error
    tensors = {f"{at}.{name}": one for at, state in enumerate(states) for name, one in _tensors(state).items()}
    stored = read_weights(path, {name: tuple(tensor.shape) for name, tensor in tensors.items()})
    with torch.no_grad():
        for name, tensor in tensors.items():
            tensor.copy_(stored[name])
    for state, one in zip(states, numbers, strict=True):
        for name in _NUMBERS:
            setattr(state, name, one[name])
        for tensor in state.optimiser.state.values():
            tensor["step"].fill_(state.step)
    return states


def _numbers(state: State) -> dict[str, Any]:
    units = {"scales": state.calibration.scales, "longest": state.calibration.longest}
    if state.target is not None:
        units |= {"target_scales": state.target.scales, "target_longest": state.target.longest}
    return {name: getattr(state, name) for name in _NUMBERS} | units


def _blank(
    config: TrainConfig, number: int, numbers: dict[str, Any], header: dict[str, Any], device: torch.device
) -> State:
    """A run with the widths and the units of the one in the file; its tensors are yet to be filled in."""

    def width(name: str) -> int:
        return header[f"{number}.{name}"][1][-1]

    calibration = _units(width("centre"), numbers, "")
    if "target_scales" not in numbers:
        return start(config, calibration, device=device, number=number)
    d_out = width("target_centre")
    target = _units(d_out, numbers, "target_")
    n_targets = width("decoder") // d_out
    return start(config, calibration, device=device, target=target, n_targets=n_targets, number=number)


def _units(width: int, numbers: dict[str, Any], of: str) -> Calibration:
    return Calibration(torch.zeros(width), tuple(numbers[f"{of}scales"]), tuple(numbers[f"{of}longest"]))


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
    tensors |= {} if state.target is None else {"target_centre": state.target.centre}
    return tensors | {
        "centre": state.calibration.centre,
        "idle": state.firing.idle,
        "density": state.firing.density,
    }


def require_same(path: Path, found: Any, task: dict[str, Any]) -> None:
    """Raises:
    BadRequest: the run in this file is of another task.
    """
    if found != json.loads(json.dumps(task)):
        raise BadRequest(
            f"The training under way in '{path.parent}' was started differently.",
            f"Different: {', '.join(_differences(found, task))}.",
            "Start it the same way to go on, choose another name, or delete that folder.",
        )


def _differences(found: Any, asked: Any, at: str = "") -> list[str]:
    if isinstance(found, dict) and isinstance(asked, dict):
        keys = sorted({*found, *asked})
        return [
            line for key in keys for line in _differences(found.get(key), asked.get(key), f"{at}.{key}".lstrip("."))
        ]
    return [] if found == asked else [f"{at} was {found}, is {asked}"]


def damaged(path: Path, why: str) -> BadArtefact:
    """What is said of a checkpoint that cannot be read."""
    return BadArtefact(f"'{path}' could not be read as a checkpoint.", f"{why}.", "Delete it and start again.")
