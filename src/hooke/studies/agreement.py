"""Subject and verb: is or are, by a noun that another one parts from its verb."""

from hooke.circuits.pairs import readable_pairs
from hooke.models.model import Model
from hooke.studies.evidence import Evidence, by_group, gather, transfer
from hooke.studies.graphs import graph_evidence
from hooke.text.tasks import agreement, task

ABOUT = "What carries the number of a noun past another noun to its verb, in the singular as in the plural?"
OTHER_WORDS = "Today the {noun} behind the {near}"


def study(model: Model, *, seed: int = 0) -> Evidence:
    """The circuit of plural subjects, tried on singular ones.

    Raises:
        BadRequest: the model's tokenizer fits none of the prompts.
        UnsupportedModel, HookeError: see `gather` and `graph_evidence`.
    """
    pairs, _ = readable_pairs(model, task("agreement").pairs())
    first, second = by_group(pairs, "plural")
    found = gather(model, "agreement", first, second, seed=seed)
    others, _ = readable_pairs(model, agreement(OTHER_WORDS))
    unrelated, _ = readable_pairs(model, task("two-hop").pairs())
    graphs = graph_evidence(
        model, first, second, found.handed_over, unrelated=unrelated, others={"in other words": others}, seed=seed
    )
    carried = transfer(model, found, first, "on the plural subjects that it was found on", seed=seed)
    return found.with_more(carried).with_graphs(graphs)
