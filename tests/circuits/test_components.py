"""A model run part by part gives what it gives as a whole, and every receiver can be given its own input."""

import pytest
import torch

from hooke.circuits.components import open_batch, open_components, run_plainly, run_weighted
from hooke.circuits.pairs import open_pairs
from hooke.errors import UnsupportedModel
from hooke.models.model import Tokens
from hooke.specimens import SPECIMENS, build
from tests.models.tiny import ARCHITECTURES, tiny_model

PARTED = [name for name in ARCHITECTURES if name not in ("falcon", "olmo2")]


def padded_tokens() -> tuple[Tokens, Tokens]:
    """Two prompts of unequal length, and two others as long."""
    clean = torch.arange(14).reshape(2, 7) * 3 + 4
    corrupted = clean.clone()
    corrupted[:, 2] += 1
    mask = torch.ones_like(clean, dtype=torch.bool)
    mask[1, -2:] = False
    return Tokens(clean, mask), Tokens(corrupted, mask)


@pytest.mark.parametrize("architecture", PARTED)
def test_all_edges_give_the_clean_run_and_none_the_corrupted(architecture: str):
    model = tiny_model(architecture)
    components = open_components(model)
    clean, corrupted = padded_tokens()
    batch, base = open_batch(components, clean), run_plainly(components, open_batch(components, corrupted))
    last = f"resid_post.{model.n_layers - 1}"
    for share, tokens in ((1.0, clean), (0.0, corrupted)):
        with torch.no_grad():
            found = run_weighted(components, batch, base, components.graph.exists * share)
        whole = model.run(tokens, capture=[last], logits=False)[last]
        torch.testing.assert_close(found[tokens.mask], whole[tokens.mask], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "qwen3"])
def test_each_head_of_a_group_reads_its_own_keys_and_values(architecture: str):
    model = tiny_model(architecture)
    components = open_components(model)
    clean, corrupted = padded_tokens()
    batch, base = open_batch(components, clean), run_plainly(components, open_batch(components, corrupted))
    graph = components.graph

    def final(edges: list[str]) -> torch.Tensor:
        with torch.no_grad():
            return run_weighted(components, batch, base, graph.mask(edges).float())[:, -1]

    # Heads 0 and 1 share keys and values where there are groups; what one reads is nothing to the other.
    alone = final(["input->a1.h0<v>", "a1.h0->logits"])
    both = final(["input->a1.h0<v>", "a1.h0->logits", "input->a1.h1<v>"])
    torch.testing.assert_close(both, alone, rtol=1e-5, atol=1e-6)
    assert (alone - base.final[:, -1]).norm() > 1e-3 * base.final[:, -1].norm()


def test_gradients_are_those_of_a_run_without_them():
    model = tiny_model("llama")
    components = open_components(model)
    clean, corrupted = padded_tokens()
    batch, base = open_batch(components, clean), run_plainly(components, open_batch(components, corrupted))
    weights = (components.graph.exists * 0.7).requires_grad_()
    soft = run_weighted(components, batch, base, weights)
    with torch.no_grad():
        torch.testing.assert_close(soft, run_weighted(components, batch, base, weights), rtol=1e-4, atol=1e-5)
    edge = components.graph.places("m0->a2.h1<k>")
    (slopes,) = torch.autograd.grad(soft[0, 6].sum(), weights)
    step = torch.zeros_like(weights)
    step[edge] = 1e-2
    with torch.no_grad():
        up, down = (run_weighted(components, batch, base, weights + sign * step)[0, 6].sum() for sign in (1, -1))
    assert float(slopes[edge]) == pytest.approx(float(up - down) / 2e-2, rel=0.02, abs=1e-3)


def test_half_precision_is_refused():
    model = tiny_model("llama")
    model.hf.to(torch.bfloat16)
    with pytest.raises(UnsupportedModel, match="loaded in bfloat16"):
        open_components(model)


@pytest.mark.parametrize("name", list(SPECIMENS))
def test_the_planted_edges_alone_answer_and_all_others_do_not(name: str):
    specimen = build(name)
    pairs = open_pairs(specimen.model, specimen.pairs)
    components = open_components(specimen.model)
    batch = open_batch(components, pairs.clean)
    base = run_plainly(components, open_batch(components, pairs.corrupted))
    circuit = components.graph.mask(specimen.circuit)
    with torch.no_grad():
        finals = {
            kept: run_weighted(components, batch, base, (mask & components.graph.exists).float())
            for kept, mask in (("all", ~torch.zeros_like(circuit)), ("planted", circuit), ("others", ~circuit))
        }
        found = {
            kept: float(pairs.judge(pairs.last(specimen.model.unembed(final))).mean())
            for kept, final in (finals | {"none": base.final}).items()
        }
    whole = found["all"] - found["none"]
    assert (found["planted"] - found["none"]) / whole == pytest.approx(1, abs=0.05)
    assert (found["others"] - found["none"]) / whole == pytest.approx(0, abs=0.05)
