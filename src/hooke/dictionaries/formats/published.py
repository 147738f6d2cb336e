"""Single dictionaries that other tools wrote, told apart by their files: one module a format, named here."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hooke.dictionaries.dictionary import Dictionary
from hooke.dictionaries.formats import crosscoders, dictionary_learning, sparsify
from hooke.dictionaries.formats.given import Given

__all__ = ["FORMATS", "Format", "Given"]


@dataclass(frozen=True, slots=True)
class Format:
    """How a format is known and read."""

    recognises: Callable[[Path], bool]
    """Whether a folder's (or a single file's) names and keys are of it; opens no weights."""
    load: Callable[[Path, Given], Dictionary]
    """Raises BadArtefact for damaged or hostile files, BadRequest where something must be given."""


# The first that recognises the files reads them.
FORMATS: dict[str, Format] = {
    "crosscoders": Format(crosscoders.recognises, crosscoders.load),
    "dictionary_learning": Format(dictionary_learning.recognises, dictionary_learning.load),
    "sparsify": Format(sparsify.recognises, sparsify.load),
}
