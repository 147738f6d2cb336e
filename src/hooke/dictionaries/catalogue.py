"""Public suites of dictionaries that hooke reads, as data: whose, of which models and sites, and where on the hub.

Nothing here was fetched to make this list, and what a repository holds may change: its page is the authority.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hooke.configs import from_dict, load_toml
from hooke.errors import BadRequest, UnknownName, did_you_mean

_FILE = Path(__file__).with_name("catalogue.toml")
_PLACE = re.compile(r"\{(\w+)\}")
LICENCE = "see its page"


@dataclass(frozen=True, kw_only=True, slots=True)
class Suite:
    """A family of dictionaries on the hub."""

    id: str
    """Its name here."""
    repository: str
    """owner/name, with {places} to fill in."""
    inside: str
    """A dictionary's place in the repository, with {places} to fill in; empty where it is all of it."""
    models: str
    """Base models."""
    sites: str
    """Sites, and what the repository calls them."""
    widths: str
    """Numbers of features."""
    kind: str
    """Kind of dictionary."""
    format: str
    """Whose format."""
    about: str
    """What else to know."""
    licence: str = LICENCE
    """Licence of the weights."""

    @property
    def pattern(self) -> str:
        """The reference of one of its dictionaries, with {places} to fill in."""
        return f"hf:{self.repository}" + (f"/{self.inside}" if self.inside else "")

    @property
    def places(self) -> tuple[str, ...]:
        """What has to be filled in, each once."""
        return tuple(dict.fromkeys(_PLACE.findall(self.pattern)))

    def reference(self, filled: dict[str, str]) -> str:
        """The reference of one dictionary.

        Raises:
            BadRequest: a place is not filled in, or is none of its places.
        """
        missing, unknown = set(self.places) - set(filled), set(filled) - set(self.places)
        if missing or unknown or not all(filled.values()):
            raise BadRequest(
                f"'{self.id}' is {self.pattern}.",
                f"Missing: {', '.join(sorted(missing)) or '-'}; unknown: {', '.join(sorted(unknown)) or '-'}.",
                f"Models: {self.models}. Sites: {self.sites}. Widths: {self.widths}. {self.about}".strip(),
            )
        return _PLACE.sub(lambda match: filled[match[1]], self.pattern)


@cache
def suites() -> tuple[Suite, ...]:
    """All of them."""
    return tuple(from_dict(Suite, one) for one in load_toml(_FILE)["suite"])


def matching(words: str) -> tuple[Suite, ...]:
    """Suites that have all of the words in what is said of them."""
    wanted = words.lower().split()
    told = {
        one: " ".join((one.id, one.repository, one.models, one.sites, one.kind, one.format)).lower() for one in suites()
    }
    return tuple(one for one in suites() if all(word in told[one] for word in wanted))


def suite(name: str) -> Suite:
    """The suite of this name.

    Raises:
        UnknownName: there is none.
    """
    by_id = {one.id: one for one in suites()}
    if name not in by_id:
        raise UnknownName(
            f"No suite '{name}' in the catalogue.",
            did_you_mean(name, by_id) or f"There are: {', '.join(by_id)}.",
            "See `hooke dictionary list --catalogue ''`, or give a reference like hf:owner/repository/folder.",
        )
    return by_id[name]
