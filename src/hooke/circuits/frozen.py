"""A model on one prompt, made linear: attention patterns and norm denominators frozen, MLP outputs taken as given.

    resid_mid = resid_pre + W_O · (pattern · W_V · norm(resid_pre))        linear in resid_pre
    resid_post = resid_mid + mlp_out                                       mlp_out is a leaf, no gradient passes

Between a node's output and another node's input there are only linear maps, so that the backward map is swept by hand
from the last layer to the embedding: no autograd graph, and all target rows go through each layer in one product. The
local replacement model of "Circuit Tracing" (Ameisen et al., 2025).
"""

from dataclasses import dataclass, replace
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hooke.errors import HookeError, UnsupportedModel
from hooke.models.architectures import relative_error
from hooke.models.linear_maps import BlockMap, ModelMap, NormMap, linear_maps
from hooke.models.model import Model, Run, Tokens
from hooke.sites import Site

_LIMIT = 1e-4
"""Largest relative error of the linear maps against the model's own tensors."""


class NotFinite(HookeError):
    """Activations hold NaN or infinity."""


@dataclass(frozen=True, slots=True)
class FrozenNorm:
    """A norm with its denominators on this prompt: y = gain * (x - mean(x) where centred) * inverse + bias."""

    map: NormMap
    inverse: Float[Tensor, " pos"]

    def writing(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """What inputs bring to the output, without the denominators and the bias."""
        return (x - x.mean(-1, keepdim=True) if self.map.is_centred else x) * self.map.gain

    def apply(self, x: Float[Tensor, "*n pos d"]) -> Float[Tensor, "*n pos d"]:
        """The linear part on streams at every position, without the bias."""
        return self.writing(x) * self.inverse[:, None]

    def apply_at(self, position: Int[Tensor, " n"], x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """The linear part on vectors at one position each, without the bias."""
        return self.writing(x) * self.inverse[position, None]

    def adjoint(self, gradient: Float[Tensor, "pos row d"]) -> Float[Tensor, "pos row d"]:
        """Gradients at the input, of gradients at the output; positions up to any."""
        return self.reading(gradient).mul_(self.inverse[: len(gradient), None, None])

    def reading(self, matrix: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """Rows that read the output, as rows that read the input, without the denominators."""
        scaled = matrix * self.map.gain
        return scaled - scaled.mean(-1, keepdim=True) if self.map.is_centred else scaled

    def adjoint_at(self, position: Int[Tensor, " n"], gradient: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Gradients at the input, of gradients at the output at one position each."""
        return self.reading(gradient) * self.inverse[position, None]


@dataclass(frozen=True, slots=True)
class FrozenBlock:
    """One block on this prompt."""

    map: BlockMap
    attention_norm: FrozenNorm | None
    attention_post_norm: FrozenNorm | None
    mlp_norm: FrozenNorm | None
    mlp_post_norm: FrozenNorm | None
    """None where there is none, or where the neurons in front of it were not found."""
    pattern: Float[Tensor, "head query key"]
    neurons: Float[Tensor, "pos neuron"] | None
    """Hidden activations of the MLP, where its neurons were found."""
    attention_constant: Float[Tensor, "pos d_model"]
    """What attention adds whatever it reads: biases of norms, values and outputs."""


@dataclass(frozen=True, slots=True)
class FrozenModel:
    """A model on one prompt, made linear."""

    model: Model
    maps: ModelMap
    tokens: Int[Tensor, " pos"]
    blocks: tuple[FrozenBlock, ...]
    final_norm: FrozenNorm
    embed: Float[Tensor, "pos d_model"]
    """What each token brings to the first block."""
    place: Float[Tensor, "pos d_model"]
    """What position embeddings bring."""
    pre: Float[Tensor, "layer pos d_model"]
    """The stream that each block reads."""
    mlp_stream: Float[Tensor, "layer pos d_model"]
    """The stream that each MLP reads, before the norm in front of it."""
    mlp_in: Float[Tensor, "layer pos d_model"]
    mlp_out: Float[Tensor, "layer pos d_model"]
    final: Float[Tensor, "pos d_model"]
    """The last residual stream."""
    logits: Float[Tensor, "pos vocab"]

    @property
    def n_layers(self) -> int:
        """Number of blocks."""
        return len(self.blocks)

    @property
    def n_positions(self) -> int:
        """Number of tokens."""
        return len(self.tokens)

    def mlp_depth(self, layer: int) -> int:
        """Depth of the stream that the MLP of a layer reads; depth 2·layer is resid_pre."""
        return 2 * layer if self.blocks[layer].map.is_parallel else 2 * layer + 1


def freeze(model: Model, prompt: str | Tensor | Tokens) -> FrozenModel:
    """One run of the model, and the linear model that gives the same numbers on this prompt.

    Raises:
        UnsupportedModel: a part has no linear map, or the maps do not give the model's own tensors.
        NotFinite: an activation is NaN or infinite.
        BadRequest, PromptTooLong: see `Model.tokenize`.
    """
    if model.dtype not in (torch.float32, torch.float64):
        raise UnsupportedModel(
            f"{model.name} is loaded in {str(model.dtype).removeprefix('torch.')}.",
            "Edges of an attribution graph are not reproducible in half precision.",
            "Load it with dtype='float32'.",
        )
    maps = linear_maps(model)
    tokens = prompt if isinstance(prompt, Tokens) else model.tokenize(prompt)
    kinds = ("resid_pre", "attn_in", "pattern", "z", "attn_out", "mlp_in", "mlp_out")
    last = Site("resid_post", model.n_layers - 1)
    wanted = [f"{kind}.*" for kind in kinds]
    wanted += [f"neurons.{layer}" for layer, block in enumerate(maps.blocks) if block.neurons is not None]
    run = model.run(tokens, capture=[*wanted, last, "final_norm", "embed"], keep_dtype=torch.float32)
    _require_finite(model, run, last)
    blocks = tuple(
        _freeze_block(model, layer, block, {site.kind: run[site][0] for site in run if site.layer == layer})
        for layer, block in enumerate(maps.blocks)
    )
    pre = torch.stack([run[Site("resid_pre", layer)][0] for layer in range(model.n_layers)])
    attn_out = torch.stack([run[Site("attn_out", layer)][0] for layer in range(model.n_layers)])
    parallel = torch.tensor([block.map.is_parallel for block in blocks], device=pre.device)[:, None, None]
    embed, place = _embedding(run[Site("embed")][0], pre[0])
    mlp_out = torch.stack([run[Site("mlp_out", layer)][0].reshape(pre[0].shape) for layer in range(model.n_layers)])
    mlp_in = torch.stack([run[Site("mlp_in", layer)][0].reshape(pre[0].shape) for layer in range(model.n_layers)])
    assert run.logits is not None
    return FrozenModel(
        model=model,
        maps=maps,
        tokens=tokens.ids[0],
        blocks=blocks,
        final_norm=_freeze_norm(model, "final_norm", maps.final_norm, run[last][0], run[Site("final_norm")][0]),
        embed=embed,
        place=place,
        pre=pre,
        mlp_stream=torch.where(parallel, pre, pre + attn_out),
        mlp_in=mlp_in,
        mlp_out=mlp_out,
        final=run[last][0],
        logits=run.logits[0].float(),
    )


def _require_finite(model: Model, run: Run, last: Site) -> None:
    # What is not finite anywhere reaches the end of the stream, or comes from a part that writes into it.
    if bool(run[last].isfinite().all()) and all(
        bool(run[site].isfinite().all()) for site in run if site.kind == "mlp_out"
    ):
        return
    first = next((site for site in run if not bool(run[site].isfinite().all())), last)
    raise NotFinite(
        f"Activations of {model.name} at '{first}' are not finite on this prompt.",
        "There is NaN or infinity.",
        "Check the model's weights and dtype.",
    )


def _embedding(embed: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
    """What the tokens bring and what the positions bring; some architectures scale the embedding on the way."""
    scale = (first * embed).sum() / (embed * embed).sum().clamp_min(1e-30)
    if relative_error(embed * scale, first) <= 1e-6:
        return first, torch.zeros_like(first)
    return embed, first - embed


def _freeze_norm(model: Model, site: str, norm: NormMap, x: Tensor, y: Tensor) -> FrozenNorm:
    centred = x - x.mean(-1, keepdim=True) if norm.is_centred else x
    unscaled = centred * norm.gain
    inverse = ((y - norm.bias) * unscaled).sum(-1) / unscaled.square().sum(-1).clamp_min(1e-30)
    frozen = FrozenNorm(norm, inverse)
    _require_close(model, site, frozen.apply(x) + norm.bias, y)
    return frozen


def _freeze_norm_of(
    model: Model, layer: int, norm: NormMap | None, site: str, x: Tensor, y: Tensor
) -> FrozenNorm | None:
    return None if norm is None else _freeze_norm(model, f"{site}.{layer}", norm, x, y.reshape(x.shape))


def _freeze_block(model: Model, layer: int, block: BlockMap, read: dict[str, Tensor]) -> FrozenBlock:
    attention, pre, attn_out = block.attention, read["resid_pre"], read["attn_out"]
    stream = pre if block.is_parallel else pre + attn_out
    freeze_norm = partial(_freeze_norm_of, model, layer)

    written = torch.einsum("qhe,hed->qd", read["z"], attention.outputs) + attention.output_bias
    neurons = read.get("neurons")
    mlp_post_norm = None
    if block.neurons is not None and neurons is not None:
        raw = neurons @ block.neurons.outputs + block.neurons.output_bias
        mlp_post_norm = freeze_norm(block.mlp_post_norm, "mlp_out", raw, read["mlp_out"])
    frozen = FrozenBlock(
        map=block,
        attention_norm=freeze_norm(attention.norm, "attn_in", pre, read["attn_in"]),
        attention_post_norm=freeze_norm(attention.post_norm, "attn_out", written, attn_out),
        mlp_norm=freeze_norm(block.mlp_norm, "mlp_in", stream, read["mlp_in"]),
        mlp_post_norm=mlp_post_norm,
        pattern=read["pattern"],
        neurons=neurons,
        attention_constant=torch.zeros_like(pre),
    )
    found, constant = attend(frozen, torch.stack([pre, torch.zeros_like(pre)]))
    _require_close(model, f"attn_out.{layer}", found, attn_out)
    return replace(frozen, attention_constant=constant)


def attend(block: FrozenBlock, stream: Float[Tensor, "*n pos d_model"]) -> Float[Tensor, "*n pos d_model"]:
    """What attention adds to streams, with this prompt's pattern and denominators."""
    attention, norm, post = block.map.attention, block.attention_norm, block.attention_post_norm
    read = stream if norm is None else norm.apply(stream) + norm.map.bias
    values = torch.einsum("...kd,ged->...gke", read, attention.values) + attention.value_bias[:, None]
    shared = values.repeat_interleave(len(attention.outputs) // len(attention.values), dim=-3)
    mixed = block.pattern @ shared
    written = torch.einsum("...hqe,hed->...qd", mixed, attention.outputs) + attention.output_bias
    return written if post is None else post.apply(written) + post.map.bias


def _require_close(model: Model, site: str, found: Tensor, expected: Tensor) -> None:
    error = relative_error(found, expected)
    if not error <= _LIMIT:
        raise UnsupportedModel(
            f"Attribution graphs of {model.name} stop at '{site}':",
            f"its frozen linear map is off by {error:.1e} (at most {_LIMIT:.0e}).",
            "Load the model in float32; see `hooke model check`.",
        )
