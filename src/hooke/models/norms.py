"""The norms before a model's MLPs, as those who fold them into other weights need them."""

import torch

from hooke.dictionaries.formats.folding import Norm, Norms
from hooke.errors import UnsupportedModel
from hooke.models.architectures import is_norm
from hooke.models.model import Model, norm_gain
from hooke.sites import Site


def norms_of(model: Model) -> Norms:
    """The gain and the bias of the norm before each layer's MLP, measured on the norm itself."""

    def norm(layer: int) -> Norm:
        site = Site("resid_mid", layer)
        model.require(site)
        module = model.anatomy.taps[site].module
        if not is_norm(module):
            raise UnsupportedModel(
                f"The norm before the MLP of layer {layer} of {model.name} was not found.",
                f"{type(module).__name__} reads what attention leaves in the stream.",
                "Take transcoders that read resid_mid or mlp_in as it is.",
            )
        probe = torch.ones(model.d_model, dtype=model.dtype, device=model.device)
        probe[1::2] = -1
        with torch.no_grad():
            bias = (module(probe[None]) + module(-probe[None]))[0].float() / 2
        return Norm(norm_gain(module, model.d_model, model.device), bias)

    return norm
