"""BluelightAI's cross-layer transcoders: model_config.json beside clt.safetensors, or beside manifest.json and parts.

    a        = activation(x / norm_in · W_enc + b_enc)
    m_hat[j] = norm_out[j] · (Σ over i ≤ j of a[i] · W_dec[i → j] + b_dec[j])

Decoders come by the layer that is read (`input_layer`) or by the layer that is written (`output_layer`, the default).
Encoders are [d, feature] as ours are; both norms are folded into the weights.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hooke.dictionaries.crosslayer import CrossLayerConfig, CrossLayerTranscoder
from hooke.dictionaries.dictionary import Kind
from hooke.dictionaries.formats.assemble import bad, require_model
from hooke.dictionaries.formats.circuit_tracer import local_file
from hooke.dictionaries.formats.hooks import HAS_POST_NORM
from hooke.dictionaries.formats.settings import Settings, read_settings
from hooke.dictionaries.formats.target_indexed import Tensors, decoders_of, read_part, require_named
from hooke.errors import BadConfig
from hooke.tensor_files import read_header

_CONFIG, _WHOLE, _MANIFEST = "model_config.json", "clt.safetensors", "manifest.json"
_OWN = {
    "encoder.W": "W_enc",
    "encoder.b": "b_enc",
    "activation.log_threshold": "log_threshold",
    "decoder.b": "b_dec",
}
_KINDS: dict[str, Kind] = {"relu": "relu", "jumprelu": "jumprelu", "topk": "topk"}


def is_bluelight(folder: Path) -> bool:
    """Whether a folder is one of these."""
    return (folder / _CONFIG).is_file() and any((folder / one).is_file() for one in (_WHOLE, _MANIFEST))


def open_bluelight(
    folder: Path,
    *,
    model: str | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
) -> CrossLayerTranscoder:
    """The cross-layer transcoder in a folder; a layer's weights are read when they are asked for.

    Raises:
        BadArtefact: a file is damaged or missing, or it cannot be expressed here.
        BadRequest: nobody says of which model it is.
    """
    described = _described(read_settings(folder / _CONFIG))
    where, by_source, indices = _tensors(folder, described)
    encoder = _shape(where, "W_enc")
    outputs = _shape(where, "b_dec")
    if len(encoder) != 3 or len(outputs) != 2 or encoder[0] < 1:
        raise bad(folder, f"Its encoders have shape {encoder}, its output biases {outputs}.")
    n_layers, d, n, d_out = *encoder, outputs[1]
    kind = _KINDS.get(described["activation"])
    if kind is None:
        raise bad(folder, f"Its activation is '{described['activation']:.40}'; known are {', '.join(_KINDS)}.")
    layers = described["layers"] or indices or tuple(range(n_layers))
    _require(folder, where, n_layers, (d, n, d_out), by_source, kind)
    norm_in, norm_out = _norms(where, "norm_factor_in", n_layers), _norms(where, "norm_factor_out", n_layers)
    if not bool((norm_in > 0).all() and (norm_out > 0).all()) or len(layers) != n_layers:
        raise bad(
            folder, f"It has {n_layers} encoders, layers {layers[:40]} and norm factors that are not all positive."
        )
    model = require_model(folder, model or described["model"])
    _require_sites(folder, described, model)
    try:
        config = CrossLayerConfig(
            name=folder.resolve().name,
            model=model,
            kind=kind,
            layers=layers,
            reads="mlp_in",
            n_features=n,
            d_in=d,
            d_out=d_out,
            k=described["k"] if kind == "topk" else None,
            folded=("norm_factors",),
        )
    except BadConfig as error:
        raise bad(folder, str(error)) from error

    def load(layer: int) -> dict[str, Tensor]:
        place = layers.index(layer)
        decoders = (
            read_part(where, f"W_dec_{place}").permute(1, 0, 2)
            if by_source
            else decoders_of(where, "W_dec_{}", place, n_layers)
        )
        tensors = {
            "W_enc": read_part(where, "W_enc", place) / norm_in[place],
            "b_enc": read_part(where, "b_enc", place),
            "W_dec": decoders * norm_out[place:, None],
            "b_dec": read_part(where, "b_dec", place) * norm_out[place],
        }
        return tensors | ({"threshold": read_part(where, "log_threshold", place).exp()} if kind == "jumprelu" else {})

    return CrossLayerTranscoder(config, load, device=device, dtype=dtype)


def _described(config: Settings) -> dict[str, Any]:
    """What a config says, of either version."""
    if config.whole("config_version") == 2:
        base, architecture = config.table("base_model"), config.table("architecture")
        hooks, activation = base.table("hook_points"), architecture.table("activation")
        return {
            "model": base.text("name"),
            "layers": hooks.wholes("layer_indices"),
            "reads": hooks.table("input").text("attr", "mlp.input"),
            "writes": hooks.table("output").text("attr", "mlp.output"),
            "activation": activation.text("type"),
            "k": activation.whole("k"),
            "layout": architecture.table("decoder").text("layout", "output_layer"),
        }
    return {
        "model": config.text("base_model_name"),
        "layers": config.wholes("layer_indices"),
        "reads": config.text("input_attr", "mlp.input"),
        "writes": config.text("output_attr", "mlp.output"),
        "activation": config.text("activation"),
        "k": config.whole("k"),
        "layout": config.text("decoder_layout", "output_layer"),
    }


def _tensors(folder: Path, described: dict[str, Any]) -> tuple[Tensors, bool, tuple[int, ...] | None]:
    """Where each tensor lies by the names of the parts, whether decoders come by source, and the layers' numbers."""
    layout, indices = described["layout"], None
    if (folder / _WHOLE).is_file():
        path = folder / _WHOLE
        where = {_own_name(name): (path, name) for name in read_header(path)}
    else:
        manifest = read_settings(folder / _MANIFEST)
        if manifest.text("format") != "layer_weights":
            raise manifest.refused("format", "layer_weights")
        layout, indices = manifest.text("decoder_type", layout), manifest.wholes("layer_indices")
        files = [local_file(folder, name) for name in manifest.texts("files")]
        where = {name: (path, name) for path in files for name in read_header(path)}
    if layout not in ("input_layer", "output_layer"):
        raise bad(folder, f"Its decoders' layout is '{layout:.40}'; known are input_layer and output_layer.")
    return where, layout == "input_layer", indices


def _own_name(name: str) -> str:
    parts = name.split(".")
    return f"W_dec_{parts[2]}" if parts[:2] == ["decoder", "decoders"] and len(parts) == 4 else _OWN.get(name, name)


def _shape(where: Tensors, name: str) -> tuple[int, ...]:
    path, theirs = where.get(name, (None, ""))
    return read_header(path)[theirs][1] if path else ()


def _require(
    folder: Path, where: Tensors, n_layers: int, sizes: tuple[int, int, int], by_source: bool, kind: Kind
) -> None:
    d, n, d_out = sizes
    shapes: dict[str, tuple[int, ...]] = {"W_enc": (n_layers, d, n), "b_enc": (n_layers, n), "b_dec": (n_layers, d_out)}
    shapes |= {"log_threshold": (n_layers, n)} if kind == "jumprelu" else {}
    for place in range(n_layers):
        shapes[f"W_dec_{place}"] = (n_layers - place if by_source else place + 1, n, d_out)
    require_named(folder, where, shapes)


def _norms(where: Tensors, name: str, n_layers: int) -> Tensor:
    if name not in where:
        return torch.ones(n_layers)
    found = read_part(where, name).flatten()
    if len(found) != n_layers:
        raise bad(where[name][0], f"'{name}' has {len(found)} numbers for {n_layers} layers.")
    return found


def _require_sites(folder: Path, described: dict[str, Any], model: str) -> None:
    reads, writes = described["reads"], described["writes"]
    if reads != "mlp.input" or writes != "mlp.output" or HAS_POST_NORM.search(model):
        raise bad(
            folder,
            f"It reads '{reads:.60}' and writes '{writes:.60}' of {model:.60}: mlp.input and mlp.output are read, of "
            "models that add the MLP's output to the stream as it is.",
        )
