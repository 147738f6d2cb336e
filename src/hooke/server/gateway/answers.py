"""Answers in the shape that OpenAI's clients know, with hooke's own beside it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Literal

from hooke.server.gateway.asks import Ended, Said
from hooke.server.gateway.front import Applied, Hearing
from hooke.server.gateway.logs import plain
from hooke.server.gateway.verdicts import Verdict
from hooke.server.gateway.warned import Warned, of_bound, of_canary, of_hidden, of_verdict

Kind = Literal["chat", "text"]
_OBJECTS = {"chat": ("chat.completion", "chat.completion.chunk"), "text": ("text_completion", "text_completion")}
_PREFIXES = {"chat": "chatcmpl", "text": "cmpl"}


class Form:
    """One answer, whole or in chunks."""

    def __init__(self, kind: Kind, hearing: Hearing) -> None:
        self._kind: Kind = kind
        self._hearing = hearing
        self._decode: Callable[[list[int]], str] = lambda ids: str(hearing.gateway.model.tokenizer.decode(ids))
        self._head = {
            "id": f"{_PREFIXES[kind]}-{hearing.request.removeprefix('req-')}",
            "created": int(time.time()),
            "model": hearing.gateway.model.name,
            "system_fingerprint": f"hooke-{hearing.gateway.model.fingerprint[:12]}",
        }
        self._offset = 0

    def whole(self, text: str, said: Sequence[Said], end: Ended) -> dict[str, Any]:
        """The answer in one piece."""
        choice: dict[str, Any] = {"index": 0, "finish_reason": end.reason, "logprobs": self._logprobs(said)}
        if self._kind == "chat":
            choice["message"] = {"role": "assistant", "content": text, "refusal": None}
        else:
            choice["text"] = text
        return self._object(0) | {"choices": [choice], "usage": usage(end)} | self._extension()

    def chunk(self, text: str, said: Sequence[Said], *, is_first: bool = False) -> dict[str, Any]:
        """A piece of it."""
        return self._object(1) | {"choices": [self._piece(text, self._logprobs(said), None, is_first=is_first)]}

    def last(self, end: Ended) -> dict[str, Any]:
        """The chunk that says why it ends, and what the monitors found."""
        return self._object(1) | {"choices": [self._piece("", None, end.reason)]} | self._extension()

    def numbers(self, end: Ended) -> dict[str, Any]:
        """The chunk of numbers, for those who asked for it."""
        return self._object(1) | {"choices": [], "usage": usage(end)}

    def _object(self, which: int) -> dict[str, Any]:
        return {"object": _OBJECTS[self._kind][which], **self._head}

    def _piece(self, text: str, logprobs: Any, reason: str | None, *, is_first: bool = False) -> dict[str, Any]:
        piece: dict[str, Any] = {"index": 0, "finish_reason": reason, "logprobs": logprobs}
        if self._kind == "text":
            return piece | {"text": text}
        delta: dict[str, Any] = {"role": "assistant"} if is_first else {}
        return piece | {"delta": delta | ({"content": text} if text or is_first else {})}

    def _logprobs(self, said: Sequence[Said]) -> dict[str, Any] | None:
        if self._hearing.prepared.ask.top is None:
            return None
        if self._kind == "chat":
            return {"content": [self._token(one.token, one.logprob, one.top) for one in said], "refusal": None}
        tokens = [self._decode([one.token]) for one in said]
        offsets = []
        for token in tokens:
            offsets.append(self._offset)
            self._offset += len(token)
        top = [{self._decode([token]): logprob for token, logprob in one.top} for one in said]
        return {
            "tokens": tokens,
            "token_logprobs": [one.logprob for one in said],
            "top_logprobs": top,
            "text_offset": offsets,
        }

    def _token(
        self, token: int, logprob: float | None, top: Sequence[tuple[int, float]] | None = None
    ) -> dict[str, Any]:
        text = self._decode([token])
        found: dict[str, Any] = {"token": text, "logprob": logprob, "bytes": list(text.encode())}
        return found if top is None else found | {"top_logprobs": [self._token(one, value) for one, value in top]}

    def _extension(self) -> dict[str, Any]:
        hearing = self._hearing
        applied = hearing.prepared.applied
        return {"hooke": extension(hearing.request, shown_verdicts(hearing), applied, warnings_of(hearing))}


def extension(
    request: str, verdicts: Sequence[Verdict], applied: Sequence[Applied], warnings: Sequence[Warned]
) -> dict[str, Any]:
    """What hooke adds to an answer."""
    return plain(
        {
            "request": request,
            "monitors": [asdict(one) for one in verdicts],
            "steering": [asdict(one) for one in applied],
            "warnings": [asdict(one) for one in warnings],
        }
    )


def shown_verdicts(hearing: Hearing) -> tuple[Verdict, ...]:
    """What the monitors say so far, where the key may see it."""
    return () if hearing.key.hides_verdicts else hearing.verdicts


def warnings_of(hearing: Hearing) -> tuple[Warned, ...]:
    """What its client should know so far, and could not see otherwise; of monitors where the key may see them."""
    gateway, prepared = hearing.gateway, hearing.prepared
    found = list(prepared.warnings)
    if hearing.reason == "length" and not prepared.names_limit:
        found.append(of_bound(prepared.ask.max_tokens))
    if not prepared.ask.monitors:
        return tuple(found)
    if hearing.key.hides_verdicts:
        return (*found, of_hidden(len(prepared.ask.monitors)))
    if not gateway.canary.is_well:
        found.append(of_canary())
    for verdict in hearing.verdicts:
        spec = gateway.monitors[verdict.name].spec
        found.extend(gateway.standing[verdict.name])
        strength = gateway.reactions.get(spec.action.recipe, 1.0)
        found.extend(of_verdict(verdict, spec, is_over=hearing.is_over, strength=strength))
    return tuple(found)


def headers_of(hearing: Hearing) -> dict[str, str]:
    """The same in an answer's head: of a stream what is known once the prompt was read."""
    found = {"x-hooke-verdicts": ",".join(f"{one.name}={one.level}" for one in shown_verdicts(hearing))}
    found["x-hooke-warnings"] = ",".join(dict.fromkeys(one.code for one in warnings_of(hearing)))
    found["x-hooke-steering"] = ",".join(f"{one.name}={one.strength:g}" for one in hearing.prepared.applied)
    return {name: value for name, value in found.items() if value}


def usage(end: Ended) -> dict[str, int]:
    """Numbers of tokens."""
    return {
        "prompt_tokens": end.n_prompt,
        "completion_tokens": end.n_new,
        "total_tokens": end.n_prompt + end.n_new,
    }
