"""Which token plays which part in a pair of prompts, so that pairs of different lengths can be read together.

Parts are counted from where the two prompts differ, as causal tracing of facts counts them from the subject (Meng et
al. 2022): what comes before, the first and the last changed token and what is between, the token after, the rest, and
the last token of all, where the answer is read.
"""

import torch
from jaxtyping import Int
from torch import Tensor

from hooke.circuits.pairs import Pairs
from hooke.errors import BadRequest

PARTS = ("before", "first changed", "between", "last changed", "next", "after", "last token")
"""A single changed token is the last changed one; a last token is the last token, also where it was changed."""


def parts(pairs: Pairs) -> Int[Tensor, "pair pos"]:
    """The part of each token, as its place in `PARTS`; -1 on padding."""
    found = torch.full_like(pairs.clean.ids, -1)
    changed = (pairs.clean.ids != pairs.corrupted.ids) & pairs.clean.mask
    for row, length in enumerate(pairs.clean.lengths.tolist()):
        where = changed[row].nonzero()[:, 0]
        first, last = int(where[0]), int(where[-1])
        found[row, :first] = PARTS.index("before")
        found[row, first:last] = PARTS.index("between")
        found[row, first] = PARTS.index("first changed")
        found[row, last] = PARTS.index("last changed")
        found[row, last + 1 : length] = PARTS.index("after")
        if last + 1 < length:
            found[row, last + 1] = PARTS.index("next")
        found[row, length - 1] = PARTS.index("last token")
    return found


def positions(pairs: Pairs) -> Int[Tensor, "pair pos"]:
    """The number of each token, where all prompts have as many.

    Raises:
        BadRequest: they have not.
    """
    lengths = pairs.clean.lengths
    if int(lengths.min()) != int(lengths.max()):
        raise BadRequest(
            "These pairs cannot be read position by position.",
            f"They have from {int(lengths.min())} to {int(lengths.max())} tokens.",
            "Read them by parts, or give prompts of one length.",
        )
    return torch.arange(int(lengths[0]), device=lengths.device).expand(len(pairs), -1)
