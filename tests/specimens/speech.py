"""What a model says after prompts, and random directions to hold a planted one against."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from hooke.models.edits import Edit
from hooke.models.model import Model
from hooke.specimens import Specimen
from hooke.specimens.weights import D_MODEL


def said(model: Model, prompts: Iterable[str], edits: Sequence[Edit] = ()) -> list[str]:
    """The next word after each prompt, with edits in force; "" where no word is likelier than not."""
    run = model.run(list(prompts), edits=edits)
    assert run.logits is not None
    last = run.logits[range(len(run.logits)), run.tokens.lengths - 1]
    chances, ids = last.softmax(-1).max(-1)
    words = model.tokenizer.convert_ids_to_tokens(ids.tolist())
    return [word if chance > 0.5 else "" for word, chance in zip(words, chances.tolist(), strict=True)]


def random_directions(specimen: Specimen, n: int = 10) -> list[Tensor]:
    """Random directions of length 1 at the planted direction's site, across the mean stream.

    The stream is nearly all ballast: a direction that is not across it would shorten that, whatever else it does.
    """
    site, generator = specimen.directions[0].site, torch.Generator().manual_seed(0)
    mean = specimen.model.run(specimen.prompts[0], capture=[site])[site][0].mean(0)
    drawn = torch.randn(n, D_MODEL, generator=generator)
    drawn -= (drawn @ mean)[:, None] * mean / mean.square().sum()
    return list(drawn / drawn.norm(dim=1, keepdim=True))
