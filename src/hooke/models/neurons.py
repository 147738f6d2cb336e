"""A layer's neurons as a dictionary of the lab, read off the model's own weights."""

from collections.abc import Callable

import torch

from hooke.dictionaries import Dictionary, DictionaryConfig, load_dictionary, save_dictionary
from hooke.dictionaries.neurons import N_ACTIVE, Neurons, neurons_name, parse_neurons
from hooke.errors import BadRequest, UnsupportedModel
from hooke.lab import Lab, open_lab, provenance
from hooke.models.model import Model, norm_gain
from hooke.sites import Site

_AT_ONCE = 1024


def neurons_of(model: Model, layer: int, *, k: int = N_ACTIVE) -> Neurons:
    """The neurons of a layer, with what each adds to the residual stream.

    Where a norm stands behind the MLP its gain is folded into the output rows; what that norm divides by differs
    between tokens, so that rows are then true in direction only.

    Raises:
        UnknownSite: the model has no such layer.
        UnsupportedModel: its neurons, or their way to the residual stream, were not found.
    """
    site = Site("neurons", layer)
    model.require(site)
    path = model.anatomy.mlp_paths.get(layer)
    if path is None:
        raise UnsupportedModel(
            f"{model.name} has no neurons at layer {layer} as a dictionary:",
            "how they reach the residual stream was not found.",
            "Use the sites mlp_in and mlp_out.",
        )
    width = model.width(site)
    parts = []
    with torch.no_grad():
        silent = path.down_projection(torch.zeros(1, width, device=model.device, dtype=model.dtype)).float()
        for start in range(0, width, _AT_ONCE):
            n = min(_AT_ONCE, width - start)
            alone = torch.zeros(n, width, device=model.device, dtype=model.dtype)
            alone[torch.arange(n), torch.arange(start, start + n)] = 1
            parts.append((path.down_projection(alone).float() - silent).cpu())
    outputs = torch.cat(parts)
    if path.post_norm is not None:
        outputs = outputs * norm_gain(path.post_norm, model.d_model, model.device).cpu()
    config = DictionaryConfig(
        name=neurons_name(layer, model.name),
        model=model.name,
        kind="neurons",
        reads=(str(site),),
        writes=(str(site),),
        n_features=2 * width,
        d_in=width,
        d_out=width,
        k=min(k, width),
        d_stream=model.d_model,
        folded=("post_norm_gain",) if path.post_norm is not None else (),
    )
    return Neurons(config, outputs=outputs)


def keep_neurons(model: Model, layer: int, *, lab: Lab | None = None) -> Neurons:
    """The neurons of a layer as a dictionary that the lab has from now on.

    Raises:
        BadRequest: the lab has neurons of another model by that name.
        UnknownSite, UnsupportedModel: see `neurons_of`.
    """
    lab = lab or open_lab()
    neurons = neurons_of(model, layer)
    if neurons.name not in lab.names("dictionaries"):
        inputs = {"model": model.name, "model_fingerprint": model.fingerprint}
        save_dictionary(neurons, lab.path("dictionaries", neurons.name), provenance=provenance(inputs=inputs))
        return neurons
    kept = load_dictionary(neurons.name, lab=lab)
    if not isinstance(kept, Neurons) or not torch.allclose(kept.outputs, neurons.outputs, atol=1e-5):
        raise BadRequest(
            f"The lab has another dictionary '{neurons.name}'.",
            "Its weights are not those of this model.",
            "Load the model under another name, or remove that dictionary.",
        )
    return kept


def open_dictionary(
    ref: str, load_model: Callable[[str], Model], *, model: str | None = None, lab: Lab | None = None
) -> tuple[Dictionary, Model]:
    """A dictionary by any reference, `neurons.15` and `neurons.15@MODEL` among them, and the model that it is of.

    Args:
        load_model: how to load a model from its reference.
        model: the model's reference, where the dictionary's own does not lead to it.

    Raises:
        BadRequest: neurons were asked for, and no model.
        UnknownName, UnknownSite, UnsupportedModel, BadArtefact: see `load_dictionary`, `load` and `neurons_of`.
    """
    asked = parse_neurons(ref)
    if asked is None:
        dictionary = load_dictionary(ref, lab=lab)
        return dictionary, load_model(model or dictionary.config.model)
    wanted = model or asked.model
    if wanted is None:
        raise BadRequest(f"'{ref}' does not say of which model.", "", f"Add --model NAME, or write {ref}@NAME.")
    subject = load_model(wanted)
    return keep_neurons(subject, asked.layer, lab=lab), subject
