import pytest
import torch

from hooke.features import logit_effects as module
from hooke.features.logit_effects import effects, logit_effects, no_effects, prepare
from hooke.features.vocabulary import Vocabulary

N_FEATURES, D_VOCAB, WIDTH = 40, 60, 12
VOCABULARY = Vocabulary(tuple(b"t%d" % token if token != 5 else b"" for token in range(D_VOCAB)), frozenset({6}))


def random_weights() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(D_VOCAB, WIDTH, generator=generator) + 3
    # Two tokens that training did not reach: all but the vocabulary's mean.
    directions[7] = directions[8:].mean(0)
    directions[8] = directions[9:].mean(0) + 0.01
    return directions, torch.randn(N_FEATURES, WIDTH, generator=generator) + 1


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def dense_effects(directions: torch.Tensor, W_dec: torch.Tensor) -> torch.Tensor:
    """The definition, with the whole matrix at once."""
    units = W_dec / W_dec.norm(dim=-1, keepdim=True)
    plain = units @ (directions - directions.mean(0)).T
    return (plain - plain.mean(0)) / plain.std(0, correction=0)


@pytest.mark.parametrize("cells", [1, 7 * D_VOCAB, 2**23])
def test_effects_are_the_definition_however_they_are_cut(monkeypatch: pytest.MonkeyPatch, cells: int):
    monkeypatch.setattr(module, "_CELLS", cells)
    directions, W_dec = random_weights()
    expected = dense_effects(directions, W_dec)
    unembedding = prepare(directions, W_dec, VOCABULARY)
    found = torch.cat([block for _, block in effects(unembedding, W_dec)])
    left_out = {5, 6, 7, 8}
    for token in range(D_VOCAB):
        if token in left_out:
            assert torch.isinf(found[:, token]).all()
        else:
            torch.testing.assert_close(found[:, token], expected[:, token], rtol=1e-3, atol=1e-3)

    best = logit_effects(unembedding, W_dec, generator=seeded())
    expected[:, list(left_out)] = -torch.inf
    top = expected.topk(module.N_TOKENS, dim=-1)
    torch.testing.assert_close(torch.from_numpy(best.promoted_value), top.values, rtol=1e-3, atol=1e-3)
    assert (torch.from_numpy(best.promoted) == top.indices).float().mean() > 0.98
    columns = expected.T.topk(module.N_BY_TOKEN, dim=-1)
    torch.testing.assert_close(torch.from_numpy(best.by_token_value), columns.values, rtol=1e-3, atol=1e-3)
    assert (torch.from_numpy(best.by_token) == columns.indices)[9:].float().mean() > 0.98
    expected[:, list(left_out)] = torch.inf
    bottom = expected.topk(module.N_TOKENS, dim=-1, largest=False)
    torch.testing.assert_close(torch.from_numpy(best.suppressed_value), bottom.values, rtol=1e-3, atol=1e-3)


def test_the_length_of_a_decoder_row_does_not_matter():
    directions, W_dec = random_weights()
    one = logit_effects(prepare(directions, W_dec, VOCABULARY), W_dec, generator=seeded())
    scaled = W_dec * torch.linspace(0.1, 9, N_FEATURES)[:, None]
    other = logit_effects(prepare(directions, scaled, VOCABULARY), scaled, generator=seeded())
    torch.testing.assert_close(
        torch.from_numpy(one.promoted_value), torch.from_numpy(other.promoted_value), rtol=1e-3, atol=1e-3
    )


def test_a_token_with_a_long_row_is_on_no_list_by_that_alone():
    generator = torch.Generator().manual_seed(0)
    directions, W_dec = (torch.randn(n, WIDTH, generator=generator) for n in (D_VOCAB, 1000))
    directions[20] *= 4
    plain = (W_dec / W_dec.norm(dim=-1, keepdim=True)) @ (directions - directions.mean(0)).T
    assert plain.argmax(-1).eq(20).float().mean() > 0.3
    best = logit_effects(prepare(directions, W_dec, VOCABULARY), W_dec, generator=seeded())
    # Each of the other 57 tokens leads 1.7 % of the lists.
    assert (best.promoted[:, 0] == 20).mean() < 0.04


@pytest.mark.parametrize("n", [1, 3])
def test_features_of_one_direction_are_held_against_random_directions(n: int):
    directions, W_dec = random_weights()
    W_dec = W_dec[:1] * torch.arange(1, n + 1)[:, None]
    best = logit_effects(prepare(directions, W_dec, VOCABULARY), W_dec, generator=seeded())
    assert best.by_token.shape == (D_VOCAB, n)
    rows = directions - directions.mean(0)
    rows /= rows.norm(dim=-1, keepdim=True)
    expected = WIDTH**0.5 * (W_dec[:1] / W_dec[:1].norm()) @ rows.T
    expected[:, [5, 6, 7, 8]] = -torch.inf
    top = expected.topk(module.N_TOKENS, dim=-1)
    assert (torch.from_numpy(best.promoted) == top.indices).all()
    torch.testing.assert_close(torch.from_numpy(best.promoted_value[:1]), top.values, rtol=1e-3, atol=1e-3)
    assert best.chance == pytest.approx(3, abs=0.7)


def test_no_effects_are_empty_lists():
    assert no_effects(3, 5).promoted.shape == (3, 0)
    assert no_effects(3, 5).by_token.shape == (5, 0)


def test_random_rows_are_at_the_level_of_chance_and_aimed_ones_above():
    directions, W_dec = (torch.randn(n, 128, generator=torch.Generator().manual_seed(n)) for n in (3000, 800))
    vocabulary = Vocabulary((b"x",) * 3000, frozenset())
    unembedding = prepare(directions, W_dec, vocabulary)
    best = logit_effects(unembedding, W_dec, generator=seeded())
    assert (best.promoted_value[:, 0] > best.chance).mean() == pytest.approx(0.05, abs=0.03)
    aimed = logit_effects(unembedding, directions[:50] - directions.mean(0), generator=seeded())
    assert (aimed.promoted_value[:, 0] > best.chance).all()
