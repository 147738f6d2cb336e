"""One token against another: what each part of the model writes to the difference of their logits directly.

    logit[target] - logit[distractor] = Σ over parts  u · part / scale  +  constants
    u = gain of the final norm · (unembedding row of the target - that of the distractor)

The final norm divides by a scale that depends on the whole stream; it is held at what it was in the run, which makes
the rest linear, so the parts sum to the difference. Parts are direct effects only: what an early layer does through
later ones is counted for the later ones. (Elhage et al. 2021, direct logit attribution.)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from hooke.dictionaries.dictionary import Dictionary, check_fits
from hooke.errors import BadRequest, UnsupportedModel
from hooke.models.architectures import relative_error, tolerance
from hooke.models.model import Model, Run, Tokens, norm_gain
from hooke.models.stream_rows import writes_stream
from hooke.sites import Site

NOTE = (
    "Direct effects with the final norm's scale held where it was in the run: what a part does through later layers is "
    "counted for those. The parts sum to the difference of the logits before a soft cap."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """What a part of the model writes to the difference."""

    site: str
    """'resid_pre.0' for what enters the first block, 'attn_out.3', 'mlp_out.3', 'block.3' or 'bias'."""
    layer: int | None
    """Its layer."""
    effect: float
    """In logits."""


@dataclass(frozen=True)
class ThroughDictionary:
    """The effect of a dictionary's site by its features."""

    name: str
    site: str
    features: tuple[int, ...]
    """Features that fire, largest effect first in either direction."""
    activations: tuple[float, ...]
    effects: tuple[float, ...]
    bias: float
    """Effect of the decoder's bias."""
    unexplained: float
    """Effect of what the dictionary leaves over."""
    total: float
    """Effect of the whole stream at the site."""


@dataclass(frozen=True)
class Attribution:
    """A logit difference taken apart."""

    position: int
    difference: float
    """As the model gives it."""
    linear_difference: float
    """Before a soft cap."""
    parts: tuple[Part, ...]
    """In the order of the forward pass."""
    dictionaries: tuple[ThroughDictionary, ...]

    @property
    def unaccounted(self) -> float:
        """What the parts do not sum to."""
        return self.linear_difference - sum(part.effect for part in self.parts)


@dataclass(frozen=True)
class FrozenNorm:
    """The final norm at one position as a linear map onto the difference of two logits."""

    direction: Float[Tensor, " d_model"]
    """What a stream is multiplied with."""
    constant: float
    """Effect of biases."""

    def effect(self, written: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch"]:
        """Effect of vectors in the stream, in logits."""
        return written.to(self.direction) @ self.direction


def attribute(
    model: Model,
    tokens: Tokens,
    target: int,
    distractor: int,
    *,
    position: int = -1,
    dictionaries: Sequence[Dictionary] = (),
) -> Attribution:
    """The difference of two logits at a position, by parts of the model and by features.

    A dictionary whose features write no stream (such as one of heads) is left out.

    Raises:
        BadRequest: the position or a token is not there.
        UnsupportedModel: the model cannot be unembedded, or its final norm is of no known form.
        ShapeMismatch: a dictionary does not fit the model.
    """
    n = tokens.ids.shape[1]
    if not -n <= position < n:
        raise BadRequest(f"No position {position}.", f"The prompt has {n} tokens.", f"Give 0 to {n - 1}.")
    for token in (target, distractor):
        if not 0 <= token < model.d_vocab:
            raise BadRequest(f"No token {token}.", f"{model.name} has {model.d_vocab}.", "Give one of them.")
    writing = [one for one in dictionaries if writes_stream(one)]
    for dictionary in writing:
        check_fits(dictionary, model)
    place = position % n
    streams, sites = _sites(model)
    reads = {site for one in writing for site in (*one.reads, *_written(one))}
    run = model.run(tokens, capture=[*streams, *sites, *reads])
    assert run.logits is not None
    final = run[streams[-1]][0, place].double()
    frozen = frozen_norm(model, final, target, distractor)
    logits = run.logits[0, place].double()
    return Attribution(
        position=place,
        difference=float(logits[target] - logits[distractor]),
        linear_difference=_linear_difference(model, final, target, distractor),
        parts=tuple(_parts(model, run, frozen, place)),
        dictionaries=tuple(_through(one, run, frozen, place) for one in writing),
    )


def frozen_norm(model: Model, final: Float[Tensor, " d_model"], target: int, distractor: int) -> FrozenNorm:
    """The final norm with its scale held at this stream's; its form is measured, not read from its class.

    Raises:
        UnsupportedModel: the norm is neither a root mean square nor a layer norm.
    """
    norm, head = model.anatomy.final_norm, model.anatomy.unembedding
    if norm is None or head is None:
        raise UnsupportedModel(f"{model.name} cannot be unembedded.", "No final norm or no unembedding was found.", "")
    with torch.no_grad():
        given = final.to(model.device, model.dtype)[None]
        found, bias = norm(given)[0].double(), norm(torch.zeros_like(given))[0].double()
    gain = norm_gain(norm, model.d_model, model.device).double()
    for is_centred in (False, True):
        plain = gain * (final - final.mean() if is_centred else final)
        scale = plain.square().sum() / (plain @ (found - bias)).clamp_min(1e-30)
        if relative_error((plain / scale + bias).float(), found.float()) <= tolerance(model.dtype):
            break
    else:
        raise UnsupportedModel(
            f"{model.name} has a final norm of another kind.", "It is neither RMS nor layer norm.", ""
        )
    rows = head.weight.detach().double()  # pyright: ignore
    row = (rows[target] - rows[distractor]) * _logit_scale(model)
    direction = gain * row / scale
    constant = float(row @ bias)
    if getattr(head, "bias", None) is not None:
        offset = head.bias.detach().double()  # pyright: ignore
        constant += float(offset[target] - offset[distractor]) * _logit_scale(model)
    return FrozenNorm(direction - direction.mean() if is_centred else direction, constant)


def _logit_scale(model: Model) -> float:
    return float(getattr(model.config, "logit_scale", None) or 1.0)


def _linear_difference(model: Model, final: Tensor, target: int, distractor: int) -> float:
    """The difference before a soft cap, from the model's own norm and unembedding."""
    norm, head = model.anatomy.final_norm, model.anatomy.unembedding
    assert norm is not None
    assert head is not None
    with torch.no_grad():
        logits = head(norm(final.to(model.device, model.dtype)[None]))[0].double() * _logit_scale(model)
    return float(logits[target] - logits[distractor])


def _sites(model: Model) -> tuple[list[Site], list[Site]]:
    """The streams between blocks, and what the blocks' halves add to them where both can be read."""
    streams = [Site("resid_pre", 0), *(Site("resid_post", layer) for layer in range(model.n_layers))]
    halves = [
        Site(kind, layer)
        for layer in range(model.n_layers)
        if all(model.has(Site(one, layer)) for one in ("attn_out", "mlp_out"))
        for kind in ("attn_out", "mlp_out")
    ]
    return streams, halves


def _parts(model: Model, run: Run, frozen: FrozenNorm, place: int) -> list[Part]:
    before = run[Site("resid_pre", 0)][0, place]
    parts = [Part(site="resid_pre.0", layer=None, effect=float(frozen.effect(before)))]
    for layer in range(model.n_layers):
        after = run[Site("resid_post", layer)][0, place]
        halves = [Site(kind, layer) for kind in ("attn_out", "mlp_out")]
        if all(site in run for site in halves):
            parts += [
                Part(site=str(site), layer=layer, effect=float(frozen.effect(run[site][0, place]))) for site in halves
            ]
        else:
            # A block whose halves cannot be told apart is one part.
            added = after.double() - before.double()
            parts.append(Part(site=f"block.{layer}", layer=layer, effect=float(frozen.effect(added))))
        before = after
    return [*parts, Part(site="bias", layer=None, effect=frozen.constant)]


def _written(dictionary: Dictionary) -> tuple[Site, ...]:
    """The site of the stream that a dictionary's features add up to."""
    site = dictionary.writes[0]
    return (Site("mlp_out", site.layer),) if site.kind == "neurons" else (site,)


def _through(dictionary: Dictionary, run: Run, frozen: FrozenNorm, place: int) -> ThroughDictionary:
    x = run.rows(*dictionary.reads)[0, place : place + 1]
    with torch.no_grad():
        acts = dictionary.encode(x.to(dictionary.device))
    fires = acts.values[0] > 0
    features, values = acts.indices[0][fires], acts.values[0][fires]
    effects = values.double() * frozen.effect(dictionary.output_rows[features])
    order = effects.abs().argsort(descending=True).tolist()
    (site,) = _written(dictionary)
    total = float(frozen.effect(run[site][0, place]))
    offset = getattr(dictionary, "b_dec", None)
    bias = 0.0 if offset is None else float(frozen.effect(offset.detach()))
    return ThroughDictionary(
        name=dictionary.name,
        site=str(dictionary.reads[0]),
        features=tuple(int(features[at]) for at in order),
        activations=tuple(float(values[at]) for at in order),
        effects=tuple(float(effects[at]) for at in order),
        bias=bias,
        unexplained=total - bias - float(effects.sum()),
        total=total,
    )
