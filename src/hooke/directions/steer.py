"""Dose-response of a direction: how much of it does what to the next token, and at which price in perplexity.

Every direction, the steered one and each random one, goes through the same: its promoted tokens are those whose mean
log-probability rises most on the selection prompts, and what they gain is measured on other prompts. So a random
direction is judged by its own best tokens, and none on prompts that its tokens were picked on. (Picked by the rise of
the plain probability instead, the tokens are nearly the same for every direction: ' the', ' it', ' you'.)
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from hooke.directions.controls import random_like
from hooke.directions.prompts import MEASUREMENT, SELECTION
from hooke.directions.response import Arm, Dose, DoseResponse, PromotedToken, judge
from hooke.errors import BadConfig, ShapeMismatch
from hooke.findings import Estimate, estimate
from hooke.models.edits import Add
from hooke.models.model import Model
from hooke.models.split import SplitRun, split_run
from hooke.progress import track
from hooke.sites import Site
from hooke.text.windows import Windows

# The first token of a prompt holds the attention sink: its stream is a hundred times as long and means something else.
POSITIONS = "1:"


@dataclass(frozen=True, kw_only=True, slots=True)
class SteerConfig:
    """How a direction is steered and measured."""

    strengths: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
    """Doses, in units of the feature's largest activation."""
    n_promoted: int = 10
    """Promoted tokens of each direction."""
    n_controls: int = 3
    """Random directions of the same norm."""
    smallest_gain: float = 0.01
    """Gain in probability below which an effect is none worth the name, however sure it is."""
    perplexity_limit: float = 1.0
    """Rise in perplexity, as a share, up to which a dose counts as affordable."""
    selection: tuple[str, ...] = SELECTION
    """Prompts that promoted tokens are chosen on."""
    measurement: tuple[str, ...] = MEASUREMENT
    """Prompts that they are measured on."""
    prompt: str = "Yesterday I went to"
    """Prompt that is continued for reading."""
    max_tokens: int = 16
    """Tokens of each continuation; 0 for none."""
    seed: int = 0
    """Seed of the random directions and of the bootstrap."""

    def __post_init__(self) -> None:
        if not self.strengths or not all(np.isfinite(self.strengths)) or 0 in self.strengths:
            raise BadConfig(f"Strengths cannot be {self.strengths}.", "", "Give one or more numbers other than 0.")
        if self.n_promoted < 1 or self.n_controls < 0 or self.max_tokens < 0:
            raise BadConfig(
                "Steering needs at least one promoted token, and no negative numbers.",
                f"n_promoted {self.n_promoted}, n_controls {self.n_controls}, max_tokens {self.max_tokens}.",
                "",
            )
        if set(self.selection) & set(self.measurement):
            raise BadConfig("Selection and measurement share a prompt.", "", "Measure on other prompts.")

    @property
    def selection_strength(self) -> float:
        """The strength nearest to 1, at which promoted tokens are chosen."""
        return min(self.strengths, key=lambda strength: abs(strength - 1))


def dose_response(
    model: Model,
    site: Site,
    direction: Float[Tensor, " width"],
    text: Windows,
    *,
    name: str,
    unit: float,
    text_name: str = "",
    config: SteerConfig | None = None,
) -> DoseResponse:
    """The response to strength · unit · direction added at a site, beside random directions of the same norm.

    Args:
        direction: a feature's decoder row, or any other direction at the site.
        text: held-out windows that perplexity is measured on.
        unit: the feature's largest activation.

    Raises:
        ShapeMismatch: the direction is not as wide as the site.
        UnknownSite, UnsupportedModel: the site is not on this model, or the model cannot be unembedded.
    """
    config = config or SteerConfig()
    if direction.shape[0] != model.row_width(site):
        raise ShapeMismatch(
            f"The direction does not fit '{site}'.",
            f"It has {direction.shape[0]} entries, the site {model.row_width(site)}.",
            "It belongs to another site or model.",
        )
    # Each direction has its own random ones, so that several responses are not all beside the same three.
    generator = np.random.default_rng([config.seed, zlib.crc32(name.encode())])
    step = unit * direction.detach().to(model.device, torch.float32)
    steps = {name: step} | {
        f"random {number}": random_like(step, generator=generator) for number in range(1, config.n_controls + 1)
    }
    bench = _Bench.open(model, site, text, config)
    promoted = {arm: bench.promoted(one) for arm, one in steps.items()}
    tokens = {arm: [one.token for one in chosen] for arm, chosen in promoted.items()}
    jobs = [(arm, strength) for arm in steps for strength in config.strengths]
    doses: dict[str, list[Dose]] = {arm: [] for arm in steps}
    for arm, strength in track(jobs, f"steer {name}", unit="doses"):
        says = config.max_tokens if arm in list(steps)[:2] else 0
        measured = bench.measure(strength, steps[arm], tokens[arm], tokens[name], says, generator)
        doses[arm].append(measured)
    treated, *controls = [Arm(name=arm, promoted=promoted[arm], doses=tuple(doses[arm])) for arm in steps]
    return DoseResponse(
        name=name,
        model=model.name,
        site=str(site),
        unit=float(unit),
        norm=float(step.norm()),
        selection_strength=config.selection_strength,
        baseline_mass=estimate(_mass(bench.base_probabilities, tokens[name]), generator=generator),
        baseline_perplexity=_perplexity(bench.base_losses, generator),
        prompt=config.prompt,
        baseline_continuation=bench.said(None),
        treated=treated,
        controls=tuple(controls),
        n_prompts=len(config.measurement),
        n_windows=len(text.tokens),
        n_tokens=int(_targets(text).sum()),
        text=text_name,
        verdict=judge(treated, controls, smallest_gain=config.smallest_gain, limit=config.perplexity_limit),
        seed=config.seed,
    )


@dataclass(frozen=True)
class _Bench:
    """The three unedited runs that every dose is compared with."""

    model: Model
    site: Site
    config: SteerConfig
    text: Windows
    selection: SplitRun
    measurement: SplitRun
    windows: SplitRun
    base_log_probabilities: Float[Tensor, "selected vocab"]
    base_probabilities: Float[Tensor, "measured vocab"]
    base_losses: Float[Tensor, " window"]

    @staticmethod
    def open(model: Model, site: Site, text: Windows, config: SteerConfig) -> "_Bench":
        """The unedited runs."""
        selection = split_run(model, list(config.selection), site)
        measurement = split_run(model, list(config.measurement), site)
        windows = split_run(model, text.tokens, site)
        return _Bench(
            model,
            site,
            config,
            text,
            selection,
            measurement,
            windows,
            next_log_probabilities(selection, selection.final),
            next_log_probabilities(measurement, measurement.final).exp(),
            window_losses(windows, windows.final, text),
        )

    def promoted(self, step: Tensor) -> tuple[PromotedToken, ...]:
        """The tokens whose mean log-probability rises most on the selection prompts."""
        final = steered(self.selection, self.config.selection_strength * step)
        rises = (next_log_probabilities(self.selection, final) - self.base_log_probabilities).mean(0)
        best = rises.topk(min(self.config.n_promoted, len(rises)))
        return tuple(
            PromotedToken(token=token, text=_token_text(self.model, token), rise=rise)
            for token, rise in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        )

    def measure(
        self,
        strength: float,
        step: Tensor,
        own: list[int],
        target: list[int],
        max_tokens: int,
        generator: np.random.Generator,
    ) -> Dose:
        """One direction at one strength."""
        added = strength * step
        found = next_log_probabilities(self.measurement, steered(self.measurement, added)).exp()
        losses = window_losses(self.windows, steered(self.windows, added), self.text)
        return Dose(
            strength=strength,
            mass=estimate(_mass(found, own), generator=generator),
            gain=estimate(_mass(found, own) - _mass(self.base_probabilities, own), generator=generator),
            target_gain=estimate(_mass(found, target) - _mass(self.base_probabilities, target), generator=generator),
            perplexity=_perplexity(losses, generator),
            perplexity_ratio=_perplexity(losses - self.base_losses, generator),
            continuation=self.said(added) if max_tokens else "",
        )

    def said(self, added: Tensor | None) -> str:
        """How the model goes on with the example prompt."""
        if not self.config.max_tokens:
            return ""
        edits = [] if added is None else [Add(site=str(self.site), vector=added, positions=POSITIONS)]
        return str(self.model.generate(self.config.prompt, edits=edits, max_tokens=self.config.max_tokens))


def steered(run: SplitRun, added: Float[Tensor, "*batch width"]) -> Float[Tensor, "_ pos d_model"]:
    """The last residual stream with a vector added at the site, one for all prompts or one for each."""
    chosen = run.tokens.mask.clone()
    chosen[:, 0] = False
    step = chosen[..., None] * added.to(run.value).reshape(-1, 1, added.shape[-1])
    return run.final_after(run.value + step.view_as(run.value))


def next_log_probabilities(run: SplitRun, final: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "prompt vocab"]:
    """Log-probabilities of the token after each prompt."""
    rows = torch.arange(len(final), device=final.device)
    with torch.no_grad():
        return run.model.unembed(final[rows, run.tokens.lengths - 1]).float().log_softmax(-1).cpu()


def _mass(probabilities: Float[Tensor, "prompt vocab"], tokens: Sequence[int]) -> Float[np.ndarray, " prompt"]:
    return probabilities[:, list(tokens)].sum(-1).double().numpy()


def _targets(text: Windows) -> Tensor:
    """Which tokens are predicted: those that count, from position 2 on, so that an edited position predicts each."""
    targets = text.counted.clone()
    targets[:, :2] = False
    return targets


def window_losses(run: SplitRun, final: Float[Tensor, "window pos d_model"], text: Windows) -> Float[Tensor, " window"]:
    """Mean cross-entropy of the tokens of each window, in nats."""
    targets = _targets(text)
    found = []
    for row in range(len(final)):
        predicted = targets[row, 1:].to(final.device)
        with torch.no_grad():
            logits = run.model.unembed(final[row, :-1][predicted]).float()
        found.append(functional.cross_entropy(logits, run.tokens.ids[row, 1:][predicted]).double().cpu())
    return torch.stack(found)


def _perplexity(losses: Float[Tensor, " window"], generator: np.random.Generator) -> Estimate:
    return estimate(losses.numpy(), generator=generator, statistic=lambda samples: np.exp(samples.mean(axis=-1)))


def _token_text(model: Model, token: int) -> str:
    if model.tokenizer is None:
        return str(token)
    return str(model.tokenizer.decode([token]))
