"""circuit-tracer's transcoder sets and cross-layer transcoders: config.yaml beside safetensors files, read lazily.

Where they differ from hooke's own: encoders are [feature, d] (ours is the transpose), a set's W_skip is [d_out, d_in],
and neither JumpReLU nor TopK sets what is below zero to 0. Features at position 0 are zeroed by the tool itself, not by
the weights. Sets that read 'ln2.hook_normalized' expect the normalised stream without the norm's gain, which is no site
here: the gain is folded into the encoder, so the model has to be at hand.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import yaml
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from hooke.dictionaries.crosslayer import CrossLayerConfig, CrossLayerTranscoder
from hooke.dictionaries.dictionary import Dictionary, DictionaryConfig, Kind
from hooke.dictionaries.formats.folding import Norm, Norms, fold_norm, require_norms
from hooke.dictionaries.formats.gemma_scope import open_files
from hooke.dictionaries.formats.hooks import HAS_POST_NORM, WITHOUT_GAIN
from hooke.dictionaries.formats.weights_file import map_weights, read_weights
from hooke.dictionaries.replacement import Replacement
from hooke.dictionaries.sets import TranscoderSet
from hooke.errors import BadArtefact, BadRequest
from hooke.lab import require_space, staged
from hooke.tensor_files import read_header

CONFIG = "config.yaml"
_SET, _CROSSLAYER = "transcoder_set", "cross_layer_transcoder"
_READS = {
    "hook_resid_mid": "resid_mid",
    "hook_mlp_in": "resid_mid",
    "mlp.hook_in": "mlp_in",
    WITHOUT_GAIN: "mlp_in",
}
_WRITES = ("hook_mlp_out", "mlp.hook_out")
_HOOK_OF = {"resid_mid": "hook_resid_mid", "mlp_in": "mlp.hook_in"}
_THRESHOLD = "activation_function.threshold"
_MAX_CONFIG_BYTES = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class _Described:
    """What a config.yaml says."""

    folder: Path
    model: str
    form: str
    reads: Literal["resid_mid", "mlp_in"]
    is_without_gain: bool
    activation: str | None
    k: int | None
    files: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of the set."""
        return self.folder.resolve().name


def is_circuit_tracer(folder: Path) -> bool:
    """Whether a folder is one of these."""
    return (folder / CONFIG).is_file()


def open_circuit_tracer(
    folder: Path,
    *,
    norms: Norms | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Replacement:
    """The set or cross-layer transcoder in a folder; a layer's weights are read when they are asked for.

    Args:
        norms: the norm before each layer's MLP, for sets that read the stream normalised without gain.

    Raises:
        BadArtefact: the config or a file is damaged, or it reads or writes where hooke has no site.
        BadRequest: the norms are needed and not given.
    """
    described = _read_config(folder)
    if described.form == _CROSSLAYER:
        return _open_crosslayer(described, norms, device, dtype)
    files = _layer_files(described)
    if any(path.suffix == ".npz" for path in files.values()):
        named = {"model": described.model, "norms": norms, "device": device, "dtype": dtype}
        return open_files(files, described.name, **named)
    configs = {layer: _layer_config(described, layer, path) for layer, path in files.items()}
    if described.is_without_gain:
        require_norms(norms, folder)

    def load(layer: int) -> Dictionary:
        norm = norms(layer) if described.is_without_gain and norms else None
        return _load_layer(configs[layer], files[layer], norm).to(device=device, dtype=dtype)

    return TranscoderSet(described.name, described.model, configs, load)


def write_circuit_tracer(replacement: Replacement, folder: Path, *, model: str | None = None) -> None:
    """Write a set or a cross-layer transcoder as circuit-tracer reads it; the folder appears complete or not at all.

    `model` is the base model's name on the hub, by default the one that the replacement was made for. TopK there keeps
    activations below zero; ours has them only where fewer than k are positive, so the two differ on such tokens.

    Raises:
        BadRequest: the format cannot express it.
        OutOfSpace: the disk cannot hold it.
    """
    assert isinstance(replacement, TranscoderSet | CrossLayerTranscoder)
    config = replacement.config if isinstance(replacement, CrossLayerTranscoder) else replacement.config(0)
    _require_expressible(replacement)
    is_set = isinstance(replacement, TranscoderSet)
    described: dict[str, Any] = {
        "model_name": model or replacement.model,
        "model_kind": _SET if is_set else _CROSSLAYER,
        "feature_input_hook": _HOOK_OF[replacement.reads(0).kind],
        "feature_output_hook": "hook_mlp_out",
    }
    if config.activation == "topk":
        described |= {"activation": "topk", "k": config.k}
    with staged(folder) as aside:
        aside.mkdir()
        for layer in replacement.layers:
            files = _layer_tensors(replacement, layer) if is_set else _crosslayer_tensors(replacement, layer)
            for file, tensors in files.items():
                require_space(folder, sum(tensor.nbytes for tensor in tensors.values()))
                save_file({name: one.detach().cpu().contiguous() for name, one in tensors.items()}, aside / file)
        (aside / CONFIG).write_text(yaml.safe_dump(described, sort_keys=False), encoding="utf-8")


def _read_config(folder: Path) -> _Described:
    path = folder / CONFIG
    try:
        if path.stat().st_size > _MAX_CONFIG_BYTES:
            raise _bad(path, f"It has {path.stat().st_size:,} bytes.")
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise _bad(path, f"{' '.join(str(error).split())}.") from error
    data: dict[str, Any] = found if isinstance(found, dict) else {}
    form, model = data.get("model_kind"), data.get("model_name")
    if form not in (_SET, _CROSSLAYER) or not isinstance(model, str):
        raise _bad(path, f"It has model_kind {form!r:.60} and model_name {model!r:.60}.")
    reads = data.get("feature_input_hook", "hook_resid_mid")
    writes = data.get("feature_output_hook", "hook_mlp_out")
    if reads not in _READS or writes not in _WRITES or (writes == "mlp.hook_out" and HAS_POST_NORM.search(model)):
        raise _bad(path, f"It reads {reads!r:.60} and writes {writes!r:.60} of '{model:.60}': no sites of hooke.")
    k, files = data.get("k"), data.get("transcoders") or ()
    if not (k is None or type(k) is int) or not all(isinstance(one, str) for one in files):
        raise _bad(path, f"Its k is {k!r:.60}; its transcoders are {files!r:.60}.")
    return _Described(
        folder=folder,
        model=model,
        form=form,
        reads=_READS[reads],  # pyright: ignore[reportArgumentType]
        is_without_gain=reads == WITHOUT_GAIN,
        activation=data.get("activation"),
        k=k,
        files=tuple(files),
    )


def local_file(folder: Path, reference: str) -> Path:
    """Where a file lies that a config names, by a path inside the folder or by its address on the hub.

    Raises:
        BadArtefact: it is not in the folder.
    """
    inside = re.sub(r"^hf://[^/]+/[^/]+/", "", reference).partition("?")[0].partition("@")[0]
    path = (folder / inside).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise BadArtefact(
            f"'{folder}' names a file that is not in it.",
            f"'{reference:.200}' would be '{inside:.200}'.",
            "Fetch it to that place.",
        )
    return path


def _layer_files(described: _Described) -> dict[int, Path]:
    if described.files:
        return {layer: local_file(described.folder, name) for layer, name in enumerate(described.files)}
    found = {_number(path): path for path in described.folder.glob("layer_*.safetensors")}
    return _require_contiguous(described.folder, found, "layer_0.safetensors")


def _number(path: Path) -> int:
    digits = path.stem.rpartition("_")[2]
    return int(digits) if digits.isdecimal() else -1


def _require_contiguous(folder: Path, files: dict[int, Path], first: str) -> dict[int, Path]:
    if not files or sorted(files) != list(range(len(files))):
        raise _bad(folder, f"It has files of layers {sorted(files)[:12]}; they must go on from {first}.")
    return dict(sorted(files.items()))


def _layer_config(described: _Described, layer: int, path: Path) -> DictionaryConfig:
    shapes = {name: shape for name, (_, shape) in read_header(path).items()}
    encoder, decoder = shapes.get("W_enc", ()), shapes.get("W_dec", ())
    if len(encoder) != 2 or len(decoder) != 2:
        raise _bad(path, f"W_enc has shape {encoder}, W_dec {decoder}.")
    kind, k, signed = _activation(described, path, _THRESHOLD, "k")
    return DictionaryConfig(
        name=f"{described.name}.{layer}",
        model=described.model,
        kind=kind,
        reads=(f"{described.reads}.{layer}",),
        writes=(f"mlp_out.{layer}",),
        n_features=encoder[0],
        d_in=encoder[1],
        d_out=decoder[1],
        k=k,
        skip="W_skip" in shapes,
        signed=signed,
        folded=("norm_gain",) if described.is_without_gain else (),
    )


def _activation(described: _Described, path: Path, threshold: str, k_name: str) -> tuple[Kind, int | None, bool]:
    """The kind, k, and whether activations below zero can stay."""
    small = _small_tensors(path, (threshold, k_name))
    k = int(small[k_name]) if k_name in small else described.k
    if threshold in small:
        return "jumprelu", None, bool((small[threshold] < 0).any())
    if described.activation == "topk" or k is not None:
        if k is None:
            raise _bad(path, "It is of kind topk, and neither it nor the config says what k is.")
        return "topk", k, True
    return "relu", None, False


def _small_tensors(path: Path, names: tuple[str, ...]) -> dict[str, Tensor]:
    there = [name for name in names if name in read_header(path)]
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in there}
    except (SafetensorError, OSError) as error:
        raise _bad(path, f"{error}.") from error


def _load_layer(config: DictionaryConfig, path: Path, norm: Norm | None) -> Dictionary:
    n, d_in, d_out = config.n_features, config.d_in, config.d_out
    expected: dict[str, tuple[int, ...]] = {"W_enc": (n, d_in), "W_dec": (n, d_out), "b_enc": (n,), "b_dec": (d_out,)}
    expected |= {"W_skip": (d_out, d_in)} if config.skip else {}
    header = read_header(path)
    # A threshold may be one number for all features; k is read with the config.
    expected |= {name: header[name][1] for name in (_THRESHOLD, "k") if name in header}
    found = read_weights(path, expected)
    weights = {name: found[name].float() for name in ("W_dec", "b_enc", "b_dec")}
    # Views, not copies: a layer is opened for every prompt, and only some of its rows are asked for.
    weights |= {"W_enc": found["W_enc"].float().T}
    if config.skip:
        weights["W_skip"] = found["W_skip"].float().T
    if config.activation == "jumprelu":
        weights["threshold"] = found[_THRESHOLD].float().flatten().expand(n).clone()
    return Dictionary(config, **(fold_norm(weights, norm, path) if norm else weights))


def _open_crosslayer(
    described: _Described, norms: Norms | None, device: str | torch.device, dtype: torch.dtype
) -> CrossLayerTranscoder:
    if described.is_without_gain:
        require_norms(norms, described.folder)
    encoders = {_number(path): path for path in described.folder.glob("W_enc_*.safetensors")}
    encoders = _require_contiguous(described.folder, encoders, "W_enc_0.safetensors")
    shape = read_header(encoders[0]).get("W_enc_0", ("", ()))[1]
    outputs = read_header(encoders[0]).get("b_dec_0", ("", ()))[1]
    if len(shape) != 2 or len(outputs) != 1:
        raise _bad(encoders[0], f"W_enc_0 has shape {shape}, b_dec_0 {outputs}.")
    kinds = [_activation(described, path, f"threshold_{layer}", "k") for layer, path in encoders.items()]
    if len({(kind, k) for kind, k, _ in kinds}) > 1:
        raise _bad(described.folder, "Its layers have different activation functions.")
    config = CrossLayerConfig(
        name=described.name,
        model=described.model,
        kind=kinds[0][0],
        layers=tuple(encoders),
        reads=described.reads,
        n_features=shape[0],
        d_in=shape[1],
        d_out=outputs[0],
        k=kinds[0][1],
        signed=any(signed for _, _, signed in kinds),
        folded=("norm_gain",) if described.is_without_gain else (),
    )

    def load(layer: int) -> Mapping[str, Tensor]:
        norm = norms(layer) if described.is_without_gain and norms else None
        return _load_crosslayer(config, described.folder, layer, norm)

    return CrossLayerTranscoder(config, load, device=device, dtype=dtype)


def _load_crosslayer(config: CrossLayerConfig, folder: Path, layer: int, norm: Norm | None) -> dict[str, Tensor]:
    n, encoder, decoder = config.n_features, f"W_enc_{layer}.safetensors", f"W_dec_{layer}.safetensors"
    expected: dict[str, tuple[int, ...]] = {
        f"W_enc_{layer}": (n, config.d_in),
        f"b_enc_{layer}": (n,),
        f"b_dec_{layer}": (config.d_out,),
    }
    expected |= {f"threshold_{layer}": (n,)} if config.activation == "jumprelu" else {}
    found = {name.rpartition("_")[0]: one for name, one in read_weights(folder / encoder, expected).items()}
    name = f"W_dec_{layer}"
    shape = (n, len(config.layers) - layer, config.d_out)
    tensors = {"W_enc": found["W_enc"].T, "b_enc": found["b_enc"], "b_dec": found["b_dec"]}
    tensors |= {"threshold": found["threshold"]} if "threshold" in found else {}
    tensors = fold_norm({key: one.float() for key, one in tensors.items()}, norm, folder) if norm else tensors
    return tensors | {"W_dec": map_weights(folder / decoder, {name: shape}, unchecked=(name,))[name]}


def _require_expressible(replacement: TranscoderSet | CrossLayerTranscoder) -> None:
    layers = replacement.layers
    widths = {replacement.n_features(layer) for layer in layers}
    kinds = {replacement.reads(layer).kind for layer in layers}
    has_skip = isinstance(replacement, CrossLayerTranscoder) and replacement.config.skip
    configs = [replacement.config] if isinstance(replacement, CrossLayerTranscoder) else map(replacement.config, layers)
    if any(config.activation == "groupmax" for config in configs):
        found = "It has no activation function that takes the largest of each group."
        raise BadRequest(f"'{replacement.name}' cannot be written in this format.", found, "Keep it in hooke's own.")
    if layers != tuple(range(len(layers))) or len(widths) > 1 or len(kinds) > 1 or has_skip:
        raise BadRequest(
            f"'{replacement.name}' cannot be written in this format.",
            "It has one width and one kind of input for all layers from 0 on, and no skip across layers.",
            f"Here are layers {list(layers)}, {len(widths)} widths, inputs {', '.join(sorted(kinds))}.",
        )


def _layer_tensors(replacement: Replacement, layer: int) -> dict[str, dict[str, Tensor]]:
    assert isinstance(replacement, TranscoderSet)
    one = replacement.transcoder(layer)
    tensors = {"W_enc": one.W_enc.T, "b_enc": one.b_enc, "W_dec": one.W_dec, "b_dec": one.b_dec}
    tensors |= {} if one.skip is None else {"W_skip": one.skip.T}
    tensors |= {} if one.threshold is None else {_THRESHOLD: one.threshold}
    return {f"layer_{layer}.safetensors": tensors}


def _crosslayer_tensors(replacement: Replacement, layer: int) -> dict[str, dict[str, Tensor]]:
    assert isinstance(replacement, CrossLayerTranscoder)
    own = replacement.tensors(layer)
    encoder = {f"W_enc_{layer}": own["W_enc"].T, f"b_enc_{layer}": own["b_enc"], f"b_dec_{layer}": own["b_dec"]}
    encoder |= {f"threshold_{layer}": own["threshold"]} if "threshold" in own else {}
    return {
        f"W_enc_{layer}.safetensors": encoder,
        f"W_dec_{layer}.safetensors": {f"W_dec_{layer}": own["W_dec"].to(own["W_enc"].dtype)},
    }


def _bad(path: Path, found: str) -> BadArtefact:
    return BadArtefact(f"'{path}' could not be read as circuit-tracer's transcoders.", found, "Fetch a fresh copy.")
