"""How near lenses come to the last layer's own prediction, layer by layer, on text that they were not fitted on.

    KL = Σ p · (log p − log q)      p: the model's prediction, q: the lens's; nats, mean over tokens
    agreement                       share of tokens where both name the same likeliest token

Intervals are over windows: tokens of one window are not independent.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from hooke.errors import BadConfig, BadRequest
from hooke.evaluate.resampling import over_windows
from hooke.findings import Estimate, Finding
from hooke.models.model import Model
from hooke.progress import track
from hooke.sites import Site
from hooke.text.documents import Corpus
from hooke.text.windows import WindowConfig, check_vocabulary, windows

Translator = Callable[[Tensor, int], Tensor]
"""From the streams that leave a layer, and the layer, to what the final norm is given."""

_CHUNK_ELEMENTS = 2**23
MEASURES = {"kl": "KL to the last layer", "agreement": "same likeliest token as the last layer"}
"""What is measured, in words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoreConfig:
    """How much text is measured."""

    n_windows: int = 32
    """Windows, the units of the intervals; 0 where nothing is to be measured."""
    every: int = 4
    """Of the tokens that count, one in so many is measured: neighbours say little that is new."""
    windows: WindowConfig = WindowConfig(context=128, batch=4)
    """How the text is cut."""

    def __post_init__(self) -> None:
        if self.n_windows < 0 or self.n_windows == 1 or self.every < 1:
            raise BadConfig(
                f"{self.n_windows} windows and one token in {self.every} cannot be measured.",
                "",
                "Give two windows or more, or 0 for none, and one token in 1 or more.",
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerScore:
    """One lens at one layer."""

    kl: Estimate
    """Of the model's prediction from the lens's, in nats."""
    agreement: Estimate
    """Share of tokens with the same likeliest token."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LensScores:
    """Some lenses at every layer below the last, on the same tokens."""

    corpus: str
    """The text."""
    corpus_fingerprint: str
    """Hash of the text's corpus."""
    n_windows: int
    """Windows, the units of the intervals."""
    n_tokens: int
    """Tokens that were measured."""
    seed: int
    """Seed of the bootstrap."""
    lenses: dict[str, tuple[LayerScore, ...]]
    """By what each lens is called, then by layer."""

    def findings(self, lens: str, control: str, measure: str = "kl") -> tuple[Finding, ...]:
        """One number of a lens at each layer, beside the same of another."""
        return tuple(
            _finding(self, f"Layer {layer}, {lens}: {MEASURES[measure]}", *pair, control)
            for layer, pair in enumerate(
                (getattr(one[0], measure), getattr(one[1], measure))
                for one in zip(self.lenses[lens], self.lenses[control], strict=True)
            )
        )


def _finding(scores: LensScores, claim: str, own: Estimate, control: Estimate, control_name: str) -> Finding:
    return Finding(
        claim=claim,
        value=own.value,
        interval=own.interval,
        n=scores.n_windows,
        control=control.value,
        control_interval=control.interval,
        control_name=control_name,
        method=f"{scores.n_tokens} tokens of {scores.corpus}; bootstrap over windows",
        seed=scores.seed,
        artefacts={"corpus": scores.corpus_fingerprint},
    )


def lens_scores(
    model: Model,
    corpus: Corpus,
    lenses: Mapping[str, Translator],
    *,
    config: ScoreConfig | None = None,
    start: int = 0,
    seed: int = 0,
) -> LensScores:
    """Every lens at every layer below the last, over a corpus's windows from number `start` on.

    Raises:
        BadRequest: the text does not fill two windows from there on.
        ShapeMismatch: the tokenizer does not belong to the model.
        UnsupportedModel: the model has no final norm or no unembedding.
    """
    config = config or ScoreConfig()
    batches = windows(corpus, model.tokenizer, config.windows, start=start, stop=start + config.n_windows)
    sites = [Site("resid_post", layer) for layer in range(model.n_layers)]
    counts: list[int] = []
    sums: list[Float[ndarray, "lens layer measure"]] = []
    for batch in track(
        batches, "measure lenses", total=config.n_windows, unit="windows", size=lambda one: len(one.tokens)
    ):
        check_vocabulary(batch.tokens, model.d_vocab)
        run = model.run(batch.tokens, capture=sites, logits=False)
        for row, counted in enumerate(batch.counted):
            chosen = counted.nonzero()[:, 0][:: config.every].to(model.device)
            counts.append(len(chosen))
            sums.append(_window_sums(model, [run[site][row, chosen] for site in sites], list(lenses.values())))
    if len(counts) < 2 or min(counts) == 0:
        raise BadRequest(
            f"The corpus '{corpus.name}' does not fill two windows of {config.windows.context} tokens"
            + (f" from window {start} on." if start else "."),
            "",
            "Give more text, or a smaller context.",
        )
    generator = np.random.default_rng(seed)
    totals, n = np.stack(sums), np.array(counts)
    return LensScores(
        corpus=corpus.name,
        corpus_fingerprint=corpus.fingerprint,
        n_windows=len(counts),
        n_tokens=int(n.sum()),
        seed=seed,
        lenses={
            name: tuple(
                LayerScore(
                    **{
                        measure: _mean(totals[:, place, layer, column], n, generator)
                        for column, measure in enumerate(MEASURES)
                    }
                )
                for layer in range(model.n_layers - 1)
            )
            for place, name in enumerate(lenses)
        },
    )


def _mean(sums: Float[ndarray, " window"], n: ndarray, generator: np.random.Generator) -> Estimate:
    return over_windows(lambda total: total(sums) / total(n), len(n), generator=generator)


def _window_sums(
    model: Model, streams: Sequence[Float[Tensor, "pos d_model"]], lenses: Sequence[Translator]
) -> Float[ndarray, "lens layer measure"]:
    """Sums over the tokens of KL and agreement."""
    found = np.zeros((len(lenses), len(streams) - 1, len(MEASURES)))
    size = max(1, _CHUNK_ELEMENTS // model.d_vocab)
    with torch.no_grad():
        for at in range(0, len(streams[-1]), size):
            logprobs = model.unembed(streams[-1][at : at + size]).float().log_softmax(-1)
            p, best = logprobs.exp(), logprobs.argmax(-1)
            certainty = (p * logprobs.nan_to_num(neginf=0.0)).sum()
            for layer, stream in enumerate(streams[:-1]):
                for place, lens in enumerate(lenses):
                    logits = model.unembed(lens(stream[at : at + size], layer).to(model.dtype)).float()
                    # Σ p log q without another pass over the vocabulary for log q.
                    said = (p * logits).sum() - logits.logsumexp(-1).sum()
                    found[place, layer] += float(certainty - said), float((logits.argmax(-1) == best).sum())
    return found
