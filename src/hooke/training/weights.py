"""The numbers that are trained: how they begin, the units they live in, and how they become a dictionary."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from hooke.dictionaries.dictionary import ACTIVATION, Dictionary, DictionaryConfig
from hooke.training.config import TrainConfig

_MEDIAN_STEPS = 50


@dataclass(frozen=True, slots=True)
class Calibration:
    """The units of training: (x - centre) · scale has mean squared norm d, once long inputs are shortened."""

    centre: Float[Tensor, " d"]
    """What is subtracted from the input."""
    scale: float
    """What it is multiplied by after that."""
    longest: float
    """Norm to which longer inputs are shortened, in units of training."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What is trained. A feature is a row in both matrices, which is how sparse products read them."""

    encoder: Float[Tensor, "feature d_and_one"]
    """What each feature responds to, and last its bias: inputs end with a 1, so no pass is spent on adding biases."""
    decoder: Float[Tensor, "feature d"]
    """What each feature stands for."""
    decoder_bias: Float[Tensor, " d"]
    """Added to each reconstruction."""
    log_threshold: Float[Tensor, " feature"] | None = None
    """jumprelu: logarithm of each feature's threshold."""

    def named(self) -> Iterator[tuple[str, Tensor]]:
        """The tensors that are there, by name."""
        for field in fields(self):
            tensor = getattr(self, field.name)
            if tensor is not None:
                yield field.name, tensor


def prepare(batch: Float[Tensor, "token d"], calibration: Calibration) -> Float[Tensor, "token d_and_one"]:
    """A batch in the units of training, long inputs shortened, with a last column of ones."""
    x = batch.new_ones(len(batch), batch.shape[1] + 1)
    centred = torch.sub(batch, calibration.centre, out=x[:, :-1])
    norms = torch.linalg.vector_norm(centred, dim=1, keepdim=True)
    centred.mul_((calibration.longest / norms).clamp_(max=calibration.scale))
    return x


def calibrate(sample: Float[Tensor, "token d"], config: TrainConfig) -> Calibration:
    """Units in which the sample, centred and shortened, has mean squared norm d."""
    sample = sample.double()
    if config.centre == "median":
        middle = geometric_median(sample)
    else:
        middle = sample.mean(0) if config.centre == "mean" else torch.zeros_like(sample[0])
    norms = torch.linalg.vector_norm(sample - middle, dim=-1)
    limit = config.longest * norms.median()
    spread = norms.clamp(max=limit).square().mean()
    # A constant input has nothing to scale; any scale is as good.
    scale = float((sample.shape[-1] / spread).sqrt()) if spread > 0 else 1.0
    return Calibration(middle.float(), scale, float(limit) * scale if spread > 0 else math.inf)


def geometric_median(points: Float[Tensor, "token d"]) -> Float[Tensor, " d"]:
    """The point with the least summed distance to all points, which outliers do not move (Weiszfeld's iteration)."""
    middle = points.mean(0)
    for _ in range(_MEDIAN_STEPS):
        nearness = 1 / torch.linalg.vector_norm(points - middle, dim=-1).clamp(min=1e-12)
        moved = (nearness @ points) / nearness.sum()
        if torch.linalg.vector_norm(moved - middle) <= 1e-6 * torch.linalg.vector_norm(moved):
            return moved
        middle = moved
    return middle


def first_weights(config: TrainConfig, d: int, *, generator: torch.Generator) -> Weights:
    """Random unit decoder rows, the encoder equal to them, biases at 0."""
    decoder = torch.randn(config.n_features, d, generator=generator)
    decoder /= torch.linalg.vector_norm(decoder, dim=1, keepdim=True)
    start = torch.tensor(config.first_threshold).log()
    return Weights(
        encoder=functional.pad(decoder, (0, 1)),
        decoder=decoder,
        decoder_bias=torch.zeros(d),
        log_threshold=torch.full((config.n_features,), float(start)) if config.kind == "jumprelu" else None,
    )


def fold(
    weights: Weights,
    calibration: Calibration,
    config: TrainConfig,
    *,
    threshold: float,
    name: str,
    model: str,
    site: str,
) -> Dictionary:
    """The dictionary in the input's own units, with unit decoder rows.

    Training has x̂' = Dᵀ a(E x' + b) + c with x' = (x - centre) · scale. Every activation function here commutes with
    positive factors, so activations are divided by the scale, and relu's multiplied by their decoder row's norm. (The
    other kinds hold norms at 1; topk would choose other features.)
    """
    tensors = {key: tensor.detach().cpu() for key, tensor in weights.named()}
    norms = torch.ones(config.n_features)
    if not config.has_unit_rows:
        norms = torch.linalg.vector_norm(tensors["decoder"], dim=1).clamp(min=1e-12)
    scale, centre = calibration.scale, calibration.centre.cpu()
    thresholds = None
    if ACTIVATION[config.kind] == "jumprelu":
        in_training = (
            tensors["log_threshold"].exp() if "log_threshold" in tensors else torch.full_like(norms, threshold)
        )
        thresholds = in_training * norms / scale
    d = len(centre)
    described = DictionaryConfig(
        name=name,
        model=model,
        kind=config.kind,
        reads=(site,),
        writes=(site,),
        n_features=config.n_features,
        d_in=d,
        d_out=d,
        k=config.k if config.is_competitive else None,
        groups=config.groups,
        folded=(f"input_scale={scale:.6g}", f"input_centre={config.centre}")
        + (() if config.has_unit_rows else ("decoder_norm",)),
    )
    encoder, bias = (tensors["encoder"] * norms.unsqueeze(1)).split((d, 1), dim=1)
    return Dictionary(
        described,
        W_enc=encoder.t().contiguous(),
        b_enc=bias.squeeze(1) / scale - encoder @ centre,
        W_dec=tensors["decoder"] / norms.unsqueeze(1),
        b_dec=tensors["decoder_bias"] / scale + centre,
        threshold=thresholds,
    )
