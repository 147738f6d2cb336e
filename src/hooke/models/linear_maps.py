"""The linear maps inside each block, found by numbers: what values, heads and neurons are computed with.

A short probe runs through the model once. Which columns of which projection are the values, which norm stands in front
of a part, and which projections are a neuron's gate and input are read off what the modules read and returned, so that
fused projections, shared norms and parallel blocks need no entry of their own. Matrices are taken by pushing the unit
vectors through a module, which spares knowing how its weight is stored.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers.activations import ACT2FN

from hooke.errors import UnsupportedModel
from hooke.models.architectures import Record, is_linear, is_norm, probe_tokens, recording, relative_error, same
from hooke.models.model import Model
from hooke.sites import Site

_FROZEN = "attribution graphs of this model"


@dataclass(frozen=True, slots=True)
class NormMap:
    """y = gain * (x - mean(x) where centred) / denominator(x) + bias."""

    gain: Float[Tensor, " d"]
    bias: Float[Tensor, " d"]
    is_centred: bool
    """Whether the mean over d is taken off first (layer norm)."""
    module: nn.Module
    """The norm itself."""


@dataclass(frozen=True, slots=True)
class AttentionMap:
    """What one attention layer does once its pattern is given: read values, mix positions, write."""

    norm: NormMap | None
    """In front of it."""
    values: Float[Tensor, "kv d_head d_model"]
    value_bias: Float[Tensor, "kv d_head"]
    outputs: Float[Tensor, "head d_head d_model"]
    output_bias: Float[Tensor, " d_model"]
    post_norm: NormMap | None
    """Behind it."""


@dataclass(frozen=True, slots=True)
class NeuronMap:
    """How one layer's neurons are computed and written: act(gate) * up, or act(gate) alone."""

    gate: Float[Tensor, "neuron d_model"]
    gate_bias: Float[Tensor, " neuron"]
    up: Float[Tensor, "neuron d_model"] | None
    """None where the MLP has no gate and the neuron is act(gate)."""
    up_bias: Float[Tensor, " neuron"] | None
    activation: Callable[[Tensor], Tensor]
    outputs: Float[Tensor, "neuron d_model"]
    """What each neuron adds to the MLP's output per unit, before a norm behind the MLP."""
    output_bias: Float[Tensor, " d_model"]


@dataclass(frozen=True, slots=True)
class BlockMap:
    """One block."""

    attention: AttentionMap
    mlp_norm: NormMap | None
    """In front of the MLP."""
    mlp_post_norm: NormMap | None
    """Behind the MLP."""
    is_parallel: bool
    """The MLP reads the stream that attention reads."""
    neurons: NeuronMap | None
    """None where the MLP's output is not one linear map of hidden activations."""


@dataclass(frozen=True, slots=True)
class ModelMap:
    """The linear maps of a whole model, in its own dtype's values but float32."""

    blocks: tuple[BlockMap, ...]
    final_norm: NormMap
    unembedding: Float[Tensor, "vocab d_model"]
    mean_unembedding: Float[Tensor, " d_model"]
    unembedding_bias: Float[Tensor, " vocab"] | None


_KNOWN: WeakKeyDictionary[Model, ModelMap] = WeakKeyDictionary()


def linear_maps(model: Model) -> ModelMap:
    """The linear maps of a model; found once, kept as long as the model.

    Raises:
        UnsupportedModel: a part was not found, with its site, or does not give the numbers that the model gave.
    """
    if model not in _KNOWN:
        _KNOWN[model] = _find(model)
    return _KNOWN[model]


def _find(model: Model) -> ModelMap:
    wanted = [f"{kind}.{layer}" for layer in range(model.n_layers) for kind in ("attn_out", "mlp_out", "z", "v")]
    for site in wanted:
        refusal = model.refusals.get(site)
        if refusal is not None:
            raise UnsupportedModel(f"{model.name} has no {_FROZEN}:", f"site '{site}' was refused: {refusal.why}.", "")
    norm, head = model.anatomy.final_norm, model.anatomy.unembedding
    if norm is None or head is None:
        raise UnsupportedModel(f"{model.name} has no {_FROZEN}:", "no final norm or no unembedding was found.", "")
    with recording(model.hf) as records:
        run = model.run(probe_tokens(model.hf), capture=["v.*", "resid_pre.*"])
    with torch.no_grad():
        blocks = tuple(
            _block(model, layer, records, run[Site("resid_pre", layer)], run[Site("v", layer)])
            for layer in range(model.n_layers)
        )
        bias, unembedding = getattr(head, "bias", None), head.weight.detach().float()  # pyright: ignore
        return ModelMap(
            blocks=blocks,
            final_norm=norm_map(norm, model.d_model, model.device),
            unembedding=unembedding,
            mean_unembedding=unembedding.mean(0),
            unembedding_bias=None if bias is None else bias.detach().float(),
        )


def norm_map(norm: nn.Module, width: int, device: torch.device) -> NormMap:
    """Gain, bias and kind of a norm, measured instead of read, since some architectures store gain - 1.

    A vector of as many +1 as -1 has mean 0 and mean square 1, so any RMS or layer norm returns ±gain plus bias.
    """
    half = width // 2
    signs = torch.cat([torch.ones(half), -torch.ones(width - half)]).to(device)
    probe = signs.to(next((weight.dtype for weight in norm.parameters()), torch.float32))
    above, below, shifted = (norm(one[None])[0].float() for one in (probe, -probe, probe + 3))
    return NormMap(
        gain=(above - below) / 2 * signs,
        bias=(above + below) / 2,
        is_centred=relative_error(shifted, above) < 1e-2,
        module=norm,
    )


def linear_matrix(module: nn.Module, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """([in, out] matrix, [out] bias) of a linear module; the module's own memory where it stores just that."""
    weight: Any = module.weight
    bias = module(torch.zeros(1, width, device=device, dtype=weight.dtype))[0].float()
    matrix = module(torch.eye(width, device=device, dtype=weight.dtype)).float() - bias
    for stored in (weight.detach().T, weight.detach()):
        if stored.dtype == matrix.dtype and stored.shape == matrix.shape and torch.equal(stored, matrix):
            return stored, bias
    return matrix, bias


def _block(model: Model, layer: int, records: dict[nn.Module, Record], pre: Tensor, values: Tensor) -> BlockMap:
    block, anatomy = model.anatomy.blocks[layer], model.anatomy
    attention = anatomy.taps[Site("attn_in", layer)].module
    mlp = anatomy.taps[Site("mlp_in", layer)].module
    attention_end = anatomy.taps[Site("attn_out", layer)].module
    mlp_end = anatomy.taps[Site("mlp_out", layer)].module
    attn_out = records[attention_end].returned
    is_parallel = layer in anatomy.parallel
    assert attn_out is not None
    mlp_stream = pre if is_parallel else pre + attn_out
    return BlockMap(
        attention=_attention(
            model, layer, records, _norm_before(model, f"attn_in.{layer}", block, records, attention, pre), values
        ),
        mlp_norm=_norm_before(model, f"mlp_in.{layer}", block, records, mlp, mlp_stream),
        mlp_post_norm=None if mlp_end is mlp else norm_map(mlp_end, model.d_model, model.device),
        is_parallel=is_parallel,
        neurons=_neurons(model, layer, mlp, records) if layer in anatomy.mlp_paths else None,
    )


def _norm_before(
    model: Model, site: str, block: nn.Module, records: dict[nn.Module, Record], part: nn.Module, stream: Tensor
) -> NormMap | None:
    read = records[part].read
    if same(read, stream, 1e-6):
        return None
    for child in block.children():
        record = records.get(child)
        if is_norm(child) and record is not None and same(record.returned, read, 1e-6) and same(record.read, stream):
            return norm_map(child, model.d_model, model.device)
    raise UnsupportedModel(f"{model.name} has no {_FROZEN}:", f"what stands in front of '{site}' was not found.", "")


def _attention(
    model: Model, layer: int, records: dict[nn.Module, Record], norm: NormMap | None, values: Tensor
) -> AttentionMap:
    anatomy = model.anatomy
    attention = anatomy.taps[Site("attn_in", layer)].module
    end = anatomy.taps[Site("attn_out", layer)].module
    tap = anatomy.taps[Site("z", layer)]
    assert tap.heads is not None
    n_heads, d_head = tap.heads
    outputs, output_bias = linear_matrix(tap.module, n_heads * d_head, model.device)
    matrix, bias = _values(model, layer, attention, records, values)
    n_kv = values.shape[-2]
    return AttentionMap(
        norm=norm,
        values=matrix.T.reshape(n_kv, d_head, -1).contiguous(),
        value_bias=bias.reshape(n_kv, d_head),
        outputs=outputs.reshape(n_heads, d_head, -1),
        output_bias=output_bias,
        post_norm=None if end is attention else norm_map(end, model.d_model, model.device),
    )


def _values(
    model: Model, layer: int, attention: nn.Module, records: dict[nn.Module, Record], values: Tensor
) -> tuple[Tensor, Tensor]:
    """([d_model, kv * d_head], [kv * d_head]): the columns of a projection that the values are copies of."""
    wanted = values.flatten(-2).flatten(0, -2)
    for module in attention.modules():
        record = records.get(module)
        if not is_linear(module) or record is None or record.returned is None or record.read is None:
            continue
        if not same(record.read, records[attention].read, 1e-6):
            continue
        found = record.returned.flatten(0, -2)
        places = {found[:, at].contiguous().cpu().numpy().tobytes(): at for at in range(found.shape[1])}
        columns = [places.get(wanted[:, at].contiguous().cpu().numpy().tobytes()) for at in range(wanted.shape[1])]
        if None not in columns:
            matrix, bias = linear_matrix(module, model.d_model, model.device)
            if columns == list(range(matrix.shape[1])):
                return matrix, bias
            chosen = torch.tensor(columns, device=model.device)
            return matrix[:, chosen], bias[chosen]
    raise UnsupportedModel(
        f"{model.name} has no {_FROZEN}:", f"site 'v.{layer}' is not part of one projection of attn_in.", ""
    )


def _neurons(model: Model, layer: int, mlp: nn.Module, records: dict[nn.Module, Record]) -> NeuronMap | None:
    """The neurons' own projections; None where no order of gate and up gives the hidden activations."""
    down = model.anatomy.mlp_paths[layer].down_projection
    hidden, width = records[down].read, model.width(Site("neurons", layer))
    assert hidden is not None
    inputs: list[tuple[Tensor, Tensor, Tensor]] = []
    for module in mlp.modules():
        record = records.get(module)
        if module is down or not is_linear(module) or record is None or record.returned is None:
            continue
        if same(record.read, records[mlp].read, 1e-6) and record.returned.shape[-1] % width == 0:
            matrix, bias = linear_matrix(module, model.d_model, model.device)
            inputs += zip(record.returned.split(width, dim=-1), matrix.T.split(width), bias.split(width), strict=True)
    activation = _activation(model, mlp)
    outputs, output_bias = linear_matrix(down, width, model.device)
    for value, gate, gate_bias in inputs:
        if same(activation(value), hidden):
            return NeuronMap(gate, gate_bias, None, None, activation, outputs, output_bias)
        for other, up, up_bias in inputs:
            if other is not value and same(activation(value) * other, hidden):
                return NeuronMap(gate, gate_bias, up, up_bias, activation, outputs, output_bias)
    return None


def _activation(model: Model, mlp: nn.Module) -> Callable[[Tensor], Tensor]:
    for child in mlp.modules():
        if child is not mlp and not list(child.parameters()) and "dropout" not in type(child).__name__.lower():
            return child
    config = model.config
    return ACT2FN[getattr(config, "hidden_act", None) or getattr(config, "activation_function", "gelu")]
