"""Activations that are known, as two dictionaries (or one) would give them: each reads a site that holds them."""

from pathlib import Path

import numpy as np
import torch

from hooke.activations.harvest import ActivationBatch
from hooke.dictionaries.dictionary import Dictionary, DictionaryConfig
from hooke.features.co_firing import CoFiring, gather
from hooke.sites import Site

CONTEXT = 16


def reader(site: str, n: int, *, rows: np.ndarray | None = None, name: str = "") -> Dictionary:
    """A dictionary whose activations are what its site holds, with these decoder rows."""
    written = torch.eye(n) if rows is None else torch.tensor(rows, dtype=torch.float32)
    config = DictionaryConfig(
        name=name or site, model="planted", kind="relu", reads=(site,), writes=(site,), n_features=n, d_in=n,
        d_out=written.shape[1],
    )  # fmt: skip
    weights = {"W_enc": torch.eye(n), "b_enc": torch.zeros(n), "b_dec": torch.zeros(written.shape[1])}
    return Dictionary(config, W_dec=written, **weights)


def co_firing(folder: Path, *acts: np.ndarray, shard_windows: int = 1000) -> CoFiring:
    """The sums of these activations [token, feature]; the first token of each window is not counted."""
    sites = [Site("resid_post", number) for number in range(len(acts))]
    dictionaries = [reader(str(site), one.shape[1]) for site, one in zip(sites, acts, strict=True)]
    batches = []
    for first in range(0, len(acts[0]), CONTEXT * 4):
        some = slice(first, first + CONTEXT * 4)
        n = len(acts[0][some])
        position = torch.arange(n) % CONTEXT
        batches.append(
            ActivationBatch(
                sites={site: torch.tensor(one[some]).float() for site, one in zip(sites, acts, strict=True)},
                tokens=torch.zeros(n, dtype=torch.int64),
                window=(first + torch.arange(n)) // CONTEXT,
                position=position,
                document=torch.zeros(n, dtype=torch.int64),
                counted=position > 0,
            )
        )
    gather(batches, dictionaries, folder, CONTEXT)
    return CoFiring(folder, tuple(one.shape[1] for one in acts), CONTEXT)


def counted(acts: np.ndarray) -> np.ndarray:
    """The same with nothing on the first token of each window."""
    kept = acts.astype(np.float32).astype(np.float64)
    kept[::CONTEXT] = 0
    return kept


def sparse_acts(n_windows: int, n: int, *, density: float = 0.1, seed: int = 0) -> np.ndarray:
    """Independent activations."""
    rng = np.random.default_rng(seed)
    shape = (n_windows * CONTEXT, n)
    return np.where(rng.random(shape) < density, rng.random(shape) + 0.5, 0)
