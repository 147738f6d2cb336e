"""The text of an answer, token by token: whole characters only, and never the beginning of a stop text."""

from collections.abc import Callable, Sequence

_BROKEN = "\ufffd"


class Pieces:
    """What each new token adds to the text. `decode` is the tokenizer's."""

    def __init__(self, decode: Callable[[list[int]], str], stops: Sequence[str] = ()) -> None:
        self._decode, self._stops = decode, tuple(stops)
        self._ids: list[int] = []
        self._shown = 0
        """How many tokens are shown; those before `_from` are no longer needed to tell what one adds."""
        self._from = 0
        self._held = ""

    def add(self, token: int) -> tuple[str, bool]:
        """What may be said now, and whether a stop text has ended the answer."""
        self._ids.append(token)
        piece = self._piece()
        if piece.endswith(_BROKEN):
            # A character of several bytes may come in several tokens: wait until it is whole.
            return "", False
        self._from, self._shown = self._shown, len(self._ids)
        return self._released(piece)

    def rest(self) -> str:
        """What was held back, once no more tokens come."""
        held, self._held = self._held + self._piece(), ""
        self._from = self._shown = len(self._ids)
        return held

    def _piece(self) -> str:
        known = self._decode(self._ids[self._from : self._shown])
        return self._decode(self._ids[self._from :])[len(known) :]

    def _released(self, piece: str) -> tuple[str, bool]:
        text = self._held + piece
        found = [place for place in (text.find(stop) for stop in self._stops) if place >= 0]
        if found:
            self._held = ""
            return text[: min(found)], True
        held = max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held], False


def _overlap(text: str, stop: str) -> int:
    """The longest end of the text that a stop text begins with."""
    return next((n for n in range(min(len(text), len(stop) - 1), 0, -1) if stop.startswith(text[-n:])), 0)
