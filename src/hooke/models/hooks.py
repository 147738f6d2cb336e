"""Reading and changing a forward pass. The only module that attaches hooks; they never outlive the `with` block.

Every site is reached in one of three ways: at a tap (one end of a module), at transformers' attention interface
(queries, keys, values and the pattern), or by algebra (an edit of resid_mid changes attn_out by the same amount).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

from hooke.errors import UnsupportedModel
from hooke.models.architectures import ATTENTION_SITES, Anatomy, Tap, eager_attention, first_tensor, input_tensor
from hooke.models.edits import parse_slice
from hooke.models.scope import Schedule
from hooke.sites import Site

ATTENTION_NAME = "hooke_eager"


@dataclass(frozen=True, slots=True)
class Moment:
    """Which tokens one forward call holds."""

    position: Int[Tensor, "batch pos"]
    """Position of each token in its prompt, from 0; -1 on padding."""
    n_prompt: Int[Tensor, " batch"]
    """Number of prompt tokens of each row."""


@dataclass(frozen=True, eq=False, slots=True)
class CompiledGiven:
    """A condition bound to a model."""

    site: Site
    is_met: Callable[[Tensor], Bool[Tensor, "batch pos"]]
    """From the site's tensor before its edits: the tokens that meet it."""


@dataclass(frozen=True, slots=True)
class CompiledEdit:
    """An edit bound to a model: a function from the site's tensor to the new one."""

    site: Site
    apply: Callable[[Tensor, "CompiledEdit", Moment], Tensor]
    positions: tuple[int, ...] | str | None
    when: str
    given: CompiledGiven | None = None
    schedule: Schedule | None = None

    def selected(self, moment: Moment) -> Bool[Tensor, "batch pos"] | None:
        """Which tokens' places and phase the edit acts on; None when it is all of them."""
        if self.positions is None and self.when == "all" and bool((moment.position >= 0).all()):
            return None
        chosen = moment.position >= 0
        n_prompt = moment.n_prompt[:, None]
        if self.when != "all":
            is_prompt = moment.position < n_prompt
            chosen = chosen & (is_prompt if self.when == "prompt" else ~is_prompt)
        if isinstance(self.positions, str):
            bounds = parse_slice(self.positions)
            chosen = chosen & (moment.position >= _from_end(bounds.start or 0, n_prompt))
            if bounds.stop is not None:
                chosen = chosen & (moment.position < _from_end(bounds.stop, n_prompt))
        elif self.positions is not None:
            wanted = torch.tensor(self.positions, device=moment.position.device)
            places = torch.where(wanted < 0, wanted + n_prompt, wanted.expand(len(n_prompt), -1))
            chosen = chosen & (moment.position[:, :, None] == places[:, None, :]).any(-1)
        return chosen


def adding_leaves(leaves: dict[Site, Tensor]) -> Callable[[Tensor, CompiledEdit, Moment], Tensor]:
    """What an edit does that adds zeros to a site, and keeps them: a derivative by them is one by the site."""
    return partial(_with_leaf, leaves)


def _with_leaf(leaves: dict[Site, Tensor], value: Tensor, edit: CompiledEdit, _: Moment) -> Tensor:
    leaves[edit.site] = torch.zeros_like(value, requires_grad=True)
    return value + leaves[edit.site]


def _from_end(bound: int, n_prompt: Tensor) -> Tensor:
    return n_prompt + bound if bound < 0 else torch.full_like(n_prompt, bound)


@dataclass(frozen=True, slots=True)
class Call:
    """A block's call, ready to be made again on another residual stream."""

    block: nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def again(self, stream: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        """What the block makes of this stream, everything else as it was."""
        found = first_tensor(self.block(stream, *self.args, **self.kwargs))
        assert found is not None
        return found


class Stop(Exception):
    """Raised inside a forward pass once nothing further is needed."""


@dataclass
class Pass:
    """What one forward pass should do at the sites, and what it has read so far."""

    anatomy: Anatomy
    captures: frozenset[Site]
    edits: dict[Site, list[CompiledEdit]]
    keep: Callable[[Site, Tensor], Tensor]
    stop_at: Site | None = None
    moment: Moment | None = None
    read: dict[Site, Tensor] = field(default_factory=dict)
    streams: dict[int, Tensor] = field(default_factory=dict)
    """resid_pre of layers whose resid_mid is edited."""
    met: dict[CompiledGiven, Bool[Tensor, "batch pos"]] = field(default_factory=dict)
    """Tokens that meet each condition, once its site was reached."""
    conditions: dict[Site, list[CompiledGiven]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for given in (edit.given for edits in self.edits.values() for edit in edits):
            if given is not None:
                self.conditions.setdefault(given.site, []).append(given)

    def visit(self, site: Site, value: Tensor) -> Tensor:
        """The site's tensor after its edits; captured, and the pass stopped, where asked."""
        if site in self.edits:
            self._observe(site, value)
        for edit in self.edits.get(site, ()):
            value = self._edited(edit, value)
        if site.kind == "resid_pre" and Site("resid_mid", site.layer) in self.edits:
            self.streams[site.layer or 0] = value
        return self.visit_read_only(site, value)

    def visit_read_only(self, site: Site, value: Tensor) -> Tensor:
        """The site's tensor, captured; for a site whose edits were made elsewhere."""
        if site not in self.edits:
            self._observe(site, value)
        if site in self.captures:
            self.read[site] = self.keep(site, value)
        if site == self.stop_at:
            raise Stop
        return value

    def visit_middle(self, layer: int, attn_out: Tensor) -> Tensor:
        """attn_out changed by as much as the edits of resid_mid change resid_mid."""
        stream = self.streams.pop(layer) + attn_out
        edited = stream
        self._observe(Site("resid_mid", layer), stream)
        for edit in self.edits[Site("resid_mid", layer)]:
            edited = self._edited(edit, edited)
        return attn_out if edited is stream else attn_out + (edited - stream)

    def _observe(self, site: Site, value: Tensor) -> None:
        for given in self.conditions.get(site, ()):
            self.met[given] = given.is_met(value)

    def _edited(self, edit: CompiledEdit, value: Tensor) -> Tensor:
        assert self.moment is not None
        chosen = edit.selected(self.moment)
        if edit.given is not None:
            met = self._met(edit, edit.given)
            chosen = met if chosen is None else chosen & met
        factors = edit.schedule.factors(self.moment.position, self.moment.n_prompt) if edit.schedule else None
        if factors is not None:
            chosen = factors > 0 if chosen is None else chosen & (factors > 0)
        if chosen is not None and not bool(chosen.any()):
            return value
        new = edit.apply(value, edit, self.moment).to(value.dtype)
        if factors is not None:
            share = _over_tokens(factors, edit.site, value)
            new = torch.where(share == 1, new, torch.lerp(value.float(), new.float(), share).to(value.dtype))
        return new if chosen is None else torch.where(_over_tokens(chosen, edit.site, value), new, value)

    def _met(self, edit: CompiledEdit, given: CompiledGiven) -> Bool[Tensor, "batch pos"]:
        if given not in self.met:
            raise UnsupportedModel(
                f"An edit of '{edit.site}' cannot wait for '{given.site}'.",
                "This model reaches the condition's site later.",
                "Read the condition at an earlier site.",
            )
        return self.met[given]


def _over_tokens(each: Tensor, site: Site, value: Tensor) -> Tensor:
    """Something of each token in a shape that goes with the site's tensor."""
    if site.kind == "pattern":
        return each[:, None, :, None]
    # Logits may have been computed at the last positions only.
    each = each[:, -value.shape[1] :]
    return each.reshape(*each.shape, *[1] * (value.ndim - 2))


_current: ContextVar[Pass | None] = ContextVar("hooke_attention", default=None)


def _attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: Any
) -> tuple[Tensor, Tensor]:
    """The architecture's own plain attention, with the sites q, k, v and pattern visited on the way."""
    eager = eager_attention(module)
    assert eager is not None
    running = _current.get()
    layer = next((at for at, one in running.anatomy.attention.items() if one is module), None) if running else None
    if running is None or layer is None:
        return eager(module, query, key, value, attention_mask, **kwargs)
    query, key, value = (
        running.visit(Site(kind, layer), tensor.transpose(1, 2)).transpose(1, 2)
        for kind, tensor in (("q", query), ("k", key), ("v", value))
    )
    output, pattern = eager(module, query, key, value, attention_mask, **kwargs)
    new = running.visit(Site("pattern", layer), pattern)
    if new is not pattern:
        groups = new.shape[1] // value.shape[1]
        output = (new @ value.repeat_interleave(groups, dim=1)).transpose(1, 2).contiguous()
    return output, new


AttentionInterface.register(ATTENTION_NAME, _attention)
AttentionMaskInterface.register(ATTENTION_NAME, eager_mask)


@contextmanager
def attached(hf: nn.Module, running: Pass) -> Iterator[None]:
    """Visit the sites of this pass in every forward call inside the block; afterwards the model is as it was."""
    wanted = running.captures | set(running.edits) | set(running.conditions)
    wanted |= {running.stop_at} if running.stop_at else set()
    handles: list[Any] = []
    token = _current.set(running)
    try:
        for site in sorted(wanted, key=lambda one: one.depth):
            if site.kind in (*ATTENTION_SITES, "logits"):
                continue
            if site.kind == "resid_mid" and site in running.edits:
                _tap_middle(handles, running, site)
            handles.append(_tap(running.anatomy.taps[site], site, running))
        with _eager_attention(hf, any(site.kind in ATTENTION_SITES for site in wanted)):
            yield
    finally:
        _current.reset(token)
        for handle in handles:
            handle.remove()


@contextmanager
def recorded(blocks: Sequence[nn.Module]) -> Iterator[list[Call]]:
    """What each block was called with besides the residual stream, in the order of the calls inside the block."""
    calls: list[Call] = []
    handles = [block.register_forward_pre_hook(partial(_record, calls), with_kwargs=True) for block in blocks]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def _record(calls: list[Call], module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    calls.append(Call(module, args[1:], {name: value for name, value in kwargs.items() if name != "hidden_states"}))


@contextmanager
def overridden(functions: Mapping[nn.Module, Callable[[Tensor], Tensor]]) -> Iterator[None]:
    """Inside the block these modules return what the functions make of what the modules read, and do no work."""
    own = {module: module.__dict__.get("forward") for module in functions}
    try:
        for module, function in functions.items():
            module.forward = partial(_instead, function)
        yield
    finally:
        for module, before in own.items():
            if before is None:
                del module.forward
            else:
                module.forward = before


def _instead(function: Callable[[Tensor], Tensor], *args: Any, **kwargs: Any) -> Tensor:
    value = input_tensor(args, kwargs)
    assert value is not None
    return function(value)


# What is called at a tap are functions of the module with some arguments given, not functions made on the way: a pass
# taps hundreds of places, and where shapes are checked, each function that is made is read and compiled anew.
def _tap(tap: Tap, site: Site, running: Pass, visit: Callable[[Tensor], Tensor] | None = None) -> Any:
    if visit is None:
        # An edit of resid_mid is made at attn_out, see `_tap_middle`; where the stream itself passes it is only read.
        visit = partial(running.visit_read_only if site.kind == "resid_mid" else running.visit, site)
    if tap.end == "input":
        return tap.module.register_forward_pre_hook(partial(_before, tap, visit), with_kwargs=True)
    return tap.module.register_forward_hook(partial(_after, tap, visit))


def _before(
    tap: Tap, visit: Callable[[Tensor], Tensor], _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    value = input_tensor(args, kwargs)
    assert value is not None
    new = _through(tap, visit, value)
    if new is value:
        return None
    return ((new, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": new})


def _after(tap: Tap, visit: Callable[[Tensor], Tensor], _: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
    value = first_tensor(output)
    assert value is not None
    new = _through(tap, visit, value)
    if new is value:
        return None
    return (new, *output[1:]) if isinstance(output, tuple) else new


def _through(tap: Tap, visit: Callable[[Tensor], Tensor], value: Tensor) -> Tensor:
    if tap.heads is None:
        return visit(value)
    parted = value.unflatten(-1, tap.heads)
    new = visit(parted)
    return value if new is parted else new.flatten(-2)


def _tap_middle(handles: list[Any], running: Pass, site: Site) -> None:
    layer = site.layer or 0
    pre, out = Site("resid_pre", layer), Site("attn_out", layer)
    if pre not in running.captures and pre not in running.edits:
        handles.append(_tap(running.anatomy.taps[pre], pre, running))
    handles.append(_tap(running.anatomy.taps[out], out, running, lambda value: running.visit_middle(layer, value)))


@contextmanager
def _eager_attention(hf: nn.Module, is_needed: bool) -> Iterator[None]:
    """Route attention through hooke's own function where a site inside it is wanted."""
    if not is_needed:
        yield
        return
    configs: dict[int, Any] = {id(module.config): module.config for module in hf.modules() if hasattr(module, "config")}
    before = {key: config._attn_implementation for key, config in configs.items()}
    try:
        for config in configs.values():
            config._attn_implementation = ATTENTION_NAME
        yield
    finally:
        for key, config in configs.items():
            config._attn_implementation = before[key]
