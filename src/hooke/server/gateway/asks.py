"""What the engine is asked, and what it says of it while it works: plain values, from thread to thread."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from hooke.models.edits import Edit
from hooke.models.generate import Sampling
from hooke.monitors.stream import Monitor
from hooke.server.gateway.verdicts import Verdict

Reason = Literal["stop", "length", "content_filter"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Ask:
    """A text to go on with."""

    ids: tuple[int, ...]
    """The prompt's tokens."""
    max_tokens: int
    """New tokens at most."""
    sampling: Sampling = Sampling()
    """How each is chosen."""
    seed: int | None = None
    """Of the choice; drawn anew where there is none."""
    stops: tuple[str, ...] = ()
    """Texts before which the answer ends."""
    top: int | None = None
    """How many of the likeliest tokens are told beside each; None for no probabilities at all."""
    edits: tuple[Edit, ...] = ()
    """Steering in force."""
    monitors: tuple[Monitor, ...] = ()
    """What watches it."""
    is_canary: bool = False
    """Whether it is the gateway's own: it waits for nobody, and what monitors would do is not done."""


@dataclass(frozen=True, slots=True)
class Said:
    """A token of an answer."""

    token: int
    """Its number."""
    logprob: float | None = None
    """Its log-probability before temperature."""
    top: tuple[tuple[int, float], ...] = ()
    """The likeliest tokens at its place, with theirs."""


@dataclass(frozen=True, slots=True)
class Began:
    """The prompt was read and scored; no token has been chosen."""

    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Spoke:
    """More of the answer."""

    text: str
    """What it adds; empty while a character or a possible stop text is incomplete."""
    said: tuple[Said, ...]
    """The token; none where text that was held back is let go."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A token was scored, or, at first, the whole prompt."""

    position: int
    """Its position, the prompt's tokens counted; of the prompt the last one's."""
    verdicts: tuple[Verdict, ...]
    """Of each monitor."""
    rises: tuple[str, ...]
    """Names of the monitors that are at their level for the first time."""
    along: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """With the whole prompt: the pooled score of each monitor at each of its tokens."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The answer is whole."""

    reason: Reason
    """Why it ends here."""
    n_prompt: int
    """Tokens of the prompt."""
    n_new: int
    """Tokens of the answer."""
    verdicts: tuple[Verdict, ...]
    """What the monitors say of all of it."""


@dataclass(frozen=True, slots=True)
class Failed:
    """There will be no more."""

    error: Exception


Event = Began | Spoke | Scored | Ended | Failed
Emit = Callable[[Event], object]
"""What an event is told to; it must return at once, and what it returns is not looked at."""
