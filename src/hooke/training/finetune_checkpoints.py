"""A fine-tuning between two steps, in memory and on disk: one file, replaced in one rename."""

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from hooke.dictionaries.dictionary import Dictionary
from hooke.dictionaries.formats.weights_file import read_weights
from hooke.lab import require_space, staged
from hooke.training.checkpoints import damaged, require_same

_MOMENTS = ("exp_avg", "exp_avg_sq")
_TRAINED = ("W_enc", "b_enc", "W_dec", "b_dec", "W_skip")


@dataclass(slots=True)
class Progress:
    """Everything that a step changes."""

    dictionary: Dictionary
    """What is trained."""
    optimiser: torch.optim.Adam
    """Adam, with a group for each weight."""
    sizes: dict[str, float]
    """Root mean square of each trained weight at the start: its learning rate is in units of that."""
    lengths: Float[Tensor, " feature"]
    """Norms at which decoder rows are held."""
    has_fired: Bool[Tensor, " feature"]
    """Which features fired since the start."""
    step: int = 0
    """Steps made."""
    tokens: int = 0
    """Tokens read."""

    def trained(self) -> dict[str, Tensor]:
        """The weights that change. Thresholds stay."""
        named = dict(self.dictionary.named_parameters())
        return {name: named[name] for name in _TRAINED if name in named}


def begin(dictionary: Dictionary, device: torch.device) -> Progress:
    """A copy of a dictionary before its first step."""
    made = copy.deepcopy(dictionary).to(device)
    named = dict(made.named_parameters())
    weights = {name: named[name].requires_grad_() for name in _TRAINED if name in named}
    size = float(made.W_enc.detach().square().mean().sqrt())
    sizes = {name: float(weight.detach().square().mean().sqrt()) or size for name, weight in weights.items()}
    optimiser = torch.optim.Adam([{"params": [weight], "name": name} for name, weight in weights.items()])
    for weight in weights.values():
        zeros = torch.zeros_like(weight, requires_grad=False)
        optimiser.state[weight] = {"step": torch.zeros(()), "exp_avg": zeros, "exp_avg_sq": zeros.clone()}
    lengths = torch.linalg.vector_norm(made.W_dec.detach(), dim=1)
    return Progress(made, optimiser, sizes, lengths, torch.zeros(made.n_features, dtype=torch.bool, device=device))


def save_progress(path: Path, progress: Progress, task: dict[str, Any]) -> None:
    """Write the run as it is; `task` is the plain data that a run must agree with to go on from here.

    Raises:
        OutOfSpace: the disk cannot hold it.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in _tensors(progress).items()}
    require_space(path.parent, sum(tensor.nbytes for tensor in tensors.values()))
    numbers = {"step": progress.step, "tokens": progress.tokens}
    with staged(path) as aside:
        save_file(tensors, aside, metadata={"task": json.dumps(task), "numbers": json.dumps(numbers)})


def load_progress(path: Path, progress: Progress, task: dict[str, Any]) -> None:
    """Take a run that has just begun to where the one in the file was.

    Raises:
        BadRequest: it is a run of another task.
        BadArtefact: the file is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
        found, numbers = json.loads(metadata["task"]), json.loads(metadata["numbers"])
        step, tokens = int(numbers["step"]), int(numbers["tokens"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(path, str(error)) from error
    require_same(path, found, task)
    tensors = _tensors(progress)
    stored = read_weights(path, {name: tuple(tensor.shape) for name, tensor in tensors.items()})
    with torch.no_grad():
        for name, tensor in tensors.items():
            tensor.copy_(stored[name])
    progress.step, progress.tokens = step, tokens
    for state in progress.optimiser.state.values():
        state["step"].fill_(step)


def _tensors(progress: Progress) -> dict[str, Tensor]:
    trained = progress.trained()
    tensors = dict(trained) | {"has_fired": progress.has_fired}
    for name, weight in trained.items():
        tensors |= {f"{name}.{moment}": progress.optimiser.state[weight][moment] for moment in _MOMENTS}
    return tensors
