"""Dictionaries: overcomplete bases of activations, and the formats that they are kept in."""

from hooke.dictionaries.dictionary import Dictionary, DictionaryConfig, check_fits
from hooke.dictionaries.formats.native import save_dictionary
from hooke.dictionaries.load import find_dictionary, load_dictionary
from hooke.dictionaries.sparse import SparseActs

__all__ = [
    "Dictionary",
    "DictionaryConfig",
    "SparseActs",
    "check_fits",
    "find_dictionary",
    "load_dictionary",
    "save_dictionary",
]
