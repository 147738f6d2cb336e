"""What a corpus is: a named, fingerprinted and restartable sequence of documents."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Document:
    """One text and where it came from."""

    text: str
    source: str
    """The part of the corpus it belongs to, e.g. `wiki-en` or `code`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Corpus:
    """Documents in a fixed order; two corpora with one fingerprint give the same documents on any machine."""

    name: str
    """The reference that opens it."""
    fingerprint: str
    """Identifies the content exactly; independent of paths, dates and the machine."""
    read: Callable[[], Iterator[Document]]
    """Starts reading at the first document."""

    def documents(self) -> Iterator[Document]:
        """The documents from the first one on; each call starts afresh."""
        return self.read()
