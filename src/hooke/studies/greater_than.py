"""Greater than: a span of years ends later than it begins (after Hanna et al. 2023)."""

from hooke.circuits.pairs import readable_pairs
from hooke.models.model import Model
from hooke.studies.evidence import Evidence, gather, halves, transfer
from hooke.studies.graphs import graph_evidence
from hooke.text.tasks import greater_than, task

ABOUT = "What makes the year in which something ends later than the year in which it began?"
OTHER_WORDS = "From 17{years} the {event} went on until 17"


def study(model: Model, *, seed: int = 0) -> Evidence:
    """The circuit of half of the spans, tried on the others, and on other words.

    Raises:
        BadRequest: the model's tokenizer fits none of the prompts.
        UnsupportedModel, HookeError: see `gather` and `graph_evidence`.
    """
    pairs, _ = readable_pairs(model, task("greater-than").pairs(), metric="probability")
    first, second = halves(pairs, seed=seed)
    found = gather(model, "greater-than", first, second, seed=seed)
    others, _ = readable_pairs(model, greater_than(OTHER_WORDS), metric="probability")
    unrelated, _ = readable_pairs(model, task("agreement").pairs())
    graphs = graph_evidence(
        model, first, second, found.handed_over, unrelated=unrelated, others={"in other words": others}, seed=seed
    )
    carried = transfer(model, found, others, "where the span is told in other words", seed=seed)
    return found.with_more(carried).with_graphs(graphs)
