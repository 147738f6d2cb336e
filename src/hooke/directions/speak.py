"""Texts with different edits made side by side: all in one batch, token by token, each beside the unedited model.

Each edited text has a shadow, a row without edits that is fed the same tokens. What the two rows say of the next token
gives the text's surprise and its divergence from the unedited model on the way, without a second pass.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import DynamicCache

from hooke.dictionaries import Dictionary
from hooke.directions.controls import random_edits
from hooke.errors import BadRequest, PromptTooLong
from hooke.models.edits import Edit
from hooke.models.generate import Sampling, choose, end_tokens
from hooke.models.hooks import CompiledEdit, Moment, Pass
from hooke.models.model import Model, Tokens
from hooke.models.rows import compile_rows
from hooke.sites import FeatureName, Site

ARMS = ("base", "treated", "random")


@dataclass(frozen=True, kw_only=True, slots=True)
class Voice:
    """A text to be made."""

    arm: str
    """base, treated or random."""
    sample: int
    """Which of the arm's texts."""
    edits: tuple[Edit, ...] = ()
    """What is in force."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """One more token of one text."""

    arm: str
    """The voice's arm."""
    sample: int
    """Which of its texts."""
    step: int
    """The token's place, from 0."""
    token: int
    """The token."""
    text: str
    """What it adds to the text; empty while a character is incomplete."""
    logprob: float
    """Its log-probability with the edits."""
    base_logprob: float
    """Its log-probability without edits, after the same text."""
    kl: float
    """Divergence of the next-token distribution with the edits from the one without, in nats."""
    promoted_mass: float
    """Probability of the promoted tokens, with the edits."""
    activation: float
    """Of the watched feature on the new token before this one, read without edits; NaN for the first."""


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What is read along the texts."""

    promoted: tuple[int, ...] = ()
    """Tokens whose probability is summed."""
    dictionary: Dictionary | None = None
    """Dictionary of the watched feature."""
    feature: int = 0
    """The watched feature."""

    @property
    def site(self) -> Site | None:
        """Where the feature is read; None where it reads several sites."""
        return self.dictionary.reads[0] if self.dictionary is not None and len(self.dictionary.reads) == 1 else None


def watching(features: Sequence[FeatureName], dictionaries: Mapping[str, Dictionary], promoted: Sequence[int]) -> Watch:
    """The promoted tokens, and the first feature where there is one."""
    if not features:
        return Watch(promoted=tuple(promoted))
    first = features[0]
    return Watch(promoted=tuple(promoted), dictionary=dictionaries[first.dictionary or ""], feature=first.index)


def voices_of(
    edits: tuple[Edit, ...],
    dictionaries: Mapping[str, Dictionary],
    *,
    arms: Sequence[str],
    samples: int,
    seed: int,
    is_greedy: bool,
) -> list[Voice]:
    """The texts of each arm. Every random one has random directions of its own, of the same norm.

    Without sampling all texts of an arm with the same edits are the same, so there is one.

    Raises:
        BadRequest: an edit has no random twin.
    """
    voices = []
    for arm in arms:
        n = 1 if is_greedy and arm != "random" else samples
        for sample in range(n):
            own = {"base": (), "treated": edits}.get(arm)
            if own is None:
                drawn = random_edits(edits, dictionaries, generator=np.random.default_rng([seed, sample]))
                if drawn is None:
                    raise BadRequest("These edits have no random twin.", "", "Leave the random arm out.")
                own = tuple(drawn)
            voices.append(Voice(arm=arm, sample=sample, edits=own))
    return voices


def speak(
    model: Model,
    tokens: Tokens,
    voices: Sequence[Voice],
    *,
    max_tokens: int,
    sampling: Sampling,
    seed: int,
    dictionaries: Mapping[str, Dictionary],
    watch: Watch,
) -> Iterator[list[Word]]:
    """Step by step, the next token of every text that has not ended. One forward pass a step.

    Texts of the same sample draw the same random numbers, so that arms differ by their edits only.

    Raises:
        PromptTooLong: prompt and continuation exceed the context.
        UnknownSite, UnknownName, ShapeMismatch: an edit does not fit.
    """
    require_room(model, tokens, max_tokens)
    batch = _Batch.begin(model, tokens, voices, dictionaries, watch)
    generators = [_generator(model, seed, voice.sample) for voice in voices]
    ends = end_tokens(model)
    said: list[list[int]] = [[] for _ in voices]
    shown = ["" for _ in voices]
    is_open = [True for _ in voices]
    for step in range(max_tokens):
        logits, activations = batch.read()
        log_p = logits.float().log_softmax(-1)
        own, base = log_p[: len(voices)], log_p[batch.shadows]
        kl = (own.exp() * (own - base)).nan_to_num_().sum(-1).clamp_min(0).tolist()
        mass = own[:, list(watch.promoted)].exp().sum(-1).tolist()
        new = [int(choose(logits[row : row + 1], sampling, generators[row])) for row in range(len(voices))]
        words = []
        for row, voice in enumerate(voices):
            is_open[row] = is_open[row] and new[row] not in ends
            if not is_open[row]:
                continue
            said[row].append(new[row])
            piece, shown[row] = _piece(model, said[row], shown[row])
            words.append(
                Word(
                    arm=voice.arm,
                    sample=voice.sample,
                    step=step,
                    token=new[row],
                    text=piece,
                    logprob=float(own[row, new[row]]),
                    base_logprob=float(base[row, new[row]]),
                    kl=kl[row],
                    promoted_mass=mass[row],
                    activation=activations[row] if step else float("nan"),
                )
            )
        if not words:
            return
        yield words
        batch.feed(new)


def require_room(model: Model, tokens: Tokens, max_tokens: int) -> None:
    """Raises:
    PromptTooLong: prompt and continuation exceed the context.
    """
    n = tokens.ids.shape[1]
    if n + max_tokens > model.context:
        raise PromptTooLong(
            f"The prompt has {n} tokens and {max_tokens} more were asked for.",
            f"{model.name} reads at most {model.context} in all.",
            f"Ask for at most {max(model.context - n, 0)}." if n < model.context else "Shorten it.",
        )


@dataclass
class _Batch:
    """Rows under way: the voices, then a shadow for each that has edits."""

    model: Model
    watch: Watch
    ids: Int[Tensor, "row pos"]
    n_prompt: int
    compiled: dict[Site, list[CompiledEdit]]
    cache: DynamicCache | None
    shadows: list[int]
    """Row of each voice's shadow; its own where it has no edits."""
    fed_with: list[int]
    """The voice whose tokens each row is fed."""
    first: tuple[Float[Tensor, "row vocab"], list[float]] | None

    @staticmethod
    def begin(
        model: Model, tokens: Tokens, voices: Sequence[Voice], dictionaries: Mapping[str, Dictionary], watch: Watch
    ) -> "_Batch":
        """The prompt, read once for each set of edits and then shared by the rows."""
        edited = [place for place, voice in enumerate(voices) if voice.edits]
        shadows = [
            place if not voice.edits else len(voices) + edited.index(place) for place, voice in enumerate(voices)
        ]
        fed_with = [*range(len(voices)), *edited]
        kinds = list(dict.fromkeys([(), *(voice.edits for voice in voices)]))
        origin = [kinds.index(voice.edits) for voice in voices] + [0] * len(edited)
        compiled = compile_rows(model, kinds, dictionaries.values())
        # A cache would keep the unedited keys and values of earlier tokens, so edits of those sites run without one.
        is_cached = not any(site.kind in ("k", "v") for site in compiled)
        cache = DynamicCache(config=model.config) if is_cached else None
        batch = _Batch(
            model=model,
            watch=watch,
            ids=tokens.ids.expand(len(kinds), -1),
            n_prompt=tokens.ids.shape[1],
            compiled=compiled,
            cache=cache,
            shadows=list(range(len(kinds))),
            fed_with=[],
            first=None,
        )
        logits, activations = batch.read()
        rows = torch.tensor(origin, device=logits.device)
        if cache is not None:
            cache.reorder_cache(rows)  # pyright: ignore[reportArgumentType]
        batch.first = (logits[rows], [activations[kinds.index(voice.edits)] for voice in voices])
        batch.ids = tokens.ids.expand(len(origin), -1)
        batch.shadows, batch.fed_with = shadows, fed_with
        full = [voice.edits for voice in voices] + [()] * len(edited)
        batch.compiled = compile_rows(model, full, dictionaries.values())
        return batch

    def read(self) -> tuple[Float[Tensor, "row vocab"], list[float]]:
        """Logits of every row's next token, and the watched feature on the last one, without edits."""
        if self.first is not None:
            first, self.first = self.first, None
            return first
        n = self.ids.shape[1]
        fresh = slice(n - 1, n) if self.cache is not None and n > self.n_prompt else slice(0, n)
        rows = len(self.ids)
        position = torch.arange(n, device=self.ids.device)[fresh].expand(rows, -1)
        site = self.watch.site
        running = Pass(
            self.model.anatomy,
            frozenset([site] if site is not None else []),
            self.compiled,
            lambda _, value: value[:, -1],
            moment=Moment(position, torch.full((rows,), self.n_prompt, device=self.ids.device)),
        )
        with self.model.open(running), torch.no_grad():
            output = self.model.hf(
                input_ids=self.ids[:, fresh],
                past_key_values=self.cache,
                use_cache=self.cache is not None,
                logits_to_keep=1,
            ).logits
            logits = self.model.visit_logits(running, output)[:, -1]
        return logits, self._activations(running)

    def feed(self, new: list[int]) -> None:
        """One more token for every row."""
        column = torch.tensor([new[voice] for voice in self.fed_with], device=self.ids.device)
        self.ids = torch.cat([self.ids, column[:, None]], dim=1)

    def _activations(self, running: Pass) -> list[float]:
        dictionary, site = self.watch.dictionary, self.watch.site
        if dictionary is None or site is None:
            return [float("nan")] * len(self.shadows)
        value = running.read[site][self.shadows].flatten(1).float().to(dictionary.device)
        with torch.no_grad():
            return dictionary.encode_feature(value, self.watch.feature).float().tolist()


def _generator(model: Model, seed: int, sample: int) -> torch.Generator:
    # Neighbouring seeds of torch's generator start alike; numpy's mixing keeps them apart.
    mixed = int(np.random.SeedSequence([seed, sample]).generate_state(1, np.uint64)[0] >> np.uint64(1))
    return torch.Generator(model.device).manual_seed(mixed)


def _piece(model: Model, ids: list[int], shown: str) -> tuple[str, str]:
    """What the last token adds to the text, and the text so far."""
    if model.tokenizer is None:
        return f" {ids[-1]}", f"{shown} {ids[-1]}"
    text = str(model.tokenizer.decode(ids, skip_special_tokens=True))
    # A character of several bytes may come in several tokens: wait until it is whole.
    return ("", shown) if text.endswith("\ufffd") else (text[len(shown) :], text)
