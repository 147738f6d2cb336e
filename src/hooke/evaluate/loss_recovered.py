"""What a model loses when it runs on a dictionary's reconstruction, between running as it is and running without."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from torch import Tensor
from torch.nn import functional

from hooke.dictionaries import Dictionary
from hooke.evaluate.resampling import over_windows
from hooke.findings import Estimate
from hooke.models.model import Model
from hooke.models.pair import ModelPair
from hooke.models.split import SplitRun, split_run
from hooke.progress import track
from hooke.sites import Site
from hooke.text.windows import Windows


@dataclass(frozen=True, kw_only=True, slots=True)
class Spliced:
    """The model run on one dictionary's reconstruction."""

    loss: Estimate
    """Cross-entropy in nats per token."""
    recovered_zero: Estimate
    """(loss under zero ablation - this loss) / (loss under zero ablation - loss as it is)."""
    recovered_mean: Estimate
    """The same against mean ablation."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Losses:
    """Cross-entropy in nats per token, with intervals over windows."""

    n_windows: int
    """Windows."""
    n_tokens: int
    """Tokens predicted: those that count, after one that counts."""
    clean: Estimate
    """The model as it is."""
    zero: Estimate
    """Zeros at the site."""
    mean: Estimate
    """The site's mean over the text at every token."""
    own: Spliced
    """The dictionary's reconstruction at the site."""
    control: Spliced
    """The control's."""


def loss_recovered(
    model: Model,
    dictionary: Dictionary,
    control: Dictionary,
    windows: Iterator[Windows],
    mean: Float[Tensor, " d_out"],
    reads: Sequence[Site],
    writes: Site,
    n_windows: int,
    generator: np.random.Generator,
    *,
    reader: ModelPair | None = None,
) -> Losses:
    """The model's loss as it is, with the site replaced by reconstructions, by zeros and by its mean.

        recovered = (CE_ablated - CE_spliced) / (CE_ablated - CE_clean)

    All replacements are at counted positions only: position 0 holds the attention sink, and without it no model
    predicts anything. The same tokens are scored in every case. Dictionaries read the model, unless `reader` is given.
    """
    found: dict[str, list[ndarray]] = {}
    tracked = track(windows, "loss recovered", total=n_windows, unit="windows", size=lambda batch: len(batch.tokens))
    for batch in tracked:
        run = split_run(model, batch.tokens, writes)
        is_same = tuple(reads) == (writes,) and reader is None
        read = (
            run.value.flatten(2).float()
            if is_same
            else (reader or model).run(run.tokens, capture=reads, logits=False).rows(*reads)
        )
        counted = batch.counted.to(run.value.device)
        replacements = {
            "own": dictionary(read),
            "control": control(read.to(control.device)),
            "zero": torch.zeros_like(run.value),
            "mean": mean.to(run.value).expand(run.value.shape[:2] + mean.shape),
        }
        found.setdefault("clean", []).append(window_losses(run, run.final, counted))
        for name, value in replacements.items():
            final = run.final_after(_replaced(run.value, value, counted))
            found.setdefault(name, []).append(window_losses(run, final, counted))
        found.setdefault("n", []).append((counted[:, 1:] & counted[:, :-1]).sum(-1).cpu().numpy().astype(np.float64))
    return summarise({name: np.concatenate(parts) for name, parts in found.items()}, generator)


def summarise(sums: dict[str, Float[ndarray, " window"]], generator: np.random.Generator) -> Losses:
    """The losses from per-window sums of cross-entropies (clean, zero, mean, own, control) and counts (n)."""
    n_windows = len(sums["n"])

    def loss(name: str) -> Estimate:
        return over_windows(lambda total: total(sums[name]) / total(sums["n"]), n_windows, generator=generator)

    def recovered(name: str, ablated: str) -> Estimate:
        gap, total_gap = sums[ablated] - sums[name], sums[ablated] - sums["clean"]
        return over_windows(lambda total: total(gap) / total(total_gap), n_windows, generator=generator)

    def spliced(name: str) -> Spliced:
        return Spliced(loss=loss(name), recovered_zero=recovered(name, "zero"), recovered_mean=recovered(name, "mean"))

    return Losses(
        n_windows=n_windows,
        n_tokens=int(sums["n"].sum()),
        clean=loss("clean"),
        zero=loss("zero"),
        mean=loss("mean"),
        own=spliced("own"),
        control=spliced("control"),
    )


def _replaced(value: Tensor, new: Tensor, counted: Bool[Tensor, "window pos"]) -> Tensor:
    mask = counted.reshape(*counted.shape, *[1] * (value.ndim - 2))
    return torch.where(mask, new.reshape(value.shape).to(value), value)


def window_losses(
    run: SplitRun, final: Float[Tensor, "window pos d_model"], counted: Bool[Tensor, "window pos"]
) -> Float[ndarray, " window"]:
    """Sum over each window of the cross-entropies of counted tokens that follow a counted token, in nats."""
    found = []
    for row in range(len(final)):
        scored = counted[row, 1:] & counted[row, :-1]
        with torch.no_grad():
            logits = run.model.unembed(final[row, :-1][scored]).float()
        found.append(functional.cross_entropy(logits, run.tokens.ids[row, 1:][scored], reduction="sum").double())
    return torch.stack(found).cpu().numpy()
