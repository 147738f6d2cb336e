"""Whether what a crosscoder calls a site's own is at the other site after all (Minder et al. 2025, "Overcoming sparsity
artifacts in crosscoders").

A feature that writes nothing to a site is not yet absent there. The penalty may have shrunk its vector away, so that
what it would have written is in the error; or another feature may write it. The factor that fits the feature's part
best tells both:

    beta(y) = argmin over b of Σ |b · act · d - y|²,    d the feature's vector at its own site

nu_error is beta of the other site's error over beta of the own site's error with the feature's part put back; nu_other
the same with the two reconstructions. Both are near 0 for a feature that is absent. The sites must share a space.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from hooke.dictionaries import Dictionary
from hooke.dictionaries.crosscoders import parts_of, written_in
from hooke.errors import BadRequest

MAX_ERROR, MAX_OTHER = 0.2, 0.5
"""Below both a feature counts as absent at the other site."""


@dataclass(frozen=True, slots=True)
class LatentScaling:
    """Of each feature, how much of it is at the other site."""

    nu_error: Float[Tensor, " feature"]
    """In what the other site's reconstruction leaves over: what shrinkage took away."""
    nu_other: Float[Tensor, " feature"]
    """In the other site's reconstruction: what other features write there."""

    @property
    def is_absent(self) -> Tensor:
        """Which features are not at the other site. One that never fires is not known to be absent."""
        return (self.nu_error < MAX_ERROR) & (self.nu_other < MAX_OTHER)


@torch.no_grad()
def latent_scaling(crosscoder: Dictionary, x: Float[Tensor, "token d_of_both"], own: int) -> LatentScaling:
    """How much of each feature is at the other site of two, or in the other model; `own` is 0 or 1, where it is.

    Raises:
        BadRequest: it is not a crosscoder of two sites.
    """
    n_parts = len(parts_of(crosscoder.config))
    if n_parts != 2:
        found = f"'{crosscoder.name}' writes {n_parts}."
        raise BadRequest("Latent scaling compares two sites.", found, "Take a crosscoder of two.")
    acts = crosscoder.encode(x)
    views = [written_in(crosscoder, place) for place in (0, 1)]
    rebuilt = [view.decode(acts) for view in views]
    errors = [part - made for part, made in zip(x.chunk(2, dim=1), rebuilt, strict=True)]
    dense, rows = acts.dense(), views[own].W_dec
    size = dense.square().sum(0) * rows.square().sum(1)

    def beta(y: Float[Tensor, "token d"]) -> Float[Tensor, " feature"]:
        return ((dense.T @ y) * rows).sum(1) / size

    other = 1 - own
    without = [made - view.b_dec for made, view in zip(rebuilt, views, strict=True)]
    return LatentScaling(
        nu_error=beta(errors[other]).abs() / (1 + beta(errors[own])).abs(),
        nu_other=beta(without[other]).abs() / beta(without[own]).abs(),
    )
