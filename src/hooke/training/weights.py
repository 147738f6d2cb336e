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
    """The units of training: (x - centre) · scale has mean squared norm d, once long inputs are shortened.

    A crosscoder's sites stand side by side, as wide as each other, each with a scale of its own.
    """

    centre: Float[Tensor, " d"]
    """What is subtracted from the input."""
    scales: tuple[float, ...]
    """What each site is multiplied by after that."""
    longest: tuple[float, ...]
    """Norm to which longer inputs of each site are shortened, in units of training."""

    @property
    def scale(self) -> float:
        """The scale of the only site."""
        (scale,) = self.scales
        return scale


@dataclass(frozen=True, slots=True)
class Weights:
    """What is trained. A feature is a row in both matrices, which is how sparse products read them."""

    encoder: Float[Tensor, "feature d_in_and_one"]
    """What each feature responds to, and last its bias: inputs end with a 1, so no pass is spent on adding biases."""
    decoder: Float[Tensor, "feature d_outs"]
    """What each feature stands for; its vectors for several targets stand side by side, the own layer's first."""
    decoder_bias: Float[Tensor, " d_out"]
    """Added to each reconstruction."""
    log_threshold: Float[Tensor, " feature"] | None = None
    """jumprelu: logarithm of each feature's threshold."""
    skip: Float[Tensor, "d_in d_out"] | None = None
    """What the input reaches the output by, besides the features."""
    log_scale: Float[Tensor, " feature"] | None = None
    """gated: logarithm of what the encoder is multiplied by for magnitudes; the encoder itself, bias and all, is the
    gate's."""
    magnitude_bias: Float[Tensor, " feature"] | None = None
    """gated: the magnitudes' own bias."""
    n_sites: int = 1
    """Crosscoders: of how many sites the columns of `decoder` are."""

    def named(self) -> Iterator[tuple[str, Tensor]]:
        """The tensors that are there, by name."""
        for field in fields(self):
            tensor = getattr(self, field.name)
            if isinstance(tensor, Tensor):
                yield field.name, tensor


def prepare(batch: Float[Tensor, "token d"], calibration: Calibration) -> Float[Tensor, "token d_and_one"]:
    """A batch in the units of training, long inputs shortened, with a last column of ones."""
    x = batch.new_ones(len(batch), batch.shape[1] + 1)
    centred = torch.sub(batch, calibration.centre, out=x[:, :-1])
    parts = centred.chunk(len(calibration.scales), dim=1)
    for part, scale, longest in zip(parts, calibration.scales, calibration.longest, strict=True):
        norms = torch.linalg.vector_norm(part, dim=1, keepdim=True)
        part.mul_((longest / norms).clamp_(max=scale))
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
    return Calibration(middle.float(), (scale,), (float(limit) * scale if spread > 0 else math.inf,))


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


def first_weights(
    config: TrainConfig,
    d: int,
    *,
    generator: torch.Generator,
    d_out: int | None = None,
    n_targets: int = 1,
    n_sites: int = 1,
) -> Weights:
    """Random unit decoder rows, biases at 0. Without `d_out` the input is reconstructed and the encoder equals them.

    Of a crosscoder's rows the parts' norms sum to 1, and encoder rows are longer by what decoder rows are shorter.
    Otherwise, with `d_out`, encoder rows are random unit rows of their own; the decoder's have a part for each target.
    """
    decoder = _unit_rows(config.n_features, (d_out or d) * n_targets, generator)
    encoder = decoder if d_out is None else _unit_rows(config.n_features, d, generator)
    if n_sites > 1:
        lengths = part_norms(decoder, n_sites).sum(1, keepdim=True)
        encoder, decoder = encoder * lengths, decoder / lengths
    start = torch.tensor(config.first_threshold).log()
    is_gated = config.kind == "gated"
    return Weights(
        encoder=functional.pad(encoder, (0, 1)),
        decoder=decoder,
        decoder_bias=torch.zeros(d_out or d),
        log_threshold=torch.full((config.n_features,), float(start)) if config.kind == "jumprelu" else None,
        skip=torch.zeros(d, d_out) if config.skip and d_out is not None else None,
        log_scale=torch.zeros(config.n_features) if is_gated else None,
        magnitude_bias=torch.zeros(config.n_features) if is_gated else None,
        n_sites=n_sites,
    )


def part_norms(decoder: Float[Tensor, "feature d_outs"], n_sites: int) -> Float[Tensor, "feature site"]:
    """How much each feature writes to each site."""
    return torch.linalg.vector_norm(decoder.unflatten(1, (n_sites, -1)), dim=2)


def row_norms(weights: Weights) -> Float[Tensor, " feature"]:
    """How much each feature writes per unit of activation: over several sites the sum of the norms, not their root."""
    return part_norms(weights.decoder, weights.n_sites).sum(1)


def _unit_rows(n_rows: int, d: int, generator: torch.Generator) -> Float[Tensor, "row d"]:
    rows = torch.randn(n_rows, d, generator=generator)
    return rows / torch.linalg.vector_norm(rows, dim=1, keepdim=True)


def fold(
    weights: Weights,
    calibration: Calibration,
    config: TrainConfig,
    *,
    threshold: float,
    name: str,
    model: str,
    site: str,
    target: Calibration | None = None,
    writes: str | None = None,
) -> Dictionary:
    """The dictionary in its sites' own units, with unit decoder rows.

    Training has ŷ' = Dᵀ a(E x' + b) + c (+ S x') with x' = (x - centre) · scale, and the same for y with a centre and a
    scale of its own; without `target` y is x. Every activation function here commutes with positive factors, so
    activations are divided by the output's scale, and multiplied by their decoder row's norm where that is not held at
    1. (topk holds it there; it would choose other features.)
    """
    output = target or calibration
    plain = unscaled(weights, calibration, config, (output,), threshold=threshold)
    tensors, norms = plain.tensors, plain.tensors["W_dec"][:, 0].norm(dim=1).clamp(min=1e-12)
    if not config.has_unit_rows:
        tensors |= {key: tensors[key] * norms for key in ("W_enc", "b_enc", "threshold") if key in tensors}
        tensors["W_dec"] /= norms[:, None, None]
    described = DictionaryConfig(
        name=name,
        model=model,
        kind=config.kind,
        reads=(site,),
        writes=(writes or site,),
        n_features=config.n_features,
        d_in=len(calibration.centre),
        d_out=len(output.centre),
        k=config.k if config.is_competitive else None,
        groups=config.groups,
        skip="W_skip" in tensors,
        folded=plain.folded + (() if config.has_unit_rows else ("decoder_norm",)),
    )
    return Dictionary(described, **(tensors | {"W_dec": tensors["W_dec"][:, 0]}))


@dataclass(frozen=True, slots=True)
class Unscaled:
    """Weights in the units of their sites."""

    tensors: dict[str, Tensor]
    """W_enc [d_in, feature], b_enc, W_dec [feature, target, d_out], b_dec, and threshold and W_skip where there are."""
    folded: tuple[str, ...]
    """What was folded into them."""


def unscaled(
    weights: Weights,
    calibration: Calibration,
    config: TrainConfig,
    outputs: tuple[Calibration, ...],
    *,
    threshold: float,
) -> Unscaled:
    """Weights that read and write as the sites have it; activations are in units of the first output."""
    trained = {key: tensor.detach().cpu() for key, tensor in weights.named()}
    centre, own = calibration.centre.cpu(), outputs[0].scale
    d, d_out = len(centre), len(outputs[0].centre)
    encoder, bias = trained["encoder"].split((d, 1), dim=1)
    bias, in_training = bias.squeeze(1), _thresholds(trained, config, threshold)
    if "log_scale" in trained:
        encoder, bias = encoder * trained["log_scale"].exp()[:, None], trained["magnitude_bias"]
    encoder = encoder * (calibration.scale / own)
    scales = torch.tensor([own / output.scale for output in outputs])
    tensors = {
        "W_enc": encoder.t().contiguous(),
        "b_enc": bias / own - encoder @ centre,
        "W_dec": trained["decoder"].unflatten(1, (len(outputs), d_out)) * scales[:, None],
        "b_dec": trained["decoder_bias"] / own + outputs[0].centre.cpu(),
    }
    if "skip" in trained:
        tensors["W_skip"] = trained["skip"] * (calibration.scale / own)
        tensors["b_dec"] = tensors["b_dec"] - centre @ tensors["W_skip"]
    if ACTIVATION[config.kind] == "jumprelu":
        tensors["threshold"] = in_training / own
    folded = (f"input_scale={calibration.scale:.6g}", f"input_centre={config.centre}")
    if outputs[0] is not calibration:
        folded += (f"output_scale={own:.6g}", f"output_centre={config.centre}")
    return Unscaled(tensors, folded)


def _thresholds(trained: dict[str, Tensor], config: TrainConfig, threshold: float) -> Float[Tensor, " feature"]:
    """What pre-activations have to exceed, in the units of training."""
    if "log_threshold" in trained:
        return trained["log_threshold"].exp()
    if "log_scale" in trained:
        # What the magnitude is where the gate opens. Below 0 relu closes it, too.
        gate_bias = trained["encoder"][:, -1]
        return (trained["magnitude_bias"] - trained["log_scale"].exp() * gate_bias).clamp(min=0)
    return torch.full((config.n_features,), threshold)
