"""Where a model's sites are: found by structure and by the flow of numbers, never by an architecture's name.

A short probe runs through the model. What each module read and returned tells which module is what: a norm that
reads exactly what attention returned is a post-norm; the module that reads resid_pre + attn_out reads resid_mid; the
linear map whose output is the MLP's output reads the neurons. A site whose algebra does not hold on the probe is
refused by name.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from hooke.errors import UnsupportedModel
from hooke.sites import KINDS, Site

PROBE_LENGTH = 6
ATTENTION_SITES = ("q", "k", "v", "pattern")


@dataclass(frozen=True, slots=True)
class Tap:
    """One end of a module where a site's tensor passes."""

    module: nn.Module
    end: Literal["input", "output"]
    heads: tuple[int, int] | None = None
    """(heads, width) when the module carries the heads side by side in one axis."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a site cannot be read or edited on this model."""

    what: str
    why: str
    instead: str


@dataclass
class Anatomy:
    """The parts of a model that its sites stand on."""

    blocks: list[nn.Module]
    embedding: nn.Module
    final_norm: nn.Module | None
    unembedding: nn.Module | None
    taps: dict[Site, Tap] = field(default_factory=dict)
    attention: dict[int, nn.Module] = field(default_factory=dict)
    """Attention modules that go through transformers' attention interface, by layer."""
    mlp_paths: dict[int, "MlpPath"] = field(default_factory=dict)
    widths: dict[str, int] = field(default_factory=dict)
    refusals: dict[str, Refusal] = field(default_factory=dict)
    """By site, e.g. `resid_mid.3`."""
    parallel: set[int] = field(default_factory=set)
    """Layers whose MLP reads the same stream as their attention."""


@dataclass(frozen=True, slots=True)
class MlpPath:
    """How the neurons of one layer reach the residual stream."""

    down_projection: nn.Module
    post_norm: nn.Module | None


@dataclass
class Record:
    """What one module read and returned."""

    read: Tensor | None = None
    returned: Tensor | None = None


def text_config(hf: nn.Module) -> Any:
    """The configuration of the model's text stack."""
    config: Any = hf.config
    return config.get_text_config() if hasattr(config, "get_text_config") else config


def first_tensor(value: Any) -> Tensor | None:
    """The tensor itself, or the first element of a tuple when that is a tensor."""
    if isinstance(value, tuple) and value:
        value = value[0]
    return value if isinstance(value, Tensor) else None


def input_tensor(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor | None:
    """What a module was called with: its first positional argument, or `hidden_states`."""
    value = args[0] if args else kwargs.get("hidden_states")
    return value if isinstance(value, Tensor) else None


def relative_error(found: Tensor, expected: Tensor) -> float:
    """‖found - expected‖ / ‖expected‖, in float32."""
    expected = expected.float()
    return float((found.float() - expected).norm() / expected.norm().clamp_min(1e-20))


def tolerance(dtype: torch.dtype) -> float:
    """How far two ways of computing one tensor may differ: a few hundred units of rounding of the dtype."""
    return max(1e-5, 300 * torch.finfo(dtype).eps) if dtype in (torch.float32, torch.float64) else 0.05


def resolve(hf: nn.Module) -> Anatomy:
    """The anatomy of a causal language model, with each site's algebra verified on a probe.

    Raises:
        UnsupportedModel: no list of decoder blocks was found.
    """
    blocks = _find_blocks(hf)
    records = _probe(hf)
    anatomy = Anatomy(
        blocks=blocks,
        embedding=hf.get_input_embeddings(),  # pyright: ignore[reportCallIssue]
        final_norm=_find_final_norm(hf, blocks, records),
        unembedding=hf.get_output_embeddings(),  # pyright: ignore[reportCallIssue]
    )
    config = text_config(hf)
    anatomy.widths["d_model"] = config.hidden_size
    anatomy.taps[Site("embed")] = Tap(anatomy.embedding, "output")
    if anatomy.final_norm is not None:
        anatomy.taps[Site("final_norm")] = Tap(anatomy.final_norm, "output")
    else:
        _refuse(
            anatomy,
            "final_norm",
            "no norm between the last block and the unembedding was found",
            "resid_post of the last layer",
        )
    for layer, block in enumerate(blocks):
        _resolve_block(anatomy, layer, block, records, config)
    return anatomy


def _find_blocks(hf: nn.Module) -> list[nn.Module]:
    config = text_config(hf)
    lists = [
        (name, module)
        for name, module in hf.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) == config.num_hidden_layers
    ]
    lists = [(name, module) for name, module in lists if len({type(block) for block in module}) == 1] or lists
    if not lists:
        raise UnsupportedModel(
            f"{type(hf).__name__} could not be opened.",
            f"No list of {config.num_hidden_layers} decoder blocks was found in it.",
            "Only decoder-only models whose blocks stand in one list are supported.",
        )
    # The outermost list is the decoder's; lists of experts or heads are nested inside its blocks.
    return list(min(lists, key=lambda item: item[0].count("."))[1])


@contextmanager
def recording(hf: nn.Module) -> Iterator[dict[nn.Module, Record]]:
    """(Copies of) what every module reads and returns in forward passes inside the block; the last call counts."""
    records: dict[nn.Module, Record] = {}
    before, after = partial(_record_read, records), partial(_record_returned, records)
    handles = []
    try:
        for module in hf.modules():
            handles.append(module.register_forward_pre_hook(before, with_kwargs=True))
            handles.append(module.register_forward_hook(after))
        yield records
    finally:
        for handle in handles:
            handle.remove()


def _record_read(
    records: dict[nn.Module, Record], module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    value = input_tensor(args, kwargs)
    if value is not None and value.is_floating_point():
        records.setdefault(module, Record()).read = value.detach().clone()


def _record_returned(records: dict[nn.Module, Record], module: nn.Module, _: tuple[Any, ...], output: Any) -> None:
    value = first_tensor(output)
    if value is not None and value.is_floating_point():
        records.setdefault(module, Record()).returned = value.detach().clone()


def _probe(hf: nn.Module) -> dict[nn.Module, Record]:
    """What the modules read and returned on a few tokens."""
    with recording(hf) as records, torch.no_grad():
        hf(input_ids=probe_tokens(hf), use_cache=False)
    return records


def probe_tokens(hf: nn.Module) -> Tensor:
    """[1, 6] token ids, spread over the vocabulary."""
    n_vocab = text_config(hf).vocab_size
    embedding: Any = hf.get_input_embeddings()  # pyright: ignore[reportCallIssue]
    return torch.linspace(n_vocab // 7, n_vocab - n_vocab // 7, PROBE_LENGTH).long()[None].to(embedding.weight.device)


def is_norm(module: nn.Module) -> bool:
    """Whether a module is a normalisation layer, by its class's name."""
    return "norm" in type(module).__name__.lower()


def is_attention(module: nn.Module) -> bool:
    """Whether a module is an attention layer, by its class's name."""
    name = type(module).__name__.lower()
    return "attention" in name or "attn" in name


def is_linear(module: nn.Module) -> bool:
    """Whether a module is one matrix, by its weight's shape."""
    weight = getattr(module, "weight", None)
    return isinstance(weight, Tensor) and weight.ndim == 2 and not isinstance(module, nn.Embedding)


def _find_final_norm(hf: nn.Module, blocks: list[nn.Module], records: dict[nn.Module, Record]) -> nn.Module | None:
    last = records[blocks[-1]].returned
    inside = {module for block in blocks for module in block.modules()}
    for module in hf.modules():
        record = records.get(module)
        if module not in inside and is_norm(module) and record and same(record.read, last):
            return module
    return None


def same(found: Tensor | None, expected: Tensor | None, limit: float | None = None) -> bool:
    """Whether two tensors are equal but for rounding."""
    if found is None or expected is None or found.shape != expected.shape:
        return False
    return relative_error(found, expected) <= (tolerance(expected.dtype) if limit is None else limit)


def _refuse(anatomy: Anatomy, site: str, why: str, instead: str) -> None:
    anatomy.refusals[site] = Refusal(site, why, instead)


def _parts(block: nn.Module) -> tuple[list[nn.Module], list[nn.Module]]:
    """A block's attention modules and its other modules with weight matrices (the MLP, where there is one)."""
    attention = [child for child in block.children() if is_attention(child)]
    others = [
        child
        for child in block.children()
        if not is_attention(child) and not is_norm(child) and any(weight.ndim >= 2 for weight in child.parameters())
    ]
    return attention, others


def _resolve_block(
    anatomy: Anatomy, layer: int, block: nn.Module, records: dict[nn.Module, Record], config: Any
) -> None:
    anatomy.taps[Site("resid_pre", layer)] = Tap(block, "input")
    anatomy.taps[Site("resid_post", layer)] = Tap(block, "output")
    attention, mlps = _parts(block)
    if len(attention) != 1:
        found = ", ".join(type(child).__name__ for child in block.children())
        for kind in ("attn_in", "attn_out", "resid_mid", "z", *ATTENTION_SITES):
            _refuse(anatomy, f"{kind}.{layer}", f"no single attention module among {found}", "resid_pre or resid_post")
    else:
        _resolve_attention(anatomy, layer, attention[0], records, config)
    if len(mlps) != 1:
        found = ", ".join(type(child).__name__ for child in block.children())
        for kind in ("mlp_in", "mlp_out", "neurons", "resid_mid"):
            _refuse(anatomy, f"{kind}.{layer}", f"no single MLP module among {found}", "resid_pre or resid_post")
    else:
        anatomy.taps[Site("mlp_in", layer)] = Tap(mlps[0], "input")
        _resolve_neurons(anatomy, layer, mlps[0], records)
    if len(attention) == 1 and len(mlps) == 1:
        _resolve_stream(anatomy, layer, block, attention[0], mlps[0], records)


def _resolve_attention(
    anatomy: Anatomy, layer: int, attention: nn.Module, records: dict[nn.Module, Record], config: Any
) -> None:
    anatomy.taps[Site("attn_in", layer)] = Tap(attention, "input")
    n_heads = config.num_attention_heads
    projections = [
        module
        for module in attention.modules()
        if is_linear(module) and module in records and same(records[module].returned, records[attention].returned, 1e-6)
    ]
    width = records[projections[-1]].read if projections else None
    if width is None or width.shape[-1] % n_heads:
        _refuse(anatomy, f"z.{layer}", "no output projection whose output is the attention's output", "attn_out")
    else:
        anatomy.widths["d_head"] = width.shape[-1] // n_heads
        anatomy.taps[Site("z", layer)] = Tap(projections[-1], "input", (n_heads, width.shape[-1] // n_heads))
    if eager_attention(attention) is None:
        for kind in ATTENTION_SITES:
            _refuse(
                anatomy,
                f"{kind}.{layer}",
                f"{type(attention).__name__} does not go through transformers' attention interface",
                "z or attn_out",
            )
    else:
        anatomy.attention[layer] = attention


def eager_attention(attention: nn.Module) -> Any | None:
    """The plain attention function of the module's own architecture, which also returns the probabilities."""
    module = sys.modules[type(attention).__module__]
    return getattr(module, "eager_attention_forward", None) if hasattr(module, "ALL_ATTENTION_FUNCTIONS") else None


def _resolve_neurons(anatomy: Anatomy, layer: int, mlp: nn.Module, records: dict[nn.Module, Record]) -> None:
    returned = records[mlp].returned
    projections = [
        module
        for module in mlp.modules()
        if is_linear(module) and module in records and same(records[module].returned, returned, 1e-6)
    ]
    read = records[projections[-1]].read if projections else None
    if read is None:
        why = "the MLP's output is not one linear map of hidden activations (a mixture of experts has one per expert)"
        _refuse(anatomy, f"neurons.{layer}", why, "mlp_in and mlp_out")
        return
    anatomy.widths["d_mlp"] = read.shape[-1]
    anatomy.taps[Site("neurons", layer)] = Tap(projections[-1], "input")


def _post_norm(block: nn.Module, part: nn.Module, records: dict[nn.Module, Record]) -> nn.Module | None:
    """The norm that reads exactly what this part of the block returned."""
    for child in block.children():
        if is_norm(child) and child in records and same(records[child].read, records[part].returned, 1e-6):
            return child
    return None


def _resolve_stream(
    anatomy: Anatomy,
    layer: int,
    block: nn.Module,
    attention: nn.Module,
    mlp: nn.Module,
    records: dict[nn.Module, Record],
) -> None:
    attention_end = _post_norm(block, attention, records) or attention
    mlp_norm = _post_norm(block, mlp, records)
    mlp_end = mlp_norm or mlp
    pre, post = records[block].read, records[block].returned
    attn_out, mlp_out = records[attention_end].returned, records[mlp_end].returned
    if (
        pre is None
        or post is None
        or attn_out is None
        or mlp_out is None
        or not same(pre + attn_out + mlp_out.view_as(pre), post)
    ):
        for kind in ("attn_out", "mlp_out", "resid_mid"):
            _refuse(
                anatomy,
                f"{kind}.{layer}",
                "resid_post is not resid_pre + attn_out + mlp_out on this model",
                "resid_pre or resid_post",
            )
        return
    anatomy.taps[Site("attn_out", layer)] = Tap(attention_end, "output")
    anatomy.taps[Site("mlp_out", layer)] = Tap(mlp_end, "output")
    neurons = anatomy.taps.get(Site("neurons", layer))
    if neurons is not None:
        anatomy.mlp_paths[layer] = MlpPath(neurons.module, mlp_norm)
    reader = _reader_of(block, mlp, pre, pre + attn_out, records)
    if reader is None:
        anatomy.parallel.add(layer)
        _refuse(anatomy, f"resid_mid.{layer}", "attention and MLP read the same stream (a parallel block)", "resid_pre")
    else:
        anatomy.taps[Site("resid_mid", layer)] = Tap(reader, "input")


def _reader_of(
    block: nn.Module, mlp: nn.Module, pre: Tensor, mid: Tensor, records: dict[nn.Module, Record]
) -> nn.Module | None:
    """The module that reads resid_mid (and not resid_pre, which attention may have changed only a little)."""
    for module in [*(child for child in block.children() if is_norm(child)), mlp]:
        read = records[module].read if module in records else None
        if read is not None and same(read, mid) and relative_error(read, mid) < relative_error(read, pre):
            return module
    return None


def every_site(n_layers: int) -> Iterator[Site]:
    """Every site that a model with this many layers could have."""
    for name, kind in KINDS.items():
        for layer in range(n_layers) if kind.is_layered else (None,):
            yield Site(name, layer)
