"""A model whose MLPs give way to transcoders: what these make of what is read in the very same pass."""

from collections.abc import Collection

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hooke.dictionaries.replacement import Replacement, reconstruct, require_layer, sources
from hooke.dictionaries.sparse import SparseActs
from hooke.models.hooks import CompiledEdit, Moment, Pass
from hooke.models.model import Model, Tokens
from hooke.sites import Site


def run_replaced(
    model: Model,
    tokens: Tokens,
    replacement: Replacement,
    *,
    layers: Collection[int],
    where: Bool[Tensor, "batch pos"] | None = None,
) -> Float[Tensor, "batch pos vocab"]:
    """The logits with the mlp_out of these layers reconstructed, errors and all, where `where` says (everywhere).

    Each layer's features read what the replaced layers below have left there, so errors add up.

    Raises:
        UnknownName: the replacement has no such layer.
        UnknownSite, UnsupportedModel: the model has no such site.
    """
    acts: dict[int, SparseActs] = {}
    inputs: dict[int, Tensor] = {}

    def keep(site: Site, value: Tensor) -> Tensor:
        layer = site.layer or 0
        acts[layer] = replacement.encode(layer, value)
        # Some architectures go on to change the very tensor in place.
        inputs[layer] = value.clone()
        return value

    def write(value: Tensor, edit: CompiledEdit, _: Moment) -> Tensor:
        layer = edit.site.layer or 0
        rebuilt = reconstruct(replacement, acts, inputs.pop(layer), layer).to(value)
        return rebuilt if where is None else torch.where(where[..., None].to(value.device), rebuilt, value)

    for layer in layers:
        require_layer(replacement.name, replacement.layers, layer)
    read = {source for layer in layers for source in sources(replacement, layer)} | set(layers)
    sites = frozenset(replacement.reads(layer) for layer in read)
    targets = [Site("mlp_out", layer) for layer in layers]
    for site in (*sites, *targets):
        model.require(site)
    places = torch.arange(tokens.ids.shape[1], device=model.device).expand_as(tokens.ids)
    running = Pass(
        anatomy=model.anatomy,
        captures=sites,
        edits={site: [CompiledEdit(site, write, None, "all")] for site in targets},
        keep=keep,
        moment=Moment(torch.where(tokens.mask, places, -1), tokens.lengths),
    )
    attention_mask = None if bool(tokens.mask.all()) else tokens.mask.long()
    with model.open(running), torch.no_grad():
        return model.hf(input_ids=tokens.ids, attention_mask=attention_mask, use_cache=False).logits
