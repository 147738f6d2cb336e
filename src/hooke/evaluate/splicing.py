"""Two dictionaries of one site held against each other: what the model predicts on the one's reconstruction and on the
other's, on the same windows, so that what sets them apart is told from what sets texts apart."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from torch import Tensor

from hooke.dictionaries import Dictionary, check_fits
from hooke.errors import BadRequest
from hooke.evaluate.resampling import over_windows
from hooke.findings import Finding
from hooke.models.model import Model
from hooke.models.split import SplitRun, split_run
from hooke.progress import track
from hooke.text.documents import Corpus
from hooke.text.windows import WindowConfig
from hooke.text.windows import windows as cut_windows

_WORDS = {
    "divergence": ("KL divergence from the model's own predictions", " nats"),
    "loss": ("cross-entropy added", " nats"),
    "error": ("reconstruction error, of a token's squared distance from the mean", ""),
    "l0": ("active features per token", ""),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class SplicingConfig:
    """How much text is measured."""

    n_windows: int = 32
    """Windows, the first ones."""
    windows: WindowConfig = WindowConfig(batch=4)
    """How the text is cut."""
    seed: int = 0
    """Seed of the bootstrap."""


def splicing(
    model: Model,
    before: Dictionary,
    after: Dictionary,
    corpus: Corpus,
    *,
    config: SplicingConfig | None = None,
) -> tuple[Finding, ...]:
    """What the later of two dictionaries of one site does to the model, beside the earlier, and the difference.

    Special tokens and position 0 are neither replaced nor scored.

    Raises:
        BadRequest: they do not read and write one and the same site, or the text does not fill two windows.
        ShapeMismatch, UnknownSite, UnsupportedModel: a dictionary does not belong to the model.
    """
    config = config or SplicingConfig()
    if (before.reads, before.writes) != (after.reads, after.writes) or len(after.writes) != 1:
        found = f"'{before.name}' is of {_places(before)}, '{after.name}' of {_places(after)}."
        raise BadRequest("Dictionaries of different sites cannot be held against each other.", found, "")
    for one in (before, after):
        check_fits(one, model)
    rows: dict[str, list[ndarray]] = {"before": [], "after": []}
    counts: list[ndarray] = []
    batches = cut_windows(corpus, model.tokenizer, config.windows, stop=config.n_windows)
    for batch in track(batches, "splice", total=config.n_windows, unit="windows", size=lambda one: len(one.tokens)):
        run = split_run(model, batch.tokens, after.writes[0])
        is_same = after.reads == after.writes
        read = (
            run.value.flatten(2).float() if is_same else model.run(run.tokens, capture=after.reads).rows(*after.reads)
        )
        counted = batch.counted.to(run.value.device)
        scored = counted[:, 1:] & counted[:, :-1]
        counts.append(torch.stack([scored.sum(1), counted.sum(1)], dim=1).cpu().numpy().astype(np.float64))
        for name, one in (("before", before), ("after", after)):
            rows[name].append(_measured(run, one, read, counted, scored))
    if sum(map(len, counts)) < 2:
        do = "Give more text, or a smaller context."
        raise BadRequest(f"The corpus '{corpus.name}' does not fill two windows.", "", do)
    n = np.concatenate(counts)
    found = {name: np.concatenate(parts) for name, parts in rows.items()}
    return tuple(_findings(before, after, found, n, corpus, config))


def _findings(
    before: Dictionary,
    after: Dictionary,
    found: dict[str, Float[ndarray, "window measure"]],
    n: Float[ndarray, "window 2"],
    corpus: Corpus,
    config: SplicingConfig,
) -> Iterator[Finding]:
    generator = np.random.default_rng(config.seed)
    method = f"{len(n)} windows of {corpus.name}, the same for both; bootstrap over windows"
    for place, (name, (words, unit)) in enumerate(_WORDS.items()):
        own, other = (found[which][:, place] for which in ("after", "before"))
        number = n[:, 0] if name in ("divergence", "loss") else n[:, 1]
        value, control, change = (
            over_windows(lambda total, sums=sums, by=number: total(sums) / total(by), len(n), generator=generator)
            for sums in (own, other, own - other)
        )
        about = {"n": len(n), "method": method, "seed": config.seed, "artefacts": {"corpus": corpus.fingerprint}}
        yield Finding(
            claim=f"{after.name}: {words}",
            value=value.value,
            interval=value.interval,
            control=control.value,
            control_interval=control.interval,
            control_name=f"'{before.name}', the dictionary that it was made from",
            unit=unit,
            **about,
        )
        yield Finding(
            claim=f"{after.name}: change of that", value=change.value, interval=change.interval, unit=unit, **about
        )


def _measured(
    run: SplitRun,
    dictionary: Dictionary,
    read: Float[Tensor, "window pos d_in"],
    counted: Bool[Tensor, "window pos"],
    scored: Bool[Tensor, "window pos_before"],
) -> Float[ndarray, "window 4"]:
    """Per window: sums of the divergence, of the loss added, of the error and of active features."""
    y = run.value.flatten(2).float()
    with torch.no_grad():
        acts = dictionary.encode(read)
        made = dictionary.reconstruct(read, acts)
        spread = (y - y[counted].mean(0)).square().sum(-1).clamp_min(1e-12)
        error = torch.where(counted, (made - y).square().sum(-1) / spread, 0).sum(1)
        active = torch.where(counted, acts.l0(), 0).sum(1)
        value = torch.where(counted[..., None], made, y).view(run.value.shape).to(run.value)
        final = run.final_after(value)
        predicted = [_predicted(run, final, row, here) for row, here in enumerate(scored)]
    return torch.stack([*torch.stack(predicted).T, error.double(), active.double()], dim=1).cpu().numpy()


def _predicted(run: SplitRun, final: Tensor, row: int, here: Bool[Tensor, " pos_before"]) -> Float[Tensor, "2"]:
    own, found = (run.model.unembed(one[row, :-1][here]).float().log_softmax(-1) for one in (run.final, final))
    following = run.tokens.ids[row, 1:][here][:, None]
    added = (own.gather(1, following) - found.gather(1, following)).sum()
    return torch.stack([(own.exp() * (own - found)).sum(), added]).double()


def _places(dictionary: Dictionary) -> str:
    reads, writes = (", ".join(map(str, sites)) for sites in (dictionary.reads, dictionary.writes))
    return reads if reads == writes else f"{reads} to {writes}"
