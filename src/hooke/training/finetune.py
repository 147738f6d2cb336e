"""A trained dictionary, trained a little more on what it is for: that the model predicts as before on its output.

    loss = KL(model's predictions || those with ŷ at the site)  +  reconstruction · mean of |ŷ - y|² / |y - ȳ|²

Braun et al. 2024 ("Identifying functionally important features with end-to-end sparse dictionary learning") train so
from the start, at the cost of two runs of the model for every token; Karvonen 2025 ("Revisiting end-to-end sparse
autoencoder training: a short finetune is all you need") gets most of it from a short training at the end, which is what
is done here. Special tokens and position 0 are neither replaced nor scored.

Decoder rows keep their norms, so that an activation goes on to mean what it did. Nothing else would hold down how much
is active where features do not compete: there the loss grows with what the activations sum to, once that is more than
at the start.
"""

import math
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hooke.configs import to_dict
from hooke.dictionaries.crosscoders import parts_of
from hooke.dictionaries.dictionary import Dictionary, check_fits
from hooke.dictionaries.encoding import COMPETING
from hooke.dictionaries.formats.native import save_dictionary
from hooke.dictionaries.sparse import SparseActs
from hooke.errors import BadConfig, BadRequest, HookeError
from hooke.lab import provenance, staged, writing
from hooke.models.model import Model
from hooke.models.upper import UpperRun, upper_run
from hooke.progress import track
from hooke.text.documents import Corpus
from hooke.text.windows import WindowConfig, Windows, check_vocabulary
from hooke.text.windows import windows as cut_windows
from hooke.training.finetune_checkpoints import Progress, begin, load_progress, save_progress
from hooke.training.logs import cut_log, last_line, log_line
from hooke.training.schedule import learning_rate
from hooke.training.train import CHECKPOINT, LOG, working_folder


@dataclass(frozen=True, kw_only=True, slots=True)
class FinetuneConfig:
    """Settings of a fine-tuning.

    Raises:
        BadConfig: the values do not go together.
    """

    n_tokens: int = 65_536
    """How many tokens of text to read, whole windows."""
    objective: Literal["divergence", "reconstruction"] = "divergence"
    """What is lowered: the divergence of the predictions with the reconstruction beside it, or the latter alone, which
    is the control for whatever more training does by itself."""
    reconstruction: float = 1.0
    """Weight of the reconstruction error, each token's over its squared distance from the mean."""
    lr: float = 0.003
    """Largest step of Adam, in units of each weight matrix's root mean square."""
    warm_up: float = 0.1
    """Share of the tokens over which the learning rate rises from 0."""
    decay: float = 0.3
    """Share of the tokens at the end over which it falls to 0."""
    checkpoint_every: int = 16_384
    """Tokens between checkpoints."""

    def __post_init__(self) -> None:
        for name in ("n_tokens", "lr", "checkpoint_every"):
            if getattr(self, name) <= 0:
                raise BadConfig(f"'{name}' cannot be {getattr(self, name)}.", "", "Give a number above 0.")
        for name in ("warm_up", "decay"):
            if not 0 <= getattr(self, name) <= 1:
                raise BadConfig(f"'{name}' cannot be {getattr(self, name)}.", "It is a share.", "Give 0 to 1.")
        if self.reconstruction < 0 or (self.objective == "reconstruction" and not self.reconstruction):
            do = "Give a number from 0 on, above 0 where nothing else is lowered."
            raise BadConfig(f"'reconstruction' cannot be {self.reconstruction}.", "", do)

    @property
    def peak_lr(self) -> float:
        """Largest learning rate."""
        return self.lr


def finetune(
    model: Model,
    dictionary: Dictionary,
    corpus: Corpus,
    *,
    folder: Path,
    config: FinetuneConfig | None = None,
    windows: WindowConfig | None = None,
    inputs: dict[str, Any] | None = None,
) -> Dictionary:
    """Train a copy of a dictionary at its own site, write it to `folder` and return it.

    A run that stopped goes on from its last checkpoint when it is started the same way, to the same weights. `inputs`
    says what dictionary, model and text these are; it is kept, and must agree on going on.

    Raises:
        BadRequest: the dictionary cannot be trained so, the text ends early, or another run is under way there.
        ShapeMismatch, UnknownSite, UnsupportedModel: the dictionary does not belong to the model.
        HookeError: the loss is no longer finite; the last checkpoint is kept.
        LabBusy: another process trains it.
    """
    config, windows = config or FinetuneConfig(), windows or WindowConfig(batch=4)
    _require_possible(dictionary, model)
    task = {"finetuned": dictionary.name, "config": to_dict(config), "windows": to_dict(windows)}
    task |= {"model": model.name, "inputs": dict(inputs or {})}
    work = working_folder(folder)
    with writing(folder):
        work.mkdir(parents=True, exist_ok=True)
        progress = begin(dictionary, model.device)
        if (work / CHECKPOINT).exists():
            load_progress(work / CHECKPOINT, progress, task)
            cut_log(work / LOG, progress.tokens)
        else:
            (work / LOG).write_text("")
        _run(progress, dictionary, model, corpus, config, windows, work, task)
        made = progress.dictionary.requires_grad_(False).cpu()
        made.describe(replace(dictionary.config, name=folder.name, claims=None))
        with staged(folder) as aside:
            save_dictionary(made, aside, metrics=last_line(work / LOG), provenance=provenance(inputs=task))
            shutil.copyfile(work / LOG, aside / LOG)
        shutil.rmtree(work)
    return made


def _require_possible(dictionary: Dictionary, model: Model) -> None:
    config = dictionary.config
    n_parts = max(len(dictionary.reads), len(parts_of(config)))
    if n_parts != 1 or config.kind == "neurons":
        what = "the neurons themselves" if config.kind == "neurons" else f"of {n_parts} sites or models"
        raise BadRequest(
            f"'{dictionary.name}' cannot be fine-tuned.", f"It is {what}.", "Take a dictionary that reads one site."
        )
    check_fits(dictionary, model)


def _run(
    progress: Progress,
    original: Dictionary,
    model: Model,
    corpus: Corpus,
    config: FinetuneConfig,
    windows: WindowConfig,
    work: Path,
    task: dict[str, Any],
) -> None:
    """Train to the end, with a line in the log for each step."""
    original, saved, since = original.to(model.device), progress.tokens, time.perf_counter()
    start, stop = progress.tokens // windows.context, ceil(config.n_tokens / windows.context)
    total = stop * windows.context
    batches = cut_windows(corpus, model.tokenizer, windows, start=start, stop=stop)
    left = total - progress.tokens
    for batch in track(batches, "train", total=left, unit="tokens", size=lambda one: one.tokens.numel()):
        check_vocabulary(batch.tokens, model.d_vocab)
        facts = _step(progress, original, model, batch, config)
        if not math.isfinite(facts["loss"]):
            raise HookeError(
                f"The fine-tuning stopped at step {progress.step + 1}, after {progress.tokens:,} tokens.",
                "The loss is not finite.",
                f"Take a learning rate below {config.lr:.2g}. The last checkpoint is kept.",
            )
        speed = batch.tokens.numel() / (time.perf_counter() - since)
        since = time.perf_counter()
        log_line(work / LOG, facts | {"tokens_per_second": round(speed, 1)})
        if progress.tokens >= total or progress.tokens - saved >= config.checkpoint_every:
            save_progress(work / CHECKPOINT, progress, task)
            saved = progress.tokens
    if progress.tokens < total:
        raise BadRequest(
            f"The fine-tuning was to read {total:,} tokens.",
            f"The corpus '{corpus.name}' ended after {progress.tokens:,}.",
            "Give more text, or ask for fewer.",
        )


def _step(
    progress: Progress, original: Dictionary, model: Model, batch: Windows, config: FinetuneConfig
) -> dict[str, int | float]:
    """One step on a batch of windows, and what its forward pass found."""
    dictionary, counted = progress.dictionary, batch.counted.to(model.device)
    run = _read(model, batch, dictionary, config)
    x, y = run.rows[counted], run.value.flatten(2)[counted].float()
    acts = dictionary.encode(x)
    made = dictionary.reconstruct(x, acts)
    spread = (y - y.mean(0)).square().sum(1)
    error = ((made - y).square().sum(1) / spread.clamp_min(1e-12)).mean()
    loss = config.reconstruction * error
    if dictionary.config.activation not in COMPETING:
        with torch.no_grad():
            before = _mass(original, original.encode(x))
        loss = loss + torch.relu(_mass(dictionary, acts) / before.clamp_min(1e-12) - 1)
    divergence = 0.0
    if config.objective == "divergence":
        value = run.value.float().flatten(2).masked_scatter(counted[..., None], made)
        final = run.final_after(value.view(run.value.shape).to(run.value.dtype))
        divergence, slope = _divergence(run, final, counted)
        # What the upper part makes of the reconstruction, through the slope of the divergence there.
        loss = loss + (final * slope).sum() - (final.detach() * slope).sum()
    trained = progress.trained()
    slopes = torch.autograd.grad(loss, list(trained.values()), allow_unused=True)
    rate = learning_rate(config, progress.tokens / config.n_tokens)
    _descend(progress, dict(zip(trained, slopes, strict=True)), rate)
    is_active = acts.values.detach() != 0
    progress.has_fired[acts.indices[is_active]] = True
    progress.step += 1
    progress.tokens += batch.tokens.numel()
    return {
        "step": progress.step,
        "tokens": progress.tokens,
        "loss": float(loss.detach()) + divergence,
        "divergence": divergence,
        "error": float(error.detach()),
        "fvu": float((made.detach() - y).square().sum() / spread.sum()),
        "l0": float(is_active.sum()) / len(x),
        "dead_share": float((~progress.has_fired).float().mean()),
        "lr": rate,
    }


def _read(model: Model, batch: Windows, dictionary: Dictionary, config: FinetuneConfig) -> UpperRun:
    (site,) = dictionary.writes
    if config.objective == "divergence":
        return upper_run(model, batch.tokens, dictionary.reads, site)
    run = model.run(batch.tokens, capture={*dictionary.reads, site}, logits=False)
    return UpperRun(model, site, run.tokens, run.rows(*dictionary.reads), run[site], run[site], run[site], ())


def _mass(dictionary: Dictionary, acts: SparseActs) -> Tensor:
    """How much is written per token, directions apart."""
    lengths = torch.linalg.vector_norm(dictionary.W_dec.detach(), dim=1)
    return (acts.values.abs() * lengths[acts.indices]).sum(-1).mean()


def _divergence(
    run: UpperRun, final: Float[Tensor, "window pos d_model"], counted: Bool[Tensor, "window pos"]
) -> tuple[float, Float[Tensor, "window pos d_model"]]:
    """KL divergence in nats per scored token, and its slope by the last residual stream, window by window."""
    scored = counted[:, 1:] & counted[:, :-1]
    n_scored, total = max(1, int(scored.sum())), 0.0
    slope = torch.zeros_like(final)
    for row, here in enumerate(scored):
        with torch.no_grad():
            own = run.model.unembed(run.final[row, :-1][here]).float().log_softmax(-1)
        leaf = final[row].detach().requires_grad_()
        with run.model.alone(), torch.enable_grad():
            found = run.model.unembed(leaf[:-1][here]).float().log_softmax(-1)
            divergence = (own.exp() * (own - found)).sum() / n_scored
            (slope[row],) = torch.autograd.grad(divergence, [leaf])
        total += float(divergence.detach())
    return total, slope


@torch.no_grad()
def _descend(progress: Progress, slopes: Mapping[str, Tensor | None], rate: float) -> None:
    """A step of Adam, after which decoder rows are as long as they were."""
    trained = progress.trained()
    for name, weight in trained.items():
        slope = slopes[name]
        weight.grad = torch.zeros_like(weight) if slope is None else slope
    rows, slope = trained["W_dec"], trained["W_dec"].grad
    assert slope is not None
    squares = progress.lengths.square().clamp_min(1e-12)
    slope.sub_(rows * ((slope * rows).sum(1) / squares)[:, None])
    for group in progress.optimiser.param_groups:
        group["lr"] = rate * progress.sizes[group["name"]]
    progress.optimiser.step()
    now = torch.linalg.vector_norm(rows, dim=1).clamp_min(1e-12)
    rows.mul_((progress.lengths / now)[:, None])
