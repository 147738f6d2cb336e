"""Single dictionaries that other tools wrote, told apart by their files: one module a format, named here."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hooke.dictionaries.dictionary import Dictionary
from hooke.dictionaries.formats import (
    crosscoders,
    dictionary_learning,
    gemma_scope_single,
    goodfire,
    llama_scope,
    openai,
    openmoss,
    qwen_scope,
    saelens,
    sparsify,
)
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
    "Gemma Scope": Format(gemma_scope_single.recognises, gemma_scope_single.load),
    "SAELens": Format(saelens.recognises, saelens.load),
    "sparsify": Format(sparsify.recognises, sparsify.load),
    "dictionary_learning": Format(dictionary_learning.recognises, dictionary_learning.load),
    "crosscoders": Format(crosscoders.recognises, crosscoders.load),
    "Llama Scope": Format(llama_scope.recognises, llama_scope.load),
    "OpenMOSS": Format(openmoss.recognises, openmoss.load),
    "Qwen-Scope": Format(qwen_scope.recognises, qwen_scope.load),
    "Goodfire": Format(goodfire.recognises, goodfire.load),
    "OpenAI": Format(openai.recognises, openai.load),
}
