"""Drafts: fetching, looking back and joining, as the specimens use them."""

import pytest
import torch

from hooke.models.model import Model
from hooke.specimens.drafts import AGAINST, BOTH, OF_BOTH, Draft, draft, spots
from hooke.specimens.weights import D_MLP, opened

WORDS = ("cat", "dog", "and", "yes", *(f"idle{number}" for number in range(12)))


def begun(*, places: bool = False) -> Draft:
    return draft(WORDS, ("yes",), {"found": 2, "before": len(WORDS)}, seed=0, places=places)


def run(made: Draft, words: str, capture: str) -> torch.Tensor:
    ids = torch.tensor([[0, *(WORDS.index(one) + 2 for one in words.split())]])
    return Model(opened(made.finished()), None, name="draft").run(ids, capture=[capture])[capture][0]


def test_a_fetching_head_finds_its_words_from_everywhere_and_rests_at_the_start():
    made = begun()
    made.fetch(1, 0, made.either(("cat", "dog")), made.each(("cat", "dog")), made.rows["found"])
    at = run(made, "and dog and", "resid_mid.1") @ made.rows["found"].float().T
    torch.testing.assert_close(at[2:, 1], torch.ones(2), atol=0.03, rtol=0)
    assert float(at[:2].abs().max()) < 1e-3
    assert float(at[:, 0].abs().max()) < 1e-3


def test_a_head_that_looks_back_moves_the_word_before():
    made = begun(places=True)
    made.look_back(0, 0, made.each(WORDS), made.rows["before"])
    at = run(made, "cat dog and", "resid_mid.0") @ made.rows["before"].float().T
    assert at[2:].argmax(-1).tolist() == [0, 1]
    assert float(at[1].abs().max()) < 1e-3, "before the first word stands no word"


def test_a_neuron_of_two_inputs_needs_both_and_one_against_is_enough():
    made, (cat, dog) = begun(), begun().each(("cat", "dog"))
    made.fetch(1, 0, made.word["dog"], made.word["dog"][None], made.rows["found"][:1])
    fetched = made.rows["found"][0]
    made.neuron(1, 5, cat + fetched, made.said["yes"], BOTH)
    made.neuron(1, 6, cat - AGAINST * fetched, made.said["yes"])
    fired = run(made, "cat dog cat dog", "neurons.1")
    assert fired[:, 5].tolist() == pytest.approx([0, 0, 0, OF_BOTH, 0], abs=0.05)
    assert fired[:, 6].tolist() == pytest.approx([0, 1, 0, 0, 0], abs=0.05)
    assert float(dog @ cat) == pytest.approx(0, abs=1e-9)
    assert (made.heads, made.neurons) == ({(1, 0)}, {(1, 5), (1, 6)})


def test_the_twins_spots_are_others_and_a_seed_gives_the_same():
    mine, twins = (
        spots([["a", "b"]], [["a", "c"]], seed=3, twin=False),
        spots([["a", "b"]], [["a", "c"]], seed=3, twin=True),
    )
    assert (list(mine[0]), list(twins[0])) == (["a", "b"], ["a", "c"])
    found = [*mine[0].values(), *twins[0].values()]
    assert len(set(found)) == 4
    assert max(found) < D_MLP
    assert spots([["a", "b"]], [["a", "c"]], seed=3, twin=False) == mine
