"""What edits do to one model, measured: the unedited runs, and one treatment at one strength beside them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from hooke.dictionaries import Dictionary
from hooke.directions.measures import distinct_pairs
from hooke.directions.relative_dose import relative_change
from hooke.directions.response import Dose, PromotedToken
from hooke.directions.steer_config import SteerConfig
from hooke.findings import Estimate, estimate, share_interval
from hooke.models.edits import Edit, everywhere
from hooke.models.model import Model, Tokens
from hooke.models.rows import greedy_rows
from hooke.models.split import SplitRun, next_log_probabilities, split_run, steered
from hooke.sites import Site
from hooke.text.windows import Windows


@dataclass(frozen=True, kw_only=True)
class Treatment:
    """Something that is done to the model in doses."""

    name: str
    """Its name."""
    edits: Callable[[float], tuple[Edit, ...]]
    """The edits of a strength."""
    step: Float[Tensor, " width"] | None = None
    """What strength 1 adds at the bench's site, where that is all that the edits do: it is quicker so."""


@dataclass(frozen=True)
class DoseBench:
    """The unedited runs that every dose is compared with."""

    model: Model
    config: SteerConfig
    text: Windows
    dictionaries: Mapping[str, Dictionary]
    length: float
    """Median length of the site's rows on the text."""
    selection: SplitRun
    measurement: SplitRun
    windows: SplitRun
    base_log_probabilities: Float[Tensor, "selected vocab"]
    base_probabilities: Float[Tensor, "measured vocab"]
    base_losses: Float[Tensor, " window"]
    base_predictions: tuple[Float[Tensor, "_ vocab"], ...]
    """Log-probabilities of each token that counts, window by window."""
    base_said: list[list[int]]
    """Continuations, the example prompt's first."""

    @staticmethod
    def open(
        model: Model,
        site: Site,
        text: Windows,
        config: SteerConfig,
        dictionaries: Mapping[str, Dictionary] | None = None,
    ) -> "DoseBench":
        """The unedited runs."""
        selection = split_run(model, list(config.selection), site)
        measurement = split_run(model, list(config.measurement), site)
        windows = split_run(model, text.tokens, site)
        counted = text.counted.to(windows.value.device)
        predictions = tuple(_predictions(windows, windows.final, text))
        bare = DoseBench(
            model,
            config,
            text,
            dictionaries or {},
            float(windows.value.flatten(2)[counted].float().norm(dim=-1).median()),
            selection,
            measurement,
            windows,
            next_log_probabilities(selection, selection.final),
            next_log_probabilities(measurement, measurement.final).exp(),
            torch.stack([_loss(windows, row, own, text) for row, own in enumerate(predictions)]),
            predictions,
            [],
        )
        return replace(bare, base_said=bare.continued([()])[0])

    @property
    def n_continued(self) -> int:
        """Prompts that are continued."""
        return len(self._prompts)

    def promoted(self, treatment: Treatment) -> tuple[PromotedToken, ...]:
        """The tokens whose mean log-probability rises most on the selection prompts."""
        final = self._final(self.selection, treatment, self.config.selection_strength)
        rises = (next_log_probabilities(self.selection, final) - self.base_log_probabilities).mean(0)
        best = rises.topk(min(self.config.n_promoted, len(rises)))
        return tuple(
            PromotedToken(token=token, text=_token_text(self.model, token), rise=rise)
            for token, rise in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        )

    def base_mass(self, tokens: Sequence[int], generator: np.random.Generator) -> Estimate:
        """Probability of these tokens after the measurement prompts, without edits."""
        return estimate(_mass(self.base_probabilities, tokens), generator=generator)

    def base_perplexity(self, generator: np.random.Generator) -> Estimate:
        """Perplexity of the text without edits."""
        return _perplexity(self.base_losses, generator)

    def base_distinct(self, generator: np.random.Generator) -> Estimate:
        """Share of distinct pairs of the continuations without edits."""
        return _mean(_distinct(self.base_said), generator)

    def measure(
        self,
        treatment: Treatment,
        strength: float,
        own: Sequence[int],
        target: Sequence[int],
        said: Sequence[Sequence[int]],
        generator: np.random.Generator,
    ) -> Dose:
        """One treatment at one strength.

        Args:
            own: its promoted tokens.
            target: those of the treatment that it is a control of.
            said: its continuations.
        """
        found = next_log_probabilities(self.measurement, self._final(self.measurement, treatment, strength)).exp()
        gains = _mass(found, own) - _mass(self.base_probabilities, own)
        final = self._final(self.windows, treatment, strength)
        losses, divergences = self._read(final)
        distinct = _distinct(said)
        return Dose(
            strength=strength,
            mass=estimate(_mass(found, own), generator=generator),
            gain=estimate(gains, generator=generator),
            target_gain=estimate(_mass(found, target) - _mass(self.base_probabilities, target), generator=generator),
            perplexity=_perplexity(losses, generator),
            perplexity_ratio=_perplexity(losses - self.base_losses, generator),
            kl=estimate(divergences, generator=generator),
            wrong_way=_share(gains * np.sign(strength * self.config.selection_strength) < 0),
            distinct=_mean(distinct, generator),
            distinct_change=_mean(distinct - _distinct(self.base_said), generator),
            relative=self._relative(treatment, strength),
            continuation=self.text_of(said),
        )

    def continued(self, edits: Sequence[tuple[Edit, ...]]) -> list[list[list[int]]]:
        """How the model goes on with each prompt under each of these edits; all are made together."""
        n = self.n_continued
        if not n:
            return [[] for _ in edits]
        tokens = self.model.tokenize(self._prompts)
        said = greedy_rows(
            self.model,
            Tokens(tokens.ids.repeat(len(edits), 1), tokens.mask.repeat(len(edits), 1)),
            [one for one in edits for _ in range(n)],
            self.config.max_tokens,
            self.dictionaries.values(),
        )
        return [said[start : start + n] for start in range(0, len(said), n)]

    def text_of(self, said: Sequence[Sequence[int]]) -> str:
        """How the model went on with the example prompt."""
        if not said or self.model.tokenizer is None:
            return ""
        return str(self.model.tokenizer.decode(said[0], skip_special_tokens=True))

    @property
    def _prompts(self) -> list[str]:
        if not self.config.max_tokens:
            return []
        return [self.config.prompt, *self.config.measurement][: self.config.n_continued]

    def _final(self, run: SplitRun, treatment: Treatment, strength: float) -> Float[Tensor, "batch pos d_model"]:
        """The last residual stream with the treatment in force at every token that its places allow."""
        if treatment.step is not None:
            return steered(run, strength * treatment.step)
        last = Site("resid_post", self.model.n_layers - 1)
        again = self.model.run(
            run.tokens,
            capture=[last],
            logits=False,
            edits=everywhere(treatment.edits(strength)),
            dictionaries=self.dictionaries.values(),
        )
        return again[last]

    def _relative(self, treatment: Treatment, strength: float) -> float:
        if treatment.step is not None:
            return abs(strength) * float(treatment.step.norm()) / self.length
        edits = everywhere(treatment.edits(strength))
        return relative_change(self.model, self.windows.tokens, self.text.counted, edits, self.dictionaries)

    def _read(
        self, final: Float[Tensor, "window pos d_model"]
    ) -> tuple[Float[Tensor, " window"], Float[np.ndarray, " window"]]:
        """The losses of the windows, and how far their predictions are from the unedited ones."""
        losses, divergences = [], []
        own_predictions = _predictions(self.windows, final, self.text)
        for row, (base, own) in enumerate(zip(self.base_predictions, own_predictions, strict=True)):
            losses.append(_loss(self.windows, row, own, self.text))
            divergences.append(float((own.exp() * (own - base)).sum(-1).mean().clamp_min(0)))
        return torch.stack(losses), np.array(divergences)


def _mass(probabilities: Float[Tensor, "prompt vocab"], tokens: Sequence[int]) -> Float[np.ndarray, " prompt"]:
    return probabilities[:, list(tokens)].sum(-1).double().numpy()


def targets_of(text: Windows) -> Tensor:
    """Which tokens are predicted: those that count, from position 2 on, so that an edited position predicts each."""
    targets = text.counted.clone()
    targets[:, :2] = False
    return targets


def window_losses(run: SplitRun, final: Float[Tensor, "window pos d_model"], text: Windows) -> Float[Tensor, " window"]:
    """Mean cross-entropy of the tokens of each window, in nats."""
    return torch.stack([_loss(run, row, own, text) for row, own in enumerate(_predictions(run, final, text))])


def _perplexity(losses: Float[Tensor, " window"], generator: np.random.Generator) -> Estimate:
    return estimate(losses.numpy(), generator=generator, statistic=lambda samples: np.exp(samples.mean(axis=-1)))


def _predictions(run: SplitRun, final: Float[Tensor, "window pos d_model"], text: Windows):  # noqa: ANN202
    """Log-probabilities of the tokens that count, window by window."""
    targets = targets_of(text)
    for row in range(len(final)):
        with torch.no_grad():
            logits = run.model.unembed(final[row, :-1][targets[row, 1:].to(final.device)])
        yield logits.float().log_softmax(-1)


def _loss(run: SplitRun, row: int, predictions: Float[Tensor, "_ vocab"], text: Windows) -> Float[Tensor, ""]:
    """Mean cross-entropy of the tokens of a window, in nats, from what is predicted of them."""
    predicted = targets_of(text)[row, 1:].to(predictions.device)
    return functional.nll_loss(predictions, run.tokens.ids[row, 1:][predicted]).double().cpu()


def _distinct(said: Sequence[Sequence[int]]) -> Float[np.ndarray, " prompt"]:
    return np.array([distinct_pairs(row) for row in said])


def _mean(values: Float[np.ndarray, " n"], generator: np.random.Generator) -> Estimate:
    """The mean of what is known; NaN of nothing."""
    known = values[np.isfinite(values)]
    if not len(known):
        return Estimate(value=float("nan"), interval=(float("nan"), float("nan")))
    return estimate(known, generator=generator)


def _share(is_so: np.ndarray) -> Estimate:
    share = float(is_so.mean())
    return Estimate(value=share, interval=share_interval(share, len(is_so)))


def _token_text(model: Model, token: int) -> str:
    if model.tokenizer is None:
        return str(token)
    return str(model.tokenizer.decode([token]))
