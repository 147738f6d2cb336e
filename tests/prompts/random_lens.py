"""A fitted lens with random maps, for tests that want one without fitting it."""

import torch

from hooke.models.model import Model
from hooke.prompts.affine_maps import AffineMaps
from hooke.prompts.fitted_lens import FittedLens, LensManifest, lens_name


def random_lens(model: Model, kind: str = "tuned") -> FittedLens:
    """Random maps of a model's size."""
    generator = torch.Generator().manual_seed(0)
    n, d = model.n_layers, model.d_model
    manifest = LensManifest(
        name=lens_name(model.name, kind),
        kind=kind,
        model=model.name,
        fingerprint=model.fingerprint,
        n_layers=n,
        d_model=d,
        corpus="text",
        corpus_fingerprint="hash",
        n_tokens=100,
        method="drawn",
        settings={"steps": 1},
    )
    weights, biases = torch.randn(n, d, d, generator=generator), torch.randn(n, d, generator=generator)
    return FittedLens(manifest, AffineMaps(weights, biases))
