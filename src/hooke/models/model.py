"""A causal language model with its tokenizer, unchanged, and runs of it with captures and edits."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import linear

from hooke.dictionaries import Dictionary
from hooke.errors import BadRequest, PromptTooLong, UnknownSite, UnsupportedModel, did_you_mean
from hooke.lab import Lab
from hooke.models.apply import compile_edits
from hooke.models.architectures import Anatomy, Refusal, every_site, resolve, text_config
from hooke.models.edits import Edit
from hooke.models.hooks import Moment, Pass, Stop, attached
from hooke.sites import Site, expand_sites, parse_site

Prompts = str | Sequence[str] | Tensor


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token ids of a batch of prompts, padded on the right."""

    ids: Int[Tensor, "batch pos"]
    mask: Bool[Tensor, "batch pos"]
    """False on padding."""

    @staticmethod
    def of(rows: Sequence[Sequence[int] | Int[Tensor, " _pos"]], device: torch.device | str = "cpu") -> "Tokens":
        """Rows of ids, one or more, as a batch."""
        ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.int64)
        mask = torch.zeros_like(ids, dtype=torch.bool)
        for at, row in enumerate(rows):
            ids[at, : len(row)], mask[at, : len(row)] = torch.as_tensor(row), True
        return Tokens(ids.to(device), mask.to(device))

    @property
    def lengths(self) -> Int[Tensor, " batch"]:
        """Number of tokens of each prompt."""
        return self.mask.sum(-1)


@dataclass(frozen=True)
class Run(Mapping[Site, Tensor]):
    """What one run returned: `run.logits`, `run["resid_post.15"]`, `run.tokens`."""

    tokens: Tokens
    logits: Float[Tensor, "batch pos vocab"] | None
    captures: dict[Site, Tensor] = field(default_factory=dict)

    def __getitem__(self, site: str | Site) -> Tensor:
        wanted = parse_site(site) if isinstance(site, str) else site
        if wanted not in self.captures:
            names = [str(one) for one in self.captures]
            raise UnknownSite(
                f"'{wanted}' was not captured in this run.",
                did_you_mean(str(wanted), names),
                f"Captured: {', '.join(names) or 'nothing'}.",
            )
        return self.captures[wanted]

    def rows(self, *sites: Site) -> Float[Tensor, "batch pos width"]:
        """What sites hold, side by side, heads too: what a dictionary that reads them encodes."""
        return torch.cat([self[site].flatten(2).float() for site in sites], dim=-1)

    def __iter__(self) -> Iterator[Site]:
        return iter(self.captures)

    def __len__(self) -> int:
        return len(self.captures)


class Model:
    """A model on the table. Its weights and modules are never changed; one run at a time goes through it."""

    def __init__(
        self, hf: nn.Module, tokenizer: Any, *, name: str, fingerprint: str = "", lab: Lab | None = None
    ) -> None:
        self.hf = hf.eval()
        self.tokenizer = tokenizer
        self.name = name
        self.fingerprint = fingerprint
        """Identifies the weights; empty when the model was not loaded from files."""
        self.lab = lab
        self.anatomy: Anatomy = resolve(hf)
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"Model({self.name}: {self.n_layers} layers, d_model {self.d_model}, {self.dtype} on {self.device})"

    @property
    def config(self) -> Any:
        """The transformers configuration of the text stack."""
        return text_config(self.hf)

    @property
    def device(self) -> torch.device:
        """Where the embeddings are."""
        return self.anatomy.embedding.weight.device  # pyright: ignore[reportReturnType]

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of the embeddings."""
        return self.anatomy.embedding.weight.dtype  # pyright: ignore[reportReturnType]

    @property
    def n_layers(self) -> int:
        """Number of decoder blocks."""
        return len(self.anatomy.blocks)

    @property
    def d_model(self) -> int:
        """Width of the residual stream."""
        return self.anatomy.widths["d_model"]

    @property
    def d_vocab(self) -> int:
        """Number of token embeddings."""
        return self.anatomy.embedding.weight.shape[0]  # pyright: ignore

    @property
    def context(self) -> int:
        """The longest prompt, in tokens."""
        return int(getattr(self.config, "max_position_embeddings", None) or 2**31)

    @property
    def refusals(self) -> dict[str, Refusal]:
        """Sites that this model does not have, each with the reason and what to use instead."""
        return self.anatomy.refusals

    def width(self, site: Site) -> int:
        """The last axis of a site's tensor. A pattern has none of fixed size.

        Raises:
            UnknownSite, UnsupportedModel: see `require`.
        """
        self.require(site)
        if site.kind == "logits":
            return self.d_vocab
        if site.kind == "neurons":
            return self.anatomy.widths["d_mlp"]
        if site.kind in ("q", "k", "v", "z"):
            return self.anatomy.widths["d_head"]
        if site.kind == "pattern":
            raise BadRequest("A pattern has no fixed width.", "", "Its last axis is the prompt's length.")
        return self.d_model

    def row_width(self, site: Site) -> int:
        """How many numbers a token has at a site: its width, of z that of all heads together.

        Raises:
            UnknownSite, UnsupportedModel, BadRequest: see `width`.
        """
        tap = self.anatomy.taps.get(site)
        return self.width(site) * (tap.heads[0] if tap is not None and tap.heads is not None else 1)

    def has(self, site: Site) -> bool:
        """Whether the site can be read and edited on this model."""
        if str(site) in self.refusals or (site.layer is not None and site.layer >= self.n_layers):
            return False
        if site.kind in ("q", "k", "v", "pattern"):
            return site.layer in self.anatomy.attention
        return site.kind == "logits" or site in self.anatomy.taps

    def sites(self) -> tuple[Site, ...]:
        """Every site of this model, in the order of the forward pass."""
        return tuple(
            sorted((site for site in every_site(self.n_layers) if self.has(site)), key=lambda site: site.depth)
        )

    def require(self, site: Site) -> None:
        """Raises:
        UnknownSite: the layer is outside the model.
        UnsupportedModel: the site was refused on this model; the message says why and what to use instead.
        """
        expand_sites([site], self.n_layers)
        refusal = self.refusals.get(str(site))
        if refusal is not None:
            raise UnsupportedModel(f"{self.name} has no site '{site}':", f"{refusal.why}.", f"Use {refusal.instead}.")
        if not self.has(site):
            raise UnsupportedModel(
                f"{self.name} has no site '{site}'.", "It was not found in its structure.", "See `hooke model info`."
            )

    def expand(self, patterns: Iterable[str | Site]) -> tuple[Site, ...]:
        """The sites that names and wildcards stand for on this model; a wildcard skips refused sites.

        Raises:
            UnknownSite, UnsupportedModel: a site named without a wildcard is not on this model.
        """
        found: set[Site] = set()
        for pattern in patterns:
            sites = expand_sites([pattern], self.n_layers)
            if isinstance(pattern, str) and "*" in pattern:
                found.update(site for site in sites if self.has(site))
            else:
                self.require(sites[0])
                found.update(sites)
        return tuple(sorted(found, key=lambda site: site.depth))

    def tokenize(self, prompts: Prompts) -> Tokens:
        """Token ids of texts (with the model's own special tokens), or of ids given as they are.

        Raises:
            PromptTooLong: a prompt has more tokens than the model's context.
            BadRequest: a prompt is empty, or an id is outside the vocabulary.
        """
        if isinstance(prompts, Tensor):
            rows = list((prompts[None] if prompts.ndim == 1 else prompts).to(torch.int64))
        else:
            texts = [prompts] if isinstance(prompts, str) else list(prompts)
            rows = [torch.tensor(self.tokenizer(text)["input_ids"], dtype=torch.int64) for text in texts]
        if not rows or min(len(row) for row in rows) == 0:
            raise BadRequest("A prompt has no tokens.", "It is empty.", "Give at least one character.")
        length = max(len(row) for row in rows)
        if length > self.context:
            raise PromptTooLong(
                f"A prompt has {length} tokens.", f"{self.name} reads at most {self.context}.", "Shorten it."
            )
        top = max(int(row.max()) for row in rows)
        if top >= self.d_vocab or min(int(row.min()) for row in rows) < 0:
            raise BadRequest(
                f"Token id {top} is outside the vocabulary.",
                f"{self.name} has {self.d_vocab} tokens.",
                "Use its own tokenizer.",
            )
        return Tokens.of(rows, self.device)

    def run(
        self,
        prompts: Prompts | Tokens,
        *,
        capture: Iterable[str | Site] = (),
        edits: Sequence[Edit] = (),
        logits: bool = True,
        positions: Sequence[int] | None = None,
        keep_dtype: torch.dtype | None = None,
        keep_device: torch.device | str | None = None,
        dictionaries: Iterable[Dictionary] = (),
    ) -> Run:
        """One forward pass with captures and edits. Without `logits` it stops at the deepest captured site.

        Captures are what the model goes on to use: after the edits at their own site. Prompts of unequal length are
        padded on the right, so position i of a capture is token i of its prompt; behind its end nothing has a meaning.

        Args:
            positions: keep captures at these positions only (negative counts from each prompt's end).
            keep_dtype: dtype of what is kept; the model's own by default.
            keep_device: device of what is kept; the model's own by default.

        Raises:
            UnknownSite, UnsupportedModel: a site is not on this model.
            PromptTooLong, BadRequest: see `tokenize`.
        """
        tokens = prompts if isinstance(prompts, Tokens) else self.tokenize(prompts)
        sites = self.expand(capture)
        compiled = compile_edits(self, edits, dictionaries) if edits else {}
        places = torch.arange(tokens.ids.shape[1], device=self.device).expand_as(tokens.ids)
        running = Pass(
            anatomy=self.anatomy,
            captures=frozenset(sites),
            edits=compiled,
            keep=_keeper(tokens, positions, keep_dtype, keep_device),
            stop_at=None if logits or not sites or sites[-1].kind == "logits" else sites[-1],
            moment=Moment(torch.where(tokens.mask, places, -1), tokens.lengths),
        )
        attention_mask = None if bool(tokens.mask.all()) else tokens.mask.long()
        with self.open(running), torch.no_grad():
            try:
                output = self.hf(input_ids=tokens.ids, attention_mask=attention_mask, use_cache=False).logits
            except Stop:
                return Run(tokens, None, running.read)
        output = self.visit_logits(running, output)
        return Run(tokens, output if logits else None, running.read)

    @contextmanager
    def open(self, running: Pass) -> Iterator[None]:
        """Exclusive use of the model with a pass attached; nothing of it stays behind, also when the block raises."""
        with self.alone(), attached(self.hf, running):
            yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Exclusive use of the model: other threads' runs wait until the block ends."""
        with self._lock:
            yield

    @staticmethod
    def visit_logits(running: Pass, output: Tensor) -> Tensor:
        """The logits after their edits; captured where asked."""
        return running.visit(Site("logits"), output)

    def generate(self, prompt: Prompts, **settings: Any):  # noqa: ANN201
        """Text that the model goes on with, whole or streamed; see `hooke.models.generate.generate`."""
        from hooke.models.generate import generate

        return generate(self, prompt, **settings)

    def check(self, prompts: Prompts | Tokens | None = None):  # noqa: ANN201
        """The contract between the sites, measured on text; see `hooke.models.check.check`."""
        from hooke.models.check import check

        return check(self, prompts)

    def unembed(
        self, stream: Float[Tensor, "*batch d_model"], tokens: Int[Tensor, " chosen"] | None = None
    ) -> Float[Tensor, "*batch vocab"]:
        """Logits of a final residual stream: norm, unembedding, soft cap or scale where the architecture has one.

        Args:
            tokens: the only ones whose logits are wanted; all of them by default.

        Raises:
            UnsupportedModel: the model has no unembedding, or no final norm was found.
        """
        norm, head = self.anatomy.final_norm, self.anatomy.unembedding
        if norm is None or head is None:
            raise UnsupportedModel(
                f"{self.name} cannot be unembedded.", "No final norm or no unembedding was found.", ""
            )
        if tokens is None:
            logits = head(norm(stream))
        else:
            bias = getattr(head, "bias", None)
            logits = linear(norm(stream), head.weight[tokens], None if bias is None else bias[tokens])  # pyright: ignore
        scale = getattr(self.config, "logit_scale", None)
        return self.capped(logits * scale if scale else logits)

    def capped(self, logits: Float[Tensor, "*batch vocab"]) -> Float[Tensor, "*batch vocab"]:
        """The logits behind the soft cap, where the architecture has one."""
        cap = getattr(self.config, "final_logit_softcapping", None)
        return cap * torch.tanh(logits / cap) if cap else logits

    def unembed_directions(self) -> Float[Tensor, "vocab d_model"]:
        """Unembedding rows with the final norm's gain folded in: what a residual direction is multiplied with."""
        head = self.anatomy.unembedding
        if head is None or self.anatomy.final_norm is None:
            raise UnsupportedModel(
                f"{self.name} cannot be unembedded.", "No final norm or no unembedding was found.", ""
            )
        return head.weight.detach().float() * norm_gain(self.anatomy.final_norm, self.d_model, self.device)  # pyright: ignore


def norm_gain(norm: nn.Module, width: int, device: torch.device) -> Float[Tensor, " d_model"]:
    """The gain of a norm, measured instead of read, since some architectures store gain - 1.

    A vector of as many +1 as -1 has mean 0 and mean square 1, so any RMS or layer norm returns ±gain plus bias.
    """
    half = width // 2
    probe = torch.cat([torch.ones(half), -torch.ones(width - half)]).to(device)
    weight = norm.weight if hasattr(norm, "weight") else None
    probe = probe if weight is None else probe.to(weight.dtype)  # pyright: ignore
    with torch.no_grad():
        gain = (norm(probe[None]) - norm(-probe[None]))[0].float() / 2
    return gain * probe.float().sign()


def _keeper(
    tokens: Tokens, positions: Sequence[int] | None, dtype: torch.dtype | None, device: torch.device | str | None
) -> Callable[[Site, Tensor], Tensor]:
    rows = torch.arange(len(tokens.ids), device=tokens.ids.device)[:, None]
    wanted = None if positions is None else _places(tokens, positions)
    return partial(_kept, rows, wanted, dtype, device)


def _kept(
    rows: Tensor,
    wanted: Tensor | None,
    dtype: torch.dtype | None,
    device: torch.device | str | None,
    site: Site,
    value: Tensor,
) -> Tensor:
    if wanted is not None:
        value = value.movedim(1, 2)[rows, wanted].movedim(1, 2) if site.kind == "pattern" else value[rows, wanted]
    kept = value.detach().to(device=device, dtype=dtype)
    # Some architectures go on to change the very tensor in place, so what is kept is always a copy.
    return kept.clone() if kept.data_ptr() == value.data_ptr() else kept


def _places(tokens: Tokens, positions: Sequence[int]) -> Int[Tensor, "batch kept"]:
    wanted = torch.tensor(list(positions), dtype=torch.int64, device=tokens.ids.device)
    places = torch.where(wanted < 0, wanted + tokens.lengths[:, None], wanted.expand(len(tokens.ids), -1))
    outside = (places < 0) | (places >= tokens.lengths[:, None])
    if bool(outside.any()):
        raise BadRequest(
            f"Positions {list(positions)} are not in every prompt.",
            f"Lengths: {tokens.lengths.tolist()}.",
            "Negative positions count from the end.",
        )
    return places
