"""One prompt run once with everything read: lens, streams, attention and the features of dictionaries."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from hooke.dictionaries.dictionary import Dictionary, check_fits
from hooke.dictionaries.sparse import SparseActs
from hooke.errors import PromptTooLong
from hooke.models.model import Model, Tokens
from hooke.prompts.attention import pack
from hooke.prompts.fitted_lens import FittedLens, translated
from hooke.prompts.lens import LENS_LIMITS, logit_lens
from hooke.sites import Site

LIMIT = 512
"""The most tokens of a prompt that is taken apart, unless the model's context is shorter."""
N_FEATURES = 64
"""Features kept for each token."""
# Patterns of about 256 MB are read in one run; those of a large model take several.
_PATTERN_ELEMENTS = 2**26

NO_LENS = "No logit lens: the model's final norm or unembedding was not found."
NO_PATTERNS = "No attention patterns: this model's attention cannot be read from outside."


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadWith:
    """A dictionary that a prompt was read with."""

    name: str
    """Its name."""
    site: str
    """Where it reads."""
    layer: int | None
    """The site's layer."""
    n_features: int
    """How many features it has."""
    k: int
    """Features kept for each token."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Inspection:
    """Everything that was read of a prompt."""

    token_ids: tuple[int, ...]
    """Its tokens."""
    n_layers: int
    """Layers."""
    n_heads: int
    """Heads of a layer; 0 where patterns cannot be read."""
    has_lens: bool
    """Whether there is a lens."""
    lenses: tuple[str, ...]
    """Kinds of lens that it was read with; the fitted ones' arrays have the kind before their names."""
    dictionaries: tuple[ReadWith, ...]
    """Dictionaries, in the order of the arrays `dictionary.0.*`, `dictionary.1.*`, ..."""
    notes: tuple[str, ...]
    """What is missing, and what the numbers do not say."""
    arrays: Mapping[str, ndarray]
    """The numbers, by name; see `inspect`."""


def limit_of(model: Model) -> int:
    """The most tokens of a prompt that can be taken apart."""
    return min(LIMIT, model.context)


def require_length(model: Model, n_tokens: int) -> None:
    """Raises:
    PromptTooLong: the prompt has more tokens than can be taken apart.
    """
    limit = limit_of(model)
    if n_tokens > limit:
        raise PromptTooLong(
            f"The prompt has {n_tokens} tokens.",
            f"At most {limit} can be taken apart: the grid and {'the patterns' if limit == LIMIT else 'the context'} "
            "end there.",
            "Shorten it.",
        )


def inspect(
    model: Model, tokens: Tokens, dictionaries: Sequence[Dictionary] = (), lenses: Sequence[FittedLens] = ()
) -> Inspection:
    """A prompt taken apart, in one forward pass (a large model's patterns take further ones).

    Arrays: `lens_ids`, `lens_logprobs` [layer, pos, guess], `lens_rank`, `lens_actual`, `entropy` [layer, pos] (of a
    fitted lens the same behind its kind, `tuned.lens_ids`), `norm` [layer, pos],
    `direction` [layer, pos, d_model] (the stream over its norm), `pattern.L` and `scale.L` (see
    `hooke.prompts.attention`), and for dictionary n `dictionary.n.id`, `.act` [pos, k], `.n_active`, `.unexplained`
    [pos].

    Raises:
        PromptTooLong: it has more than `limit_of(model)` tokens.
        ShapeMismatch, UnknownSite, UnsupportedModel: a dictionary does not fit the model.
    """
    require_length(model, tokens.ids.shape[1])
    for dictionary in dictionaries:
        check_fits(dictionary, model)
    posts = [Site("resid_post", layer) for layer in range(model.n_layers)]
    reads = [site for dictionary in dictionaries for site in dictionary.reads]
    patterns = [Site("pattern", layer) for layer in range(model.n_layers)]
    has_patterns = all(model.has(site) for site in patterns)
    first, *others = _groups(patterns, tokens, model) if has_patterns else [[]]
    run = model.run(tokens, capture=[*posts, *reads, *first], logits=False)
    streams = [run[site][0].float() for site in posts]
    arrays = _streams(streams) | _patterns(run.captures)
    for group in others:
        arrays |= _patterns(model.run(tokens, capture=group, logits=False).captures)
    has_lens = model.anatomy.final_norm is not None and model.anatomy.unembedding is not None
    kinds = ["logit", *(lens.manifest.kind for lens in lenses)] if has_lens else []
    for kind, lens in zip(kinds, [None, *lenses], strict=False):
        read = translated(lens, streams, range(model.n_layers))
        arrays |= {lens_array(kind, name): array for name, array in _lens(model, read, tokens).items()}
    read_with = []
    for place, dictionary in enumerate(dictionaries):
        x = run.rows(*dictionary.reads)[0]
        arrays |= {f"dictionary.{place}.{name}": array for name, array in features_of(dictionary, x).items()}
        read_with.append(_read_with(dictionary, arrays[f"dictionary.{place}.id"].shape[1]))
    notes = [LENS_LIMITS if has_lens else NO_LENS, *([] if has_patterns else [NO_PATTERNS])]
    return Inspection(
        token_ids=tuple(tokens.ids[0].tolist()),
        n_layers=model.n_layers,
        n_heads=len(arrays["scale.0"]) if has_patterns else 0,
        has_lens=has_lens,
        lenses=tuple(kinds),
        dictionaries=tuple(read_with),
        notes=tuple(notes),
        arrays=arrays,
    )


def lens_array(kind: str, name: str) -> str:
    """What an array of a lens of this kind is called."""
    return name if kind == "logit" else f"{kind}.{name}"


def features_of(dictionary: Dictionary, x: Float[Tensor, "pos width"]) -> dict[str, ndarray]:
    """The strongest features of each position, how many fire, and the share of x that the dictionary leaves over.

    That share is |x - x̂|² / |x - b|², where b is what the dictionary makes of no features at all, its decoder's bias.
    It is NaN where the dictionary writes elsewhere than it reads.
    """
    x = x.to(dictionary.device)
    with torch.no_grad():
        acts = dictionary.encode(x)
        order = acts.values.argsort(dim=-1, descending=True, stable=True)[:, :N_FEATURES]
        values = acts.values.gather(-1, order)
        unexplained = torch.full(x.shape[:1], torch.nan)
        if dictionary.reads == dictionary.writes and dictionary.config.d_out == x.shape[-1]:
            error = (x - dictionary.decode(acts)).square().sum(-1)
            origin = dictionary.decode(SparseActs(torch.zeros_like(acts.values), acts.indices, acts.n_features))
            unexplained = error / (x - origin).square().sum(-1).clamp_min(1e-12)
    return {
        "id": acts.indices.gather(-1, order).int().cpu().numpy(),
        "act": values.float().cpu().numpy(),
        "n_active": (acts.values > 0).sum(-1).int().cpu().numpy(),
        "unexplained": unexplained.float().cpu().numpy(),
    }


def _read_with(dictionary: Dictionary, k: int) -> ReadWith:
    site = dictionary.reads[0]
    return ReadWith(name=dictionary.name, site=str(site), layer=site.layer, n_features=dictionary.n_features, k=k)


def _streams(streams: Sequence[Float[Tensor, "pos d_model"]]) -> dict[str, ndarray]:
    stacked = torch.stack(list(streams))
    norm = stacked.norm(dim=-1)
    # Half precision holds directions, not lengths: the first token's stream can be longer than its largest number.
    direction = (stacked / norm.clamp_min(1e-12)[..., None]).half()
    return {"norm": norm.cpu().numpy(), "direction": direction.cpu().numpy()}


def _lens(model: Model, streams: Sequence[Tensor], tokens: Tokens) -> dict[str, ndarray]:
    lens = logit_lens(model, streams, tokens.ids[0])
    return {
        "lens_ids": lens.ids.numpy(),
        "lens_logprobs": lens.logprobs.numpy(),
        "lens_rank": lens.rank.numpy(),
        "lens_actual": lens.actual.numpy(),
        "entropy": lens.entropy.numpy(),
    }


def _groups(patterns: list[Site], tokens: Tokens, model: Model) -> list[list[Site]]:
    """Layers whose patterns are read in one run."""
    n_heads = int(getattr(model.config, "num_attention_heads", 1) or 1)
    size = max(1, _PATTERN_ELEMENTS // (n_heads * tokens.ids.shape[1] ** 2))
    return [patterns[at : at + size] for at in range(0, len(patterns), size)]


def _patterns(captures: Mapping[Site, Tensor]) -> dict[str, ndarray]:
    return dict(_packed(captures))


def _packed(captures: Mapping[Site, Tensor]) -> Iterator[tuple[str, ndarray]]:
    for site, pattern in captures.items():
        if site.kind == "pattern":
            codes, scale = pack(np.ascontiguousarray(pattern[0].float().cpu().numpy()))
            yield f"pattern.{site.layer}", codes
            yield f"scale.{site.layer}", scale
