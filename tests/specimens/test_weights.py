"""Setting weights by hand: directions, heads and neurons do what was written."""

import math

import pytest
import torch

from hooke.models.model import Model
from hooke.specimens.weights import (
    BALLAST,
    D_HEAD,
    D_MLP,
    D_MODEL,
    always_look_for,
    blank,
    directions,
    fill_idle_neurons,
    opened,
    random_like,
    unit_rows,
    weights_hash,
    write_head,
    write_neuron,
)


def test_directions_are_orthonormal_and_without_a_mean():
    parts = directions({"a": 3, "b": 200, "c": 52})
    assert [len(part) for part in parts.values()] == [3, 200, 52]
    rows = torch.cat(list(parts.values()))
    torch.testing.assert_close(rows @ rows.T, torch.eye(255, dtype=torch.float64), atol=1e-12, rtol=0)
    assert float(rows.mean(-1).abs().max()) < 1e-12


def test_more_directions_than_the_stream_has_are_refused():
    with pytest.raises((RuntimeError, ValueError)):
        directions({"a": D_MODEL})


def one_word_model(n_vocab: int = 14):
    """Weights in which token t > 0 carries direction t - 1, and the rows in use."""
    rows = directions({"ballast": 1, "word": n_vocab - 1, "out": n_vocab - 1, "scratch": 8})
    weights = blank(n_vocab)
    weights["transformer.wte.weight"][:] = BALLAST * rows["ballast"]
    weights["transformer.wte.weight"][1:] += rows["word"]
    return weights, rows


def test_a_neuron_reads_and_writes_what_was_asked():
    weights, rows = one_word_model()
    write_neuron(weights, 1, 9, reads=rows["word"][0], writes=rows["out"][2], bias=-0.5)
    weights["lm_head.weight"][1:] = rows["out"]
    model = Model(opened(weights), None, name="written")
    run = model.run(torch.tensor([[1, 2]]), capture=["neurons.1"])
    assert float(run["neurons.1"][0, 0, 9]) == pytest.approx(0.5, abs=0.01)
    assert int((run["neurons.1"] > 0).sum()) == 1
    assert run.logits is not None
    assert float(run.logits[0, 0, 3]) == pytest.approx(0.5, abs=0.01)
    assert float(run.logits[0, 1].abs().max()) < 1e-4


def test_a_head_looks_and_moves_as_asked():
    weights, rows = one_word_model()
    asks, sought, moved, out = rows["word"][2:3], rows["word"][:1], rows["word"], rows["out"]
    write_head(weights, 0, 2, query=asks, key=sought, value=moved, output=out)
    model = Model(opened(weights), None, name="written")
    run = model.run(torch.tensor([[2, 1, 3]]), capture=["pattern.0", "attn_out.0"])
    assert float(run["pattern.0"][0, 2, 2, 1]) > 0.99
    torch.testing.assert_close(run["attn_out.0"][0, 2], out[0].float(), atol=0.01, rtol=0)


def test_a_head_with_a_bias_looks_from_everywhere():
    weights, rows = one_word_model()
    write_head(weights, 0, 1, query=rows["word"][:0], key=rows["word"][:0], value=rows["word"], output=rows["out"])
    always_look_for(weights, 0, 1, rows["word"][0], score=20.0)
    assert torch.count_nonzero(weights["transformer.h.0.attn.c_attn.bias"]) == 1
    pattern = Model(opened(weights), None, name="written").run(torch.tensor([[1, 2, 3]]), capture=["pattern.0"])
    assert float(pattern["pattern.0"][0, 1, :, 0].min()) > 0.99


def test_idle_neurons_bring_every_matrix_to_one_norm_and_leave_the_used():
    weights, rows = one_word_model()
    write_neuron(weights, 0, 5, reads=3 * rows["word"][0], writes=rows["out"][0])
    fill_idle_neurons(
        weights, {(0, 5)}, reads=rows["word"], scratch=rows["scratch"], generator=torch.Generator().manual_seed(0)
    )
    for layer in range(2):
        for name in ("c_fc", "c_proj"):
            norm = float(weights[f"transformer.h.{layer}.mlp.{name}.weight"].norm())
            assert norm == pytest.approx(math.sqrt(D_MLP))
    assert torch.equal(weights["transformer.h.0.mlp.c_fc.weight"][:, 5], 3 * rows["word"][0])
    idle = weights["transformer.h.0.mlp.c_proj.weight"][6]
    assert float((idle @ rows["scratch"].T).norm()) == pytest.approx(float(idle.norm())), "idle neurons write scratch"


def test_random_rows_have_length_one_in_their_span():
    rows = directions({"a": 4, "b": 4})
    drawn = unit_rows(50, rows["a"], torch.Generator().manual_seed(0))
    torch.testing.assert_close(drawn.norm(dim=1), torch.ones(50, dtype=torch.float64))
    assert float((drawn @ rows["b"].T).abs().max()) < 1e-12


def test_random_weights_are_as_long_and_share_nothing():
    weights, _ = one_word_model()
    drawn = random_like(weights, torch.Generator().manual_seed(0))
    embedding, found = weights["transformer.wte.weight"], drawn["transformer.wte.weight"]
    assert float(found.norm()) == pytest.approx(float(embedding.norm()))
    assert abs(float((found * embedding).sum() / embedding.norm() ** 2)) < 0.2
    assert torch.equal(drawn["transformer.ln_f.weight"], weights["transformer.ln_f.weight"])


def test_the_hash_sees_the_last_bit():
    weights, _ = one_word_model()
    plain = opened(weights)
    before = weights_hash(plain)
    assert weights_hash(opened(weights)) == before
    with torch.no_grad():
        plain.transformer.wpe.weight[3, 3] = 1e-30
    assert weights_hash(plain) != before


def test_heads_are_wide_enough_for_what_they_hold():
    assert D_HEAD * 4 == D_MODEL
