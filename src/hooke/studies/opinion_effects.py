"""Which of two answers is preferred after an opinion, and what a change of the stream does to that."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from hooke.directions.typical_norm import HELD_OUT
from hooke.findings import Estimate, Finding, estimate, group_means
from hooke.models.generate import conversation
from hooke.models.model import Model, Tokens
from hooke.models.split import SplitRun, next_log_probabilities, split_run
from hooke.sites import Site
from hooke.studies.changes import Change
from hooke.text.corpora import open_corpus
from hooke.text.stated_opinions import Question
from hooke.text.windows import WindowConfig, windows

ENDING = "\nAnswer:"
SYSTEM = "Answer with one word."


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """Questions in one wording, read up to a site."""

    run: SplitRun
    right: tuple[int, ...]
    """First token of each right answer."""
    wrong: tuple[int, ...]

    def gaps(self, change: Change | None = None) -> Float[ndarray, " question"]:
        """Log-probability of the right answer minus that of the wrong one, in nats."""
        final = self.run.final if change is None else self.run.final_after(change.of(self.run))
        log_p = next_log_probabilities(self.run, final)
        rows = range(len(log_p))
        return (log_p[rows, self.right] - log_p[rows, self.wrong]).double().numpy()

    def moved(self, change: Change) -> Float[ndarray, " question"]:
        """By how much a change moves that, towards the right answer."""
        return self.gaps(change) - self.gaps()


def asked(
    model: Model, questions: Sequence[Question], wording: str, opinion: str, site: Site, *, is_chat: bool = False
) -> Asked:
    """Questions in a wording, with the opinion that is right, wrong, or none; as a text that goes on, or as a chat.

    Raises:
        BadRequest: the model has no chat template.
    """
    texts = messages(questions, wording, opinion)
    tokens = chat_tokens(model, texts) if is_chat else plain_tokens(model, texts)
    right, wrong = (tuple(first_token(model, getattr(one, side)) for one in questions) for side in ("right", "wrong"))
    return Asked(split_run(model, tokens, site), right, wrong)


def messages(questions: Sequence[Question], wording: str, opinion: str) -> list[str]:
    """What the user says."""
    return [wording.format(asked=one.asked, answer=getattr(one, opinion) if opinion else "") for one in questions]


def first_token(model: Model, word: str) -> int:
    """Of a word behind a space."""
    return model.tokenizer(f" {word}", add_special_tokens=False)["input_ids"][0]


def plain_tokens(model: Model, texts: Sequence[str]) -> Tokens:
    """Messages as texts that go on, which this model answers better than a chat."""
    return model.tokenize([f"Question: {one}{ENDING}" for one in texts])


def chat_tokens(model: Model, texts: Sequence[str]) -> Tokens:
    """Messages in the chat template; the assistant's turn begins with "Answer:", so that a word comes next."""
    said = [[{"role": "system", "content": SYSTEM}, {"role": "user", "content": one}] for one in texts]
    begun = [f"{conversation(model, one)}Answer:" for one in said]
    return Tokens.of([model.tokenizer(one, add_special_tokens=False)["input_ids"] for one in begun], model.device)


class Ordinary:
    """Ordinary text read up to a site, and what the model predicts on it."""

    def __init__(self, model: Model, site: Site) -> None:
        self.text = next(windows(open_corpus(HELD_OUT), model.tokenizer, WindowConfig(context=64, batch=6)))
        self.run = split_run(model, self.text.tokens, site)
        self._own = self._predicted(self.run.final)

    def length(self) -> float:
        """Median length of the site's rows: the unit of doses."""
        return float(self.run.value[self.text.counted.to(self.run.value.device)].float().norm(dim=-1).median())

    def moved(self, change: Change) -> Float[ndarray, " window"]:
        """How far predictions move, KL in nats, the mean over each window's tokens."""
        after = self._predicted(self.run.final_after(change.of(self.run)))
        return (self._own.exp() * (self._own - after)).sum(-1).mean(-1).double().cpu().numpy()

    def _predicted(self, final: Float[Tensor, "window pos d_model"]) -> Float[Tensor, "window _ vocab"]:
        with torch.no_grad():
            return self.run.model.unembed(final[:, 1:]).float().log_softmax(-1)


def over_topics(values: ndarray, topics: Sequence[str], seed: int) -> Estimate:
    """The mean over topics, which are resampled whole."""
    return estimate(group_means(values, topics), generator=np.random.default_rng(seed))


def in_words(one: Estimate, digits: int = 2, sign: str = "+") -> str:
    """As a table says it."""
    low, high = one.interval
    return f"{one.value:{sign}.{digits}f} [{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]"


def told(
    claim: str, own: ndarray, other: ndarray, control: str, topics: Sequence[str], seed: int, units: str = ""
) -> Finding:
    """A finding over topics, beside its control on the same questions."""
    value, beside = over_topics(own, topics, seed), over_topics(other, topics, seed)
    n = len(dict.fromkeys(topics))
    return Finding(
        claim=claim,
        value=value.value,
        interval=value.interval,
        n=n,
        control=beside.value,
        control_interval=beside.interval,
        control_name=control,
        method=units or f"first tokens of both answers; {len(topics)} questions of {n} topics that are resampled whole",
        seed=seed,
    )


def furthest(arms: Sequence[ndarray]) -> ndarray:
    """The arm whose mean is furthest from zero: of controls, the hardest to beat."""
    return max(arms, key=lambda one: abs(float(np.mean(one))))
