"""Where a trainer of dictionary_learning reads and writes: by its submodule, or by the name of a folder around it."""

import re
from pathlib import Path

from hooke.dictionaries.formats.hooks import HAS_POST_NORM, site_of_module
from hooke.dictionaries.formats.settings import read_settings
from hooke.errors import BadRequest, UnknownSite
from hooke.sites import Site, parse_site

_NAMED = re.compile(r"(resid_pre|resid_mid|resid_post|resid_out|attn_out|mlp_out)_layer_?([0-9]{1,4})(?![0-9])")
_OURS = {"resid_out": "resid_post"}
_INPUT_OF = {"mlp_out": "mlp_in", "resid_post": "resid_pre", "attn_out": "attn_in"}


def sites_of_trainer(config: Path, given: str | None, model: str) -> tuple[Site, Site]:
    """The site that is read and the one that is written, by a trainer's config.

    Raises:
        BadArtefact: the config is damaged.
        BadRequest: it does not say which sites these are.
    """
    told = read_settings(config)
    trainer, io = told.table("trainer"), told.table("buffer").text("io", "out")
    if given is not None:
        reads = parse_site(given)
        across = {one: other for other, one in _INPUT_OF.items()}
        if io != "in_and_out":
            return reads, reads
        if reads.kind not in across:
            raise _unknown(config, f"It predicts a module's output from its input, and {reads} is no such input.")
        return reads, Site(across[reads.kind], reads.layer)
    name, layer = trainer.text("submodule_name"), trainer.whole("layer")
    try:
        reads, writes = _by_name(name, io, model) or _by_folder(config, io, model)
    except UnknownSite as error:
        raise _unknown(config, f"Its submodule is '{name:.60}', io '{io:.20}'. {error.found}") from error
    if layer is not None and reads.layer != layer:
        raise _unknown(config, f"Its layer is {layer}, and its names speak of {reads}.")
    return reads, writes


def _by_name(name: str, io: str, model: str) -> tuple[Site, Site] | None:
    """By the label or the module's path; None where there is none."""
    if not name:
        return None
    if match := _NAMED.fullmatch(name):
        return _labelled(match, io, model)
    outer = None if io == "in" else site_of_module(name, model)
    inner = None if io == "out" else site_of_module(f"{name}.input", model)
    both = (inner or outer, outer or inner)
    assert both[0] is not None
    assert both[1] is not None
    return both[0], both[1]


def _by_folder(config: Path, io: str, model: str) -> tuple[Site, Site]:
    for part in reversed(config.absolute().parent.parts):
        if match := _NAMED.search(part):
            return _labelled(match, io, model)
    raise UnknownSite("", "No folder around it is named for one, such as resid_post_layer_8.")


def _labelled(match: re.Match[str], io: str, model: str) -> tuple[Site, Site]:
    kind, layer = _OURS.get(match[1], match[1]), int(match[2])
    if kind in ("attn_out", "mlp_out") and HAS_POST_NORM.search(model):
        raise UnknownSite("", f"In {model:.60} a norm stands between that module and what it adds to the stream.")
    if io == "in_and_out" and kind in _INPUT_OF:
        return Site(_INPUT_OF[kind], layer), Site(kind, layer)
    if io != "out":
        raise UnknownSite("", f"'{match[0]}' is no input.")
    return Site(kind, layer), Site(kind, layer)


def _unknown(config: Path, found: str) -> BadRequest:
    return BadRequest(
        f"'{config.parent}' does not say which site it reads.",
        found,
        "Give the site that it reads: --site, such as resid_post.12.",
    )
