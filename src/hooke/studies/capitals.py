"""Factual recall: from a country to its capital, asked as a question and in other words."""

from hooke.circuits.pairs import readable_pairs
from hooke.models.model import Model
from hooke.studies.evidence import Evidence, gather, halves, said_first, transfer
from hooke.text.tasks import capitals, task

ABOUT = "What carries a country to the name of its capital, and does it serve other words for the question?"
OTHER_WORDS = "The capital city of {0} is called"


def study(model: Model, *, seed: int = 0) -> Evidence:
    """The circuit of the question form, and what it gives back where the same is asked in other words.

    Raises:
        BadRequest: the model's tokenizer fits none of the prompts.
        UnsupportedModel, HookeError: see `hooke.studies.evidence.gather`.
    """
    pairs, _ = readable_pairs(model, task("capitals").pairs())
    found = gather(model, "capitals", *halves(pairs, seed=seed), seed=seed)
    others, _ = readable_pairs(model, capitals(OTHER_WORDS))
    return found.with_more(
        said_first(model, others, about="in other words", seed=seed),
        transfer(model, found, others, "where the capital is asked for in other words", seed=seed),
    )
