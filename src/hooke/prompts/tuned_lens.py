"""The tuned lens: for each layer an affine map, fitted so that it foretells from the stream what the model predicts.

    lens_l(h) = unembed(norm(h + h A_l + b_l))        least  KL(model's prediction ‖ lens_l(h)), mean over tokens

Belrose et al. 2023, "Eliciting Latent Predictions from Transformers with the Tuned Lens". They descend from A = 0. Here
the start is the least-squares map onto the final stream, with each token's error over the length of its final stream,
as the final norm sees it; it has a closed form, from sums over tokens. From there Adam goes down the KL, on text that
the start was not fitted on.

A step has a softmax over the tokens that the model finds likeliest and a draw of the others, weighted for those that
were not drawn (a sampled softmax; Bengio and Senécal 2008). Scores are of the whole vocabulary (`lens_scores`).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, log

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hooke.activations.harvest import stream
from hooke.errors import BadConfig, BadRequest
from hooke.models.model import Model
from hooke.progress import track
from hooke.prompts.affine_maps import AffineMaps
from hooke.sites import Site
from hooke.text.documents import Corpus
from hooke.text.windows import WindowConfig

# Of each token's prediction, so many of the likeliest tokens are never left to the draw.
_N_LIKELIEST = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class TunedConfig:
    """How much text a tuned lens is fitted on."""

    n_tokens: int = 20_480
    """Tokens of the least-squares start; whole windows."""
    steps: int = 60
    """Steps down the KL, each on a batch of windows of its own; 0 leaves the start as it is."""
    windows: WindowConfig = WindowConfig(context=128, batch=4)
    """How the text is cut."""
    lr: float = 1e-3
    """Adam's first step size, in typical errors of the start; it falls to nothing on a straight line."""
    ridge: float = 1e-3
    """What is added to the stream's covariance, as a share of its mean diagonal."""
    n_drawn: int = 2048
    """Unlikely tokens in a step's softmax."""

    def __post_init__(self) -> None:
        if self.n_tokens < 2 * self.windows.context or self.steps < 0 or min(self.lr, self.ridge, self.n_drawn) <= 0:
            raise BadConfig(
                f"A lens cannot be fitted on {self.n_tokens} tokens in {self.steps} steps.",
                f"A window has {self.windows.context} tokens.",
                "Give two windows or more, steps of 0 or more, and the other numbers above 0.",
            )


@dataclass(frozen=True)
class TunedFit:
    """A tuned lens, where it started, and what it is compared with."""

    tuned: AffineMaps
    least_squares: AffineMaps
    shift: AffineMaps
    """Control: only a bias for each layer, so a stream that is moved and not turned."""
    constant: AffineMaps
    """Control: the mean final stream, whatever the token; what there is to be had without reading the stream."""
    n_tokens: int
    """Tokens that counted, of the start and of the steps."""


def fit_tuned(model: Model, corpus: Corpus, config: TunedConfig | None = None, *, seed: int = 0) -> TunedFit:
    """A tuned lens of every layer, fitted on the first windows of a corpus.

    Raises:
        BadRequest: the text is too short.
        ShapeMismatch: the tokenizer does not belong to the model.
        UnsupportedModel: the model has no final norm or no unembedding.
    """
    config = config or TunedConfig()
    n_first = ceil(config.n_tokens / config.windows.context)
    sums = _sums(model, track(_batches(model, corpus, config, 0, n_first), "fit lens: start"))
    starts = [one.start(config.ridge) for one in sums]
    n_steps = config.steps * config.windows.batch
    batches = track(_batches(model, corpus, config, n_first, n_first + n_steps), "fit lens: KL", total=config.steps)
    generator = torch.Generator().manual_seed(seed)
    n_more = _descend(model, starts, batches, config, generator=generator) if config.steps else 0
    unit = torch.eye(model.d_model)
    zeros = torch.zeros(model.n_layers, model.d_model, model.d_model)
    residuals = torch.stack([*(one.mean_residual.cpu() for one in starts), torch.zeros(model.d_model)])
    return TunedFit(
        tuned=_maps([one.tuned() for one in starts], unit),
        least_squares=_maps([one.least_squares() for one in starts], unit),
        shift=AffineMaps(zeros + unit, residuals),
        constant=AffineMaps(zeros, (starts[0].mean + starts[0].mean_residual).cpu().expand(model.n_layers, -1).clone()),
        n_tokens=sums[0].n + n_more,
    )


def _maps(pairs: Sequence[tuple[Tensor, Tensor]], unit: Tensor) -> AffineMaps:
    """Maps of the layers below the last, and the last's, which changes nothing; from what they add to a stream."""
    weights, biases = zip(*pairs, strict=True)
    return AffineMaps(
        torch.stack([*(unit + one for one in weights), unit]), torch.stack([*biases, torch.zeros(len(unit))])
    )


def _batches(
    model: Model, corpus: Corpus, config: TunedConfig, start: int, stop: int
) -> Iterator[list[Float[Tensor, "token d_model"]]]:
    """The streams that leave each layer, at tokens that count."""
    sites = [Site("resid_post", layer) for layer in range(model.n_layers)]
    n_tokens, n = (stop - start) * config.windows.context, 0
    for batch in stream(model, corpus, sites, windows=config.windows, n_tokens=n_tokens, start=start):
        n += len(batch.counted)
        counted = batch.counted.to(model.device)
        yield [batch.sites[site][counted].float() for site in sites]
    if n < n_tokens:
        raise BadRequest(
            f"The corpus '{corpus.name}' has too little text to fit a lens.",
            f"It fills {start + n // config.windows.context} windows of {config.windows.context} tokens, not {stop}.",
            "Give more text, or ask for fewer tokens and steps.",
        )


class _Sums:
    """What the least-squares map of one layer needs of the tokens: weighted sums in double precision."""

    def __init__(self, d_model: int) -> None:
        self.n = 0
        self.whole, self.energy = 0.0, 0.0
        self.stream, self.residual = (torch.zeros(d_model, dtype=torch.float64) for _ in range(2))
        self.squares, self.products = (torch.zeros(d_model, d_model, dtype=torch.float64) for _ in range(2))

    def add(
        self,
        stream: Float[Tensor, "token d_model"],
        last: Float[Tensor, "token d_model"],
        weight: Float[Tensor, " token"],
    ) -> None:
        """Some tokens."""
        weighted, residual = stream * weight[:, None], last - stream
        self.n += len(stream)
        self.whole += float(weight.double().sum())
        self.energy += float((residual.square().sum(-1) * weight).double().sum())
        self.stream += weighted.sum(0).double().cpu()
        self.residual += (residual * weight[:, None]).sum(0).double().cpu()
        self.squares += (weighted.T @ stream).double().cpu()
        self.products += (weighted.T @ residual).double().cpu()

    def start(self, ridge: float) -> "_Layer":
        """The least-squares map, and by how much it errs."""
        mean, residual = self.stream / self.whole, self.residual / self.whole
        covariance = self.squares / self.whole - mean.outer(mean)
        products = self.products / self.whole - mean.outer(residual)
        spread = covariance.diagonal().clamp_min(1e-12).sqrt()
        added = ridge * covariance.diagonal().mean() * torch.eye(len(mean), dtype=torch.float64)
        map_ = torch.linalg.solve(covariance + added, products)
        error = (self.energy / self.whole - residual @ residual - (map_ * products).sum()).clamp_min(0) / len(mean)
        return _Layer(mean.float(), residual.float(), map_.float(), spread.float(), float(error.sqrt()))


class _Layer:
    """One layer's map on its way: the start, and what Adam has added.

    What is added reads the stream over its spread in each direction, and writes in units of the start's typical error:
    one step size then does for every layer.
    """

    def __init__(self, mean: Tensor, mean_residual: Tensor, start: Tensor, spread: Tensor, error: float) -> None:
        self.mean, self.mean_residual, self.map, self.spread, self.error = mean, mean_residual, start, spread, error
        self.turn, self.shift = torch.zeros_like(start), torch.zeros_like(mean)

    def to(self, device: torch.device) -> None:
        """Everything where the model is, and derivatives wanted of what is added."""
        self.mean, self.mean_residual, self.map, self.spread = (
            one.to(device) for one in (self.mean, self.mean_residual, self.map, self.spread)
        )
        self.turn, self.shift = (one.to(device).requires_grad_() for one in (self.turn, self.shift))

    def least_squares(self) -> tuple[Float[Tensor, "d_model d_out"], Float[Tensor, " d_out"]]:
        """What the start adds to a stream: matrix and bias."""
        return self.map.cpu(), (self.mean_residual - self.mean @ self.map).cpu()

    def tuned(self) -> tuple[Float[Tensor, "d_model d_out"], Float[Tensor, " d_out"]]:
        """The same after the descent."""
        matrix = self.map + self.error * self.turn.detach() / self.spread[:, None]
        bias = self.mean_residual + self.error * self.shift.detach() - self.mean @ matrix
        return matrix.cpu(), bias.cpu()

    def translate(self, stream: Float[Tensor, "token d_model"]) -> Float[Tensor, "token d_out"]:
        """A stream as it stands now in the descent."""
        away = stream - self.mean
        return (
            stream + away @ self.map + self.mean_residual + self.error * (away / self.spread @ self.turn + self.shift)
        )


def _sums(model: Model, batches: Iterable[Sequence[Float[Tensor, "token d_model"]]]) -> list[_Sums]:
    found = [_Sums(model.d_model) for _ in range(model.n_layers - 1)]
    for streams in batches:
        weight = 1 / streams[-1].square().mean(-1).clamp_min(1e-12)
        for one, layer in zip(found, streams[:-1], strict=True):
            one.add(layer, streams[-1], weight)
    return found


def _descend(
    model: Model,
    layers: Sequence[_Layer],
    batches: Iterable[Sequence[Float[Tensor, "token d_model"]]],
    config: TunedConfig,
    *,
    generator: torch.Generator,
) -> int:
    """Adam on the KL of every layer, a step for each batch; the number of tokens that it saw."""
    for layer in layers:
        layer.to(model.device)
    optimizers = [torch.optim.Adam([layer.turn, layer.shift], lr=config.lr, betas=(0.9, 0.99)) for layer in layers]
    n = 0
    for step, streams in enumerate(batches):
        aim = _aim(model, streams[-1], config.n_drawn, generator=generator)
        n += len(streams[-1])
        for layer, optimizer, behind in zip(layers, optimizers, streams[:-1], strict=True):
            for group in optimizer.param_groups:
                group["lr"] = config.lr * (1 - step / config.steps)
            optimizer.zero_grad()
            with torch.enable_grad():
                said = model.unembed(layer.translate(behind).to(model.dtype), aim.tokens).float() + aim.weight
                # The model's own entropy is no business of the lens: the rest of the KL is this.
                loss = -(aim.p * said.log_softmax(-1)).sum(-1).mean()
            loss.backward(inputs=[layer.turn, layer.shift])
            optimizer.step()
    return n


@dataclass(frozen=True)
class _Aim:
    """What the model predicts, over some of the vocabulary."""

    tokens: Int[Tensor, " chosen"]
    weight: Float[Tensor, " chosen"]
    """Logarithm of how many tokens each stands for."""
    p: Float[Tensor, "token chosen"]


@torch.no_grad()
def _aim(model: Model, last: Float[Tensor, "token d_model"], n_drawn: int, *, generator: torch.Generator) -> _Aim:
    logits = model.unembed(last.to(model.dtype)).float()
    n_vocab = logits.shape[-1]
    likeliest = logits.topk(min(_N_LIKELIEST, n_vocab)).indices.unique()
    is_other = torch.ones(n_vocab, dtype=torch.bool, device=logits.device)
    is_other[likeliest] = False
    others = is_other.nonzero()[:, 0]
    drawn = others[torch.randperm(len(others), generator=generator)[:n_drawn].to(others.device)]
    tokens = torch.cat([likeliest, drawn])
    weight = torch.zeros(len(tokens), device=logits.device)
    if len(drawn):
        weight[len(likeliest) :] = log(len(others) / len(drawn))
    return _Aim(tokens, weight, (logits[:, tokens] + weight).softmax(-1))
