"""Whether a crosscoder of two models says rightly which features are in one of them only, where that is known."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, get_args
from zlib import crc32

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hooke.dictionaries import Dictionary
from hooke.dictionaries.crosscoders import column_scales, relative_norms
from hooke.evaluate.latent_scaling import latent_scaling
from hooke.evaluate.planted_recovery import FOUND, matching
from hooke.evaluate.random_dictionary import random_dictionary
from hooke.findings import Finding, estimate
from hooke.seeds import generator_for
from hooke.sites import Site
from hooke.specimens.planted_pair import (
    GROUPS,
    N_ACTIVE,
    N_EXCLUSIVE,
    N_PLANTED,
    WORDS,
    group_of,
    pair_batch,
    pair_stream,
    planted_pairs,
)
from hooke.training import TrainConfig, train_crosscoder
from hooke.training.together import Layout

PairKind = Literal["relu", "batchtopk"]
KINDS: tuple[PairKind, ...] = get_args(PairKind)

OWN = 0.9
"""Share of its norm from which on a feature counts as a site's own."""

# The penalty's weight gives about as many active features per token as are planted, as k does.
SETTINGS: dict[PairKind, dict[str, float | int]] = {"relu": {"sparsity": 2.0}, "batchtopk": {"k": N_ACTIVE}}
_BATCH, _N_STEPS = 512, 2000
_SITES = (Site("resid_post", 0), Site("resid_post", 1))


def find_exclusives(kind: PairKind, *, n_steps: int = _N_STEPS, seed: int = 0) -> list[Finding]:
    """Train a crosscoder on a planted pair: of each group of features the share found, and the share that it calls
    exclusive to a site, by its norms alone and where latent scaling bears it out.

    Only the groups that are in one site are exclusive. The control is a random crosscoder of the same shape.
    """
    made = _trained(kind, n_steps, seed)
    sample = pair_batch(seed, n_steps, 4096)
    drawn = random_dictionary(made, sample, sample, generator=generator_for(seed, "random crosscoder"))
    ours, theirs = _judged(made, sample, seed), _judged(drawn, sample, seed)
    groups = np.array(group_of())
    called, by_chance = (_exclusive(one, sample)[0].double().numpy() for one in (made, drawn))
    of_all = f"rows called exclusive, of all ({N_EXCLUSIVE / N_PLANTED:.3g} are planted)"
    return [
        _finding(of_all, kind, called, by_chance, seed),
        *(
            _finding(f"{what}, {WORDS[group]}", kind, ours[what][groups == group], theirs[what][groups == group], seed)
            for what in ours
            for group in GROUPS
        ),
    ]


def _judged(crosscoder: Dictionary, x: Float[Tensor, "token d"], seed: int) -> dict[str, np.ndarray]:
    """Of each planted feature, whether its own row is near, is called a site's own, and is absent at the other."""
    scales = column_scales(crosscoder.config)
    cosines, rows = matching(planted_pairs(seed) * scales, crosscoder.W_dec * scales)
    called, absent = _exclusive(crosscoder, x)
    near = cosines >= FOUND
    return {
        "found": (near * 1.0).numpy(),
        "called exclusive": (near & called[rows]).double().numpy(),
        "borne out by latent scaling": (near & (called & absent)[rows]).double().numpy(),
    }


def _exclusive(crosscoder: Dictionary, x: Tensor) -> tuple[Bool[Tensor, " feature"], Bool[Tensor, " feature"]]:
    shares = relative_norms(crosscoder)
    absent = torch.stack([latent_scaling(crosscoder, x, own).is_absent for own in (0, 1)], dim=1)
    own = shares.argmax(1, keepdim=True)
    return shares.amax(1) >= OWN, absent.gather(1, own)[:, 0]


def _trained(kind: PairKind, n_steps: int, seed: int) -> Dictionary:
    settings = {"n_features": N_PLANTED, "n_tokens": n_steps * _BATCH, "batch": _BATCH, "lr": 4e-3, "dead_after": 2000}
    config = TrainConfig(kind=kind, seed=seed, **(settings | SETTINGS[kind]))  # pyright: ignore[reportArgumentType]
    layout = Layout(reads=_SITES, writes=_SITES, is_crosscoder=True)
    with TemporaryDirectory() as folder:
        stream = pair_stream(seed, _BATCH)
        return train_crosscoder(config, stream, layout=layout, model_name="planted", folder=Path(folder) / kind)


def _finding(claim: str, kind: str, values: np.ndarray, control: np.ndarray, seed: int) -> Finding:
    generator = np.random.default_rng([seed, crc32(claim.encode())])
    ours, theirs = estimate(values, generator=generator), estimate(control, generator=generator)
    return Finding(
        claim=f"{kind}: {claim}",
        value=ours.value,
        interval=ours.interval,
        n=len(values),
        control=theirs.value,
        control_interval=theirs.interval,
        control_name="random crosscoder of the same shape",
        method=f"rows matched one to one, found from a cosine of {FOUND} on; exclusive from {OWN} of the norm on; "
        "bootstrap over directions, one training",
        seed=seed,
    )
