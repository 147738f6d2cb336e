import numpy as np
import pytest
import torch

from hooke.features.encoders import Encoder, ModelWords, Spelling, Static, has_static, reduced_embedding, words_of
from hooke.features.vocabulary import Vocabulary

PIECES = ("", " car", "car", " auto", "mobile", " the", " river", "\u00e9", " x")
VOCABULARY = Vocabulary(tuple(piece.encode() for piece in PIECES), frozenset({0}))


def model_words() -> ModelWords:
    rows = torch.randn(len(PIECES), 12, generator=torch.Generator().manual_seed(0)).numpy()
    rows[3] = rows[4] = rows[1] = rows[2]
    return ModelWords(rows.astype(np.float16), VOCABULARY)


@pytest.mark.parametrize("encoder", [Spelling(), model_words()], ids=["spelling", "model"])
def test_rows_have_length_1_or_are_nothing(encoder: Encoder):
    rows = encoder.encode(["the car", "river", "42 !", ""], {})
    assert np.linalg.norm(rows, axis=1).tolist() == pytest.approx([1, 1, 0, 0], abs=1e-5)
    assert isinstance(encoder, Encoder)


def test_spelling_finds_other_forms_and_slips_and_nothing_else():
    rows = Spelling().encode(["musical", "musicals", "muscial", "piano"], {})
    alike = rows @ rows[0]
    assert alike[1] > 0.7
    assert alike[2] > 0.2
    assert abs(alike[3]) < 0.2


def test_a_word_without_a_token_is_spelled_from_pieces():
    rows = model_words().encode(["car", "automobile", "river"], {})
    assert rows[0] @ rows[1] == pytest.approx(1, abs=1e-3)
    assert abs(rows[0] @ rows[2]) < 0.9


def test_what_no_piece_spells_is_nothing():
    assert not model_words().encode(["zzz"], {}).any()


def test_a_word_that_counts_more_pulls_more():
    heavy = model_words().encode(["the car"], {"car": 10.0, "the": 0.1})[0]
    car = model_words().encode(["car"], {})[0]
    assert heavy @ car > model_words().encode(["the car"], {"car": 0.1, "the": 10.0})[0] @ car


def test_a_reduced_embedding_keeps_what_is_near_near():
    generator = torch.Generator().manual_seed(0)
    embedding = torch.randn(500, 400, generator=generator) * torch.linspace(1, 0.01, 400)
    embedding[1] = embedding[0] + 0.05 * torch.randn(400, generator=generator) * torch.linspace(1, 0.01, 400)
    reduced = reduced_embedding(embedding).astype(np.float32)
    assert reduced.shape == (500, 256)
    assert reduced[0] @ reduced[1] > 0.95
    assert abs(reduced[0] @ reduced[2]) < 0.6


def test_words():
    assert words_of("The Bridge, 42 x é2à: don't 水") == ["the", "bridge", "don", "水"]


@pytest.mark.skipif(not has_static(), reason="the package wordllama is not installed")
def test_static_vectors_know_other_words_for_the_same():
    rows = Static().encode(["car", "automobile", "piano"], {})
    assert rows[0] @ rows[1] > rows[0] @ rows[2] + 0.2
