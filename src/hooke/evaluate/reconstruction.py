"""How well a dictionary stands in for what it writes: reconstruction, sparsity, and what it costs the model."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from torch import Tensor

from hooke.dictionaries import Dictionary, check_fits
from hooke.dictionaries.crosscoders import is_crosscoder, part_names, written_at
from hooke.errors import BadConfig, BadRequest
from hooke.evaluate.loss_recovered import Losses, loss_recovered
from hooke.evaluate.random_dictionary import random_dictionary
from hooke.evaluate.resampling import over_windows
from hooke.findings import Estimate, Finding, estimate
from hooke.models.model import Model
from hooke.models.pair import ModelPair
from hooke.progress import track
from hooke.sites import Site
from hooke.text.documents import Corpus
from hooke.text.windows import WindowConfig, Windows
from hooke.text.windows import windows as cut_windows

CONTROL = "random dictionary of the same shape and sparsity, centred and scaled to fit"
DENSITY_EDGES = tuple(float(edge) for edge in np.arange(-6, 0.01, 0.5))
"""log10 of the firing densities between which features are counted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReconstructionConfig:
    """How much text is measured."""

    n_tokens: int = 65_536
    """Tokens that reconstruction and firing are measured on."""
    n_loss_windows: int = 32
    """Windows, the first ones, that the model's loss is measured on; 0 for none."""
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
class Fidelity:
    """Reconstruction and sparsity of one dictionary, with intervals over windows."""

    fvu: Estimate
    """Fraction of variance unexplained, sum |y - y_hat|^2 / sum |y - mean|^2, over the counted tokens."""
    typical_fvu: Estimate
    """The same within each window, median over windows: a few tokens of huge norm can make up half of `fvu`'s
    variance, and do not move this one."""
    cosine: Estimate
    """Mean cosine between y and y_hat; near 1 for anything that gets the mean right."""
    l0: Estimate
    """Mean number of active features per token."""
    dead_share: Estimate
    """Share of features that never fired in this text; its interval is over features."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Densities:
    """How many features fire how often."""

    edges: tuple[float, ...]
    """log10 of the densities between the bins; the first and last bin take what lies outside."""
    counts: tuple[int, ...]
    """Features in each bin, those that never fired left out."""
    n_dead: int
    """Features that never fired."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reconstruction:
    """What was measured of a dictionary on held-out text; special tokens and position 0 are left out everywhere."""

    dictionary: str
    """Its name."""
    model: str
    """The model."""
    sites: tuple[str, str]
    """What it reads, and the site that it was measured at."""
    n_features: int
    """How many features it has."""
    corpus: str
    """The text."""
    corpus_fingerprint: str
    """Hash of the text's corpus."""
    n_windows: int
    """Windows of text, the units of the intervals."""
    n_counted: int
    """Tokens that counted."""
    own: Fidelity
    """The dictionary."""
    control: Fidelity
    """A random dictionary of the same shape and sparsity."""
    densities: Densities
    """Firing densities of the dictionary's features."""
    losses: Losses | None
    """What the model loses when it runs on the reconstruction; None where it was not measured."""
    seed: int
    """Seed of the control and of the bootstrap."""

    def findings(self) -> tuple[Finding, ...]:
        """Each number as a claim beside its control."""
        names = {
            "fvu": "fraction of variance unexplained",
            "typical_fvu": "fraction of variance unexplained in the median window",
            "cosine": "cosine of the reconstruction",
            "l0": "active features per token",
            "dead_share": "share of features that never fired",
        }
        rows = [(words, getattr(self.own, name), getattr(self.control, name)) for name, words in names.items()]
        n_windows = [self.n_windows] * 4 + [self.n_features]
        if self.losses is not None:
            own, control = self.losses.own, self.losses.control
            rows += [
                ("loss recovered against zero ablation", own.recovered_zero, control.recovered_zero),
                ("loss recovered against mean ablation", own.recovered_mean, control.recovered_mean),
            ]
            n_windows += [self.losses.n_windows] * 2
        return tuple(
            Finding(
                claim=f"{self.dictionary}: {words}" + (f" at {self.sites[1]}" if " " in self.sites[0] else ""),
                value=found.value,
                interval=found.interval,
                n=n,
                control=control.value,
                control_interval=control.interval,
                control_name=CONTROL,
                method=f"{self.n_counted} tokens of {self.corpus}; bootstrap over windows",
                seed=self.seed,
                artefacts={"corpus": self.corpus_fingerprint},
            )
            for (words, found, control), n in zip(rows, n_windows, strict=True)
        )


def reconstruction(
    model: Model,
    dictionary: Dictionary,
    corpus: Corpus,
    *,
    config: ReconstructionConfig | None = None,
    at: Site | None = None,
    pair: ModelPair | None = None,
) -> Reconstruction:
    """A dictionary measured on text that it was not trained on (the caller sees to that), beside a random one.

        FVU = sum |y - y_hat|^2 / sum |y - mean|^2        over counted tokens: no special tokens, no position 0

    The mean is that of the same tokens. Position 0 is left out because its stream is often a hundred times as
    long as any other's: with it in, almost any reconstruction has an FVU near 0.

    Of a dictionary that writes several sites, `at` says which one is measured; what it reads is the model's own.
    A crosscoder of two models reads both, `pair`, and is measured in `model`, one of them.

    Raises:
        ShapeMismatch: the dictionary does not belong to the model.
        BadRequest: it does not write the site, or several and none was chosen, or the text does not fill two windows.
    """
    config = config or ReconstructionConfig()
    reader = pair or model
    check_fits(dictionary, reader)
    reads, writes = dictionary.reads, at or _only_site(dictionary)
    measured = written_at(dictionary, writes, model.name)
    generator = np.random.default_rng(config.seed)
    tallies: dict[str, _Tally] = {}
    control = dictionary
    for batch, x, y in _read(reader, model, corpus, reads, writes, config):
        if not tallies:
            torch_generator = torch.Generator().manual_seed(config.seed)
            sample = x[batch.counted], (x if is_crosscoder(dictionary.config) else y)[batch.counted]
            drawn = random_dictionary(dictionary, *sample, generator=torch_generator)
            control = written_at(drawn, writes, model.name)
            tallies = {"own": _Tally(measured), "control": _Tally(control)}
        for tally in tallies.values():
            tally.add(x, y, batch.counted)
    if not tallies or len(tallies["own"].rows) < 2:
        raise BadRequest(
            f"The corpus '{corpus.name}' does not fill two windows of {config.windows.context} tokens.",
            "",
            "Give more text, or a smaller context.",
        )
    own = tallies["own"]
    losses = None
    if config.n_loss_windows:
        first = cut_windows(corpus, model.tokenizer, config.windows, stop=config.n_loss_windows)
        losses = loss_recovered(
            model, measured, control, first, own.mean(), reads, writes, config.n_loss_windows, generator, reader=pair
        )
    return Reconstruction(
        dictionary=dictionary.name,
        model=model.name,
        sites=(" ".join(map(str, reads)), str(writes)) if pair is None else _in_words(dictionary, writes, model),
        n_features=dictionary.n_features,
        corpus=corpus.name,
        corpus_fingerprint=corpus.fingerprint,
        n_windows=len(own.rows),
        n_counted=own.n_counted,
        own=own.fidelity(generator),
        control=tallies["control"].fidelity(generator),
        densities=own.densities(),
        losses=losses,
        seed=config.seed,
    )


def _in_words(dictionary: Dictionary, writes: Site, model: Model) -> tuple[str, str]:
    """Sites with their models."""
    return " ".join(part_names(dictionary.config)), f"{writes} of {model.name}"


def _only_site(dictionary: Dictionary) -> Site:
    if len(dictionary.writes) != 1:
        raise BadRequest(
            f"'{dictionary.name}' cannot be measured at once.",
            f"It writes {len(dictionary.writes)} sites.",
            "Measure it at one of them.",
        )
    return dictionary.writes[0]


def _read(
    reader: Model | ModelPair,
    model: Model,
    corpus: Corpus,
    reads: tuple[Site, ...],
    writes: Site,
    config: ReconstructionConfig,
) -> Iterator[tuple[Windows, Tensor, Tensor]]:
    """Batches of windows, each with [window, pos, width] of what is read and what should be written."""
    stop = ceil(config.n_tokens / config.windows.context)
    batches = cut_windows(corpus, model.tokenizer, config.windows, stop=stop)
    total = stop * config.windows.context
    for batch in track(batches, "evaluate", total=total, unit="tokens", size=lambda one: one.tokens.numel()):
        if reader is model:
            run = model.run(batch.tokens, capture={*reads, writes}, logits=False)
            yield batch, run.rows(*reads).cpu(), run.rows(writes).cpu()
        else:
            both = reader.run(batch.tokens, capture=reads, logits=False)
            run = model.run(batch.tokens, capture=[writes], logits=False)
            yield batch, both.rows(*reads).cpu(), run.rows(writes).cpu()


def _median(samples: ndarray) -> ndarray:
    return np.median(samples, axis=-1)


class _Tally:
    """Sums over the counted tokens of each window, for one dictionary."""

    def __init__(self, dictionary: Dictionary) -> None:
        self.dictionary = dictionary
        self.rows: list[ndarray] = []
        """Per window: counted tokens, sum |y|^2, sum |y - y_hat|^2, sum of cosines, sum of L0."""
        self.sums: list[ndarray] = []
        """Per window: sum of y."""
        self.n_active = torch.zeros(dictionary.n_features, dtype=torch.int64)

    def add(
        self,
        x: Float[Tensor, "window pos d_in"],
        y: Float[Tensor, "window pos d_out"],
        counted: Bool[Tensor, "window pos"],
    ) -> None:
        """One batch of windows."""
        for row in range(len(x)):
            here, target = x[row][counted[row]], y[row][counted[row]].double()
            read = here.to(self.dictionary.device)
            acts = self.dictionary.encode(read)
            rebuilt = self.dictionary.reconstruct(read, acts).cpu().double()
            is_active = acts.values.cpu() > 0
            self.n_active += torch.bincount(acts.indices.cpu()[is_active], minlength=acts.n_features)
            cosine = torch.nn.functional.cosine_similarity(target, rebuilt, dim=-1)
            squares = (target**2).sum(), ((target - rebuilt) ** 2).sum()
            counts = (len(here), *squares, cosine.sum(), is_active.sum())
            self.rows.append(np.array([float(one) for one in counts]))
            self.sums.append(target.sum(0).numpy())

    @property
    def n_counted(self) -> int:
        """Tokens that counted."""
        return int(sum(row[0] for row in self.rows))

    def mean(self) -> Float[Tensor, " d_out"]:
        """The mean of y over the counted tokens."""
        return torch.from_numpy(np.sum(self.sums, axis=0) / self.n_counted).float()

    def fidelity(self, generator: np.random.Generator) -> Fidelity:
        """The numbers, each with its interval."""
        n, squares, residual, cosine, active = np.stack(self.rows).T
        sums = np.stack(self.sums)
        is_dead = (self.n_active == 0).double().numpy()
        n_windows = len(self.rows)

        def variance(total):  # noqa: ANN202
            return total(squares) - (total(sums) ** 2).sum(-1) / total(n)

        return Fidelity(
            fvu=over_windows(lambda total: total(residual) / variance(total), n_windows, generator=generator),
            typical_fvu=estimate(residual / self._spread(), generator=generator, statistic=_median),
            cosine=over_windows(lambda total: total(cosine) / total(n), n_windows, generator=generator),
            l0=over_windows(lambda total: total(active) / total(n), n_windows, generator=generator),
            dead_share=estimate(is_dead, generator=generator),
        )

    def _spread(self) -> Float[ndarray, " window"]:
        """Per window, the sum of |y - mean|^2, with the mean over all windows."""
        n, squares = np.stack(self.rows).T[:2]
        mean = np.sum(self.sums, axis=0) / n.sum()
        return squares - 2 * np.stack(self.sums) @ mean + n * (mean @ mean)

    def densities(self) -> Densities:
        """A histogram of log10 of the firing densities."""
        alive = self.n_active[self.n_active > 0].double().numpy() / self.n_counted
        logs = np.clip(np.log10(alive), DENSITY_EDGES[0], DENSITY_EDGES[-1])
        counts, _ = np.histogram(logs, bins=np.array(DENSITY_EDGES))
        return Densities(edges=DENSITY_EDGES, counts=tuple(counts.tolist()), n_dead=int((self.n_active == 0).sum()))
