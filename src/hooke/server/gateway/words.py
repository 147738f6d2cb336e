"""What a request may say: OpenAI's fields, and hooke's own beside them. Unknown ones are ignored, and named."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hooke.server.gateway.refusals import Unsupported

MAX_STOPS = 4
Name = Annotated[str, Field(min_length=1, max_length=100)]
Count = Annotated[int, Field(ge=0, le=1_000_000)]

# Known to OpenAI and not to this server: each with the values that ask for nothing.
_UNSUPPORTED: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "best_of": (1,),
    "echo": (False,),
    "suffix": ("",),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "response_format": ({"type": "text"},),
    "logit_bias": ({},),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "modalities": (["text"],),
    "audio": (),
    "prediction": (),
    "web_search_options": (),
}


class Steer(BaseModel):
    """A recipe to steer by."""

    model_config = ConfigDict(extra="forbid")
    name: Name
    """Its registered name."""
    strength: Annotated[float, Field(allow_inf_nan=False)] = 1.0
    """Factor on all that it does, within its bounds."""


class Extension(BaseModel):
    """What hooke adds to a request."""

    model_config = ConfigDict(extra="forbid")
    monitors: Annotated[list[Name], Field(max_length=64)] = []
    """Names of monitors to watch this request, beside those that watch every one."""
    steering: Annotated[list[Steer], Field(max_length=8)] = []
    """Recipes to steer by."""


class StreamOptions(BaseModel):
    """How an answer is streamed."""

    model_config = ConfigDict(extra="allow")
    include_usage: bool = False
    """Send the numbers of tokens in a chunk of its own at the end."""


class Part(BaseModel):
    """A part of a message."""

    model_config = ConfigDict(extra="allow")
    type: Literal["text"]
    """Text is all that is read."""
    text: str
    """The text."""


class Message(BaseModel):
    """A message of a conversation."""

    model_config = ConfigDict(extra="allow")
    role: Literal["system", "developer", "user", "assistant"]
    """Who speaks."""
    content: str | list[Part]
    """What is said."""

    @property
    def text(self) -> str:
        """What is said, as one text."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


class _Body(BaseModel):
    model_config = ConfigDict(extra="allow")
    model: Name
    """Name of the model that is served."""
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    """0 takes the likeliest token; 1 unless given."""
    top_p: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = None
    """Choose from the smallest set of tokens that holds this much probability."""
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    """Of the choice of tokens."""
    stop: str | Annotated[list[str], Field(max_length=MAX_STOPS)] | None = None
    """Texts before which the answer ends."""
    stream: bool = False
    """Send the answer as it is made."""
    stream_options: StreamOptions | None = None
    """How."""
    user: str | None = None
    """Taken, and not used."""
    hooke: Extension = Extension()
    """Monitors and steering."""

    @model_validator(mode="after")
    def _bounded_stops(self) -> "_Body":
        if any(len(one) > 200 for one in self.stops):
            raise ValueError("a stop text has at most 200 characters")
        return self

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop texts that are not empty."""
        given = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return tuple(one for one in given if one)


class ChatBody(_Body):
    """A conversation to go on with."""

    messages: Annotated[list[Message], Field(min_length=1, max_length=1000)]
    """What was said so far."""
    max_tokens: Count | None = None
    """Tokens of the answer at most."""
    max_completion_tokens: Count | None = None
    """The same under its newer name, which counts where both are given."""
    logprobs: bool | None = None
    """Tell the probability of each token."""
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    """Tell those of so many of the likeliest tokens, too."""

    @property
    def most(self) -> int | None:
        """Tokens of the answer at most, where it is said."""
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens

    @property
    def top(self) -> int | None:
        """How many likeliest tokens are told beside each; None for no probabilities."""
        return (self.top_logprobs or 0) if self.logprobs else None


class TextBody(_Body):
    """A text to go on with."""

    prompt: str | Annotated[list[str], Field(min_length=1, max_length=1)] | Annotated[list[int], Field(min_length=1)]
    """The text, or its tokens' numbers. One only."""
    max_tokens: Count | None = 16
    """New tokens at most."""
    logprobs: Annotated[int, Field(ge=0, le=5)] | None = None
    """Tell the probability of each token, and of so many of the likeliest."""

    @property
    def most(self) -> int | None:
        """New tokens at most, where it is said."""
        return self.max_tokens

    @property
    def top(self) -> int | None:
        """How many likeliest tokens are told beside each; None for no probabilities."""
        return self.logprobs


def refuse_unsupported(body: ChatBody | TextBody) -> None:
    """Refuse what OpenAI's own server would do and this one cannot, rather than leave it out in silence.

    Raises:
        Unsupported: a field asks for such a thing.
    """
    extra: Mapping[str, Any] = body.model_extra or {}
    for name, neutral in _UNSUPPORTED.items():
        value = extra.get(name)
        if value is not None and value not in neutral:
            raise Unsupported(name)


def ignored_fields(body: ChatBody | TextBody) -> tuple[str, ...]:
    """Names of the fields that were given and have no effect, those within others behind a dot."""
    found = [name for name in _given(body) if name not in _UNSUPPORTED]
    if body.user is not None:
        found.append("user")
    if body.stream_options is not None:
        inner = [f"stream_options.{name}" for name in _given(body.stream_options)]
        found.extend(inner if body.stream else ["stream_options"])
    if isinstance(body, ChatBody):
        if body.top_logprobs is not None and body.top is None:
            found.append("top_logprobs")
        for message in body.messages:
            found.extend(f"messages.{name}" for name in _given(message))
            parts = message.content if isinstance(message.content, list) else []
            found.extend(f"messages.content.{name}" for part in parts for name in _given(part))
    return tuple(dict.fromkeys(found))


def _given(part: BaseModel) -> list[str]:
    return [name for name, value in (part.model_extra or {}).items() if value is not None]
