"""Whether each kind of dictionary finds directions that were planted, beside a random dictionary of the same shape."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args
from zlib import crc32

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional

from hooke.dictionaries.dictionary import Dictionary, Kind
from hooke.errors import BadRequest
from hooke.evaluate.random_dictionary import random_dictionary
from hooke.findings import Finding, estimate
from hooke.seeds import generator_for
from hooke.specimens.planted_features import N_ACTIVE, N_PLANTED, planted_batch, planted_directions, planted_stream
from hooke.training import TrainConfig
from hooke.training.train import train

KINDS: tuple[Kind, ...] = get_args(Kind)
"""What can be trained."""

FOUND = 0.9
"""Cosine with a decoder row from which on a planted direction counts as found."""

_BATCH, _N_STEPS = 512, 2000
_SETTINGS: dict[str, dict[str, object]] = {
    "relu": {"sparsity": 1.0},
    "jumprelu": {"sparsity": 0.5},
    "gated": {"sparsity": 4.0},
    "topk": {"k": N_ACTIVE},
    "batchtopk": {"k": N_ACTIVE},
    "matryoshka": {"k": N_ACTIVE, "groups": (N_PLANTED // 4, N_PLANTED)},
}


def nearest(directions: Float[Tensor, "planted d"], rows: Float[Tensor, "feature d"]) -> Float[Tensor, " planted"]:
    """The largest cosine of each direction with any row (Sharkey et al. 2022 take its mean: MMCS)."""
    return _cosines(directions, rows).amax(1)


def matched(directions: Float[Tensor, "planted d"], rows: Float[Tensor, "feature d"]) -> Float[Tensor, " planted"]:
    """The cosine of each direction with a row of its own, in the matching one to one that has the largest sum.

    A row that lies between two directions is near to both, and matched with one. There must be rows enough.
    """
    return matching(directions, rows)[0]


def matching(
    directions: Float[Tensor, "planted d"], rows: Float[Tensor, "feature d"]
) -> tuple[Float[Tensor, " planted"], Int[Tensor, " planted"]]:
    """The matching of `matched`: cosines, and which row each direction has."""
    cosines = _cosines(directions, rows)
    own, partners = linear_sum_assignment(cosines.numpy(), maximize=True)
    return cosines[own, partners], torch.from_numpy(partners)


def _cosines(directions: Tensor, rows: Tensor) -> Float[Tensor, "planted feature"]:
    return functional.normalize(directions, dim=-1) @ functional.normalize(rows, dim=-1).T


def recover_planted(kind: str, *, n_steps: int = _N_STEPS, seed: int = 0) -> tuple[Finding, Finding, Finding]:
    """Train one kind on planted data: the share of planted directions found, mean nearest and mean matched cosine.

    As many features as there are planted directions; the control is a random dictionary of the same shape.

    Raises:
        BadRequest: nothing of this kind can be trained.
    """
    if kind not in KINDS:
        raise BadRequest(f"'{kind}' cannot be trained.", "", f"Choose from {', '.join(KINDS)}.")
    made = _trained(kind, n_steps, seed)
    sample = planted_batch(seed, n_steps, 2048)
    drawn = random_dictionary(made, sample, sample, generator=generator_for(seed, "random dictionary"))
    directions = planted_directions(seed)
    cosines, by_chance = (nearest(directions, one.W_dec).double().numpy() for one in (made, drawn))
    pairs, chance_pairs = (matched(directions, one.W_dec).double().numpy() for one in (made, drawn))
    return (
        _finding("share of planted directions found", kind, 1.0 * (cosines >= FOUND), 1.0 * (by_chance >= FOUND), seed),
        _finding("mean nearest cosine", kind, cosines, by_chance, seed),
        _finding("mean cosine, matched one to one", kind, pairs, chance_pairs, seed),
    )


def _trained(kind: str, n_steps: int, seed: int) -> Dictionary:
    settings = {"n_features": N_PLANTED, "n_tokens": n_steps * _BATCH, "batch": _BATCH, "lr": 4e-3, "dead_after": 2000}
    config = TrainConfig(kind=kind, seed=seed, **(settings | _SETTINGS[kind]))  # pyright: ignore[reportArgumentType]
    with TemporaryDirectory() as folder:
        stream = planted_stream(seed, _BATCH)
        return train(config, stream, site="resid_post.0", model_name="planted", folder=Path(folder) / kind)


def _finding(claim: str, kind: str, values: np.ndarray, control: np.ndarray, seed: int) -> Finding:
    generator = np.random.default_rng([seed, crc32(claim.encode())])
    ours, theirs = estimate(values, generator=generator), estimate(control, generator=generator)
    return Finding(
        claim=f"{claim}, {kind}",
        value=ours.value,
        interval=ours.interval,
        n=len(values),
        control=theirs.value,
        control_interval=theirs.interval,
        control_name="random dictionary of the same shape",
        method=f"found: a decoder row with a cosine of at least {FOUND}; bootstrap over directions, one training",
        seed=seed,
    )
