"""How well transcoders stand in for a model's MLPs: layer by layer, and with one and all of them in their place."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from torch import Tensor

from hooke.dictionaries import DictionaryConfig, Replacement, SparseActs
from hooke.dictionaries.replacement import check_replacement, reconstruct
from hooke.dictionaries.sets import set_of
from hooke.errors import BadConfig, BadRequest
from hooke.evaluate.random_dictionary import random_features
from hooke.evaluate.resampling import Sums, over_windows
from hooke.evaluate.stand_in import Baseline, StandIn, measure_stand_in
from hooke.findings import Estimate, Finding, estimate
from hooke.models.model import Model
from hooke.progress import track
from hooke.sites import Site
from hooke.text.documents import Corpus
from hooke.text.windows import WindowConfig, Windows
from hooke.text.windows import windows as cut_windows

CONTROL = "random transcoders of the same shape and sparsity, centred and scaled to fit"


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplacingConfig:
    """How much text is measured.

    Raises:
        BadConfig: fewer than two windows.
    """

    n_tokens: int = 16_384
    """Tokens that reconstruction and firing are measured on."""
    n_loss_windows: int = 8
    """Windows, the first ones, that the model's predictions are measured on; 0 for none."""
    each_layer: bool = True
    """Whether each layer is put in its MLP's place alone, too: two runs of the model for each layer."""
    windows: WindowConfig = WindowConfig(batch=4)
    """How the text is cut."""
    seed: int = 0
    """Seed of the control and of the bootstrap."""

    def __post_init__(self) -> None:
        if self.n_tokens < 2 * self.windows.context or self.n_loss_windows < 0:
            raise BadConfig(
                f"{self.n_tokens} tokens and {self.n_loss_windows} windows of loss cannot be measured.",
                f"A window has {self.windows.context} tokens.",
                "Give two windows or more.",
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Fit:
    """Reconstruction and sparsity of one layer, or their means over the layers, with intervals over windows."""

    fvu: Estimate
    """sum |y - y_hat|^2 / sum |y - mean|^2 over the counted tokens: no special tokens, no position 0."""
    fvu_everywhere: Estimate
    """The same over all tokens, of which the first of each window often has nearly all of the variance."""
    l0: Estimate
    """Active features per counted token; of one layer, or of all together."""
    dead_share: Estimate
    """Share of features that never fired on them; the interval is over features."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerFit:
    """One layer."""

    layer: int
    """Its number."""
    own: Fit
    """Its transcoder, or what a cross-layer transcoder writes to it."""
    control: Fit
    """The control's."""
    alone: StandIn | None
    """The model's predictions with this layer alone replaced; None where it was not measured."""
    alone_control: StandIn | None
    """The same with the control."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Replaced:
    """What was measured of a replacement on held-out text."""

    replacement: str
    """Its name."""
    model: str
    """The model."""
    corpus: str
    """The text."""
    corpus_fingerprint: str
    """Hash of the text's corpus."""
    n_windows: int
    """Windows of text, the units of the intervals."""
    n_loss_windows: int
    """Those that predictions were measured on."""
    n_counted: int
    """Tokens that counted."""
    n_features: int
    """Features of all layers together."""
    layers: tuple[LayerFit, ...]
    """Layer by layer."""
    own: Fit
    """Means over the layers; L0 is of all layers together."""
    control: Fit
    """The control's."""
    together: StandIn | None
    """The model's predictions with all layers replaced, errors and all; None where it was not measured."""
    together_control: StandIn | None
    """The same with the control."""
    seed: int
    """Seed of the control and of the bootstrap."""

    def findings(self) -> tuple[Finding, ...]:
        """Each number as a claim beside its control: means over layers, all layers replaced, then layer by layer."""
        found = list(self._of_fit("mean of the layers: ", self.own, self.control))
        found += self._of_stand_in("all layers replaced: ", self.together, self.together_control)
        for one in self.layers:
            found += self._of_fit(f"layer {one.layer}: ", one.own, one.control)
            found += self._of_stand_in(f"layer {one.layer} replaced: ", one.alone, one.alone_control)
        return tuple(found)

    def _of_fit(self, what: str, own: Fit, control: Fit) -> Iterator[Finding]:
        names = {
            "fvu": "fraction of variance unexplained",
            "fvu_everywhere": "fraction of variance unexplained, first and special tokens included",
            "l0": "active features per token",
            "dead_share": "share of features that never fired",
        }
        for name, words in names.items():
            label = words + (", of all layers together" if name == "l0" and own is self.own else "")
            n = self.n_features if name == "dead_share" else self.n_windows
            yield self._finding(what + label, getattr(own, name), getattr(control, name), n)

    def _of_stand_in(self, what: str, own: StandIn | None, control: StandIn | None) -> Iterator[Finding]:
        if own is None or control is None:
            return
        names = {
            "loss_added": ("cross-entropy added", " nats"),
            "divergence": ("KL divergence from the model's own predictions", " nats"),
            "agreement": ("share of tokens with the same likeliest next token", ""),
        }
        for name, (words, unit) in names.items():
            yield self._finding(what + words, getattr(own, name), getattr(control, name), self.n_loss_windows, unit)

    def _finding(self, words: str, found: Estimate, control: Estimate, n: int, unit: str = "") -> Finding:
        return Finding(
            claim=f"{self.replacement}: {words}",
            value=found.value,
            interval=found.interval,
            n=n,
            control=control.value,
            control_interval=control.interval,
            control_name=CONTROL,
            unit=unit,
            method=f"{self.n_counted} tokens of {self.corpus}; bootstrap over windows",
            seed=self.seed,
            artefacts={"corpus": self.corpus_fingerprint},
        )


def replacing(
    model: Model, replacement: Replacement, corpus: Corpus, *, config: ReplacingConfig | None = None
) -> Replaced:
    """A replacement measured on text that it was not trained on (the caller sees to that), beside a random one.

    The MLP's true output stays at special tokens and at position 0: transcoders never see these in training.

    Raises:
        ShapeMismatch, UnknownSite, UnsupportedModel: the replacement does not belong to the model.
        BadRequest: the text does not fill two windows.
    """
    config = config or ReplacingConfig()
    check_replacement(replacement, model)
    generator = np.random.default_rng(config.seed)
    tallies: dict[str, _Tally] = {}
    control = replacement
    for batch, xs, ys in _read(model, replacement, corpus, config):
        if not tallies:
            control = _random_set(replacement, xs, ys, batch.counted, config.seed)
            tallies = {"own": _Tally(replacement), "control": _Tally(control)}
        for tally in tallies.values():
            tally.add(xs, ys, batch.counted)
    if not tallies or len(tallies["own"].counted) < 2:
        raise BadRequest(
            f"The corpus '{corpus.name}' does not fill two windows of {config.windows.context} tokens.",
            "",
            "Give more text, or a smaller context.",
        )
    alone, together = _stand_ins(model, replacement, control, corpus, config, generator)
    own, other = tallies["own"], tallies["control"]
    return Replaced(
        replacement=replacement.name,
        model=model.name,
        corpus=corpus.name,
        corpus_fingerprint=corpus.fingerprint,
        n_windows=len(own.counted),
        n_loss_windows=config.n_loss_windows,
        n_counted=int(np.stack(own.counted)[:, 0, 0].sum()),
        n_features=sum(replacement.n_features(layer) for layer in replacement.layers),
        layers=tuple(
            LayerFit(
                layer=layer,
                own=own.fit([place], generator),
                control=other.fit([place], generator),
                alone=alone.get(("own", layer)),
                alone_control=alone.get(("control", layer)),
            )
            for place, layer in enumerate(replacement.layers)
        ),
        own=own.fit(range(len(replacement.layers)), generator),
        control=other.fit(range(len(replacement.layers)), generator),
        together=together.get("own"),
        together_control=together.get("control"),
        seed=config.seed,
    )


def _read(
    model: Model, replacement: Replacement, corpus: Corpus, config: ReplacingConfig
) -> Iterator[tuple[Windows, dict[int, Tensor], dict[int, Tensor]]]:
    """Batches of windows, each with [window, pos, width] of what every layer reads and what its MLP writes."""
    stop = ceil(config.n_tokens / config.windows.context)
    batches = cut_windows(corpus, model.tokenizer, config.windows, stop=stop)
    reads = {layer: replacement.reads(layer) for layer in replacement.layers}
    writes = {layer: Site("mlp_out", layer) for layer in replacement.layers}
    total = stop * config.windows.context
    for batch in track(batches, "evaluate", total=total, unit="tokens", size=lambda one: one.tokens.numel()):
        run = model.run(batch.tokens, capture={*reads.values(), *writes.values()}, logits=False)
        yield (
            batch,
            {layer: run[site].float() for layer, site in reads.items()},
            {layer: run[site].float() for layer, site in writes.items()},
        )


def _random_set(
    replacement: Replacement,
    xs: dict[int, Tensor],
    ys: dict[int, Tensor],
    counted: Bool[Tensor, "window pos"],
    seed: int,
) -> Replacement:
    """Random transcoders, one for each layer, as sparse as the replacement's features of that layer."""
    generator, made = torch.Generator().manual_seed(seed), []
    for layer in replacement.layers:
        x, y = xs[layer][counted], ys[layer][counted]
        described = DictionaryConfig(
            name=f"{replacement.name}.{layer}",
            model=replacement.model,
            kind="relu",
            reads=(str(replacement.reads(layer)),),
            writes=(f"mlp_out.{layer}",),
            n_features=replacement.n_features(layer),
            d_in=x.shape[1],
            d_out=y.shape[1],
        )
        k = max(1, round(float(replacement.encode(layer, x).l0().float().mean())))
        made.append(random_features(described, k, x, y, generator=generator))
    return set_of(f"random-{replacement.name}", made)


def _stand_ins(
    model: Model,
    replacement: Replacement,
    control: Replacement,
    corpus: Corpus,
    config: ReplacingConfig,
    generator: np.random.Generator,
) -> tuple[dict[tuple[str, int], StandIn], dict[str, StandIn]]:
    """The model's predictions with each layer alone, and with all of them, in their MLPs' place."""
    if not config.n_loss_windows:
        return {}, {}
    batches = list(cut_windows(corpus, model.tokenizer, config.windows, stop=config.n_loss_windows))
    baseline = Baseline.of(model, batches)
    subjects = {"own": replacement, "control": control}
    jobs = [(name, replacement.layers) for name in subjects]
    if config.each_layer:
        jobs += [(name, (layer,)) for name in subjects for layer in replacement.layers]
    alone: dict[tuple[str, int], StandIn] = {}
    together: dict[str, StandIn] = {}
    for number, (name, layers) in enumerate(track(jobs, "replace", total=len(jobs), unit="runs")):
        found = measure_stand_in(model, baseline, subjects[name], layers, generator)
        if number < len(subjects):
            together[name] = found
        else:
            alone[name, layers[0]] = found
    return alone, together


class _Tally:
    """Sums over the tokens of each window, layer by layer."""

    def __init__(self, replacement: Replacement) -> None:
        self.replacement = replacement
        self.counted: list[Float[ndarray, "layer 4"]] = []
        """Per window: counted tokens, sum |y|^2, sum |y - y_hat|^2, sum of L0."""
        self.everywhere: list[Float[ndarray, "layer 3"]] = []
        """Per window, over all tokens: their number, sum |y|^2, sum |y - y_hat|^2."""
        self.sums: list[Float[ndarray, "layer both d_out"]] = []
        """Per window: sum of y over the counted and over all tokens."""
        self.n_active = [torch.zeros(replacement.n_features(layer)) for layer in replacement.layers]

    def add(self, xs: dict[int, Tensor], ys: dict[int, Tensor], counted: Bool[Tensor, "window pos"]) -> None:
        """One batch of windows."""
        layers = self.replacement.layers
        acts = {layer: self.replacement.encode(layer, xs[layer]) for layer in layers}
        rows = [self._of_layer(place, acts, xs[layer], ys[layer], counted) for place, layer in enumerate(layers)]
        for kept, columns in zip((self.counted, self.everywhere, self.sums), zip(*rows, strict=True), strict=True):
            kept.extend(np.stack(columns, axis=1))

    def _of_layer(
        self, place: int, acts: dict[int, SparseActs], x: Tensor, y: Tensor, counted: Tensor
    ) -> tuple[ndarray, ndarray, ndarray]:
        layer = self.replacement.layers[place]
        error = (y - reconstruct(self.replacement, acts, x, layer)).double().square().sum(-1).cpu()
        y, here = y.double().cpu(), counted.cpu().double()
        squares, active = y.square().sum(-1), (acts[layer].values != 0).cpu()
        fires = acts[layer].indices.cpu()[active & counted.cpu()[..., None]]
        self.n_active[place] += torch.bincount(fires, minlength=len(self.n_active[place]))
        columns = (here, squares * here, error * here, active.sum(-1) * here)
        own = torch.stack([column.sum(-1) for column in columns], dim=1)
        every = torch.stack([torch.ones_like(here).sum(-1), squares.sum(-1), error.sum(-1)], dim=1)
        sums = torch.stack([(y * here[..., None]).sum(1), y.sum(1)], dim=1)
        return own.numpy(), every.numpy(), sums.numpy()

    def fit(self, places: range | list[int], generator: np.random.Generator) -> Fit:
        """Means over these layers, each with its interval; L0 is summed."""
        own, every, sums = np.stack(self.counted), np.stack(self.everywhere), np.stack(self.sums)
        dead = torch.cat([self.n_active[place] == 0 for place in places]).double().numpy()
        n = len(own)

        def mean(of: Callable[[Sums, int], ndarray]) -> Estimate:
            return over_windows(
                lambda total: np.mean([of(total, one) for one in places], axis=0), n, generator=generator
            )

        l0 = over_windows(
            lambda total: np.sum([total(own[:, one, 3]) / total(own[:, one, 0]) for one in places], axis=0),
            n,
            generator=generator,
        )
        return Fit(
            fvu=mean(lambda total, one: _fvu(total, own[:, one], sums[:, one, 0])),
            fvu_everywhere=mean(lambda total, one: _fvu(total, every[:, one], sums[:, one, 1])),
            l0=l0,
            dead_share=estimate(dead, generator=generator),
        )


def _fvu(total: Sums, row: Float[ndarray, "window facts"], sums: Float[ndarray, "window d_out"]) -> ndarray:
    """From a window's number of tokens, sum |y|^2, sum |y - y_hat|^2 and sum of y."""
    n, squares, residual = (total(row[:, column]) for column in range(3))
    return residual / (squares - (total(sums) ** 2).sum(-1) / n)
