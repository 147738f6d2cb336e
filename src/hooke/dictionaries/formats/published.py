"""Single dictionaries that other tools wrote, told apart by their files: one module a format, named here."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hooke.dictionaries.dictionary import Dictionary
from hooke.dictionaries.formats.folding import Norms


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """What a format's files may leave out, and the reader was told."""

    model: str | None = None
    """Name of the model that it belongs to; goes before what the files say."""
    site: str | None = None
    """The site that it reads and writes."""
    norms: Norms | None = None
    """The norm before each layer's MLP, for what reads the stream normalised without its gain."""
    input_scale: float | None = None
    """What inputs were multiplied by while it was trained."""


@dataclass(frozen=True, slots=True)
class Format:
    """How a format is known and read."""

    recognises: Callable[[Path], bool]
    """Whether a folder's (or a single file's) names and keys are of it; opens no weights."""
    load: Callable[[Path, Given], Dictionary]
    """Raises BadArtefact for damaged or hostile files, BadRequest where something must be given."""


# The first that recognises the files reads them.
FORMATS: dict[str, Format] = {}
