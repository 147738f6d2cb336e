"""What a graph explains: tokens that the model may say next, a difference of two, a feature, or a direction."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from hooke.circuits.frozen import FrozenModel
from hooke.circuits.sweep import Rows
from hooke.errors import BadRequest, ShapeMismatch
from hooke.sites import Site, parse_site

MASS = 0.95
N_LOGITS = 10


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to be explained, as a linear function of the frozen stream."""

    name: str
    """What a reader sees, e.g. the token's text, or 'A - B'."""
    depth: int
    position: int
    vector: Float[Tensor, " d_model"]
    """Its gradient with respect to the stream at that depth."""
    constant: float
    value: float
    """What the model itself has there; the sum of everything that comes in must equal it."""
    weight: float
    """Its share in the influence that is counted, e.g. the token's probability."""
    tokens: tuple[int, ...] = ()
    """The token, or the two of a difference."""


def top_logits(frozen: FrozenModel, *, mass: float = MASS, at_most: int = N_LOGITS) -> list[Target]:
    """The most probable next tokens that together reach a mass, each minus the mean logit."""
    probabilities = frozen.logits[-1].softmax(-1)
    values, tokens = probabilities.topk(min(at_most, len(probabilities)))
    reached = int((values.cumsum(0) < mass).sum()) + 1
    return [token_target(frozen, int(token)) for token in tokens[:reached]]


def token_target(frozen: FrozenModel, token: int) -> Target:
    """The logit of a token at the last position, minus the mean over the vocabulary.

    The mean changes no probability, and it would make every graph explain what all tokens share.
    """
    scale, bias = logit_scale(frozen), frozen.maps.unembedding_bias
    centred = (frozen.maps.unembedding[token] - frozen.maps.mean_unembedding) * scale
    offset = 0.0 if bias is None else scale * float(bias[token] - bias.mean())
    weight = float(frozen.logits[-1].softmax(-1)[token])
    return _logit_target(frozen, _text(frozen, token), centred, offset, weight, (token,))


def difference_target(frozen: FrozenModel, token: int, other: int) -> Target:
    """The logit of a token minus that of another, at the last position."""
    scale, bias, rows = logit_scale(frozen), frozen.maps.unembedding_bias, frozen.maps.unembedding
    offset = 0.0 if bias is None else scale * float(bias[token] - bias[other])
    name = f"{_text(frozen, token)} - {_text(frozen, other)}"
    return _logit_target(frozen, name, (rows[token] - rows[other]) * scale, offset, 1.0, (token, other))


@dataclass(frozen=True, slots=True)
class Answers:
    """Tokens that are right and tokens that are wrong, as pairs of prompts have them."""

    right: tuple[int, ...]
    wrong: tuple[int, ...]


def answers_target(frozen: FrozenModel, answers: Answers) -> Target:
    """The mean logit of the right tokens minus that of the wrong ones, at the last position.

    Raises:
        BadRequest: a side has no token.
    """
    if not answers.right or not answers.wrong:
        raise BadRequest("A side of the answers has no token.", f"Found {answers}.", "Give at least one on each.")
    if len(answers.right) == len(answers.wrong) == 1:
        return difference_target(frozen, answers.right[0], answers.wrong[0])
    scale, bias, rows = logit_scale(frozen), frozen.maps.unembedding_bias, frozen.maps.unembedding
    right, wrong = list(answers.right), list(answers.wrong)
    offset = 0.0 if bias is None else scale * float(bias[right].mean() - bias[wrong].mean())
    name = " - ".join("/".join(_text(frozen, token) for token in some) for some in (right, wrong))
    return _logit_target(frozen, name, (rows[right].mean(0) - rows[wrong].mean(0)) * scale, offset, 1.0, ())


@dataclass(frozen=True, slots=True)
class Probe:
    """A direction that is read off a residual stream, of a probe, a monitor or a dictionary's feature."""

    name: str
    """What a reader sees."""
    site: str
    """resid_pre, resid_mid or resid_post of a layer."""
    vector: Float[Tensor, " d_model"]
    bias: float = 0.0
    position: int = -1
    """Token at which it is read; negative counts from the end."""


def probe_target(frozen: FrozenModel, probe: Probe) -> Target:
    """What a probe reads on this prompt: vector · stream + bias.

    Raises:
        BadRequest: the site is not a residual stream, or the position is outside the prompt.
        ShapeMismatch: the vector has not the stream's width.
    """
    where = parse_site(probe.site)
    if where.kind not in ("resid_post", "resid_mid", "resid_pre") or (where.layer or 0) >= frozen.n_layers:
        raise BadRequest(
            f"A direction at '{probe.site}' cannot be traced.",
            "",
            "Give resid_pre, resid_mid or resid_post of a layer.",
        )
    if probe.vector.shape != frozen.embed.shape[1:]:
        raise ShapeMismatch(
            f"The direction '{probe.name}' has shape {tuple(probe.vector.shape)}.",
            f"The stream has width {frozen.embed.shape[1]}.",
            "Give one number per dimension.",
        )
    position = place_of(frozen, probe.position)
    layer = where.layer or 0
    depth = 2 * layer + {"resid_pre": 0, "resid_mid": 1, "resid_post": 2}[where.kind]
    stream = _stream(frozen, where)[position]
    vector = probe.vector.to(stream)
    value = float(stream @ vector) + probe.bias
    return Target(f"{probe.name}:{position}", depth, position, vector, probe.bias, value, 1.0)


def feature_target(frozen: FrozenModel, name: str, row: Rows) -> Target:
    """A feature's pre-activation, from its row; `name` is its address, e.g. '11/402@8'."""
    position, depth = int(row.position[0]), int(row.depth[0])
    layer, is_mid = divmod(depth, 2)
    stream = frozen.mlp_stream[layer] if is_mid else frozen.pre[layer]
    value = float(row.vector[0] @ stream[position] + row.constant[0])
    return Target(name, depth, position, row.vector[0], float(row.constant[0]), value, 1.0)


def parse_target(frozen: FrozenModel, words: str) -> Target:
    """The target that words name: a token's text, or 'A - B' for a difference.

    Raises:
        BadRequest: a word is not one token.
    """
    token, minus, other = words.partition(" - ")
    if minus:
        return difference_target(frozen, one_token(frozen, token), one_token(frozen, other))
    return token_target(frozen, one_token(frozen, words))


def one_token(frozen: FrozenModel, text: str) -> int:
    """The token that a text is, or '#123' by its number; where only a leading space makes it one, that one.

    Raises:
        BadRequest: the text is not one token.
    """
    d_vocab = frozen.model.d_vocab
    if text.startswith("#") and text[1:].isdigit():
        if int(text[1:]) >= d_vocab:
            raise BadRequest(f"There is no token {text}.", f"{frozen.model.name} has {d_vocab} tokens.", "")
        return int(text[1:])
    tokenizer = frozen.model.tokenizer
    if tokenizer is None:
        raise BadRequest(f"'{text}' is not one token.", "The model has no tokenizer.", "Give its number, as '#123'.")
    for form in (text, f" {text}"):
        ids = tokenizer(form, add_special_tokens=False)["input_ids"]
        if len(ids) == 1:
            return int(ids[0])
    pieces = [tokenizer.decode([one]) for one in tokenizer(text, add_special_tokens=False)["input_ids"]]
    raise BadRequest(
        f"'{text}' is not one token of {frozen.model.name}.",
        f"It is {len(pieces)}: {' · '.join(map(repr, pieces))}.",
        "Give one of these, or a number as '#123'.",
    )


def target_rows(targets: Sequence[Target]) -> Rows:
    """The targets as rows of a sweep."""
    vector = torch.stack([target.vector for target in targets])
    return Rows(
        depth=torch.tensor([target.depth for target in targets], device=vector.device),
        position=torch.tensor([target.position for target in targets], device=vector.device),
        vector=vector,
        constant=torch.tensor([target.constant for target in targets], device=vector.device, dtype=vector.dtype),
    )


def _logit_target(
    frozen: FrozenModel, name: str, direction: Tensor, offset: float, weight: float, tokens: tuple[int, ...]
) -> Target:
    last = frozen.n_positions - 1
    norm = frozen.final_norm
    place = torch.tensor([last], device=direction.device)
    vector = norm.adjoint_at(place, direction[None])[0]
    constant = float(direction @ norm.map.bias) + offset
    value = float(vector @ frozen.final[last]) + constant
    return Target(name, 2 * frozen.n_layers, last, vector, constant, value, weight, tokens)


def logit_scale(frozen: FrozenModel) -> float:
    """What logits are multiplied with behind the unembedding. A soft cap is left off: it is no linear map."""
    return float(getattr(frozen.model.config, "logit_scale", None) or 1.0)


def _text(frozen: FrozenModel, token: int) -> str:
    return f"#{token}" if frozen.model.tokenizer is None else frozen.model.tokenizer.decode([token])


def place_of(frozen: FrozenModel, position: int) -> int:
    """A position counted from 0, of one counted from 0 or from the end.

    Raises:
        BadRequest: the prompt has no such position.
    """
    n = frozen.n_positions
    if not -n <= position < n:
        raise BadRequest(
            f"There is no position {position}.", f"The prompt has {n} tokens.", "Count from 0, or from the end."
        )
    return position % n


def _stream(frozen: FrozenModel, site: Site) -> Tensor:
    layer = site.layer or 0
    if site.kind == "resid_mid":
        return frozen.mlp_stream[layer] if not frozen.blocks[layer].map.is_parallel else _refuse(site)
    if site.kind == "resid_post" and layer == frozen.n_layers - 1:
        return frozen.final
    return frozen.pre[layer if site.kind == "resid_pre" else layer + 1]


def _refuse(site: Site) -> Tensor:
    raise BadRequest(f"There is no '{site}' in a parallel block.", "", "Use resid_pre or resid_post.")
