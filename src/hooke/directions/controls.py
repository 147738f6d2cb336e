"""What steering is compared with: the same edits with a random direction, or a random feature, in place of theirs."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hooke.dictionaries import Dictionary
from hooke.dictionaries.crosscoders import rows_at
from hooke.models.edits import Ablate, Add, Cap, Clamp, Edit, Project, Scale
from hooke.sites import FeatureName, parse_feature, parse_site


def random_like(step: Float[Tensor, " width"], *, generator: np.random.Generator) -> Float[Tensor, " width"]:
    """A vector of the same norm in a direction drawn evenly from the sphere."""
    drawn = torch.from_numpy(generator.standard_normal(len(step))).to(step)
    return drawn / drawn.norm() * step.norm()


def random_edits(
    edits: Sequence[Edit], dictionaries: Mapping[str, Dictionary], *, generator: np.random.Generator
) -> list[Edit] | None:
    """The same edits without their meaning, or None where one of them has no such twin (Patch and Splice).

    Add and Project get a random direction of the same norm; a Cap writes along one what it would have written; other
    edits of a feature get another feature of its dictionary.
    """
    found: list[Edit] = []
    for edit in edits:
        twin = _twin(edit, dictionaries, generator)
        if twin is None:
            return None
        found.append(twin)
    return found


def _twin(edit: Edit, dictionaries: Mapping[str, Dictionary], generator: np.random.Generator) -> Edit | None:
    match edit:
        case Add():
            return dataclasses.replace(
                edit, vector=random_like(_row(edit.vector, edit.site, dictionaries), generator=generator)
            )
        case Project():
            drawn = random_like(_row(edit.direction, edit.site, dictionaries), generator=generator)
            return dataclasses.replace(edit, direction=drawn)
        case Cap():
            along = edit.feature or edit.direction
            assert along is not None
            site = edit.site or str(dictionaries[parse_feature(str(edit.feature)).dictionary or ""].writes[0])
            return dataclasses.replace(edit, along=random_like(_row(along, site, dictionaries), generator=generator))
        case Clamp() | Scale() | Ablate():
            name = parse_feature(edit.feature)
            n_features = dictionaries[name.dictionary or ""].n_features
            other = (name.index + int(generator.integers(1, max(n_features, 2)))) % n_features
            return dataclasses.replace(edit, feature=str(FeatureName(name.site, other, name.dictionary)))
    return None


def _row(vector: Tensor | str, site: str, dictionaries: Mapping[str, Dictionary]) -> Float[Tensor, " width"]:
    if isinstance(vector, Tensor):
        return vector
    name = parse_feature(vector)
    rows = rows_at(dictionaries[name.dictionary or ""], torch.tensor([name.index]), parse_site(site))
    return rows[0].detach().cpu()
