"""The Jacobian lens: a layer's stream through the mean derivative of the final stream with respect to it.

    J_l = mean over tokens t of  Σ over t' ≥ t of  ∂ h_last(t') / ∂ h_l(t)        lens(h) = unembed(norm(J_l h))

Gurnee et al. 2026, "Verbalizable Representations Form a Global Workspace in Language Models". It is the model's own
first-order answer to "what would a little more of this make it say, here or later", averaged over contexts; nothing is
trained, and nothing makes it foretell the model's next token, as a tuned lens is made to.

Rows are exact vector-Jacobian products, not draws: one backward pass has one output direction at every later token at
once, and the prompt stands in the batch several times so that several directions go together. Position 0 and special
tokens are left out as sources and as targets; the first token's stream is a hundred times as long as any other's.
"""

from contextlib import suppress
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from hooke.errors import BadConfig, BadRequest
from hooke.models.hooks import CompiledEdit, Moment, Pass, Stop, adding_leaves
from hooke.models.model import Model
from hooke.progress import track
from hooke.sites import Site
from hooke.text.documents import Corpus
from hooke.text.windows import WindowConfig, check_vocabulary, windows

# Tokens in a batch of copies of one window: their history for the backward passes is about 1.5 MB each on a model of
# 30 layers.
_TOKENS_AT_ONCE = 512


@dataclass(frozen=True, kw_only=True, slots=True)
class JacobianConfig:
    """How much text the derivative is averaged over."""

    n_windows: int = 8
    """Windows; each takes as many backward passes as the stream has dimensions."""
    context: int = 32
    """Tokens in a window: how far ahead a derivative can look."""

    def __post_init__(self) -> None:
        if self.n_windows < 2 or self.context < 2:
            raise BadConfig(
                f"A Jacobian of {self.n_windows} windows of {self.context} tokens cannot be had.",
                "",
                "Give two windows or more, of two tokens or more.",
            )


@dataclass(frozen=True)
class MeanJacobian:
    """Mean derivatives of the final stream."""

    matrices: Float[Tensor, "layer d_out d_in"]
    """By layer: matrices[l] @ stream. The last is one on the diagonal."""
    halves: tuple[float, ...]
    """By layer below the last: the cosine between what two halves of the windows give, with the diagonal's 1 taken off;
    how far the mean has settled."""
    n_tokens: int
    """Tokens that derivatives were taken by."""


def mean_jacobian(model: Model, corpus: Corpus, config: JacobianConfig | None = None) -> MeanJacobian:
    """The mean Jacobian of every layer over the first windows of a corpus.

    Raises:
        BadRequest: the text does not fill the windows.
        ShapeMismatch: the tokenizer does not belong to the model.
    """
    config = config or JacobianConfig()
    batches = windows(corpus, model.tokenizer, WindowConfig(context=config.context, batch=1), stop=config.n_windows)
    sums = torch.zeros(2, model.n_layers, model.d_model, model.d_model)
    n_tokens = [0, 0]
    for number, batch in enumerate(track(batches, "Jacobian", total=config.n_windows, unit="windows")):
        check_vocabulary(batch.tokens, model.d_vocab)
        half = number % 2
        sums[half] += summed_jacobian(model, batch.tokens[0], batch.counted[0])
        n_tokens[half] += int(batch.counted.sum())
    if min(n_tokens) == 0:
        raise BadRequest(
            f"The corpus '{corpus.name}' does not fill two windows of {config.context} tokens.",
            "",
            "Give more text, or a smaller context.",
        )
    one = torch.eye(model.d_model)
    first, second = ((part / n - one)[:-1].flatten(1) for part, n in zip(sums, n_tokens, strict=True))
    return MeanJacobian(
        matrices=sums.sum(0) / sum(n_tokens),
        halves=tuple(torch.nn.functional.cosine_similarity(first, second, dim=-1).tolist()),
        n_tokens=sum(n_tokens),
    )


def summed_jacobian(
    model: Model, ids: Int[Tensor, " pos"], counted: Bool[Tensor, " pos"]
) -> Float[Tensor, "layer d_out d_in"]:
    """Σ over sources and targets that count of ∂ h_last(target) / ∂ h_l(source), for each layer, of one prompt."""
    d, n_rows = model.d_model, min(model.d_model, max(1, _TOKENS_AT_ONCE // len(ids)))
    counts = counted.to(model.device, model.dtype)[:, None]
    found = torch.zeros(model.n_layers, d, d)
    found[-1] = torch.eye(d) * counts.sum().cpu()
    with torch.enable_grad():
        last, leaves = _with_history(model, ids.to(model.device).expand(n_rows, -1))
        for start in range(0, d, n_rows):
            n = min(n_rows, d - start)
            asked = torch.zeros_like(last)
            rows = torch.arange(n, device=last.device)
            asked[rows, :, start + rows] = counts[:, 0]
            slopes = torch.autograd.grad(last, leaves, asked, retain_graph=start + n < d)
            for layer, slope in enumerate(slopes):
                found[layer, start : start + n] = (slope[:n] * counts).sum(1).float().cpu()
    return found


def _with_history(model: Model, ids: Int[Tensor, "batch pos"]) -> tuple[Tensor, list[Tensor]]:
    """The final stream with its history, and zeros that were added to the stream behind each layer below the last."""
    leaves: dict[Site, Tensor] = {}
    sites = [Site("resid_post", layer) for layer in range(model.n_layers)]
    places = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
    running = Pass(
        anatomy=model.anatomy,
        captures=frozenset(sites[-1:]),
        edits={site: [CompiledEdit(site, adding_leaves(leaves), None, "all")] for site in sites[:-1]},
        keep=lambda _, value: value,
        stop_at=sites[-1],
        moment=Moment(places, torch.full((len(ids),), ids.shape[1], device=ids.device)),
    )
    with model.open(running), suppress(Stop):
        model.hf(input_ids=ids, use_cache=False)
    return running.read[sites[-1]], [leaves[site] for site in sites[:-1]]
