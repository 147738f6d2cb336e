"""Factual recall: from a country to its capital, asked as a question and in other words."""

from hooke.circuits.pairs import readable_pairs
from hooke.models.model import Model
from hooke.studies.evidence import Evidence, gather, halves, said_first, transfer
from hooke.studies.graphs import graph_evidence
from hooke.text.tasks import capitals, task

ABOUT = "What carries a country to the name of its capital, and does it serve other words for the question?"
OTHER_WORDS = "The capital city of {0} is called"


def study(model: Model, *, seed: int = 0) -> Evidence:
    """The circuit of the question form, and what it gives back where the same is asked in other words.

    Raises:
        BadRequest: the model's tokenizer fits none of the prompts.
        UnsupportedModel, HookeError: see `gather` and `graph_evidence`.
    """
    pairs, _ = readable_pairs(model, task("capitals").pairs())
    first, second = halves(pairs, seed=seed)
    found = gather(model, "capitals", first, second, seed=seed)
    others, _ = readable_pairs(model, capitals(OTHER_WORDS))
    unrelated, _ = readable_pairs(model, task("agreement").pairs())
    graphs = graph_evidence(
        model, first, second, found.handed_over, unrelated=unrelated, others={"in other words": others}, seed=seed
    )
    return found.with_more(
        said_first(model, others, about="in other words", seed=seed),
        transfer(model, found, others, "where the capital is asked for in other words", seed=seed),
    ).with_graphs(graphs)
