from pathlib import Path

import pytest
import torch

from hooke.dictionaries.formats.folding import Norm, fold_norm, require_norms
from hooke.errors import BadRequest, ShapeMismatch
from tests.dictionaries.formats.test_circuit_tracer import numbers


def test_the_same_comes_out_of_the_input_with_gain_and_bias():
    encoder, bias_in, skip, bias_out = numbers(6, 10), numbers(10), numbers(6, 5), numbers(5)
    gain, bias = numbers(6, seed=1).abs() + 0.1, numbers(6, seed=2)
    weights = {"W_enc": encoder, "b_enc": bias_in, "W_skip": skip, "b_dec": bias_out}
    folded, n = fold_norm(weights, Norm(gain, bias), Path("x")), numbers(20, 6, seed=3)
    u = n * gain + bias
    # Gains down to a tenth lengthen the rows, and with them the rounding of float32.
    torch.testing.assert_close(u @ folded["W_enc"] + folded["b_enc"], n @ encoder + bias_in, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(u @ folded["W_skip"] + folded["b_dec"], n @ skip + bias_out, atol=1e-4, rtol=1e-4)


def test_a_vanishing_gain_and_another_width_are_refused():
    weights = {"W_enc": numbers(6, 10), "b_enc": numbers(10), "b_dec": numbers(5)}
    gain = torch.ones(6)
    gain[2] = 1e-9
    for bad in (gain, torch.ones(7)):
        with pytest.raises(ShapeMismatch, match="Load the model that it was made for"):
            fold_norm(weights, Norm(bad, torch.zeros(len(bad))), Path("x"))


def test_missing_norms_are_told():
    with pytest.raises(BadRequest, match="--model MODEL"):
        require_norms(None, Path("x"))
    require_norms(lambda layer: Norm(torch.ones(1), torch.ones(1)), Path("x"))
