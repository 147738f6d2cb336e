"""What a model holds at some sites on each token of labelled texts, all sites in one pass over each batch.

A text's first token is left out: it holds the attention sink, whose rows are a hundred times as long. Whoever scores a
text with a probe leaves it out as well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor

from hooke.errors import BadRequest
from hooke.models.model import Model
from hooke.progress import track
from hooke.sites import Site
from hooke.text.concepts import Labelled

_BATCH = 32
_MOST_BYTES = 8_000_000_000


@dataclass(frozen=True, kw_only=True)
class TokenRows:
    """Rows of texts at sites, with what is known of the texts."""

    rows: Mapping[Site, Float[Tensor, "token _width"]]
    """Rows of all texts' tokens, text after text, float32 on the CPU."""
    lengths: Int[Tensor, " text"]
    """Tokens of each text that are read."""
    items: Sequence[Labelled]
    """The texts."""

    @cached_property
    def labels(self) -> Bool[ndarray, " text"]:
        """Whether each has the concept."""
        return np.array([one.label for one in self.items], dtype=bool)

    @cached_property
    def groups(self) -> list[str]:
        """What each belongs to."""
        return [one.group for one in self.items]

    def chosen(self, texts: Sequence[int]) -> "TokenRows":
        """Some of the texts, in the order given."""
        bounds = torch.cat([torch.zeros(1, dtype=torch.int64), self.lengths.cumsum(0)]).tolist()
        tokens = torch.cat([torch.arange(bounds[at], bounds[at + 1]) for at in texts])
        return TokenRows(
            rows={site: rows[tokens] for site, rows in self.rows.items()},
            lengths=self.lengths[list(texts)],
            items=[self.items[at] for at in texts],
        )

    def relabelled(self, labels: Bool[ndarray, " text"]) -> "TokenRows":
        """The same rows under other labels."""
        items = [replace(one, label=bool(label)) for one, label in zip(self.items, labels, strict=True)]
        return TokenRows(rows=self.rows, lengths=self.lengths, items=items)


def counted(mask: Bool[Tensor, " pos"]) -> Bool[Tensor, " pos"]:
    """A text's tokens but the first, or the first where there is no other."""
    found = mask.clone()
    found[int(mask.int().argmax())] = int(mask.sum()) == 1
    return found


def read_rows(model: Model, items: Sequence[Labelled], sites: Sequence[Site], *, about: str = "read") -> TokenRows:
    """The rows of some texts at some sites.

    Raises:
        BadRequest: they would not fit in memory.
        UnknownSite, UnsupportedModel, PromptTooLong: see `Model.run`.
    """
    # Texts of one length together: padding is work for nothing.
    ids = [model.tokenize(one.text).ids[0] for one in items]
    width = sum(model.row_width(site) for site in sites)
    n_bytes = 4 * width * sum(len(one) for one in ids)
    if n_bytes > _MOST_BYTES:
        raise BadRequest(
            f"Reading {len(items):,} texts at {len(sites)} sites takes {n_bytes / 1e9:.1f} GB of memory.",
            f"At most {_MOST_BYTES / 1e9:.0f} GB are taken.",
            "Give fewer sites, or fewer texts.",
        )
    order = sorted(range(len(items)), key=lambda at: len(ids[at]))
    found: dict[Site, list[Tensor]] = {site: [torch.empty(0)] * len(items) for site in sites}
    for start in track(range(0, len(order), _BATCH), f"{about}, {model.name}", unit="batches"):
        batch = order[start : start + _BATCH]
        run = model.run([items[at].text for at in batch], capture=sites, logits=False)
        for site in sites:
            rows = run.rows(site).cpu()
            for at, row, mask in zip(batch, rows, run.tokens.mask.cpu(), strict=True):
                found[site][at] = row[counted(mask)]
    lengths = torch.tensor([len(one) for one in next(iter(found.values()))])
    return TokenRows(rows={site: torch.cat(one) for site, one in found.items()}, lengths=lengths, items=list(items))
