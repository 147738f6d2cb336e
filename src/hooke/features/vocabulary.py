"""The text of tokens, kept with an index so that it can be read without its model.

A token is bytes, not always whole characters: in running text the pieces of a character are joined on its last token,
and alone they are shown as `\\xe2`.
"""

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int, UInt
from numpy import ndarray

from hooke.errors import UnknownName, did_you_mean
from hooke.features.store import check_offsets, check_within, map_tensors, save_tensors, smallest_unsigned


@dataclass(frozen=True)
class Vocabulary:
    """The bytes of every token."""

    pieces: tuple[bytes, ...]
    """What each token stands for, empty where there is no such token."""
    special: frozenset[int]
    """Tokens that are no text, e.g. boundaries of documents."""

    def __len__(self) -> int:
        return len(self.pieces)

    def text(self, token: int) -> str:
        """One token by itself; bytes that are no whole character are written as `\\xe2`."""
        return self.pieces[token].decode("utf-8", errors="backslashreplace")

    def texts(self, tokens: Sequence[int]) -> tuple[str, ...]:
        """Each token of a running text; joined they are the text: of a character's pieces only the last has it."""
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        return tuple(decoder.decode(self.pieces[token], token in self.special) for token in tokens)

    def find(self, text: str) -> int:
        """The token of this text; where there is none, the one with a space before it.

        Raises:
            UnknownName: neither is one token.
        """
        for wanted in (text, f" {text}"):
            token = self._by_bytes.get(wanted.encode())
            if token is not None:
                return token
        raise UnknownName(
            f"'{text}' is not one token of this model.",
            did_you_mean(text.strip(), self._beginning_like(text.strip())),
            f"Give a text that is one of its {len(self)} tokens, for example ' the'.",
        )

    def _beginning_like(self, text: str) -> list[str]:
        """Tokens with the same first letter, whatever its case: nearness to all of them would take a second."""
        names = (self.text(token).strip() for token in range(len(self)))
        near = [name for name in names if name[:1].casefold() == text[:1].casefold() != ""]
        return [name for name in near if name.casefold() == text.casefold()] or near

    @cached_property
    def _by_bytes(self) -> dict[bytes, int]:
        return {piece: token for token, piece in reversed(list(enumerate(self.pieces))) if piece}

    @cached_property
    def forms(self) -> "Forms":
        """Tokens by what they say, whatever their case and the space before them."""
        return Forms.of(self)


@dataclass(frozen=True)
class Forms:
    """Tokens that say the same share a form: ' Bridge', 'bridge' and 'BRIDGE' are 'bridge'."""

    names: tuple[str, ...]
    """What each form says."""
    of_token: Int[ndarray, " vocab"]
    """The form of each token."""
    is_word: ndarray
    """Forms [n] that are words of at least three letters."""
    starts_word: ndarray
    """Tokens [vocab] that begin a word of at least three letters."""

    @staticmethod
    def of(vocabulary: Vocabulary) -> "Forms":
        """The forms of a vocabulary."""
        numbers: dict[str, int] = {}
        texts = [vocabulary.text(token) for token in range(len(vocabulary))]
        of_token = np.array([numbers.setdefault(form_name(text), len(numbers)) for text in texts], np.int32)
        starts = [bool(re.match(r"\s|[A-ZÀ-Þ]|[^\x00-\u024f]", text)) and len(text.strip()) >= 3 for text in texts]
        is_word = np.array([len(name) >= 3 and name.isalpha() for name in numbers], bool)
        starts_word = np.array(starts, bool) & is_word[of_token]
        return Forms(tuple(numbers), of_token, is_word, starts_word)


def form_name(text: str) -> str:
    """What a token says: without case and the spaces around it; white space alone stays what it is."""
    return text.strip().casefold() or text


def read_vocabulary(tokenizer: Any, n_tokens: int) -> Vocabulary:
    """The vocabulary of a tokenizer, as long as the model's."""
    n_known = min(len(tokenizer), n_tokens)
    names = [name or "" for name in tokenizer.convert_ids_to_tokens(list(range(n_known)))]
    added = {token: str(entry) for token, entry in tokenizer.added_tokens_decoder.items()}
    is_byte_level = all(set(name) <= _BYTE_OF.keys() for token, name in enumerate(names) if token not in added)
    pieces = [_piece(added.get(token), name, is_byte_level) for token, name in enumerate(names)]
    pieces += [b""] * (n_tokens - n_known)
    special = {token for token, entry in tokenizer.added_tokens_decoder.items() if entry.special}
    return Vocabulary(tuple(pieces), frozenset(special | set(tokenizer.all_special_ids)))


def _piece(added: str | None, name: str, is_byte_level: bool) -> bytes:
    if added is not None:
        return added.encode()
    if is_byte_level:
        return bytes(_BYTE_OF[character] for character in name)
    byte = re.fullmatch(r"<0x([0-9A-F]{2})>", name)
    return bytes.fromhex(byte.group(1)) if byte else name.replace("▁", " ").encode()


def _byte_alphabet() -> dict[str, int]:
    """The characters that byte-level tokenizers write bytes as: a printable byte as itself, the rest from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + place): byte for place, byte in enumerate(others)}


_BYTE_OF = _byte_alphabet()


def save_vocabulary(path: Path, vocabulary: Vocabulary) -> None:
    """Write a vocabulary as one file."""
    lengths = [len(piece) for piece in vocabulary.pieces]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    save_tensors(
        path,
        {
            "bytes": np.frombuffer(b"".join(vocabulary.pieces), np.uint8),
            "offsets": offsets.astype(np.uint32),
            "special": np.array(sorted(vocabulary.special), np.uint32),
        },
    )


def load_vocabulary(path: Path, n_tokens: int) -> Vocabulary:
    """The vocabulary in a file.

    Raises:
        BadArtefact: the file is damaged or is for another number of tokens.
    """
    tensors = map_tensors(path, "bytes", "offsets", "special")
    check_offsets(path, tensors["offsets"], n_tokens, len(tensors["bytes"]))
    check_within(path, tensors["special"], n_tokens, "the token")
    text, offsets = tensors["bytes"].tobytes(), tensors["offsets"].tolist()
    pieces = tuple(text[start:end] for start, end in zip(offsets[:-1], offsets[1:], strict=True))
    return Vocabulary(pieces, frozenset(tensors["special"].tolist()))


def token_ids(tokens: Int[ndarray, "..."], n_tokens: int) -> UInt[ndarray, "..."]:
    """Token ids in as few bytes as the vocabulary needs."""
    return tokens.astype(smallest_unsigned(n_tokens - 1))
