from pathlib import Path

import numpy as np
import pytest

from hooke.features.places import NOTHING, KeyIndex, PlaceReader, Test
from hooke.features.rules import Rule
from hooke.features.vocabulary import Vocabulary
from hooke.features.wording import rule_text, search_words, typical, whole_word
from tests.features.test_places import written

PIECES = [b"<end>", b" T", b"amb", "ién".encode(), b" the", b" Bridge", b"\n\n", b" ", b" 42", b" music"]
SOURCES = ("wiki", "code")


@pytest.fixture
def reader(tmp_path: Path) -> PlaceReader:
    tokens = np.array([[4, 1, 2, 3, 4, 5], [6, 5, 8, 9, 4, 5], [7, 1, 2, 3, 9, 0]], np.uint16)
    return written(tmp_path, Vocabulary(tuple(PIECES), frozenset({0})), tokens)


def form(text: str) -> int:
    return Vocabulary(tuple(PIECES), frozenset({0})).forms.names.index(text)


def word(reader: PlaceReader, rule: Rule, positions: list[int], *, is_output: bool = False) -> str:
    return rule_text(rule, reader.read(np.array(positions)), reader, SOURCES, is_output=is_output)


@pytest.mark.parametrize(
    ("test", "keys", "text"),
    [
        ("current", ["bridge"], 'token "bridge"'),
        ("current", ["amb"], 'token "amb" in "también"'),
        ("current", ["bridge", "amb"], 'tokens "bridge", "amb" in "también"'),
        ("current", ["\n\n"], 'token "↵↵"'),
        ("current", [" "], 'token "␣"'),
        ("previous", ["the"], 'after "the"'),
        ("following", ["amb"], 'before "amb" in "también"'),
        ("context", ["music", "bridge"], "context: music, bridge"),
    ],
)
def test_rules_of_words_are_put_in_words(reader: PlaceReader, test: Test, keys: list[str], text: str):
    rule = Rule(test, tuple(form(key) for key in keys))
    assert word(reader, rule, [1, 2, 5, 6, 7, 9, 12, 13, 14, 16]) == text


def test_other_rules_are_put_in_words(reader: PlaceReader):
    n_forms = len(Vocabulary(tuple(PIECES), frozenset({0})).forms.names)
    pair = form("the") * n_forms + form("bridge")
    assert word(reader, Rule("pair", (pair,)), [5]) == 'phrase "the bridge"'
    inside = form("t") * n_forms + form("amb")
    assert word(reader, Rule("pair", (inside,)), [2, 14]) == 'phrase "tamb" in "también"'
    assert word(reader, Rule("class", (0,)), [8]) == "digits"
    assert word(reader, Rule("class before", (1,)), [7]) == "after line breaks"
    assert word(reader, Rule("source", (1,)), [7]) == "text of code"
    assert (
        word(reader, Rule("following", (form("bridge"),)), [4], is_output=True) == 'before what it promotes: "bridge"'
    )


def test_a_piece_of_different_words_stays_a_piece(reader: PlaceReader):
    given = reader.read(np.array([2, 14]))
    assert whole_word("current", form("amb"), given, reader) == "también"
    assert whole_word("current", form("music"), given, reader) == ""
    assert whole_word("source", 0, given, reader) == ""


def test_typical_keys_come_beyond_their_rate(reader: PlaceReader):
    background = KeyIndex(reader.read(np.arange(18)))
    given = reader.read(np.array([5, 7, 11, 8]))
    # 'bridge' is on 3 of 4 places and 3 of 18 tokens; '42' comes once.
    assert typical("current", given, background, 5) == [form("bridge")]
    assert typical("current", given, background, 0) == []
    assert NOTHING not in typical("previous", given, background, 5)


def test_search_words_are_whole_and_plain(reader: PlaceReader):
    vocabulary = Vocabulary(tuple(PIECES), frozenset({0}))
    given = reader.read(np.array([2, 14]))
    index = KeyIndex(reader.read(np.arange(18)))
    words = search_words(
        Rule("current", (form("amb"),)),
        given,
        reader,
        {"current": index, "context": index},
        vocabulary.forms,
        np.array([9, 7]),
    )
    assert words[0] == "también"
    assert "music" in words
    assert all(word.isalnum() for word in words)


def test_a_very_long_token_is_cut(tmp_path: Path):
    reader = written(tmp_path, Vocabulary((b"#" * 80, b" x"), frozenset()), np.array([[1, 0]], np.uint16))
    text = word(reader, Rule("current", (reader.read(np.array([1])).keys["current"][0, 0].item(),)), [1])
    assert text == 'token "' + "#" * 23 + '…"'
