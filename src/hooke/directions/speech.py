"""One prompt continued in several arms at once, token by token, with what the model without edits thinks of each token.

Arms and samples take turns, so that texts grow side by side. Every arm draws its samples from the same random numbers:
where two arms predict the same, they say the same.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from hooke.dictionaries import Dictionary
from hooke.errors import PromptTooLong
from hooke.models.edits import Edit
from hooke.models.generate import Sampling, choose, end_tokens, next_logits
from hooke.models.model import Model, Tokens


@dataclass(frozen=True, kw_only=True, slots=True)
class Spoken:
    """One more token of one text."""

    arm: str
    """The arm."""
    sample: int
    """Which of its texts."""
    step: int
    """Its place, from 0."""
    token: int
    """The token."""
    text: str
    """What it adds to the text; empty while a character of several tokens is not whole."""
    logprob: float
    """Its log-probability in this arm, before temperature."""
    base_logprob: float
    """Its log-probability under the model without edits, after the same text."""


@dataclass(kw_only=True)
class Text:
    """One text and what was measured along it, token by token."""

    tokens: list[int] = field(default_factory=list)
    text: str = ""
    base_logprobs: list[float] = field(default_factory=list)
    """Log-probability of each token under the model without edits."""
    divergences: list[float] = field(default_factory=list)
    """Kullback-Leibler divergence of the arm's prediction from the one without edits, in nats."""
    masses: list[float] = field(default_factory=list)
    """Probability of the watched tokens as the next token."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Speech:
    """All texts of an arm."""

    arm: str
    """The arm."""
    texts: tuple[Text, ...]
    """One for each sample."""


def speak(
    model: Model,
    prompt: Tokens,
    arms: Mapping[str, Sequence[Edit]],
    *,
    samples: int = 1,
    max_tokens: int = 48,
    sampling: Sampling | None = None,
    seed: int = 0,
    watched: Sequence[int] = (),
    dictionaries: Iterable[Dictionary] = (),
) -> Iterator[Spoken | Speech]:
    """Tokens as they come, then for each arm its whole speech.

    Args:
        prompt: one prompt.
        arms: edits by the arm's name; none for the model as it is.
        watched: tokens whose probability is measured along the texts.

    Raises:
        PromptTooLong: prompt and continuation together exceed the context.
    """
    room = model.context - prompt.ids.shape[1]
    if max_tokens > room:
        raise PromptTooLong(
            f"The prompt has {prompt.ids.shape[1]} tokens and {max_tokens} more were asked for.",
            f"{model.name} reads at most {model.context} in all.",
            f"Ask for at most {max(room, 0)}.",
        )
    known, chosen = list(dictionaries), sampling or Sampling()
    rows = _repeated(prompt, samples)
    speakers = [_Speaker(model, rows, name, edits, known, chosen, seed) for name, edits in arms.items()]
    # One run without edits goes along with all texts at once: one row more costs a fraction of a run of its own.
    beside = next_logits(model, _repeated(prompt, samples * len(speakers)))
    new: Tensor | None = None
    for step in range(max_tokens):
        base = next(beside) if new is None else beside.send(new)
        found = []
        for speaker, own in zip(speakers, base.split(samples), strict=True):
            spoken = speaker.advance(step, own, list(watched))
            found.append(speaker.new)
            yield from spoken
        if not any(speaker.is_speaking for speaker in speakers):
            break
        new = torch.cat(found)
    for speaker in speakers:
        yield Speech(arm=speaker.name, texts=tuple(speaker.texts))


def _repeated(prompt: Tokens, n: int) -> Tokens:
    return Tokens(prompt.ids.expand(n, -1), prompt.mask.expand(n, -1))


class _Speaker:
    """An arm while it speaks."""

    def __init__(
        self,
        model: Model,
        rows: Tokens,
        name: str,
        edits: Sequence[Edit],
        dictionaries: list[Dictionary],
        sampling: Sampling,
        seed: int,
    ) -> None:
        self.model, self.name, self.sampling = model, name, sampling
        self.texts = [Text() for _ in rows.ids]
        self.new: Tensor = rows.ids[:, -1]
        """The token that each text took last."""
        self._steps = next_logits(model, rows, edits, dictionaries) if edits else None
        self._generator = torch.Generator(model.device).manual_seed(seed)
        self._is_open = torch.ones(len(rows.ids), dtype=torch.bool, device=model.device)
        self._ends = torch.tensor(sorted(end_tokens(model)), dtype=torch.int64, device=model.device)

    @property
    def is_speaking(self) -> bool:
        """Whether a text has not ended."""
        return bool(self._is_open.any())

    def advance(self, step: int, unedited: Float[Tensor, "sample vocab"], watched: list[int]) -> list[Spoken]:
        """The next token of each text that has not ended, given the logits of the model without edits."""
        if not self.is_speaking:
            return []
        logits = unedited
        if self._steps is not None:
            logits = next(self._steps) if step == 0 else self._steps.send(self.new)
        own, base = (one.float().log_softmax(-1) for one in (logits, unedited))
        self.new = choose(logits, self.sampling, self._generator)
        self._is_open = self._is_open & ~torch.isin(self.new, self._ends)
        divergences = (own.exp() * (own - base)).nan_to_num(0.0).sum(-1).clamp_min(0)
        masses = own[:, watched].exp().sum(-1)
        return [
            self._say(sample, step, own[sample], base[sample], float(divergences[sample]), float(masses[sample]))
            for sample, is_open in enumerate(self._is_open.tolist())
            if is_open
        ]

    def _say(self, sample: int, step: int, own: Tensor, base: Tensor, divergence: float, mass: float) -> Spoken:
        token, text = int(self.new[sample]), self.texts[sample]
        logprob, base_logprob = float(own[token]), float(base[token])
        text.tokens.append(token)
        text.base_logprobs.append(base_logprob)
        text.divergences.append(divergence)
        text.masses.append(mass)
        return Spoken(
            arm=self.name,
            sample=sample,
            step=step,
            token=token,
            text=self._added(text),
            logprob=logprob,
            base_logprob=base_logprob,
        )

    def _added(self, text: Text) -> str:
        whole = str(self.model.tokenizer.decode(text.tokens, skip_special_tokens=True))
        # A character of several bytes may come in several tokens: wait until it is whole.
        if whole.endswith("\ufffd"):
            return ""
        added, text.text = whole[len(text.text) :], whole
        return added
