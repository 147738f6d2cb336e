import numpy as np
import pytest

from hooke.features.at_token import at_token, token_at
from hooke.features.query import Index
from hooke.features.reading import RawReading, run_text
from tests.features.planted import World


def test_a_token_is_found_by_where_it_begins_and_only_there(world: World):
    text = "the bridge of music"
    tokens = world.model.tokenizer(text)["input_ids"]
    place = token_at(world.model, text, len("the"))
    assert place == 1
    assert world.model.tokenizer(text[: len("the")])["input_ids"] == tokens[:place]
    assert token_at(world.model, text, 0) is None, "the first token means nothing"
    assert token_at(world.model, text, len(text)) is None, "there is none"
    assert token_at(world.model, text, len("the bri")) is None, "inside a token"


def test_what_fires_there_stands_beside_the_text_s_other_tokens(index: Index, world: World):
    raw = run_text(world.model, world.dictionary, "the bridge of bridge music", index.vocabulary)
    found = at_token(index, raw, 1, 5)
    assert found[0].feature == 0
    assert found[0].value == 8
    assert found[0].elsewhere == pytest.approx(1 / 3), "the other bridge, of three tokens that count"
    assert found[0].max == float(index.maxima[0])
    assert [one.value for one in found] == sorted((one.value for one in found), reverse=True)
    assert at_token(index, raw, 1, 1) == found[:1]


def test_a_text_without_other_tokens_has_no_share(index: Index):
    raw = RawReading(np.array([1, 2]), np.array([False, True]), np.ones((2, 1)), np.zeros((2, 1), np.int64))
    assert at_token(index, raw, 1, 5)[0].elsewhere is None
