"""Qwen-Scope: layerN.sae.pt for each layer beside one config.json; W_enc is [feature, d] and W_dec [d, feature].

TopK with the k of the config; nothing is subtracted from the input; the site is what leaves the block.
"""

import re
from pathlib import Path

from hooke.dictionaries.dictionary import Dictionary
from hooke.dictionaries.formats.assemble import assemble, bad, encoder_sizes, pick
from hooke.dictionaries.formats.given import Given
from hooke.dictionaries.formats.pickled_weights import read_pickled
from hooke.dictionaries.formats.settings import Settings, read_settings
from hooke.errors import BadArtefact, BadRequest
from hooke.sites import parse_site

_FILE = re.compile(r"layer([0-9]{1,4})\.sae\.pt")
_NAMES = {name: name for name in ("W_enc", "W_dec", "b_enc", "b_dec")}


def recognises(path: Path) -> bool:
    """Whether a folder, or the folder of a file, has their config and files."""
    folder = path if path.is_dir() else path.parent
    is_named = bool(_FILE.fullmatch(path.name)) if path.is_file() else bool(_files(path))
    try:
        return is_named and read_settings(folder / "config.json").text("model_type") == "topk_sae"
    except BadArtefact:
        return False


def load(path: Path, given: Given) -> Dictionary:
    """The dictionary of a layer: a file, or the one of a folder that the given site names.

    Raises:
        BadArtefact: a file is damaged, or contradicts the config.
        BadRequest: the folder has several layers and none was chosen.
    """
    file = path if path.is_file() else _chosen(path, given)
    config = read_settings(file.parent / "config.json")
    if config.text("hook_point", "resid_post") != "resid_post":
        raise config.refused("hook_point", "resid_post")
    k = config.whole("k")
    if k is None:
        raise config.refused("k", "the number of active features")
    match = _FILE.fullmatch(file.name)
    assert match is not None
    tensors = pick(file, read_pickled(file), _NAMES)
    weights = tensors | {name: tensors[name].T for name in ("W_enc", "W_dec")}
    _require_sizes(file, config, encoder_sizes(file, weights))
    site = f"resid_post.{int(match[1])}"
    return assemble(
        file,
        weights,
        name=f"{file.parent.absolute().name}-layer{int(match[1])}",
        model=given.model or config.text("base_model"),
        reads=(site,),
        writes=(site,),
        kind="topk",
        k=k,
    )


def _files(folder: Path) -> dict[int, Path]:
    found = sorted(folder.glob("layer*.sae.pt")) if folder.is_dir() else []
    return {int(match[1]): path for path in found if (match := _FILE.fullmatch(path.name))}


def _chosen(folder: Path, given: Given) -> Path:
    files = _files(folder)
    site = parse_site(given.site) if given.site else None
    if site is None and len(files) == 1:
        return next(iter(files.values()))
    if site is None or site.kind != "resid_post" or site.layer not in files:
        raise BadRequest(
            f"'{folder}' has the dictionaries of {len(files)} layers.",
            f"Their sites are resid_post.L with L among {sorted(files)[:12]}; given is {given.site or 'none'}.",
            f"Give one of its files, such as {folder.name}/layer{min(files)}.sae.pt, or a site.",
        )
    return files[site.layer]


def _require_sizes(file: Path, config: Settings, sizes: tuple[int, int, int]) -> None:
    told = (config.whole("d_model"), config.whole("d_sae"))
    if any(one is not None and one != size for one, size in zip(told, sizes, strict=False)):
        raise bad(
            file, f"It reads {sizes[0]} numbers with {sizes[1]} features; config.json says {told[0]} and {told[1]}."
        )
