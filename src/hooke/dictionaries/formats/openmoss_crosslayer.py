"""OpenMOSS' cross-layer transcoders: as their dictionaries (openmoss.py), with decoders by the layer written to.

    W_E [layer, d, feature]       W_D.j [layers up to j, feature, d], what is written into layer j

The norm that a threshold is compared with is that of all of a feature's decoders together, as they are stored.
"""

from pathlib import Path

import torch
from torch import Tensor

from hooke.dictionaries.crosslayer import CrossLayerConfig, CrossLayerTranscoder
from hooke.dictionaries.formats.assemble import bad, require_model
from hooke.dictionaries.formats.folding import Norm, Norms, fold_norm
from hooke.dictionaries.formats.lm_saes import hooked_site, is_scaled, norm_before, scale
from hooke.dictionaries.formats.openmoss import CONFIG, THRESHOLD, WEIGHTS, activation, sae_type
from hooke.dictionaries.formats.settings import Settings, read_settings
from hooke.dictionaries.formats.target_indexed import decoders_of, read_part, require_named
from hooke.tensor_files import read_header

_NORM = "dataset_average_activation_norm."


def is_openmoss_crosslayer(folder: Path) -> bool:
    """Whether a folder is one of these."""
    return sae_type(folder) == "clt"


def open_openmoss_crosslayer(
    folder: Path,
    *,
    model: str | None = None,
    norms: Norms | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
) -> CrossLayerTranscoder:
    """The cross-layer transcoder in a folder; a layer's weights are read when they are asked for.

    Raises:
        BadArtefact: a file is damaged, or it reads or writes where hooke has no site.
        BadRequest: the model, or its norms, are needed and not given.
    """
    settings, file = read_settings(folder / CONFIG), folder / WEIGHTS
    model = require_model(folder, model or settings.text("model_name"))
    hooks_in, hooks_out = settings.texts("hook_points_in"), settings.texts("hook_points_out")
    reads = [hooked_site(folder, hook, model) for hook in hooks_in]
    writes = [hooked_site(folder, hook, model) for hook in hooks_out]
    kinds, layers = {site.kind for site in reads}, [site.layer for site in reads]
    if (
        not reads
        or len(kinds) > 1
        or not kinds <= {"resid_mid", "mlp_in"}
        or [str(site) for site in writes] != [f"mlp_out.{layer}" for layer in layers]
        or layers != list(range(len(layers)))
    ):
        raise bad(settings.path, f"It reads {' '.join(hooks_in)[:200]} and writes {' '.join(hooks_out)[:200]}.")
    n_layers, header = len(layers), read_header(file)
    encoder = header.get("W_E", ("", ()))[1]
    if len(encoder) != 3:
        raise bad(file, f"W_E has shape {encoder}.")
    _, d, n = encoder
    where = {name: (file, name) for name in header}
    kind = activation(settings, {"relu", "jumprelu"})
    shapes: dict[str, tuple[int, ...]] = {"W_E": (n_layers, d, n), "b_E": (n_layers, n)}
    shapes |= {f"W_D.{layer}": (layer + 1, n, d) for layer in range(n_layers)}
    shapes |= {f"b_D.{layer}": (d,) for layer in range(n_layers)}
    shapes |= {THRESHOLD: (n_layers, n)} if kind == "jumprelu" else {}
    require_named(folder, where, shapes)
    before = [norm_before(folder, hook, site, norms) for hook, site in zip(hooks_in, reads, strict=True)]
    s, t = _scales(settings, where, d, hooks_in), _scales(settings, where, d, hooks_out)
    config = CrossLayerConfig(
        name=folder.resolve().name,
        model=model,
        kind=kind,
        layers=tuple(range(n_layers)),
        reads="mlp_in" if kinds == {"mlp_in"} else "resid_mid",
        n_features=n,
        d_in=d,
        d_out=d,
        folded=(*(("data_norms",) if is_scaled(settings) else ()), *(("norm_gain",) if any(before) else ())),
    )

    def load(layer: int) -> dict[str, Tensor]:
        decoders = decoders_of(where, "W_D.{}", layer, n_layers)
        tensors = {
            "W_enc": read_part(where, "W_E", layer) * s[layer],
            "b_enc": read_part(where, "b_E", layer),
            "b_dec": read_part(where, f"b_D.{layer}") / t[layer],
        }
        if kind == "jumprelu":
            threshold = read_part(where, THRESHOLD, layer).exp()
            has_norm = settings.flag("sparsity_include_decoder_norm", True)
            tensors["threshold"] = (
                threshold / decoders.flatten(1).norm(dim=1).clamp_min(1e-30) if has_norm else threshold
            )
        tensors = _with_gain(tensors, before[layer], file)
        return tensors | {"W_dec": decoders / torch.tensor(t[layer:])[:, None]}

    return CrossLayerTranscoder(config, load, device=device, dtype=dtype)


def _with_gain(tensors: dict[str, Tensor], norm: Norm | None, file: Path) -> dict[str, Tensor]:
    return fold_norm(tensors, norm, file) if norm else tensors


def _scales(config: Settings, where: dict[str, tuple[Path, str]], d: int, hooks: tuple[str, ...]) -> list[float]:
    if not is_scaled(config):
        return [1.0] * len(hooks)
    names = [f"{_NORM}{hook}" for hook in hooks]
    norms = [float(read_part(where, name).flatten()[0]) if name in where else None for name in names]
    return [scale(config.path, d, norm, None) for norm in norms]
