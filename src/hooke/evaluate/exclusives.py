"""Which features of a crosscoder are in one of its two models only: by their norms, and where latent scaling bears that
out (see `latent_scaling.py`)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from hooke.activations.harvest import stream
from hooke.dictionaries import Dictionary, check_fits
from hooke.dictionaries.crosscoders import parts_of, relative_norms
from hooke.errors import BadRequest
from hooke.evaluate.latent_scaling import MAX_ERROR, MAX_OTHER, latent_scaling
from hooke.findings import Finding, share_interval
from hooke.models.pair import ModelPair
from hooke.progress import track
from hooke.text.documents import Corpus
from hooke.text.windows import WindowConfig

OWN = 0.9
"""Share of its norm from which on a feature counts as a model's own."""
ALIKE = 0.4
"""Share from which on, in either model, it counts as being in both alike."""
LEAST = 16
"""Tokens that a feature has to fire on for anything to be said of it."""


@dataclass(frozen=True, kw_only=True)
class Exclusives:
    """What the features of a crosscoder are in each of two models, on held-out text."""

    crosscoder: str
    """Its name."""
    models: tuple[str, str]
    """The models."""
    corpus: str
    """The text."""
    corpus_fingerprint: str
    """Its hash."""
    n_counted: int
    """Tokens that counted."""
    fires: Int[ndarray, " feature"]
    """Tokens that each feature fires on."""
    shares: Float[ndarray, "feature 2"]
    """Each model's share of the norm of what a feature writes."""
    nu_error: Float[ndarray, "feature 2"]
    """Taken as a model's own: how much of it is in what the other one's reconstruction leaves over."""
    nu_other: Float[ndarray, "feature 2"]
    """How much of it other features write in the other one."""

    @property
    def known(self) -> Bool[ndarray, " feature"]:
        """Features that fire often enough."""
        return self.fires >= LEAST

    @property
    def alike(self) -> Bool[ndarray, " feature"]:
        """Features that are in both models about as much."""
        return self.known & (self.shares.min(1) >= ALIKE)

    def called(self, place: int) -> Bool[ndarray, " feature"]:
        """Features that are in this model only, by their norms."""
        return self.known & (self.shares[:, place] >= OWN)

    def borne_out(self, place: int) -> Bool[ndarray, " feature"]:
        """Those of them that are absent in the other model."""
        absent = (self.nu_error[:, place] < MAX_ERROR) & (self.nu_other[:, place] < MAX_OTHER)
        return self.called(place) & absent

    def findings(self, null: "Exclusives | None" = None) -> tuple[Finding, ...]:
        """Each share of the features that are known, beside that of a null."""
        beside = (null or self)._counts()
        return tuple(
            self._finding(words, count, None if null is None else (null, there))
            for (words, count), there in zip(self._words(), beside, strict=True)
        )

    def _words(self) -> Sequence[tuple[str, int]]:
        counts = self._counts()
        own = [
            words
            for place, model in enumerate(self.models)
            for words in (
                f"features in {model} only, by their norms",
                f"features in {model} only, borne out by latent scaling",
            )
        ]
        return list(zip([*own, "features in both models alike"], counts, strict=True))

    def _counts(self) -> list[int]:
        of_each = [int(which(place).sum()) for place in (0, 1) for which in (self.called, self.borne_out)]
        return [*of_each, int(self.alike.sum())]

    def _finding(self, words: str, count: int, beside: "tuple[Exclusives, int] | None") -> Finding:
        n = int(self.known.sum())
        value = count / max(1, n)
        control: dict = {}
        if beside is not None:
            null, there = beside
            n_null = int(null.known.sum())
            share = there / max(1, n_null)
            control = {"control": share, "control_interval": share_interval(share, n_null)}
            control["control_name"] = f"'{null.crosscoder}', of {' and '.join(null.models)}"
        return Finding(
            claim=f"{self.crosscoder}: {words}",
            value=value,
            interval=share_interval(value, n),
            n=n,
            method=f"of features that fire on {LEAST} of {self.n_counted} tokens of {self.corpus}; a model's own: at "
            f"least {OWN} of the norm; absent in the other: nu_error < {MAX_ERROR} and nu_other < {MAX_OTHER}",
            artefacts={"corpus": self.corpus_fingerprint},
            **control,
        )


def require_two_models(crosscoder: Dictionary) -> None:
    """Raises:
    BadRequest: it is not a crosscoder of one site of two models.
    """
    n_models, n_sites = len(crosscoder.config.models) or 1, len(crosscoder.reads)
    if (n_models, n_sites) != (2, 1):
        found = f"'{crosscoder.name}' is of models: {n_models}, sites: {n_sites}."
        do = "Train one: hooke train NAME --form crosscoder --model A --other B --site SITE"
        raise BadRequest("Exclusive features are those of a crosscoder of one site of two models.", found, do)


def exclusives(
    crosscoder: Dictionary, pair: ModelPair, corpus: Corpus, *, n_tokens: int, windows: WindowConfig
) -> Exclusives:
    """The features of a crosscoder of one site of two models, on text that it was not trained on.

    Raises:
        BadRequest: it is of something else, or the text holds nothing.
        ShapeMismatch: it does not belong to the models.
    """
    require_two_models(crosscoder)
    config = crosscoder.config
    check_fits(crosscoder, pair)
    batches = stream(pair, corpus, crosscoder.reads, windows=windows, n_tokens=n_tokens)
    tracked = track(batches, "read", total=n_tokens, unit="tokens", size=lambda batch: len(batch.tokens))
    rows = [batch.rows(*crosscoder.reads)[batch.counted].cpu() for batch in tracked]
    if not rows:
        raise BadRequest(f"The corpus '{corpus.name}' does not fill a window.", "", "Give more text.")
    x = torch.cat(rows)
    acts = crosscoder.encode(x)
    fires = torch.bincount(acts.indices[acts.values > 0], minlength=crosscoder.n_features)
    scalings = [latent_scaling(crosscoder, x, own) for own in range(len(parts_of(config)))]
    return Exclusives(
        crosscoder=crosscoder.name,
        models=(config.models[0], config.models[1]),
        corpus=corpus.name,
        corpus_fingerprint=corpus.fingerprint,
        n_counted=len(x),
        fires=fires.numpy(),
        shares=relative_norms(crosscoder).numpy(),
        nu_error=torch.stack([one.nu_error for one in scalings], dim=1).numpy(),
        nu_other=torch.stack([one.nu_other for one in scalings], dim=1).numpy(),
    )
