"""Where a file of Gemma Scope's belongs: by config.json, where there is one, else by the names of its folders.

The suites say it by layout. The first: owner--gemma-scope-2b-pt-res/layer_20/width_16k/average_l0_71/params.npz.
The second: gemma-scope-2-1b-pt/resid_post/layer_17_width_16k_l0_small/params.safetensors, most with a config.json.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hooke.dictionaries.claims import Claims
from hooke.dictionaries.formats.settings import Settings, read_settings
from hooke.errors import BadArtefact

Form = Literal["sae", "transcoder", "crosscoder", "clt"]

_FIRST = re.compile(r"gemma-scope-(2b|9b|27b)-(pt|it)-(res|mlp|att|transcoders)(?![\w])")
_SECOND = re.compile(r"gemma-scope-2-(270m|1b|4b|12b|27b)-(pt|it)(?![\w-])")
_FIRST_LAYER = re.compile(r"/(?:layer_([0-9]{1,4})|(embedding))(?:/|$)")
_SECOND_LAYER = re.compile(
    r"/(resid_post|attn_out|mlp_out|transcoder|crosscoder|clt)(?:_all)?/(?:layer_([0-9]{1,4}(?:_[0-9]{1,4})*)_)?width_"
)
_L0 = re.compile(r"average_l0_([0-9]{1,6})")
_MODEL_NAME = re.compile(r"(?:google/)?gemma-3-(270m|1b|4b|12b|27b)-(pt|it)(?:-v[0-9]+)?")
_HOOK = re.compile(r"model\.layers\.(?:([0-9]{1,4})|\{([0-9, ]{1,200})\}|(\{all\}))\.([a-z_.]+)")
_SITE_OF_HOOK = {
    "output": "resid_post",
    "self_attn.o_proj.input": "z",
    "post_feedforward_layernorm.output": "mlp_out",
    "pre_feedforward_layernorm.output": "mlp_in",
}
# What a folder's name says that it reads and writes. 'att' and 'attn_out' are what the output projection reads.
_SITES = {
    "res": ("resid_post", "resid_post"),
    "att": ("z", "z"),
    "mlp": ("mlp_out", "mlp_out"),
    "transcoders": ("mlp_in", "mlp_out"),
    "resid_post": ("resid_post", "resid_post"),
    "attn_out": ("z", "z"),
    "mlp_out": ("mlp_out", "mlp_out"),
    "transcoder": ("mlp_in", "mlp_out"),
    "crosscoder": ("resid_post", "resid_post"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """What is known of a dictionary apart from its weights."""

    form: Form | None = None
    """What it is; None where neither config nor folders tell."""
    model: str | None = None
    """Base model on the hub."""
    reads: tuple[str, ...] = ()
    """Sites that it reads."""
    writes: tuple[str, ...] = ()
    """Sites that it writes."""
    claims: Claims | None = None
    """What its author says of it."""


def place_of(path: Path) -> Place:
    """What the config beside a file, or the names of the folders around it, say of it.

    Raises:
        BadArtefact: the config is damaged, or names what is no site here.
    """
    folder = path if path.is_dir() else path.parent
    named = _by_names(f"{folder.absolute().as_posix()}/")
    config = folder / "config.json"
    return _by_config(read_settings(config), named) if config.is_file() else named


def _by_names(folders: str) -> Place:
    second = [*_SECOND_LAYER.finditer(folders)]
    if second:
        kind, layers = second[-1].groups()
        repository = [*_SECOND.finditer(folders)]
        model = _gemma_3(*repository[-1].groups()) if repository else None
        first_token = Claims(source="the suite's report", first_token=False)
        if kind == "clt":
            return Place(form="clt", model=model, claims=first_token)
        form = kind if kind in ("transcoder", "crosscoder") else "sae"
        return Place(form=form, model=model, claims=first_token, **_sites(kind, (layers or "").split("_")))
    repository, layers = [*_FIRST.finditer(folders)], [*_FIRST_LAYER.finditer(folders)]
    l0 = [*_L0.finditer(folders)]
    claims = Claims(
        source=f"the folder's name, {l0[-1][0]}" if l0 else "the suite's report",
        l0=float(l0[-1][1]) if l0 else None,
        first_token=False,
    )
    if not repository or not layers:
        return Place(claims=claims if l0 else None)
    size, tuned, kind = repository[-1].groups()
    model = f"google/gemma-2-{size}" + ("-it" if tuned == "it" else "")
    if layers[-1][2]:
        return Place(form="sae", model=model, reads=("embed",), writes=("embed",), claims=claims)
    form = "transcoder" if kind == "transcoders" else "sae"
    return Place(form=form, model=model, claims=claims, **_sites(kind, [layers[-1][1]]))


def _sites(kind: str, layers: list[str]) -> dict[str, tuple[str, ...]]:
    reads, writes = _SITES[kind]
    numbers = [layer for layer in layers if layer]
    return {"reads": tuple(f"{reads}.{one}" for one in numbers), "writes": tuple(f"{writes}.{one}" for one in numbers)}


def _by_config(config: Settings, named: Place) -> Place:
    form = config.text("type", named.form or "sae")
    if config.text("architecture", "jump_relu") != "jump_relu" or form not in (
        "sae",
        "transcoder",
        "crosscoder",
        "clt",
    ):
        raise config.refused(
            "type" if form not in ("sae", "transcoder", "crosscoder", "clt") else "architecture", "known"
        )
    told = _MODEL_NAME.fullmatch(config.text("model_name"))
    l0 = config.number("l0")
    claims = Claims(source="config.json, l0: the target of training, not a measurement", l0=l0, first_token=False)
    hooks = {
        "reads": _hooked(config, "hf_hook_point_in") or named.reads,
        "writes": _hooked(config, "hf_hook_point_out") or named.writes,
    }
    return Place(
        form=form,
        model=_gemma_3(*told.groups()) if told else named.model or config.text("model_name") or None,
        claims=claims if l0 is not None else named.claims,
        **({} if form == "clt" else hooks),
    )


def _gemma_3(size: str, tuned: str) -> str:
    # The smallest base model is the one whose name on the hub has no '-pt'.
    return f"google/gemma-3-{size}" + ("" if size == "270m" and tuned == "pt" else f"-{tuned}")


def _hooked(config: Settings, key: str) -> tuple[str, ...]:
    hook = config.text(key)
    if not hook:
        return ()
    match = _HOOK.fullmatch(hook)
    if match is None or match[4] not in _SITE_OF_HOOK or match[3] and config.text("type") != "clt":
        raise BadArtefact(
            f"'{config.path}' could not be read.",
            f"Its '{key}' is '{hook:.80}', which is no site of hooke.",
            f"Known are model.layers.N and then {', '.join(_SITE_OF_HOOK)}.",
        )
    layers = [match[1]] if match[1] else (match[2] or "").replace(" ", "").split(",")
    return tuple(f"{_SITE_OF_HOOK[match[4]]}.{int(layer)}" for layer in layers if layer)
