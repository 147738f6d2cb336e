"""Persona vectors, with a judge that knows letters."""

import pytest
import torch

from hooke.directions.persona import PersonaConfig, Rollout, persona_direction
from hooke.directions.traits import Trait
from hooke.errors import BadConfig, BadRequest
from hooke.sites import parse_site
from tests.directions.talking import NOUNS, talking_model

SITES = [parse_site("resid_post.0"), parse_site("resid_post.1")]
TRAIT = Trait(
    name="letters",
    about="It has a letter in it.",
    instructions=(("Say it.", "Do not."),),
    questions=tuple(f"What is the {noun}?" for noun in NOUNS) + ("Who?",),
)
CONFIG = PersonaConfig(samples=8, max_tokens=6, n_controls=2)


class Letters:
    """An answer has the trait when one of its letters is in it: about half of what a random model says has it."""

    name = "letters"

    def __init__(self, letters: str = "aeio") -> None:
        self.letters = letters

    def score(self, question: str, answer: str) -> tuple[float, float]:
        return 100.0 * any(letter in answer for letter in self.letters), 90.0 if answer else 0.0


def test_what_sets_the_kept_answers_apart_is_the_vector() -> None:
    model = talking_model()
    found, rollouts = persona_direction(model, TRAIT, Letters(), SITES, name="letters", config=CONFIG)
    assert len(rollouts) == 2 * 3 * 2 * CONFIG.samples
    kept = [one for one in rollouts if one.is_kept]
    assert 0 < len(kept) < len(rollouts)
    assert all(("a" in one.answer or one.trait == (100.0 if set(one.answer) & set("eio") else 0.0)) for one in kept)
    telling, trait, coherence = found.findings
    assert telling.value > 0.6
    assert telling.control is not None
    assert (trait.n, coherence.n) == (3, 3)
    assert found.made.settings["answers"] == len(rollouts)
    again, _ = persona_direction(model, TRAIT, Letters(), SITES, name="letters", config=CONFIG)
    torch.testing.assert_close(again.vector, found.vector)


@pytest.mark.parametrize(
    ("side", "trait", "coherence", "is_kept"),
    [("for", 80.0, 80.0, True), ("for", 20.0, 80.0, False), ("against", 20.0, 80.0, True),
     ("against", 80.0, 80.0, False), ("for", 80.0, 20.0, False)],
)  # fmt: skip
def test_only_clear_and_coherent_answers_are_kept(side: str, trait: float, coherence: float, is_kept: bool) -> None:
    one = Rollout(side=side, question="", answer="", trait=trait, coherence=coherence)  # pyright: ignore
    assert one.is_kept == is_kept


def test_a_model_that_does_not_show_the_trait_is_refused() -> None:
    with pytest.raises(BadRequest, match="does not show 'letters' clearly"):
        persona_direction(talking_model(), TRAIT, Letters(""), SITES, name="letters", config=CONFIG)
    with pytest.raises(BadConfig, match="above 0"):
        PersonaConfig(samples=0)
