"""What a dictionary's features add to the residual stream, also where they do so through a projection."""

import torch
from jaxtyping import Float
from torch import Tensor

from hooke.dictionaries.dictionary import Dictionary
from hooke.models.linear_maps import linear_matrix
from hooke.models.model import Model, norm_gain
from hooke.sites import Site

_STREAM = ("embed", "resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out")


def writes_stream(dictionary: Dictionary) -> bool:
    """Whether its own rows are added to the residual stream, or are what that is made of."""
    kind = dictionary.writes[0].kind
    return len(dictionary.writes) == 1 and (kind in _STREAM or dictionary.config.kind == "neurons")


def stream_rows(model: Model, dictionary: Dictionary) -> Float[Tensor, "feature d_model"] | None:
    """What each feature adds to the residual stream per unit of activation; None where it adds nothing.

    Of features of heads it is what the output projection makes of them. Where a norm stands behind attention its gain
    is folded in; what that norm divides by differs between tokens, so that rows are then true in direction only.
    """
    if writes_stream(dictionary):
        rows = dictionary.output_rows.detach()
        return rows if rows.shape[-1] == model.d_model else None
    site = dictionary.writes[0]
    if len(dictionary.writes) != 1 or site.kind != "z" or dictionary.config.d_out != model.row_width(site):
        return None
    return dictionary.W_dec.detach().float() @ _output_map(model, site).to(dictionary.device)


@torch.no_grad()
def _output_map(model: Model, site: Site) -> Float[Tensor, "d_heads d_model"]:
    matrix, _ = linear_matrix(model.anatomy.taps[site].module, model.row_width(site), model.device)
    read, end = (model.anatomy.taps[Site(kind, site.layer)].module for kind in ("attn_in", "attn_out"))
    return matrix if end is read else matrix * norm_gain(end, model.d_model, model.device)
