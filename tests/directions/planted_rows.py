"""Rows with a direction planted in them: texts with the concept have more of it, on one token or on all."""

import numpy as np
import torch
from torch import Tensor

from hooke.directions.token_rows import TokenRows
from hooke.sites import Site, parse_site
from hooke.text.concepts import Labelled

SITES = (parse_site("resid_post.0"), parse_site("resid_post.1"))
WIDTH = 24


def planted_rows(
    *, strength: float = 3.0, on_one: bool = False, n: int = 240, site: Site = SITES[0], seed: int = 0
) -> tuple[TokenRows, Tensor]:
    """Noise at both sites, and the planted direction at one; the other knows nothing."""
    generator = np.random.default_rng(seed)
    direction = np.zeros(WIDTH)
    direction[:3] = 1 / np.sqrt(3)
    lengths = generator.integers(3, 12, size=n)
    labels = np.arange(n) % 2 == 0
    rows = {one: generator.normal(size=(int(lengths.sum()), WIDTH)) for one in SITES}
    start = 0
    for length, label in zip(lengths, labels, strict=True):
        if label:
            at = start + int(generator.integers(length)) if on_one else slice(start, start + int(length))
            rows[site][at] += strength * direction
        start += int(length)
    items = [
        Labelled(text=f"text {at}", label=bool(label), group=str(at // 6), style="plain")
        for at, label in enumerate(labels)
    ]
    tensors = {one: torch.from_numpy(values).float() for one, values in rows.items()}
    return TokenRows(rows=tensors, lengths=torch.from_numpy(lengths), items=items), torch.from_numpy(direction).float()
