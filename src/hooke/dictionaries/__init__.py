"""Dictionaries: overcomplete bases of activations, and the formats that they are kept in."""

from hooke.dictionaries.dictionary import Dictionary, DictionaryConfig, check_fits
from hooke.dictionaries.formats.native import save_dictionary
from hooke.dictionaries.load import find_dictionary, load_dictionary, load_replacement
from hooke.dictionaries.replacement import Replacement
from hooke.dictionaries.sparse import SparseActs

__all__ = [
    "Dictionary",
    "DictionaryConfig",
    "Replacement",
    "SparseActs",
    "check_fits",
    "find_dictionary",
    "load_dictionary",
    "load_replacement",
    "save_dictionary",
]
