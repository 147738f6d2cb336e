"""Fit a lens to a model, and measure it on held-out text beside its controls."""

from dataclasses import replace
from math import ceil

import torch

from hooke.configs import to_dict
from hooke.errors import BadRequest, HookeError, UnsupportedModel
from hooke.models.model import Model
from hooke.prompts.affine_maps import AffineMaps
from hooke.prompts.fitted_lens import KINDS, FittedLens, LensManifest, lens_name, require_kind
from hooke.prompts.jacobian_lens import JacobianConfig, mean_jacobian
from hooke.prompts.lens_scores import ScoreConfig, Translator, lens_scores
from hooke.prompts.tuned_lens import TunedConfig, fit_tuned
from hooke.text.documents import Corpus

LOGIT = "logit lens"
"""What the control that translates nothing is called."""


def fit_lens(
    model: Model,
    kind: str,
    corpus: Corpus,
    heldout: Corpus,
    *,
    name: str | None = None,
    config: TunedConfig | JacobianConfig | None = None,
    scores: ScoreConfig | None = None,
    seed: int = 0,
) -> FittedLens:
    """A tuned or a Jacobian lens of a model, with its scores on held-out text.

    Where the held-out text is the corpus itself, its windows behind those that were fitted on are measured.

    Raises:
        BadRequest: no such kind, nothing to fit in it, or too little text.
        UnsupportedModel: the model has no final norm or no unembedding, or one layer only.
        HookeError: what was fitted is not finite.
    """
    require_kind(kind)
    if kind == "logit":
        raise BadRequest("A logit lens is not fitted.", "It reads the streams as they are.", "Fit tuned or jacobian.")
    if model.anatomy.final_norm is None or model.anatomy.unembedding is None or model.n_layers < 2:
        raise UnsupportedModel(
            f"{model.name} can have no fitted lens:",
            "it has one layer, or its final norm or its unembedding was not found.",
            "",
        )
    config, scores = config or (TunedConfig() if kind == "tuned" else JacobianConfig()), scores or ScoreConfig()
    own, beside, n_tokens, method = (
        _tuned(model, corpus, config, seed)
        if isinstance(config, TunedConfig)
        else _jacobian(model, corpus, config, seed)
    )
    if not all(bool(one.isfinite().all()) for one in (own.weights, own.biases)):
        raise HookeError(
            f"No {kind} lens can be fitted to {model.name}.",
            "What was fitted has numbers that are not finite.",
            "Check the model's weights: hooke model check.",
        )
    manifest = LensManifest(
        name=name or lens_name(model.name, kind),
        kind=kind,
        model=model.name,
        fingerprint=model.fingerprint,
        n_layers=model.n_layers,
        d_model=model.d_model,
        corpus=corpus.name,
        corpus_fingerprint=corpus.fingerprint,
        n_tokens=n_tokens,
        method=method,
        settings=to_dict(config),
    )
    if not scores.n_windows:
        return FittedLens(manifest, own)
    start = _first_unread(config, scores) if heldout.fingerprint == corpus.fingerprint else 0
    lenses: dict[str, Translator] = {KINDS[kind].lower(): own, **beside, LOGIT: lambda stream, _: stream}
    measured = lens_scores(model, heldout, lenses, config=scores, start=start, seed=seed)
    return FittedLens(replace(manifest, scores=measured), own)


def _tuned(
    model: Model, corpus: Corpus, config: TunedConfig, seed: int
) -> tuple[AffineMaps, dict[str, Translator], int, str]:
    found = fit_tuned(model, corpus, config, seed=seed)
    beside: dict[str, Translator] = {
        "least squares": found.least_squares,
        "bias only": found.shift,
        "mean stream": found.constant,
    }
    method = (
        f"least squares onto the final stream, then {config.steps} steps of Adam down the KL to the model's prediction"
    )
    return found.tuned, beside, found.n_tokens, method


def _jacobian(
    model: Model, corpus: Corpus, config: JacobianConfig, seed: int
) -> tuple[AffineMaps, dict[str, Translator], int, str]:
    found = mean_jacobian(model, corpus, config)
    maps = AffineMaps(found.matrices.transpose(1, 2).contiguous(), torch.zeros(model.n_layers, model.d_model))
    order = torch.randperm(model.d_model, generator=torch.Generator().manual_seed(seed))
    beside: dict[str, Translator] = {
        "Jacobian of shuffled directions": AffineMaps(maps.weights[:, order], maps.biases),
    }
    least, most = min(found.halves), max(found.halves)
    method = (
        f"mean of exact vector-Jacobian products over {config.n_windows} windows of {config.context} tokens, "
        f"summed over later tokens; cosine between halves of the windows {least:.2f} to {most:.2f} over layers"
    )
    return maps, beside, found.n_tokens, method


def _first_unread(config: TunedConfig | JacobianConfig, scores: ScoreConfig) -> int:
    """The first window, of those that are measured, that begins behind all that was fitted on."""
    if isinstance(config, TunedConfig):
        context = config.windows.context
        n_windows = ceil(config.n_tokens / context) + config.steps * config.windows.batch
    else:
        context, n_windows = config.context, config.n_windows
    return ceil(n_windows * context / scores.windows.context)
