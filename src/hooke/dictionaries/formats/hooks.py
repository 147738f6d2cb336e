"""The sites that other tools' names for places stand for: TransformerLens' hooks, and paths of a model's modules."""

import re

from hooke.errors import UnknownSite
from hooke.sites import Site, parse_site

# Models whose attention and MLP pass a norm before the stream: there the module's output is not what it adds.
HAS_POST_NORM = re.compile(r"gemma-?[23]|olmo-?2", re.IGNORECASE)

WITHOUT_GAIN = "ln2.hook_normalized"
"""What follows 'blocks.L.' where the stream before an MLP is read normalised, without the norm's gain and bias."""

_LAYER = re.compile(r"blocks\.([0-9]{1,6})\.(.+)")
_MODULE = re.compile(
    r"(?:[a-z_]+\.)*(?:layers|h)\.([0-9]{1,6})(?:\.([a-z_0-9]+(?:\.[a-z_0-9]+)??))??(?:\.(input|output))?"
)
# By a module's path inside its block: the kinds of what it reads and of what it returns.
_OF_MODULE: dict[str, tuple[str | None, str | None]] = {
    "": ("resid_pre", "resid_post"),
    "self_attn.o_proj": ("z", None),
    "attn.c_proj": ("z", None),
    "attention.dense": ("z", None),
    "mlp.down_proj": ("neurons", None),
    "mlp.c_proj": ("neurons", None),
    "mlp.dense_4h_to_h": ("neurons", None),
    "mlp": ("mlp_in", "mlp_out"),
    "self_attn": (None, "attn_out"),
    "attn": (None, "attn_out"),
    "attention": (None, "attn_out"),
    "ln_2": ("resid_mid", "mlp_in"),
    "post_attention_layernorm": ("resid_mid", "mlp_in"),
}
_OF_MODULE_WITH_POST_NORM = _OF_MODULE | {
    "mlp": ("mlp_in", None),
    "self_attn": (None, None),
    "post_attention_layernorm": (None, "attn_out"),
    "pre_feedforward_layernorm": ("resid_mid", "mlp_in"),
    "post_feedforward_layernorm": (None, "mlp_out"),
}
_HOOK_OF = {
    "resid_pre": "hook_resid_pre",
    "resid_mid": "hook_resid_mid",
    "resid_post": "hook_resid_post",
    "attn_out": "hook_attn_out",
    "mlp_in": "mlp.hook_in",
    "mlp_out": "hook_mlp_out",
    "neurons": "mlp.hook_post",
    "z": "attn.hook_z",
}


def site_of_hook(hook: str, model: str) -> Site:
    """The site at a hook of TransformerLens; of `WITHOUT_GAIN` it is what the MLP reads, so the gain has to be folded.

    Raises:
        UnknownSite: it is no site of hooke.
    """
    layer, name = match.groups() if (match := _LAYER.fullmatch(hook)) else ("", "")
    if name == "hook_mlp_in":
        return Site("resid_mid", int(layer))
    if name == WITHOUT_GAIN:
        return Site("mlp_in", int(layer))
    if name == "mlp.hook_out" and HAS_POST_NORM.search(model):
        raise _unknown(hook, f"In {model:.60} a norm stands between the MLP and what it adds to the stream.")
    return parse_site(hook)


def site_of_module(path: str, model: str) -> Site:
    """The site at what a module returns, or reads where the path ends in '.input'.

    Raises:
        UnknownSite: it is no site of hooke.
    """
    match = _MODULE.fullmatch(path)
    table = _OF_MODULE_WITH_POST_NORM if HAS_POST_NORM.search(model) else _OF_MODULE
    layer, inside, side = match.groups() if match else ("", None, None)
    kind = table.get(inside or "", (None, None))[side != "input"] if match else None
    if kind is None:
        raise _unknown(path, f"In {model:.60} it is none of the places that hooke names.")
    return Site(kind, int(layer))


def hook_of(site: Site) -> str:
    """TransformerLens' name of a site.

    Raises:
        UnknownSite: it has none that stands for the same numbers.
    """
    if site.kind == "embed":
        return "hook_embed"
    if site.kind not in _HOOK_OF:
        raise _unknown(str(site), "Other tools have no name for the same numbers.")
    return f"blocks.{site.layer}.{_HOOK_OF[site.kind]}"


def _unknown(name: str, found: str) -> UnknownSite:
    return UnknownSite(f"'{name:.120}' is no place that both sides know.", found, "Give the site by hooke's own name.")
