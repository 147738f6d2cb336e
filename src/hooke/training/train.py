"""The loop: batches in, a dictionary out, with a log that can be watched and checkpoints to go on from."""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hooke.configs import to_dict
from hooke.dictionaries.crosslayer import CrossLayerTranscoder
from hooke.dictionaries.dictionary import Dictionary
from hooke.dictionaries.formats.native import save_dictionary
from hooke.dictionaries.formats.native_sets import save_crosslayer, save_set
from hooke.dictionaries.sets import TranscoderSet
from hooke.errors import BadRequest, ShapeMismatch
from hooke.lab import provenance, staged, writing
from hooke.progress import track
from hooke.sites import Site, parse_site
from hooke.training.checkpoints import diverged, load_checkpoint, save_checkpoint
from hooke.training.config import TrainConfig
from hooke.training.logs import cut_log, last_line, log_line
from hooke.training.together import Layout, Together, advance_all, begin, facts, finish, pooled, share_buffer

# The batches after the first `skip` ones, or an iterator over all of them.
Batches = Callable[[int], Iterator[Tensor]] | Iterator[Tensor]

CHECKPOINT, LOG = "checkpoint.safetensors", "training.jsonl"


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
    place = parse_site(site) if isinstance(site, str) else site
    layout = Layout(reads=(place,), writes=(place,))
    task = {"config": to_dict(config), "site": str(site), "model": model_name, "inputs": dict(inputs or {})}
    made = _train(config, batches, layout, task, folder, torch.device(device))
    assert isinstance(made, Dictionary)
    return made


def train_crosscoder(
    config: TrainConfig,
    batches: Batches,
    *,
    layout: Layout,
    model_name: str,
    folder: Path,
    inputs: Mapping[str, Any] | None = None,
    device: str | torch.device = "cpu",
) -> Dictionary:
    """Train one dictionary that reads and writes all of `layout.sites`, which batches have side by side; see `train`.

    Of two models, batches have both models' numbers side by side at each site.

    Raises:
        ShapeMismatch: the sites are not of one width.
        BadConfig, BadRequest, HookeError, LabBusy, OutOfSpace: see `train_replacement`.
    """
    task = {"config": to_dict(config), "crosscoder": [str(site) for site in layout.sites], "model": model_name}
    task |= {"models": list(layout.models)} if layout.models else {}
    made = _train(config, batches, layout, task | {"inputs": dict(inputs or {})}, folder, torch.device(device))
    assert isinstance(made, Dictionary)
    return made


def train_replacement(
    config: TrainConfig,
    batches: Batches,
    *,
    layout: Layout,
    model_name: str,
    folder: Path,
    inputs: Mapping[str, Any] | None = None,
    device: str | torch.device = "cpu",
) -> TranscoderSet | CrossLayerTranscoder:
    """Train transcoders of several layers, or a cross-layer transcoder, on the same tokens; see `train`.

    Batches have the sites of `layout.sites` side by side.

    Raises:
        BadConfig: the config does not go with the layout.
        BadRequest, HookeError, LabBusy, OutOfSpace: see `train`.
    """
    places = {"reads": [str(site) for site in layout.reads], "writes": [str(site) for site in layout.writes]}
    task = {"config": to_dict(config), **places, "crosses_layers": layout.crosses_layers}
    task |= {"model": model_name, "inputs": dict(inputs or {})}
    made = _train(config, batches, layout, task, folder, torch.device(device))
    assert not isinstance(made, Dictionary)
    return made


def _train(
    config: TrainConfig, batches: Batches, layout: Layout, task: dict[str, Any], folder: Path, device: torch.device
) -> Dictionary | TranscoderSet | CrossLayerTranscoder:
    work = working_folder(folder)
    with writing(folder):
        work.mkdir(parents=True, exist_ok=True)
        together, stream = _begin(config, batches, layout, work, task, device)
        parts = _run(together, stream, work, task)
        made = finish(together, name=folder.name, model=task["model"])
        origin, metrics = provenance(seed=config.seed, inputs=task), last_line(work / LOG)
        if len(parts) > 1:
            metrics |= {"parts": {str(site): one for site, one in zip(layout.reads, parts, strict=True)}}
        with staged(folder) as aside:
            _save(made, aside, metrics, origin)
            shutil.copyfile(work / LOG, aside / LOG)
        shutil.rmtree(work)
    return made


def _save(
    made: Dictionary | TranscoderSet | CrossLayerTranscoder,
    folder: Path,
    metrics: dict[str, Any],
    origin: dict[str, Any],
) -> None:
    match made:
        case Dictionary():
            save_dictionary(made, folder, metrics=metrics, provenance=origin)
        case TranscoderSet():
            save_set(made, folder, metrics=metrics, provenance=origin)
        case CrossLayerTranscoder():
            save_crosslayer(made, folder, metrics=metrics, provenance=origin)


def working_folder(folder: Path) -> Path:
    """Where the checkpoint and the log of a training under way are."""
    return folder.parent / f".{folder.name}.training"


def _begin(
    config: TrainConfig, batches: Batches, layout: Layout, work: Path, task: dict[str, Any], device: torch.device
) -> tuple[Together, Iterator[Tensor]]:
    if (work / CHECKPOINT).exists():
        states = load_checkpoint(work / CHECKPOINT, config, task, device=device)
        together = share_buffer(Together(layout, states))
        cut_log(work / LOG, together.tokens)
        return together, _from(batches, together.step)
    (work / LOG).write_text("")
    stream = _from(batches, 0)
    first: list[Tensor] = []
    while sum(map(len, first)) < min(config.calibration_tokens, config.n_tokens):
        batch = next(stream, None)
        if batch is None:
            raise _ended(sum(map(len, first)), config)
        first.append(batch)
    return begin(config, layout, torch.cat(first), device), chain(first, stream)


def _from(batches: Batches, skip: int) -> Iterator[Tensor]:
    return batches(skip) if callable(batches) else islice(batches, skip, None)


def _run(together: Together, stream: Iterator[Tensor], work: Path, task: dict[str, Any]) -> list[dict[str, float]]:
    """Train to the end; what the last line of the log says, part by part."""
    config = together.states[0].config
    total, saved = config.n_tokens - together.tokens, together.tokens
    since = time.perf_counter(), together.tokens
    parts: list[dict[str, float]] = []
    for batch in track(_needed(together, config, stream), "train", total=total, unit="tokens", size=len):
        outcomes = advance_all(together, batch)
        if not all(bool(outcome.loss.isfinite()) for outcome in outcomes):
            raise diverged(together.states[0])
        is_last = together.tokens >= config.n_tokens
        if is_last or together.step % config.log_every == 0:
            now = time.perf_counter(), together.tokens
            speed = (now[1] - since[1]) / (now[0] - since[0])
            parts = facts(together, outcomes, batch)
            log_line(work / LOG, _line(together, parts) | {"tokens_per_second": round(speed, 1)})
            since = now
        if is_last or together.tokens - saved >= config.checkpoint_every:
            save_checkpoint(work / CHECKPOINT, together.states, task)
            saved = together.tokens
    return parts


def _line(together: Together, parts: list[dict[str, float]]) -> dict[str, int | float]:
    """What a line of the log says."""
    rate = together.states[0].optimiser.param_groups[0]["lr"]
    return {"step": together.step, "tokens": together.tokens, **pooled(parts), "lr": rate}


def _needed(together: Together, config: TrainConfig, stream: Iterator[Tensor]) -> Iterator[Tensor]:
    """Batches until the tokens are seen, checked."""
    while together.tokens < config.n_tokens:
        batch = next(stream, None)
        if batch is None:
            raise _ended(together.tokens, config)
        if batch.ndim != 2 or batch.shape[1] != together.width:
            raise ShapeMismatch(f"A batch has shape {tuple(batch.shape)}.", f"Expected [tokens, {together.width}].", "")
        yield batch


def _ended(tokens: int, config: TrainConfig) -> BadRequest:
    return BadRequest(
        f"The training was to see {config.n_tokens:,} tokens.",
        f"The batches ended after {tokens:,}.",
        "Harvest more, go over them more often, or ask for fewer.",
    )
