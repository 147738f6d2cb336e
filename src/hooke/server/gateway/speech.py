"""A request under way: what is said of it between two tokens, whichever engine chooses them.

A monitor has scored the prompt before the first token is said, and each token before the one after it; a monitor that
may end the answer has scored a token before anybody sees it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch

from hooke.errors import HookeError, PromptTooLong
from hooke.models.model import Model
from hooke.server.gateway.asks import Ask, Began, Emit, Ended, Event, Reason, Said, Scored, Spoke
from hooke.server.gateway.pieces import Pieces
from hooke.server.gateway.verdicts import Bank, Verdict, Watched
from hooke.sites import Site


class EngineFull(HookeError):
    """More requests wait than may."""


class EngineClosed(HookeError):
    """The engine takes no more requests."""


@dataclass(eq=False)
class Speech:
    """A request under way; whoever asked holds it to cancel it."""

    ask: Ask
    emit: Emit
    watched: list[Watched]
    pieces: Pieces
    sites: frozenset[Site]
    """What its monitors read."""
    holds_back: bool
    """Whether a token is seen by nobody before it was scored."""
    said: list[int] = field(default_factory=list)
    held: list[Spoke] = field(default_factory=list)
    ending: Reason | None = None
    """Why it ends once its last token was scored."""
    generator: torch.Generator | None = None
    """What the reference engine draws tokens with; None where it takes the likeliest."""
    steered_by: set[str] = field(default_factory=set)
    """Recipes that monitors have put into force."""
    is_cancelled: bool = False

    @property
    def last(self) -> int:
        """Position of the last token that there is."""
        return len(self.ask.ids) + len(self.said) - 1

    def cancel(self) -> None:
        """Nobody wants the rest; the engine drops it before its next step."""
        self.is_cancelled = True

    def verdicts(self) -> tuple[Verdict, ...]:
        """What each monitor says so far."""
        return tuple(one.verdict() for one in self.watched)

    def begin(self, rises: Sequence[str]) -> bool:
        """Once the prompt was scored; whether a token is to be chosen."""
        self.tell(Began(self.verdicts()))
        self._tell_scores(rises, along={one.monitor.name: one.along for one in self.watched})
        if self.must_stop():
            return self.end("content_filter")
        return self.end("length") if self.ask.max_tokens == 0 else True

    def go_on(self, rises: Sequence[str]) -> bool:
        """Once its last token was scored: let it go; whether another is to be chosen."""
        self._tell_scores(rises)
        if self.must_stop():
            return self.end("content_filter")
        for one in self.held:
            self.tell(one)
        self.held.clear()
        return True if self.ending is None else self.end(self.ending)

    def say(self, said: Said, ends: Collection[int]) -> bool:
        """A token that was chosen; whether it is to be read."""
        if said.token in ends:
            return self.end("stop")
        self.said.append(said.token)
        text, is_stopped = self.pieces.add(said.token)
        spoke = Spoke(text, (said,))
        if self.holds_back:
            self.held.append(spoke)
        else:
            self.tell(spoke)
        if is_stopped:
            self.ending = "stop"
        elif len(self.said) >= self.ask.max_tokens:
            self.ending = "length"
        # The last token is scored, too, before the answer ends.
        return self.end(self.ending) if self.ending is not None and not self.watched else True

    def must_stop(self) -> bool:
        """Whether a monitor ends the answer: its own action, or that of the second monitor that it asks."""
        if self.ask.is_canary:
            return False
        acting = {one.monitor.name: one for one in self.watched if one.has_acted}
        seconds = {one.monitor.spec.action.second for one in self.watched} - {""}
        asked = {one.monitor.spec.action.second for one in acting.values()}
        for name, one in acting.items():
            counts = name not in seconds or name in asked
            if counts and one.monitor.spec.action.do == "stop":
                return True
        return False

    def end(self, reason: Reason) -> bool:
        """Say that it is whole; there is nothing more to do."""
        rest = "" if reason == "content_filter" or self.ending == "stop" else self.pieces.rest()
        if rest:
            self.tell(Spoke(rest, ()))
        n_shown = len(self.said) - (len(self.held) if reason == "content_filter" else 0)
        self.tell(Ended(reason, len(self.ask.ids), n_shown, self.verdicts()))
        return False

    def tell(self, event: Event) -> None:
        """Tell whoever asked, if they still listen."""
        if self.is_cancelled:
            return
        try:
            self.emit(event)
        except Exception:  # whoever listened has gone
            self.cancel()

    def _tell_scores(self, rises: Sequence[str], along: Mapping[str, Sequence[float]] | None = None) -> None:
        if self.watched:
            self.tell(Scored(self.last, self.verdicts(), tuple(rises), along or {}))


@dataclass
class Gauge:
    """What an engine has done since it began."""

    seconds_in_monitors: float = 0.0
    seconds_in_model: float = 0.0
    n_steps: int = 0
    n_tokens: int = 0
    n_cancelled: int = 0


@runtime_checkable
class Speaks(Protocol):
    """What is asked of an engine, whichever it is."""

    model: Model

    def submit(self, ask: Ask, emit: Emit) -> Speech:
        """Queue a request; what becomes of it goes to `emit`."""
        ...


def speech_of(model: Model, bank: Bank, ask: Ask, emit: Emit, *, context: int) -> Speech:
    """A request that has not begun.

    Raises:
        PromptTooLong: prompt and answer exceed the context.
    """
    if not ask.ids or len(ask.ids) + ask.max_tokens > context:
        raise PromptTooLong(
            f"The prompt has {len(ask.ids)} tokens and {ask.max_tokens} more were asked for.",
            f"{model.name} reads at most {context} in all.",
            f"Ask for at most {max(context - len(ask.ids), 0)}.",
        )

    def decode(ids: list[int]) -> str:
        return str(model.tokenizer.decode(ids, skip_special_tokens=True)) if ids else ""

    return Speech(
        ask=ask,
        emit=emit,
        watched=[bank.watched(one) for one in ask.monitors],
        pieces=Pieces(decode, ask.stops),
        sites=frozenset(site for one in ask.monitors for site in one.sites),
        holds_back=any(one.spec.action.do == "stop" for one in ask.monitors),
    )
