import pytest
import torch

from hooke.dictionaries.encoding import activate
from tests.dictionaries.test_dictionary import config, dictionary, inputs


def test_long_inputs_are_encoded_in_pieces_that_agree(monkeypatch: pytest.MonkeyPatch):
    made, x = dictionary("relu"), inputs(23, 6)
    whole = made.encode(x)
    monkeypatch.setattr("hooke.dictionaries.encoding._CHUNK_ELEMENTS", 40)
    pieces = made.encode(x)
    torch.testing.assert_close(pieces.values, whole.values)
    assert torch.equal(pieces.dense() > 0, whole.dense() > 0)


def test_signed_activations_come_with_the_largest_first_whatever_their_sign():
    pre = torch.tensor([[-3.0, 1.0, 2.0, -9.0]])
    acts = activate(pre, config("jumprelu", signed=True), torch.full((4,), -5.0))
    assert acts.values.tolist() == [[-3.0, 2.0, 1.0]]
    assert acts.indices.tolist() == [[0, 2, 1]]
    clamped = activate(pre, config("jumprelu"), torch.full((4,), -5.0))
    assert clamped.values.tolist() == [[2.0, 1.0]]
