"""What is done to a site while the blocks above it run again: directions or features taken out, or a step added.

Each acts at all tokens but the first, which holds the attention sink.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from hooke.dictionaries import Dictionary
from hooke.models.split import SplitRun


@dataclass(frozen=True, slots=True, eq=False)
class Removed:
    """What lies in the span of some vectors, taken out."""

    vectors: Float[Tensor, "n d_model"]

    def of(self, run: SplitRun) -> Float[Tensor, "batch pos d_model"]:
        """The site's rows without it."""
        basis = torch.linalg.qr(self.vectors.float().T).Q.to(run.value)
        return _but_first(run, run.value - run.value @ basis @ basis.T)


@dataclass(frozen=True, slots=True, eq=False)
class Silenced:
    """Features put to 0 together, each as strong as it is on the unedited rows; what they do not explain stays."""

    dictionary: Dictionary
    features: tuple[int, ...]

    def of(self, run: SplitRun) -> Float[Tensor, "batch pos d_model"]:
        """The site's rows without what the features wrote."""
        acts = activations(self.dictionary, run.value)[..., list(self.features)]
        rows = self.dictionary.decoder_rows(torch.tensor(self.features, device=acts.device))
        return _but_first(run, run.value - (acts @ rows).to(run.value))


@dataclass(frozen=True, slots=True, eq=False)
class Added:
    """A vector, added as it is."""

    vector: Float[Tensor, " d_model"]

    def of(self, run: SplitRun) -> Float[Tensor, "batch pos d_model"]:
        """The site's rows with it."""
        return _but_first(run, run.value + self.vector.to(run.value))


Change = Removed | Silenced | Added


def activations(
    dictionary: Dictionary, value: Float[Tensor, "batch pos d_model"]
) -> Float[Tensor, "batch pos feature"]:
    """How strong each feature is on each row."""
    with torch.no_grad():
        return dictionary.encode(value.float()).dense()


def alike_in_rate(
    chosen: Sequence[int], rates: Float[Tensor, " feature"], *, generator: torch.Generator, n_near: int = 20
) -> tuple[int, ...]:
    """As many other features, each drawn from the nearest in firing rate to one of the chosen; none twice."""
    taken = set(chosen)
    found = []
    for one in chosen:
        order = (rates - rates[one]).abs().argsort(stable=True).tolist()
        near = [other for other in order if other not in taken][:n_near]
        found.append(near[int(torch.randint(len(near), (), generator=generator))])
        taken.add(found[-1])
    return tuple(found)


def _but_first(run: SplitRun, changed: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
    where = run.tokens.mask.clone()
    where[:, 0] = False
    return torch.where(where[..., None], changed, run.value)
