"""The loop: batches in, a dictionary out, with a log that can be watched and checkpoints to go on from."""

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from hooke.configs import to_dict
from hooke.dictionaries.dictionary import Dictionary
from hooke.dictionaries.formats.native import save_dictionary
from hooke.errors import BadRequest, ShapeMismatch
from hooke.lab import provenance, staged, writing
from hooke.progress import track
from hooke.sites import Site
from hooke.training.checkpoints import diverged, load_checkpoint, save_checkpoint
from hooke.training.config import TrainConfig
from hooke.training.losses import Outcome
from hooke.training.state import State, advance, start
from hooke.training.weights import calibrate, fold, prepare

# The batches after the first `skip` ones, or an iterator over all of them.
Batches = Callable[[int], Iterator[Tensor]] | Iterator[Tensor]

CHECKPOINT, LOG = "checkpoint.safetensors", "training.jsonl"

# Features that fire on more than this share of tokens are counted in the log: many of them are a bad sign.
_DENSE = 0.01


def train(
    config: TrainConfig,
    batches: Batches,
    *,
    site: str | Site,
    model_name: str,
    folder: Path,
    inputs: Mapping[str, Any] | None = None,
    device: str | torch.device = "cpu",
) -> Dictionary:
    """Train a dictionary, write it to `folder` and return it.

    Until it is finished, checkpoints and the log are in the hidden `working_folder(folder)`. A run that stopped goes on
    from its last checkpoint when it is started the same way, and gives the same weights, bit for bit, on the same
    batches. `inputs` says where the batches come from; it is kept with the dictionary and must agree on going on.

    Raises:
        BadRequest: the batches end too early, or a run that was started differently is under way.
        HookeError: the loss is no longer finite; the last checkpoint is kept.
        LabBusy: another process trains it.
        OutOfSpace: the disk cannot hold a checkpoint.
    """
    work = working_folder(folder)
    task = {"config": to_dict(config), "site": str(site), "model": model_name, "inputs": dict(inputs or {})}
    with writing(folder):
        work.mkdir(parents=True, exist_ok=True)
        state, stream = _begin(config, batches, work, task, torch.device(device))
        _run(state, stream, work, task)
        dictionary = finish(state, name=folder.name, model=model_name, site=str(site))
        with staged(folder) as aside:
            origin = provenance(seed=config.seed, inputs=task)
            save_dictionary(dictionary, aside, metrics=_last_line(work / LOG), provenance=origin)
            shutil.copyfile(work / LOG, aside / LOG)
        shutil.rmtree(work)
    return dictionary


def working_folder(folder: Path) -> Path:
    """Where the checkpoint and the log of a training under way are."""
    return folder.parent / f".{folder.name}.training"


def finish(state: State, *, name: str, model: str, site: str) -> Dictionary:
    """The dictionary that the weights make now, in the input's own units."""
    return fold(
        state.weights, state.calibration, state.config, threshold=state.threshold, name=name, model=model, site=site
    )


def _begin(
    config: TrainConfig, batches: Batches, work: Path, task: dict[str, Any], device: torch.device
) -> tuple[State, Iterator[Tensor]]:
    if (work / CHECKPOINT).exists():
        state = load_checkpoint(work / CHECKPOINT, config, task, device=device)
        _cut_log(work / LOG, state.tokens)
        return state, _from(batches, state.step)
    (work / LOG).write_text("")
    stream = _from(batches, 0)
    first: list[Tensor] = []
    while sum(map(len, first)) < min(config.calibration_tokens, config.n_tokens):
        batch = next(stream, None)
        if batch is None:
            raise _ended(sum(map(len, first)), config)
        first.append(batch)
    state = start(config, calibrate(torch.cat(first), config), device=device)
    return state, chain(first, stream)


def _from(batches: Batches, skip: int) -> Iterator[Tensor]:
    return batches(skip) if callable(batches) else islice(batches, skip, None)


def _run(state: State, stream: Iterator[Tensor], work: Path, task: dict[str, Any]) -> None:
    config = state.config
    total, saved = config.n_tokens - state.tokens, state.tokens
    since = time.perf_counter(), state.tokens
    for batch in track(_needed(state, stream), "train", total=total, unit="tokens", size=len):
        outcome = advance(state, batch)
        if not bool(outcome.loss.isfinite()):
            raise diverged(state)
        is_last = state.tokens >= config.n_tokens
        if is_last or state.step % config.log_every == 0:
            now = time.perf_counter(), state.tokens
            speed = (now[1] - since[1]) / (now[0] - since[0])
            _log(work / LOG, _facts(state, outcome, batch) | {"tokens_per_second": round(speed, 1)})
            since = now
        if is_last or state.tokens - saved >= config.checkpoint_every:
            save_checkpoint(work / CHECKPOINT, state, task)
            saved = state.tokens


def _needed(state: State, stream: Iterator[Tensor]) -> Iterator[Tensor]:
    """Batches until the tokens are seen, checked."""
    width = len(state.calibration.centre)
    while state.tokens < state.config.n_tokens:
        batch = next(stream, None)
        if batch is None:
            raise _ended(state.tokens, state.config)
        if batch.ndim != 2 or batch.shape[1] != width:
            raise ShapeMismatch(f"A batch has shape {tuple(batch.shape)}.", f"Expected [tokens, {width}].", "")
        yield batch


def _facts(state: State, outcome: Outcome, batch: Float[Tensor, "token d"]) -> dict[str, int | float]:
    """What a line of the log says. FVU is of this batch as trained on, its mean removed, before the step."""
    x = prepare(batch.to(outcome.error.device), state.calibration)[:, :-1]
    spread = (x - x.mean(0)).square().sum()
    density, config = state.firing.density, state.config
    return {
        "step": state.step,
        "tokens": state.tokens,
        "loss": float(outcome.loss),
        "fvu": float(outcome.error.square().sum() / spread),
        "l0": float(outcome.counts.sum()) / len(batch),
        "dead_share": float(state.firing.dead(config.dead_after).float().mean()),
        "dense_share": float((density > _DENSE).float().mean()),
        "lr": state.optimiser.param_groups[0]["lr"],
    }


def _log(path: Path, line: dict[str, int | float]) -> None:
    with path.open("a", encoding="utf-8") as handle:
        handle.write(json.dumps(line) + "\n")


def _cut_log(path: Path, tokens: int) -> None:
    """Drop what was logged after the checkpoint; those steps are made again."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
    path.write_text("".join(line for line in lines if json.loads(line)["tokens"] <= tokens), encoding="utf-8")


def _last_line(path: Path) -> dict[str, int | float]:
    return json.loads(path.read_text(encoding="utf-8").splitlines()[-1])


def _ended(tokens: int, config: TrainConfig) -> BadRequest:
    return BadRequest(
        f"The training was to see {config.n_tokens:,} tokens.",
        f"The batches ended after {tokens:,}.",
        "Harvest more, go over them more often, or ask for fewer.",
    )
