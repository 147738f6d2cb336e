"""What a dictionary's files claim, held against the model: is it as sparse and faithful as they say, and of this one?

A dictionary that was read wrongly, or that belongs elsewhere, still gives features; only numbers tell. Three kinds do:
its own claims (L0, FVU, first token) beside what is measured; its reconstruction beside the mean of what it should
reconstruct, and beside a random dictionary; and its reconstruction at every other layer, which should be worse.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from hooke.dictionaries import Dictionary, check_fits
from hooke.errors import BadConfig, ShapeMismatch
from hooke.evaluate.reconstruction import CONTROL, Reconstruction, ReconstructionConfig, reconstruction
from hooke.evaluate.resampling import Sums, over_windows
from hooke.findings import Estimate, Finding
from hooke.models.model import Model
from hooke.progress import track
from hooke.sites import Site
from hooke.text.documents import Corpus
from hooke.text.windows import WindowConfig
from hooke.text.windows import windows as cut_windows

Outcome = Literal["holds", "differs", "not said"]

# Texts differ: what is measured on one may be this many times what was measured on another.
TOLERANCE = 2.0
# How much better, in FVU, another layer has to be before the dictionary is taken to be of that layer.
_CLEARLY_BETTER = 0.01
# Active features per token from which on a dictionary of many features is not sparse.
_DENSE = 512


@dataclass(frozen=True, kw_only=True, slots=True)
class ClaimsConfig:
    """How much text is looked at."""

    n_tokens: int = 4096
    """Tokens that reconstruction and sparsity are measured on."""
    n_layer_tokens: int = 512
    """Tokens, the first ones, that the other layers are compared on; 0 for none."""
    windows: WindowConfig = WindowConfig(context=64, batch=8)
    """How the text is cut."""
    seed: int = 0
    """Seed of the control and of the bootstrap."""

    def __post_init__(self) -> None:
        if 0 < self.n_layer_tokens < 2 * self.windows.context:
            raise BadConfig(
                f"{self.n_layer_tokens} tokens are too few to compare layers on.",
                f"A window has {self.windows.context} tokens.",
                "Give two windows or more, or 0 for none.",
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """One claim beside what was measured."""

    about: str
    """What is claimed, in words."""
    claimed: float | None
    """The number claimed; of the first token, 1 where it was trained on and 0 where not."""
    source: str
    """Where it is claimed."""
    measured: Estimate
    """What was found."""
    control: float | None
    """The same of a random dictionary."""
    outcome: Outcome
    """Whether the two agree."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerFit:
    """How well the dictionary stands in for another layer."""

    layer: int
    """The layer."""
    fvu: Estimate
    """Its fraction of variance unexplained there."""
    worse: Estimate
    """By how much that is more than at its own layer, on the same windows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """A dictionary held against a model."""

    measured: Reconstruction
    """Reconstruction and sparsity, beside the control."""
    verdicts: tuple[Verdict, ...]
    """Each claim beside what was measured."""
    layers: tuple[LayerFit, ...]
    """The other layers, ascending; none where they were not compared."""
    doubts: tuple[str, ...]
    """What speaks against it, in sentences."""

    def findings(self) -> tuple[Finding, ...]:
        """What was measured of each claim, as findings."""
        of = self.measured
        return tuple(
            Finding(
                claim=f"{of.dictionary}: {one.about}",
                value=one.measured.value,
                interval=one.measured.interval,
                n=of.n_windows,
                control=one.control,
                control_name=CONTROL if one.control is not None else "",
                method=f"{of.n_counted} tokens of {of.corpus}; claimed {one.claimed} by {one.source}",
                seed=of.seed,
                artefacts={"corpus": of.corpus_fingerprint},
            )
            for one in self.verdicts
        )


def check_claims(
    model: Model, dictionary: Dictionary, corpus: Corpus, *, config: ClaimsConfig | None = None
) -> Checked:
    """A dictionary held against a model, on a few thousand tokens.

    Raises:
        ShapeMismatch: it has other widths than the model, or reconstructs no better than the mean: it is of another
            model or site, or was read wrongly.
        BadRequest: it reads or writes several sites, or the text is too short.
    """
    config = config or ClaimsConfig()
    check_fits(dictionary, model)
    how = ReconstructionConfig(n_tokens=config.n_tokens, n_loss_windows=0, windows=config.windows, seed=config.seed)
    measured = reconstruction(model, dictionary, corpus, config=how)
    verdicts, layers = held_against(measured, dictionary), ()
    if config.n_layer_tokens and not _is_dense(measured):
        first, layers = _elsewhere(model, dictionary, corpus, config)
        verdicts = (*verdicts, _first_token(dictionary, first))
    require_belonging(measured, dictionary, layers)
    doubts = (*_doubts(verdicts), *_density_doubts(measured), *_control_doubts(measured))
    doubts = (*doubts, *_layer_doubts(dictionary, layers))
    return Checked(measured=measured, verdicts=verdicts, layers=layers, doubts=doubts)


def require_belonging(measured: Reconstruction, dictionary: Dictionary, layers: tuple[LayerFit, ...] = ()) -> None:
    """Refuse a dictionary that reconstructs no better than the mean of what it should reconstruct.

    Both over all tokens and in the median window: a few tokens of huge norm alone shall not decide. Where other layers
    were compared, the refusal names the one that it fits.

    Raises:
        ShapeMismatch: it does not.
    """
    own = measured.own
    if min(own.fvu.interval[0], own.typical_fvu.value) < 1:
        return
    low, high = own.fvu.interval
    left = (
        f"{own.fvu.value:.3g} of the variance is left (95 % interval {low:.3g} to {high:.3g}, {measured.n_counted} "
        f"tokens), {own.typical_fvu.value:.3g} in the median window, with {own.l0.value:.4g} features active; a random "
        f"dictionary leaves {measured.control.fvu.value:.3g}."
    )
    better = " ".join(_layer_doubts(dictionary, layers))
    said = f"Its files say '{dictionary.config.model}' and {' '.join(dictionary.config.reads)}"
    raise ShapeMismatch(
        f"Dictionary '{dictionary.name}' belongs to another model, or was read wrongly.",
        f"At {measured.sites[1]} of '{measured.model}' it is no better than the mean: {left} {better}".strip(),
        f"{said}: load that model, or import the dictionary with its own site.",
    )


def held_against(measured: Reconstruction, dictionary: Dictionary) -> tuple[Verdict, ...]:
    """A dictionary's claims of sparsity and reconstruction beside what was measured."""
    config, own, control = dictionary.config, measured.own, measured.control
    claims = config.claims
    said, l0_source = (claims.l0, claims.source) if claims and claims.l0 is not None else (config.k, "its k")
    l0 = None if said is None else float(said)
    fvu = claims.fvu if claims else None
    source = claims.source if claims else ""
    low, high = own.l0.interval
    return (
        Verdict(
            about="active features per token",
            claimed=l0,
            source=l0_source if l0 is not None else "",
            measured=own.l0,
            control=control.l0.value,
            outcome=_outcome(l0, lambda one: low <= one * TOLERANCE and high >= one / TOLERANCE),
        ),
        Verdict(
            about="fraction of variance unexplained",
            claimed=fvu,
            source=source if fvu is not None else "",
            measured=own.fvu,
            control=control.fvu.value,
            outcome=_outcome(fvu, lambda one: own.fvu.interval[0] <= one * TOLERANCE),
        ),
    )


def _outcome(claimed: float | None, agrees: Callable[[float], bool]) -> Outcome:
    if claimed is None:
        return "not said"
    return "holds" if agrees(claimed) else "differs"


def _first_token(dictionary: Dictionary, first: Estimate) -> Verdict:
    claims = dictionary.config.claims
    said = claims.first_token if claims else None
    # Only that it was trained on can be refuted: what was not trained on may turn out well.
    return Verdict(
        about="fraction of the first token's distance from the mean unexplained",
        claimed=None if said is None else float(said),
        source=claims.source if claims and said is not None else "",
        measured=first,
        control=None,
        outcome="not said" if said is None else "differs" if said and first.interval[0] >= 1 else "holds",
    )


def _doubts(verdicts: tuple[Verdict, ...]) -> Iterator[str]:
    for one in verdicts:
        if one.outcome == "differs":
            low, high = one.measured.interval
            yield (
                f"The {one.about} should be {one.claimed:.4g} by {one.source}; measured are {one.measured.value:.4g} "
                f"({low:.4g} to {high:.4g})."
            )


def _is_dense(measured: Reconstruction) -> bool:
    """Whether so many features are active that no sparse dictionary was meant; looking further would take minutes."""
    return measured.own.l0.value > max(_DENSE, measured.n_features / 10)


def _density_doubts(measured: Reconstruction) -> Iterator[str]:
    if _is_dense(measured):
        yield (
            f"{measured.own.l0.value:.4g} of its {measured.n_features} features are active on a token: was its "
            "activation function read rightly? Other layers were not compared."
        )


def _control_doubts(measured: Reconstruction) -> Iterator[str]:
    own, control = measured.own.fvu, measured.control.fvu
    if own.interval[0] >= control.interval[1]:
        yield f"A random dictionary leaves less of the variance: {control.value:.3g}, this one {own.value:.3g}."


def _layer_doubts(dictionary: Dictionary, layers: tuple[LayerFit, ...]) -> Iterator[str]:
    better = [one for one in layers if one.worse.interval[1] < -_CLEARLY_BETTER]
    if better:
        best = min(better, key=lambda one: one.fvu.value)
        site = dictionary.writes[0]
        yield (
            f"It fits {Site(site.kind, best.layer)} better than {site}: {best.fvu.value:.3g} of the variance is left "
            f"there, {-best.worse.value:.3g} less than here."
        )


def _elsewhere(
    model: Model, dictionary: Dictionary, corpus: Corpus, config: ClaimsConfig
) -> tuple[Estimate, tuple[LayerFit, ...]]:
    """The error at the first token of each window, and the fit at every other layer of the same kind."""
    reads, writes = dictionary.reads[0], dictionary.writes[0]
    pairs = {site.layer or 0: (site, there) for site, there in _shifted(model, reads, writes)}
    sums: dict[int, list[list[ndarray]]] = {layer: [] for layer in pairs}
    stop = ceil(config.n_layer_tokens / config.windows.context)
    batches = cut_windows(corpus, model.tokenizer, config.windows, stop=stop)
    firsts: list[Tensor] = []
    total = stop * config.windows.context
    for batch in track(batches, "other layers", total=total, unit="tokens", size=lambda one: one.tokens.numel()):
        run = model.run(batch.tokens, capture={one for pair in pairs.values() for one in pair}, logits=False)
        for layer, (site, there) in pairs.items():
            x, y = run[site].flatten(2).float(), run[there].flatten(2).float().cpu()
            rebuilt = dictionary(x.to(dictionary.device)).float().cpu()
            sums[layer] += [_sums(one, other, kept) for one, other, kept in zip(y, rebuilt, batch.counted, strict=True)]
            if layer == (reads.layer or 0):
                firsts.append(torch.stack([y[:, 0], rebuilt[:, 0]]))
    generator = np.random.default_rng(config.seed)
    stacked = {layer: [np.stack(part) for part in zip(*rows, strict=True)] for layer, rows in sums.items()}
    own = stacked[reads.layer or 0]
    fits = [
        LayerFit(
            layer=layer,
            fvu=over_windows(lambda total, parts=parts: _fvu(total, parts), len(own[0]), generator=generator),
            worse=over_windows(
                lambda total, parts=parts: _fvu(total, parts) - _fvu(total, own), len(own[0]), generator=generator
            ),
        )
        for layer, parts in sorted(stacked.items())
        if layer != (reads.layer or 0)
    ]
    return _first_error(torch.cat(firsts, dim=1), own, generator), tuple(fits)


def _shifted(model: Model, reads: Site, writes: Site) -> Iterator[tuple[Site, Site]]:
    """The pair of sites at every layer that has it; a site without layers is alone."""
    if reads.layer is None or writes.layer is None:
        yield reads, writes
        return
    for layer in range(model.n_layers):
        pair = Site(reads.kind, layer), Site(writes.kind, layer + writes.layer - reads.layer)
        if all(model.has(site) for site in pair):
            yield pair


def _sums(y: Tensor, rebuilt: Tensor, counted: Tensor) -> list[ndarray]:
    target, found = y[counted].double(), rebuilt[counted].double()
    return [
        np.array(float(len(target))),
        np.array(float((target**2).sum())),
        np.array(float(((target - found) ** 2).sum())),
        target.sum(0).numpy(),
    ]


def _fvu(total: Sums, parts: list[ndarray]) -> Float[ndarray, " resample"]:
    n, squares, residual, sums = parts
    return total(residual) / (total(squares) - (total(sums) ** 2).sum(-1) / total(n))


def _first_error(
    firsts: Float[Tensor, "two window d_out"], own: list[ndarray], generator: np.random.Generator
) -> Estimate:
    n, _, _, sums = own
    mean = torch.from_numpy(sums.sum(0) / n.sum())
    target, rebuilt = firsts.double()
    errors = ((target - rebuilt) ** 2).sum(-1).numpy()
    spread = ((target - mean) ** 2).sum(-1).numpy()
    return over_windows(lambda total: total(errors) / total(spread), len(errors), generator=generator)
