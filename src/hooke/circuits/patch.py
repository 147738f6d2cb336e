"""What a component carries from a prompt to its answer: run one prompt, put in what it was on another, and look.

    denoising   run the corrupted prompt, put in clean values: which of them are enough to bring the answer back
    noising     run the clean prompt, put in corrupted values, their mean over the set, or zeros: which are needed

The two are not each other's mirror: where two components do the same work, either is enough and neither is needed.
The corrupted prompt may be the pair's own (counterfactual), or the clean one with noise on the embeddings of its
changed tokens (causal tracing: Meng et al. 2022). Exact patching runs the model from the patched layer on, once for
each cell; attribution patching (Nanda 2023) takes the first-order estimate of all cells from one backward pass, and
goes wrong where the model is curved.

Effects are told as a ratio of means over the set, Σ (m - m_base) / Σ (m_other - m_base), since single denominators
may be small; each pair's own effect is kept beside it.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor

from hooke.circuits.pairs import Pairs, require_effect
from hooke.circuits.places import PARTS, parts, positions
from hooke.errors import BadRequest, HookeError
from hooke.findings import Finding, estimate_ratio
from hooke.models.hooks import Call, CompiledEdit, Moment, Pass, Stop, adding_leaves, recorded
from hooke.models.model import Model, Tokens
from hooke.models.split import can_call_again
from hooke.progress import track
from hooke.sites import Site

STREAMS = ("resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out")
KINDS = (*STREAMS, "heads", "neurons")
WAYS = ("denoising", "noising")
VALUES = ("counterfactual", "mean", "zero", "noise")
METHODS = ("exact", "attribution")
_NOISE = 3.0
"""Standard deviations of the embeddings, as Meng et al. use."""
_SAME = 1e-6
"""Of the largest number at a site: less is rounding."""
_ROWS = 48
"""Rows that run together."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PatchSettings:
    """What is patched, and how."""

    kind: str = "resid_post"
    """resid_pre, resid_mid, resid_post, attn_out, mlp_out, heads, or neurons (by attribution only)."""
    way: str = "denoising"
    """denoising or noising."""
    value: str = "counterfactual"
    """What the corrupted run is, or what is put in when noising: counterfactual, noise, mean or zero."""
    method: str = "exact"
    """exact or attribution."""
    by: str = "parts"
    """parts or positions; heads and neurons are patched at all positions."""
    seed: int = 0
    """Seed of noise, controls and intervals."""

    def __post_init__(self) -> None:
        for name, known in (("kind", KINDS), ("way", WAYS), ("value", VALUES), ("method", METHODS)):
            if getattr(self, name) not in known:
                raise BadRequest(
                    f"No {name} '{getattr(self, name)}' of patching.", "", f"There are: {', '.join(known)}."
                )
        if self.by not in ("parts", "positions"):
            raise BadRequest(f"Tokens cannot be told apart by '{self.by}'.", "", "Give 'parts' or 'positions'.")
        if self.way == "denoising" and self.value in ("mean", "zero"):
            raise BadRequest(
                f"Denoising with {self.value} has no corrupted run.", "", "Use noising, or counterfactual or noise."
            )
        if self.kind == "neurons" and self.method == "exact":
            raise BadRequest("Neurons are too many to be patched one by one.", "", "Use the method attribution.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Patching:
    """What each cell does, pair by pair."""

    settings: PatchSettings
    columns: tuple[str, ...]
    """What the cells of a layer are: parts, positions, heads or neurons."""
    changes: Float[ndarray, "pair layer column"]
    """Metric with the cell patched minus metric of the base run; NaN where a pair lacks the part."""
    base: Float[ndarray, " pair"]
    """Metric of the run that is patched."""
    other: Float[ndarray, " pair"]
    """Metric of the run that values come from; with mean or zero, of the corrupted run, for scale."""

    @property
    def effects(self) -> Float[ndarray, "layer column"]:
        """Ratio of means: 1 where a cell alone turns the base run's answer into the other's."""
        is_there = ~np.isnan(self.changes)
        gap = (self.other - self.base)[:, None, None] * is_there
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.nansum(self.changes, axis=0) / gap.sum(0)

    @property
    def clean(self) -> Float[ndarray, " pair"]:
        """Metric of the clean runs."""
        return self.other if self.settings.way == "denoising" else self.base

    @property
    def corrupted(self) -> Float[ndarray, " pair"]:
        """Metric of the corrupted runs."""
        return self.base if self.settings.way == "denoising" else self.other

    @property
    def right(self) -> float:
        """Share of the pairs on which the clean run prefers its answer and the corrupted run the other."""
        return float(((self.clean > 0) & (self.corrupted < 0)).mean())

    def strongest(self, n: int) -> list[tuple[int, int]]:
        """Layer and column of the cells with the largest effects, whatever their sign."""
        sizes = np.abs(np.nan_to_num(self.effects))
        order = np.argsort(-sizes, axis=None, kind="stable")[:n]
        return [(int(a), int(b)) for a, b in zip(*np.unravel_index(order, sizes.shape), strict=True)]


def patch(
    model: Model,
    pairs: Pairs,
    settings: PatchSettings = PatchSettings(),
    *,
    cells: Sequence[tuple[int, int]] | None = None,
    control: bool = False,
) -> Patching:
    """Every cell patched on every pair, or the given cells (layer, column) only.

    With `control`, what is put in differs from the base run by a random direction as long as the real difference.

    Raises:
        BadRequest: a cell that the model does not have; by positions, the prompts have different lengths.
        HookeError: the model's metric is not a finite number on some pair, or clean and corrupted runs do not differ.
    """
    where, columns = _columns(model, pairs, settings)
    chosen = _cells(model, columns, cells)
    found = np.full((len(pairs), model.n_layers, len(columns)), np.nan, dtype=np.float64)
    bases, others = [], []
    # Of its own, so that a control is of the very run that it stands beside.
    drawn = torch.Generator().manual_seed(settings.seed) if control else None
    noise = _noise(model, pairs, settings.seed) if settings.value == "noise" else None
    means = _means(model, pairs, where, settings) if settings.value == "mean" else None
    per_pair = max((len(some) for some in chosen.values()), default=1) if settings.method == "exact" else 1
    size = max(1, _ROWS // per_pair)
    chunks = [list(range(start, min(start + size, len(pairs)))) for start in range(0, len(pairs), size)]
    for chunk in track(chunks, "patch", unit="pairs", size=len, total=len(pairs)):
        some = pairs.some(chunk)
        length = some.clean.ids.shape[1]
        runs = _Runs.of(model, some, settings, None if noise is None else noise[chunk][:, :length])
        source = _Source(runs, means, where[chunk][:, :length], settings, drawn)
        one = _exact if settings.method == "exact" else _attributed
        found[chunk] = one(model, runs, source, where[chunk][:, :length], chosen, found[chunk])
        bases.append(runs.base)
        others.append(runs.other)
    base, other = (torch.cat(some).double().numpy() for some in (bases, others))
    _require_sound(pairs, base, other)
    return Patching(settings=settings, columns=columns, changes=found, base=base, other=other)


def cell_findings(model: Model, pairs: Pairs, patching: Patching, cells: Sequence[tuple[int, int]]) -> list[Finding]:
    """The effects of some cells, each beside a random direction put in there that is as long as the real difference.

    They are measured exactly, also where the cells were found by attribution.
    """
    settings = patching.settings
    if settings.kind != "neurons":
        settings = replace(settings, method="exact")
    real = patching if settings == patching.settings else patch(model, pairs, settings, cells=cells)
    drawn = patch(model, pairs, settings, cells=cells, control=True)
    return [
        _finding(real, drawn, layer, column, f"{_cell_name(patching, layer, column)}, {settings.way}")
        for layer, column in cells
    ]


def _finding(real: Patching, drawn: Patching, layer: int, column: int, claim: str) -> Finding:
    values, controls = (one.changes[:, layer, column] for one in (real, drawn))
    is_there = ~np.isnan(values)
    gap, generator = (real.other - real.base)[is_there], np.random.default_rng(real.settings.seed)
    found, control = (estimate_ratio(one[is_there], gap, generator=generator) for one in (values, controls))
    settings = real.settings
    return Finding(
        claim=claim,
        value=found.value,
        interval=found.interval,
        n=int(is_there.sum()),
        control=control.value,
        control_interval=control.interval,
        control_name="a random direction as long as the real difference, put in at the same place",
        method=f"{settings.method} patching, {settings.way}, {settings.value}; ratio of means over pairs",
        seed=settings.seed,
    )


def _cell_name(patching: Patching, layer: int, column: int) -> str:
    kind, name = patching.settings.kind, patching.columns[column]
    return f"head {layer}.{name}" if kind == "heads" else f"{kind}.{layer}, {name}"


def _columns(model: Model, pairs: Pairs, settings: PatchSettings) -> tuple[Int[Tensor, "pair pos"], tuple[str, ...]]:
    """At which column each token counts (-1: at none), and the columns' names."""
    if settings.kind in ("heads", "neurons"):
        width = _n_heads(model) if settings.kind == "heads" else model.width(Site("neurons", 0))
        return torch.where(pairs.clean.mask, 0, -1), tuple(str(one) for one in range(width))
    where = parts(pairs) if settings.by == "parts" else positions(pairs)
    return where, PARTS if settings.by == "parts" else tuple(str(one) for one in range(int(where.max()) + 1))


def _n_heads(model: Model) -> int:
    heads = model.anatomy.taps[_site(model, "heads", 0)].heads
    assert heads is not None
    return heads[0]


def _site(model: Model, kind: str, layer: int) -> Site:
    site = Site("z" if kind == "heads" else kind, layer)
    model.require(site)
    return site


def _cells(model: Model, columns: tuple[str, ...], cells: Sequence[tuple[int, int]] | None) -> dict[int, list[int]]:
    """Columns by layer."""
    if cells is None:
        return {layer: list(range(len(columns))) for layer in range(model.n_layers)}
    found: dict[int, list[int]] = {}
    for layer, column in cells:
        if not (0 <= layer < model.n_layers and 0 <= column < len(columns)):
            raise BadRequest(
                f"There is no cell ({layer}, {column}).",
                f"{model.name} has {model.n_layers} layers of {len(columns)} columns.",
                "Choose one of them.",
            )
        found.setdefault(layer, []).append(column)
    return found


def _require_sound(pairs: Pairs, base: ndarray, other: ndarray) -> None:
    bad = ~(np.isfinite(base) & np.isfinite(other))
    if bad.any():
        raise HookeError(
            f"The metric of pair {int(bad.argmax()) + 1} is not a number.",
            f"It is {base[bad.argmax()]} and {other[bad.argmax()]}.",
            "Leave the pair out, or load the model as float32.",
        )
    require_effect(other, base)


@dataclass(frozen=True, slots=True)
class _Runs:
    """What is patched (base) and what values come from, of some pairs."""

    pairs: Pairs
    tokens: Tokens
    """Of the base run."""
    stream: Float[Tensor, "pair pos d_model"]
    """Where the base run begins: behind the embeddings, with noise where that is the corruption."""
    sites: dict[int, Float[Tensor, "pair pos ..."]]
    """The kind's tensors in the base run, by layer."""
    sources: dict[int, Float[Tensor, "pair pos ..."]]
    """In the other run."""
    base: Float[Tensor, " pair"]
    other: Float[Tensor, " pair"]

    @classmethod
    def of(
        cls,
        model: Model,
        pairs: Pairs,
        settings: PatchSettings,
        noise: Float[Tensor, "pair pos d_model"] | None,
    ) -> "_Runs":
        """Both runs; with noise, the corrupted one is the clean prompt with the noise on its embeddings."""
        corrupted = pairs.corrupted if noise is None else pairs.clean
        clean_run = _captured(model, pairs, pairs.clean, settings.kind, None)
        corrupted_run = _captured(model, pairs, corrupted, settings.kind, noise)
        first, second = (clean_run, corrupted_run) if settings.way == "noising" else (corrupted_run, clean_run)
        tokens = pairs.clean if settings.way == "noising" else corrupted
        return cls(pairs, tokens, first[0], first[1], second[1], first[2], second[2])


def _noise(model: Model, pairs: Pairs, seed: int) -> Float[Tensor, "pair pos d_model"]:
    generator = torch.Generator().manual_seed(seed)
    weight = model.anatomy.embedding.weight.detach()  # pyright: ignore
    deviation = float(weight[:: max(1, len(weight) // 4096)].float().std())
    changed = (pairs.clean.ids != pairs.corrupted.ids) & pairs.clean.mask
    drawn = torch.randn(*pairs.clean.ids.shape, model.d_model, generator=generator)
    return (drawn * _NOISE * deviation).to(model.device) * changed[..., None]


def _captured(
    model: Model, pairs: Pairs, tokens: Tokens, kind: str, noise: Tensor | None
) -> tuple[Tensor, dict[int, Tensor], Tensor]:
    """The stream behind the embeddings, the kind's tensors by layer, and the metric."""
    sites = {layer: _site(model, kind, layer) for layer in range(model.n_layers)}
    first, last = Site("resid_pre", 0), Site("resid_post", model.n_layers - 1)
    edits = {} if noise is None else {first: [_replacing(first, lambda value: value + noise.to(value))]}
    read = _run(model, tokens, {first, *sites.values()}, edits)
    metric = _metric(model, pairs, read[last])
    return read[first], {layer: read[site] for layer, site in sites.items()}, metric


def _pass(
    model: Model,
    tokens: Tokens,
    captures: frozenset[Site],
    edits: dict[Site, list[CompiledEdit]],
    stop_at: Site | None,
    keep: Callable[[Site, Tensor], Tensor] = lambda _, value: value.clone(),
) -> Pass:
    places = torch.arange(tokens.ids.shape[1], device=tokens.ids.device).expand_as(tokens.ids)
    return Pass(
        anatomy=model.anatomy,
        captures=captures,
        edits=edits,
        keep=keep,
        stop_at=stop_at,
        moment=Moment(torch.where(tokens.mask, places, -1), tokens.lengths),
    )


def _replacing(site: Site, change: Callable[[Tensor], Tensor]) -> CompiledEdit:
    return CompiledEdit(site, lambda value, _, __: change(value), None, "all")


def _mask(tokens: Tokens) -> Tensor | None:
    return None if bool(tokens.mask.all()) else tokens.mask.long()


def _last_logits(model: Model, pairs: Pairs, stream: Float[Tensor, "pair pos d_model"]) -> Float[Tensor, "pair vocab"]:
    """Only the last token's logits are asked for, and a vocabulary is wide."""
    rows = torch.arange(len(pairs), device=stream.device)
    return model.unembed(stream[rows, pairs.clean.lengths.to(stream.device) - 1])


def _metric(model: Model, pairs: Pairs, stream: Float[Tensor, "pair pos d_model"]) -> Float[Tensor, " pair"]:
    with torch.no_grad():
        return pairs.judge(_last_logits(model, pairs, stream)).cpu()


@dataclass(frozen=True, slots=True)
class _Source:
    """What is put in."""

    runs: _Runs
    means: dict[int, Float[Tensor, "column ..."]] | None
    where: Int[Tensor, "pair pos"]
    settings: PatchSettings
    generator: torch.Generator | None
    """For a control: random directions are drawn of it."""

    def at(self, layer: int) -> Float[Tensor, "pair pos ..."]:
        """The values of a layer."""
        base = self.runs.sites[layer]
        if self.settings.value == "zero":
            found = torch.zeros_like(base)
        elif self.means is not None:
            found = self.means[layer][self.where.clamp_min(0)]
        else:
            found = self.runs.sources[layer]
        if self.generator is None:
            return found
        drawn = torch.randn(base.shape, generator=self.generator).to(base)
        away = found - base
        return base + drawn * away.norm(dim=-1, keepdim=True) / drawn.norm(dim=-1, keepdim=True)


def _means(
    model: Model, pairs: Pairs, where: Int[Tensor, "pair pos"], settings: PatchSettings
) -> dict[int, Float[Tensor, "column ..."]]:
    """Mean over the set's clean prompts, by part or position."""
    sums: dict[int, Tensor] = {}
    n_columns = int(where.max()) + 1
    counts = torch.zeros(n_columns, device=model.device)
    for start in range(0, len(pairs), _ROWS):
        some = pairs.some(slice(start, start + _ROWS))
        columns = where[start : start + _ROWS, : some.clean.ids.shape[1]]
        is_token = columns >= 0
        _, sites, _ = _captured(model, some, some.clean, settings.kind, None)
        counts.index_add_(0, columns[is_token], torch.ones_like(columns[is_token], dtype=counts.dtype))
        for layer, values in sites.items():
            kept = sums.setdefault(layer, torch.zeros(n_columns, *values.shape[2:], device=values.device))
            kept.index_add_(0, columns[is_token], values[is_token].float())
    return {layer: total / counts.clamp_min(1).reshape(-1, *[1] * (total.ndim - 1)) for layer, total in sums.items()}


def _exact(
    model: Model,
    runs: _Runs,
    source: _Source,
    where: Int[Tensor, "pair pos"],
    chosen: dict[int, list[int]],
    found: ndarray,
) -> ndarray:
    """The metric's change for each cell, by runs that begin at the cell's layer."""
    is_heads = source.settings.kind == "heads"
    _fill_idle(source, where, chosen, found, is_heads=is_heads)
    chosen = {
        layer: running
        for layer, columns in chosen.items()
        if (running := [column for column in columns if np.isinf(found[:, layer, column]).any()])
    }
    if not chosen:
        return found
    n_columns = max(len(columns) for columns in chosen.values())
    rows = torch.arange(len(runs.pairs), device=where.device).repeat_interleave(n_columns)
    pairs, base = runs.pairs.some(rows.tolist()), runs.base[rows.cpu()]
    repeated = _Repeated.of(model, runs, rows, min(chosen))
    for layer, columns in chosen.items():
        # Rows of a layer with fewer cells than others are filled up with its last one.
        wanted = torch.tensor([*columns, *[columns[-1]] * (n_columns - len(columns))], device=where.device)
        cell, values = wanted.repeat(len(runs.pairs)), source.at(layer)[rows]
        at = where[rows] == (0 if is_heads else cell[:, None])
        change = partial(_swap_head, values, at, cell) if is_heads else _swap(values, at)
        final = repeated.again(layer, _replacing(_site(model, source.settings.kind, layer), change))
        changes = (_metric(model, pairs, final) - base).double().masked_fill(~at.any(-1).cpu(), torch.nan)
        found[:, layer, columns] = changes.reshape(len(runs.pairs), n_columns)[:, : len(columns)].numpy()
    return found


def _fill_idle(
    source: _Source, where: Int[Tensor, "pair pos"], chosen: dict[int, list[int]], found: ndarray, *, is_heads: bool
) -> None:
    """Write NaN where a pair lacks the part, 0 where nothing would change, and infinity where a run has to tell.

    Before the first changed token both runs are the same, so that half of a grid needs no run.
    """
    for layer, columns in chosen.items():
        base, new = source.runs.sites[layer], source.at(layer)
        differs = ((new - base).abs() > _SAME * base.abs().amax()).flatten(2).any(-1)
        for column in columns:
            at = where == (0 if is_heads else column)
            state = torch.where((at & differs).any(-1), torch.inf, torch.where(at.any(-1), 0.0, torch.nan))
            found[:, layer, column] = state.cpu().double().numpy()


def _swap(values: Tensor, at: Bool[Tensor, "row pos"]) -> Callable[[Tensor], Tensor]:
    return lambda value: torch.where(at[..., None], values.to(value), value)


def _swap_head(values: Tensor, at: Bool[Tensor, "row pos"], head: Int[Tensor, " row"], value: Tensor) -> Tensor:
    is_head = torch.arange(value.shape[2], device=value.device) == head[:, None]
    return torch.where((at[:, :, None] & is_head[:, None])[..., None], values.to(value), value)


@dataclass(frozen=True, slots=True)
class _Repeated:
    """The base run of repeated rows, ready to be run again from any layer on."""

    model: Model
    tokens: Tokens
    streams: dict[int, Float[Tensor, "row pos d_model"]]
    """Before each layer."""
    calls: list[Call]
    """Of the blocks from the first of these layers on; none where the whole model has to run again."""

    @classmethod
    def of(cls, model: Model, runs: _Runs, rows: Int[Tensor, " row"], first: int) -> "_Repeated":
        """Run the rows once, from a layer on that is to be patched first."""
        tokens, start = Tokens(runs.tokens.ids[rows], runs.tokens.mask[rows]), runs.stream[rows]
        if not can_call_again(model):
            return cls(model, tokens, dict.fromkeys(range(model.n_layers), start), [])
        sites = [Site("resid_pre", layer) for layer in range(first, model.n_layers)]
        with recorded(model.anatomy.blocks[first:]) as calls:
            read = _run(model, tokens, sites, _beginning(start))
        return cls(model, tokens, {site.layer or 0: read[site] for site in sites}, calls)

    def again(self, layer: int, edit: CompiledEdit) -> Float[Tensor, "row pos d_model"]:
        """The last residual stream with an edit at a layer."""
        stream = self.streams[layer]
        if not self.calls:
            last = Site("resid_post", self.model.n_layers - 1)
            edits = _beginning(stream)
            edits.setdefault(edit.site, []).append(edit)
            return _run(self.model, self.tokens, [last], edits)[last]
        running = _pass(self.model, self.tokens, frozenset(), {edit.site: [edit]}, None)
        with self.model.open(running), torch.no_grad():
            for call in self.calls[layer - self.model.n_layers :]:
                stream = call.again(stream)
        return stream


def _beginning(stream: Tensor) -> dict[Site, list[CompiledEdit]]:
    first = Site("resid_pre", 0)
    return {first: [_replacing(first, lambda _: stream)]}


def _run(
    model: Model, tokens: Tokens, captures: Iterable[Site], edits: dict[Site, list[CompiledEdit]]
) -> dict[Site, Tensor]:
    """What is captured in a run that ends before the unembedding, which for all tokens would cost as much as layers."""
    last = Site("resid_post", model.n_layers - 1)
    running = _pass(model, tokens, frozenset({*captures, last}), edits, last)
    with model.open(running), torch.no_grad(), suppress(Stop):
        model.hf(input_ids=tokens.ids, attention_mask=_mask(tokens), use_cache=False)
    return running.read


def _attributed(
    model: Model,
    runs: _Runs,
    source: _Source,
    where: Int[Tensor, "pair pos"],
    chosen: dict[int, list[int]],
    found: ndarray,
) -> ndarray:
    """The first-order estimate of every cell: (what is put in - what is there) · ∂metric/∂site."""
    kind = source.settings.kind
    slopes = _slopes(model, runs, [_site(model, kind, layer) for layer in chosen])
    for (layer, columns), slope in zip(chosen.items(), slopes, strict=True):
        away = (source.at(layer) - runs.sites[layer]).float() * slope.float()
        if kind in ("heads", "neurons"):
            summed = (away.sum(-1) if kind == "heads" else away) * (where >= 0)[..., None]
            values = summed.sum(1)[:, columns]
        else:
            products, at = away.sum(-1), torch.tensor(columns, device=where.device)
            is_at = where[:, :, None] == at
            values = (products[:, :, None] * is_at).sum(1).masked_fill(~is_at.any(1), torch.nan)
        found[:, layer, columns] = values.cpu().double().numpy()
    return found


def _slopes(model: Model, runs: _Runs, sites: Sequence[Site]) -> list[Float[Tensor, "pair pos ..."]]:
    """The metric's derivative with respect to each site of the base run."""
    added: dict[Site, Tensor] = {}

    last = Site("resid_post", model.n_layers - 1)
    edits = _beginning(runs.stream)
    for site in sites:
        edits.setdefault(site, []).append(CompiledEdit(site, adding_leaves(added), None, "all"))
    running = _pass(model, runs.tokens, frozenset({last}), edits, last, keep=lambda _, value: value)
    with model.open(running), torch.enable_grad():
        with suppress(Stop):
            model.hf(input_ids=runs.tokens.ids, attention_mask=_mask(runs.tokens), use_cache=False)
        metric = runs.pairs.judge(_last_logits(model, runs.pairs, running.read[last])).sum()
        return list(torch.autograd.grad(metric, [added[site] for site in sites]))
