"""Names of the places in a forward pass, and of the features that live there. No torch here.

A site is written `kind.layer` (`resid_post.15`) or `kind` (`embed`); a feature is written
`site/index@dictionary` (`resid_post.15/1234@smollm2-res`). Other tools' names are read, never written.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from hooke.errors import UnknownName, UnknownSite, did_you_mean


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of site holds."""

    axes: tuple[str, ...]
    """Names of the tensor's axes."""
    is_layered: bool
    """Whether each layer has one."""
    meaning: str
    """One sentence for people."""


_STREAM = ("batch", "pos", "d_model")
_HEADS = ("batch", "pos", "head", "d_head")

KINDS: dict[str, Kind] = {
    "embed": Kind(_STREAM, False, "token embeddings, as the embedding module returns them"),
    "resid_pre": Kind(_STREAM, True, "the residual stream that enters the block"),
    "attn_in": Kind(_STREAM, True, "what the attention module reads (after its norm, where there is one)"),
    "q": Kind(_HEADS, True, "queries as they meet the keys (after rotary embedding and query norm)"),
    "k": Kind(_HEADS, True, "keys as they meet the queries (after rotary embedding and key norm), per key-value head"),
    "v": Kind(_HEADS, True, "values, per key-value head"),
    "pattern": Kind(("batch", "head", "query", "key"), True, "attention probabilities"),
    "z": Kind(_HEADS, True, "each head's weighted sum of values, before the output projection"),
    "attn_out": Kind(
        _STREAM, True, "what attention adds to the residual stream (after its post-norm, where there is one)"
    ),
    "resid_mid": Kind(_STREAM, True, "the residual stream between attention and MLP"),
    "mlp_in": Kind(_STREAM, True, "what the MLP reads (after its norm, where there is one)"),
    "neurons": Kind(("batch", "pos", "d_mlp"), True, "hidden activations of the MLP, what its down projection reads"),
    "mlp_out": Kind(
        _STREAM, True, "what the MLP adds to the residual stream (after its post-norm, where there is one)"
    ),
    "resid_post": Kind(_STREAM, True, "the residual stream that leaves the block"),
    "final_norm": Kind(_STREAM, False, "the residual stream after the final norm"),
    "logits": Kind(("batch", "pos", "vocab"), False, "next-token logits"),
}

# The order in which a forward pass reaches the kinds inside one block; used to find the deepest site.
_DEPTH = {kind: place for place, kind in enumerate(KINDS)}


@dataclass(frozen=True, slots=True)
class Site:
    """A named place in the forward pass, e.g. `Site("resid_post", 15)`.

    Raises:
        UnknownSite: the kind is unknown, or the layer is missing, negative or superfluous.
    """

    kind: str
    layer: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UnknownSite(
                f"No site kind '{self.kind}'.", did_you_mean(self.kind, KINDS), f"Kinds: {', '.join(KINDS)}."
            )
        if KINDS[self.kind].is_layered and (self.layer is None or self.layer < 0):
            raise UnknownSite(
                f"Site '{self.kind}' needs a layer.", f"Found {self.layer}.", f"Write it like '{self.kind}.0'."
            )
        if not KINDS[self.kind].is_layered and self.layer is not None:
            raise UnknownSite(f"Site '{self.kind}' has no layers.", f"Found {self.layer}.", f"Write '{self.kind}'.")

    def __str__(self) -> str:
        return self.kind if self.layer is None else f"{self.kind}.{self.layer}"

    @property
    def depth(self) -> tuple[int, int]:
        """Sort key: sites that a forward pass reaches later sort later."""
        if self.kind == "embed":
            return (-1, 0)
        if self.layer is None:
            return (10**9, _DEPTH[self.kind])
        return (self.layer, _DEPTH[self.kind])


_FOREIGN = [
    (r"blocks\.([0-9]{1,6})\.hook_(resid_pre|resid_mid|resid_post|attn_out|mlp_out)", None),
    (r"blocks\.([0-9]{1,6})\.attn\.hook_(z|v|pattern)", None),
    (r"blocks\.([0-9]{1,6})\.attn\.hook_rot_(q|k)", None),
    (r"blocks\.([0-9]{1,6})\.mlp\.hook_post", "neurons"),
    (r"blocks\.([0-9]{1,6})\.mlp\.hook_in", "mlp_in"),
    (r"blocks\.([0-9]{1,6})\.mlp\.hook_out", "mlp_out"),
    (r"(?:model\.layers|transformer\.h|gpt_neox\.layers)\.([0-9]{1,6})(?:\.output)?", "resid_post"),
    (r"(?:model\.layers|transformer\.h|gpt_neox\.layers)\.([0-9]{1,6})\.input", "resid_pre"),
    (r"(?:model\.layers|transformer\.h|gpt_neox\.layers)\.([0-9]{1,6})\.mlp(?:\.output)?", "mlp_out"),
]


def _from_foreign(text: str) -> Site | None:
    if text == "hook_embed":
        return Site("embed")
    for pattern, kind in _FOREIGN:
        match = re.fullmatch(pattern, text)
        if match:
            return Site(kind or match.group(2), int(match.group(1)))
    return None


def parse_site(text: str) -> Site:
    """The site that a string names; TransformerLens' and module-path spellings are accepted.

    Raises:
        UnknownSite: the string names no site.
    """
    foreign = _from_foreign(text)
    if foreign is not None:
        return foreign
    kind, dot, layer = text.partition(".")
    if dot and not re.fullmatch(r"[0-9]{1,6}", layer):
        raise UnknownSite(
            f"No site '{text}'.", f"'{layer}' is not a layer number.", "Write a site like 'resid_post.15'."
        )
    if kind not in KINDS:
        near = did_you_mean(kind, KINDS).replace("'?", f".{layer}'?" if layer else "'?")
        raise UnknownSite(f"No site '{text}'.", near, f"Kinds of site: {', '.join(KINDS)}.")
    return Site(kind, int(layer) if layer else None)


def expand_sites(patterns: Iterable[str | Site], n_layers: int) -> tuple[Site, ...]:
    """The sites that names and wildcards (`resid_post.*`, `*.3`) stand for, in the order of the forward pass.

    Raises:
        UnknownSite: a name is unknown, or its layer is outside the model.
    """
    found: set[Site] = set()
    for pattern in patterns:
        if isinstance(pattern, str) and "*" in pattern:
            found.update(_expand_wildcard(pattern, n_layers))
            continue
        site = parse_site(pattern) if isinstance(pattern, str) else pattern
        if site.layer is not None and site.layer >= n_layers:
            raise UnknownSite(f"No site '{site}'.", f"This model has layers 0-{n_layers - 1}.", "Choose one of them.")
        found.add(site)
    return tuple(sorted(found, key=lambda site: site.depth))


def _expand_wildcard(pattern: str, n_layers: int) -> list[Site]:
    every = [
        Site(name, layer) for name, kind in KINDS.items() for layer in (range(n_layers) if kind.is_layered else (None,))
    ]
    regex = re.compile(re.sub(r"(\\\*)+", ".*", re.escape(pattern)))
    found = [site for site in every if regex.fullmatch(str(site))]
    if not found:
        raise UnknownSite(
            f"No site matches '{pattern}'.", f"This model has layers 0-{n_layers - 1}.", f"Kinds: {', '.join(KINDS)}."
        )
    return found


@dataclass(frozen=True, slots=True)
class FeatureName:
    """A feature's address: a site, an index and, where it is not plain from context, a dictionary's name."""

    site: Site
    index: int
    dictionary: str | None = None

    def __str__(self) -> str:
        return f"{self.site}/{self.index}" + (f"@{self.dictionary}" if self.dictionary else "")


def parse_feature(text: str) -> FeatureName:
    """The feature that `site/index` or `site/index@dictionary` names.

    Raises:
        UnknownName: the string is not of that form.
        UnknownSite: its site is unknown.
    """
    match = re.fullmatch(r"([^/@]+)/([0-9]{1,9})(?:@(.+))?", text.strip())
    if match is None:
        raise UnknownName(
            f"No feature '{text}'.",
            "It is not of the form site/index.",
            "Write 'resid_post.15/1234' or add '@dictionary'.",
        )
    return FeatureName(parse_site(match.group(1)), int(match.group(2)), match.group(3))
