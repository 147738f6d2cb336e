"""A run cut in two at a site, so that many changes of the site cost the upper part of the model only."""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float
from torch import Tensor

from hooke.models.architectures import relative_error, tolerance
from hooke.models.edits import Patch
from hooke.models.hooks import Call, recorded
from hooke.models.model import Model, Prompts, Tokens
from hooke.sites import Site

# Whether blocks can be called again on this model, found out once by number.
_CAN_CALL_AGAIN: WeakKeyDictionary[Model, bool] = WeakKeyDictionary()
_PROBE = (3, 14, 15, 9, 26, 5, 35, 8)


@dataclass(frozen=True)
class SplitRun:
    """An unedited run, ready to be run again from a site upwards."""

    model: Model
    site: Site
    tokens: Tokens
    value: Tensor
    """The site's tensor."""
    final: Float[Tensor, "batch pos d_model"]
    """The last residual stream; `model.unembed` makes logits of it."""
    calls: tuple[Call, ...]
    """Calls of the blocks above the site; empty where the whole model has to run again."""

    def final_after(self, value: Tensor) -> Float[Tensor, "batch pos d_model"]:
        """The last residual stream with this value at the site.

        Raises:
            ShapeMismatch: the value has not the site's shape.
        """
        last = Site("resid_post", self.model.n_layers - 1)
        if not self.calls:
            edit = Patch(site=str(self.site), value=value)
            return self.model.run(self.tokens, edits=[edit], capture=[last], logits=False)[last]
        stream = value.to(self.final.dtype)
        with self.model.alone(), torch.no_grad():
            for call in self.calls:
                stream = call.again(stream)
        return stream


def split_run(model: Model, prompts: Prompts | Tokens, site: Site) -> SplitRun:
    """One unedited run up to the last residual stream, cut at a site.

    Above resid_post of a layer the blocks are called again by themselves, with the masks and positions of this run.
    That this gives what the whole model gives is measured once for each model; where it does not, and at sites inside
    a block, the whole model runs again with the site patched.

    Raises:
        UnknownSite, UnsupportedModel, PromptTooLong, BadRequest: see `Model.run`.
    """
    model.require(site)
    is_between = site.kind == "resid_post" and site.layer != model.n_layers - 1
    return _split(model, prompts, site, is_between and can_call_again(model))


def _split(model: Model, prompts: Prompts | Tokens, site: Site, keep_calls: bool) -> SplitRun:
    tokens = prompts if isinstance(prompts, Tokens) else model.tokenize(prompts)
    last = Site("resid_post", model.n_layers - 1)
    above = model.anatomy.blocks[(site.layer or 0) + 1 :] if keep_calls else []
    with model.alone(), recorded(above) as calls:
        run = model.run(tokens, capture=[site, last], logits=False)
    return SplitRun(model, site, tokens, run[site], run[last], tuple(calls))


def can_call_again(model: Model) -> bool:
    """Whether running the upper blocks again, on another stream, gives what a patched run of the whole model gives."""
    if model not in _CAN_CALL_AGAIN:
        site = Site("resid_post", 0)
        ids = torch.tensor([_PROBE, _PROBE[::-1]]).remainder(model.d_vocab)
        mask = torch.ones_like(ids, dtype=torch.bool)
        mask[1, -2:] = False
        tokens = Tokens(ids.to(model.device), mask.to(model.device))
        again, whole = (_split(model, tokens, site, keep_calls) for keep_calls in (True, False))
        # A changed stream, so that a block that ignores what it is given cannot pass.
        value = again.value.roll(1, dims=1)
        found, expected = again.final_after(value)[mask], whole.final_after(value)[mask]
        has_all = len(again.calls) == model.n_layers - 1
        _CAN_CALL_AGAIN[model] = has_all and relative_error(found, expected) <= tolerance(model.dtype)
    return _CAN_CALL_AGAIN[model]


def steered(run: SplitRun, added: Float[Tensor, "*batch width"]) -> Float[Tensor, "_ pos d_model"]:
    """The last residual stream with a vector added at the site, one for all prompts or one for each."""
    chosen = run.tokens.mask.clone()
    chosen[:, 0] = False
    step = chosen[..., None] * added.to(run.value).reshape(-1, 1, added.shape[-1])
    return run.final_after(run.value + step.view_as(run.value))


def next_log_probabilities(run: SplitRun, final: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "prompt vocab"]:
    """Log-probabilities of the token after each prompt."""
    rows = torch.arange(len(final), device=final.device)
    with torch.no_grad():
        return run.model.unembed(final[rows, run.tokens.lengths - 1]).float().log_softmax(-1).cpu()
