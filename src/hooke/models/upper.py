"""The part of a model above a site, run again on another value there so that derivatives by that value can be taken.

Nothing below the site's block is run with gradients, and no gradient of a weight is ever made.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from hooke.errors import UnsupportedModel
from hooke.models.hooks import Call, CompiledEdit, Moment, Pass, recorded
from hooke.models.model import Model, Prompts, Tokens
from hooke.models.split import can_call_again
from hooke.sites import Site


@dataclass(frozen=True)
class UpperRun:
    """An unedited run, ready to be run again from a site's block upwards."""

    model: Model
    site: Site
    tokens: Tokens
    rows: Float[Tensor, "batch pos width"]
    """What was read, sites side by side."""
    value: Tensor
    """The site's tensor."""
    final: Float[Tensor, "batch pos d_model"]
    """The last residual stream; `model.unembed` makes logits of it."""
    below: Float[Tensor, "batch pos d_model"]
    """What enters the lowest block that is run again; the site itself where it lies between blocks."""
    calls: tuple[Call, ...]
    """Calls of the blocks that are run again."""

    def final_after(self, value: Tensor) -> Float[Tensor, "batch pos d_model"]:
        """The last residual stream with this value at the site, as a function of it that can be differentiated."""
        if self.site.kind == "resid_post":
            stream, edits = value.to(self.final.dtype), {}
        else:
            edit = CompiledEdit(self.site, lambda *_: value, None, "all")
            stream, edits = self.below, {self.site: [edit]}
        places = torch.arange(self.tokens.ids.shape[1], device=stream.device).expand_as(self.tokens.ids)
        moment = Moment(torch.where(self.tokens.mask, places, -1), self.tokens.lengths)
        running = Pass(self.model.anatomy, frozenset(), edits, lambda _, kept: kept, moment=moment)
        with self.model.open(running), torch.enable_grad():
            for call in self.calls:
                stream = call.again(stream)
        return stream


def upper_run(model: Model, prompts: Prompts | Tokens, reads: Sequence[Site], site: Site) -> UpperRun:
    """One unedited run, with what a dictionary reads, cut in two at the site that it writes.

    Raises:
        UnknownSite, PromptTooLong, BadRequest: see `Model.run`.
        UnsupportedModel: the site is not on this model, or its blocks cannot be run by themselves.
    """
    model.require(site)
    if site.layer is None or not can_call_again(model):
        found = "Its blocks cannot be run by themselves." if site.layer is not None else f"'{site}' is in no block."
        raise UnsupportedModel(f"No derivatives by '{site}' of {model.name} can be taken.", found, "")
    tokens = prompts if isinstance(prompts, Tokens) else model.tokenize(prompts)
    is_between = site.kind == "resid_post"
    begin = site if is_between else Site("resid_pre", site.layer)
    last = Site("resid_post", model.n_layers - 1)
    with model.alone(), recorded(model.anatomy.blocks[site.layer + is_between :]) as calls:
        run = model.run(tokens, capture={*reads, site, begin, last}, logits=False)
    return UpperRun(model, site, tokens, run.rows(*reads), run[site], run[last], run[begin], tuple(calls))
