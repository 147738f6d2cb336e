"""One small client of OpenAI-compatible chat endpoints: any provider, or a server on this machine.

Answers are kept on disk by what was asked, so that work that was stopped goes on without paying twice. Every call is
paid for beforehand at its worst case, so that a limit holds whatever the endpoint answers. No redirect is followed and
the key is in no message, file or representation.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx

from hooke.configs import content_hash
from hooke.errors import BadArtefact, BadRequest, CostLimit, EndpointFailed
from hooke.lab import read_json, write_json

URL, KEY = "HOOKE_ENDPOINT_URL", "HOOKE_ENDPOINT_KEY"
"""Variables of the environment."""
LONGEST_WAIT = 120.0
"""Seconds that a call waits between two tries, whatever the endpoint asks for."""

_AGAIN = (408, 409, 425, 429, 500, 502, 503, 504)
_MAX_BYTES = 4 * 2**20
_BYTES_PER_TOKEN = 3
"""Fewer than text has in any tokenizer of the day, so that estimates are too high rather than too low."""

Message = Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """Whom to ask, and what that costs."""

    model: str
    """Name of the model, as the endpoint calls it."""
    url: str
    """Base address; `/chat/completions` is put behind it."""
    key: str = field(default="", repr=False)
    """What opens it; a server on this machine needs none."""
    price_in: float | int | None = None
    """Price of a million tokens that are read; None where it is not known."""
    price_out: float | int | None = None
    """Price of a million tokens that are written."""
    timeout: float | int = 60.0
    """Seconds that an answer may take."""
    tries: int = 5
    """How often a call is tried."""

    @staticmethod
    def given(model: str, url: str | None = None, **settings: Any) -> "Endpoint":
        """An endpoint at `url`, else at $HOOKE_ENDPOINT_URL, opened by $HOOKE_ENDPOINT_KEY.

        Raises:
            BadRequest: there is no address, or it is not one of the web.
        """
        url = (url or os.environ.get(URL) or "").strip().rstrip("/")
        if not url:
            raise BadRequest("No endpoint was given.", "", f"Give --endpoint URL, or set {URL}; the key goes in {KEY}.")
        try:
            parts = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise BadRequest(f"'{url:.80}' is no address.", f"{error}.", "Give one such as https://host/v1.") from error
        if parts.scheme not in ("http", "https") or not parts.host:
            raise BadRequest(f"'{url:.80}' is no address.", "", "Give one such as https://host/v1.")
        return Endpoint(model=model, url=url, key=os.environ.get(KEY, ""), **settings)

    def cost(self, n_in: float | int, n_out: float | int) -> float | None:
        """The price of reading and writing so many tokens; None where a price is not known."""
        if self.price_in is None or self.price_out is None:
            return None
        return (n_in * self.price_in + n_out * self.price_out) / 1e6


@dataclass(frozen=True, kw_only=True, slots=True)
class Spent:
    """What was asked and paid for."""

    n_calls: int = 0
    """Answers that the endpoint gave."""
    n_kept: int = 0
    """Answers that were there from before."""
    n_in: int = 0
    """Tokens read."""
    n_out: int = 0
    """Tokens written."""
    cost: float = 0.0
    """Their price; 0 where it is not known."""


class Nonsense(EndpointFailed):
    """A language model answered, and never anything usable."""


def n_tokens(text: str) -> int:
    """About how many tokens a text has; rather too many than too few."""
    return -(-len(text.encode()) // _BYTES_PER_TOKEN)


class Chat:
    """Asks an endpoint; from any thread."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        kept: Path,
        limit: float | int | None = None,
        sleep: Callable[[float], Any] = time.sleep,
    ) -> None:
        """A client that keeps answers in the folder `kept` and never spends more than `limit`.

        Raises:
            BadRequest: there is a limit, and the prices are not known.
        """
        if limit is not None and endpoint.cost(1, 1) is None:
            raise BadRequest(
                "A limit of cost needs prices.", "", "Give --price-in and --price-out for a million tokens each."
            )
        self.endpoint, self.spent = endpoint, Spent()
        self._kept, self._limit, self._sleep = kept, limit, sleep
        self._reserved = 0.0
        self._lock = threading.Lock()
        self._client = httpx.Client(timeout=endpoint.timeout, follow_redirects=False)

    @property
    def name(self) -> str:
        """The model that answers."""
        return self.endpoint.model

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def ask(self, messages: Sequence[Message], *, max_tokens: int, check: Callable[[str], Any] | None = None) -> str:
        """The answer to a conversation: the one from before, else the endpoint's.

        Args:
            check: raises ValueError where an answer is nonsense; such an answer is not kept, and is asked for again.

        Raises:
            EndpointFailed: it refuses, does not answer in time, or answers nonsense, each as often as it was tried.
            CostLimit: the call could go beyond the limit.
        """
        asked = {
            "model": self.endpoint.model,
            "messages": [dict(message) for message in messages],
            "max_tokens": max_tokens,
            "temperature": 0,
        }
        path = self._kept / f"{content_hash({'url': self.endpoint.url, **asked})}.json"
        known = _read_kept(path, check)
        if known is not None:
            self._count(n_kept=1)
            return known
        kind: type[EndpointFailed] = EndpointFailed
        why, wait = "", 0.0
        for attempt in range(self.endpoint.tries):
            if attempt:
                self._sleep(wait)
            try:
                answer = self._pay(asked, check)
            except _TryAgain as error:
                kind = Nonsense if error.is_nonsense else EndpointFailed
                why, wait = str(error), error.wait if error.wait is not None else min(2.0**attempt, LONGEST_WAIT)
                continue
            write_json(path, {"answer": answer})
            return answer
        raise kind(
            f"{self.endpoint.url} gave no usable answer in {self.endpoint.tries} tries.",
            f"The last time {why}.",
            "What was answered before is kept; run it again later.",
        )

    def _pay(self, asked: dict[str, Any], check: Callable[[str], Any] | None) -> str:
        """One call, paid for at its worst case until its real price is known."""
        n_in = sum(n_tokens(message["content"]) for message in asked["messages"])
        worst = self.endpoint.cost(n_in, asked["max_tokens"]) or 0.0
        with self._lock:
            there = self.spent.cost + self._reserved
            if self._limit is not None and there + worst > self._limit:
                raise CostLimit(
                    f"The next call could bring the cost to {there + worst:.4f}, and {self._limit:g} was allowed.",
                    f"{self.spent.n_calls} calls cost {self.spent.cost:.4f}.",
                    "What was answered is kept: run it again with a higher limit to go on.",
                )
            self._reserved += worst
        used: tuple[int, int] | None = None
        try:
            answer, used = self._call(asked, n_in)
        except _TryAgain as error:
            used = error.used
            raise
        finally:
            with self._lock:
                self._reserved -= worst
            if used is not None:
                self._count(n_calls=1, n_in=used[0], n_out=used[1])
        if check is not None:
            try:
                check(answer)
            except ValueError as error:
                raise _TryAgain(
                    f"it answered nonsense: {self._said(answer.encode())} ({error})", is_nonsense=True
                ) from error
        return answer

    def _call(self, asked: dict[str, Any], n_in: int) -> tuple[str, tuple[int, int]]:
        """An answer of the endpoint, and the tokens that it read and wrote."""
        headers = {"Authorization": f"Bearer {self.endpoint.key}"} if self.endpoint.key else {}
        url, until = f"{self.endpoint.url}/chat/completions", time.monotonic() + self.endpoint.timeout
        body = b""
        try:
            with self._client.stream("POST", url, json=asked, headers=headers) as response:
                for piece in response.iter_bytes():
                    body += piece
                    if time.monotonic() > until or len(body) > _MAX_BYTES:
                        raise _TryAgain("its answer had no end", used=(n_in, asked["max_tokens"]))
        except httpx.ReadTimeout as error:
            # Whether it charges for what it did not say is not known: count it.
            why = f"it did not answer within {self.endpoint.timeout:g} seconds"
            raise _TryAgain(why, used=(n_in, asked["max_tokens"])) from error
        except httpx.HTTPError as error:
            raise _TryAgain(f"it could not be reached: {self._said(str(error).encode())}") from error
        if response.status_code != 200:
            self._refused(response, body)
        try:
            data = json.loads(body)
            answer = data["choices"][0]["message"]["content"]
            if not isinstance(answer, str):
                raise TypeError
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise _TryAgain(f"it answered nonsense: {self._said(body)}", used=(n_in, 0), is_nonsense=True) from error
        usage = data.get("usage")
        usage = usage if isinstance(usage, dict) else {}
        used = _count_of(usage.get("prompt_tokens"), n_in), _count_of(usage.get("completion_tokens"), n_tokens(answer))
        return answer, used

    def _refused(self, response: httpx.Response, body: bytes) -> None:
        """What a status other than 200 comes to.

        Raises:
            EndpointFailed: it is no use to ask again.
        """
        said, status = self._said(body), response.status_code
        if status in _AGAIN:
            wait = _wait_of(response.headers.get("retry-after"))
            if wait is not None and wait > LONGEST_WAIT:
                raise EndpointFailed(
                    f"{self.endpoint.url} asks to wait {wait:.0f} seconds.",
                    f"It said {status}: {said}",
                    "What was answered before is kept; run it again then.",
                )
            raise _TryAgain(f"it said {status}: {said}", wait=wait)
        do = f"Set {KEY} to a key that it takes." if status in (401, 403) else "Check the address and the model's name."
        raise EndpointFailed(f"{self.endpoint.url} refuses to answer.", f"It said {status}: {said}", do)

    def _said(self, body: bytes) -> str:
        """The beginning of what an endpoint said, on one line and without the key."""
        text = " ".join(body.decode("utf-8", "replace").split())
        text = text.replace(self.endpoint.key, "***") if self.endpoint.key else text
        return f"'{text[:160]}…'" if len(text) > 160 else f"'{text}'"

    def _count(self, *, n_calls: int = 0, n_kept: int = 0, n_in: int = 0, n_out: int = 0) -> None:
        with self._lock:
            spent = self.spent
            self.spent = Spent(
                n_calls=spent.n_calls + n_calls,
                n_kept=spent.n_kept + n_kept,
                n_in=spent.n_in + n_in,
                n_out=spent.n_out + n_out,
                cost=spent.cost + (self.endpoint.cost(n_in, n_out) or 0.0),
            )


class _TryAgain(Exception):
    """A call failed in a way that may pass."""

    def __init__(
        self,
        why: str,
        *,
        wait: float | None = None,
        used: tuple[int, int] | None = None,
        is_nonsense: bool = False,
    ) -> None:
        super().__init__(why)
        self.wait, self.used, self.is_nonsense = wait, used, is_nonsense


def _read_kept(path: Path, check: Callable[[str], Any] | None) -> str | None:
    """The answer in a file, where there is one that is whole and no nonsense."""
    if not path.exists():
        return None
    try:
        answer = read_json(path)["answer"]
        if check is not None:
            check(answer)
    except (BadArtefact, LookupError, TypeError, ValueError):
        return None
    return answer


def _count_of(found: Any, otherwise: int) -> int:
    """A count that an endpoint gives, where it can be true."""
    return found if isinstance(found, int) and not isinstance(found, bool) and 0 <= found < 10**9 else otherwise


def _wait_of(text: str | None) -> float | None:
    """Seconds of a Retry-After, which is a number or a date; None where it is neither."""
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return None
