"""EleutherAI's sparsify, of its versions to 1.3: cfg.json and sae.safetensors in a folder named for a module.

Encoders are [feature, d], W_skip is [d, d] from the other side; decoders are as ours. What is below zero is set to 0
before the k largest are taken, or the largest of each of k groups. Autoencoders read what a module returns, with b_dec
taken from it, which is folded into the encoder's bias; transcoders read what the module reads, as it is.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from hooke.dictionaries.dictionary import Dictionary, DictionaryConfig
from hooke.dictionaries.formats.assemble import bad, require_model
from hooke.dictionaries.formats.given import Given
from hooke.dictionaries.formats.hooks import site_of_module
from hooke.dictionaries.formats.settings import Settings, read_settings
from hooke.dictionaries.formats.several import ask_for_one, folders_with
from hooke.dictionaries.formats.weights_file import read_weights
from hooke.dictionaries.sets import TranscoderSet
from hooke.errors import BadConfig, BadRequest, UnknownSite
from hooke.sites import Site, parse_site
from hooke.tensor_files import read_header

CONFIG, WEIGHTS, RUN = "cfg.json", "sae.safetensors", "config.json"

ACROSS = {"mlp_in": "mlp_out", "resid_pre": "resid_post"}
"""What a transcoder that reads there writes: a module's input and its output."""

_SEED = re.compile(r"seed[0-9]+")
_MLP = re.compile(r"(?:[a-z_]+\.)*(?:layers|h)\.([0-9]{1,6})\.mlp")
_EMBEDDINGS = ("embed_tokens", "wte", "embed_in")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Described:
    """What the files say before weights are read."""

    folder: Path
    config: DictionaryConfig
    takes_b_dec: bool


def recognises(path: Path) -> bool:
    """Whether a folder has the two files, or is a run with such folders inside."""
    return _is_one(path) or (path.is_dir() and bool(folders_with(path, WEIGHTS, CONFIG)))


def load(path: Path, given: Given) -> Dictionary:
    """The dictionary in a folder, or the one of a run that the given site names.

    Raises:
        BadArtefact: a file is damaged.
        BadRequest: the folder has several and none was chosen, or model or site are not known.
    """
    return _load(_describe(path if _is_one(path) else _chosen(path, given), given))


def is_sparsify_set(folder: Path) -> bool:
    """Whether a folder is a run of transcoders only, each of another layer's MLP."""
    members = _members(folder)
    return bool(members) and all(_MLP.fullmatch(one.name) and _is_transcoder(one) for one in members)


def open_sparsify_set(
    folder: Path,
    *,
    model: str | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
) -> TranscoderSet:
    """The transcoders of a run; weights are read when they are asked for.

    Raises:
        BadArtefact: a file is damaged.
        BadRequest: the model is not known, or its MLP's output is no site.
    """
    found = [_describe(one, Given(model=model)) for one in _members(folder)]
    layers = {parse_site(one.config.writes[0]).layer or 0: one for one in found}

    def load(layer: int) -> Dictionary:
        return _load(layers[layer]).to(device=device, dtype=dtype)

    configs = {layer: one.config for layer, one in layers.items()}
    return TranscoderSet(folder.resolve().name, found[0].config.model, configs, load)


def _is_one(path: Path) -> bool:
    return (path / CONFIG).is_file() and (path / WEIGHTS).is_file()


def _members(folder: Path) -> list[Path]:
    return [one for one in sorted(folder.iterdir()) if _is_one(one)] if folder.is_dir() else []


def _chosen(run: Path, given: Given) -> Path:
    """The one folder of a run, or the only one whose module is read at the given site."""
    folders = folders_with(run, WEIGHTS, CONFIG)
    if given.site is not None:
        site = parse_site(given.site)
        folders = {name: one for name, one in folders.items() if _reads(one, given.model) == site} or folders
    if len(folders) > 1:
        raise ask_for_one(run, folders)
    return next(iter(folders.values()))


def _describe(folder: Path, given: Given) -> _Described:
    settings, shapes = read_settings(folder / CONFIG), _shapes(folder)
    n, d = shapes["encoder.weight"]
    expansion = settings.whole("expansion_factor") or 32
    told = (settings.whole("d_in") or d, settings.whole("num_latents") or (settings.whole("d_in") or d) * expansion)
    has_skip = "W_skip" in shapes
    if told != (d, n) or (settings.flag("skip_connection", False) and not has_skip):
        raise bad(folder, f"{CONFIG} says d_in {told[0]} and {told[1]} latents; {WEIGHTS} has {shapes}.")
    activation, k = settings.text("activation", "topk"), settings.whole("k")
    if activation not in ("topk", "groupmax"):
        raise settings.refused("activation", "topk or groupmax")
    module, seed = _named(folder)
    model = require_model(folder, given.model or _model_of_run(folder))
    reads, writes = _sites(folder, module, model, given.site)
    try:
        config = DictionaryConfig(
            name=f"{module}-{seed}" if seed else module,
            model=model,
            kind="groupmax" if activation == "groupmax" else "topk",
            reads=(str(reads),),
            writes=(str(writes),),
            n_features=n,
            d_in=d,
            d_out=d,
            k=32 if k is None else k,
            skip=has_skip,
            folded=("b_dec",) if _takes_b_dec(settings) else (),
        )
    except BadConfig as error:
        raise bad(folder, str(error)) from error
    return _Described(folder=folder, config=config, takes_b_dec=_takes_b_dec(settings))


def _shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    shapes = {name: shape for name, (_, shape) in read_header(folder / WEIGHTS).items()}
    if len(shapes.get("encoder.weight", ())) != 2:
        raise bad(folder / WEIGHTS, f"It has {shapes}.")
    return shapes


def _takes_b_dec(settings: Settings) -> bool:
    # As the tool itself does where an older file does not say it, whatever the dictionary reads.
    return not settings.flag("transcode", False)


def _is_transcoder(folder: Path) -> bool:
    """Whether it predicts a module's output from its input. Older files tell by a skip, or by a folder's name only."""
    settings = read_settings(folder / CONFIG)
    if settings.data.get("transcode") is not None:
        return settings.flag("transcode", False)
    return "W_skip" in _shapes(folder) or any("transcoder" in part.lower() for part in folder.absolute().parts)


def _named(folder: Path) -> tuple[str, str]:
    """The module that a folder is named for, and the seed where there are several."""
    folder = folder.resolve()
    return (folder.parent.name, folder.name) if _SEED.fullmatch(folder.name) else (folder.name, "")


def _model_of_run(folder: Path) -> str:
    folder = folder.resolve()
    run = folder.parent.parent if _SEED.fullmatch(folder.name) else folder.parent
    return read_settings(run / RUN).text("model") if (run / RUN).is_file() else ""


def _sites(folder: Path, module: str, model: str, site: str | None) -> tuple[Site, Site]:
    crosses = _is_transcoder(folder)
    try:
        if site is None and module in _EMBEDDINGS and not crosses:
            return Site("embed"), Site("embed")
        reads = parse_site(site) if site else site_of_module(f"{module}.input" if crosses else module, model)
        if not crosses or site is None:
            return reads, site_of_module(module, model) if crosses else reads
    except UnknownSite as error:
        raise BadRequest(
            f"Which site '{folder}' {'reads and writes' if _is_transcoder(folder) else 'reads'} is not plain.",
            f"Its folder's name says '{module:.60}'. {error.found}",
            "Give the site that it reads: --site, such as resid_post.12.",
        ) from error
    if reads.kind not in ACROSS:
        found = "It predicts a module's output from its input, and that is no module's input here."
        raise BadRequest(f"'{folder}' does not read {reads}.", found, f"Give {' or '.join(ACROSS)} of a layer.")
    return reads, Site(ACROSS[reads.kind], reads.layer)


def _reads(folder: Path, model: str | None) -> Site | None:
    """What the folder's name says that it reads, where it names a place."""
    module, _ = _named(folder)
    try:
        return _sites(folder, module, model or _model_of_run(folder), None)[0]
    except BadRequest:
        return None


def _load(described: _Described) -> Dictionary:
    config = described.config
    n, d = config.n_features, config.d_in
    expected = {"encoder.weight": (n, d), "encoder.bias": (n,), "W_dec": (n, d), "b_dec": (d,)}
    expected |= {"W_skip": (d, d)} if config.skip else {}
    found = {name: one.float() for name, one in read_weights(described.folder / WEIGHTS, expected).items()}
    encoder, bias = found["encoder.weight"].T, found["encoder.bias"]
    weights: dict[str, Tensor] = {"W_enc": encoder, "W_dec": found["W_dec"], "b_dec": found["b_dec"]}
    weights["b_enc"] = bias - found["b_dec"] @ encoder if described.takes_b_dec else bias
    if config.skip:
        weights["W_skip"] = found["W_skip"].T
    return Dictionary(config, **weights)
