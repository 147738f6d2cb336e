"""Indirect object: who is given something, with the two names in one order and in the other."""

from hooke.circuits.pairs import readable_pairs
from hooke.models.model import Model
from hooke.studies.evidence import Evidence, by_group, gather, transfer
from hooke.studies.graphs import graph_evidence
from hooke.text.tasks import indirect_object, task

ABOUT = "Which heads say who is given something, and are they the same when the names change their order?"
OTHER_WORDS = "After {first} and {second} came to the {place}, {who} handed a {thing} to"


def study(model: Model, *, seed: int = 0) -> Evidence:
    """The circuit of one order of the names, tried on the other order.

    Raises:
        BadRequest: the model's tokenizer fits none of the prompts.
        UnsupportedModel, HookeError: see `gather` and `graph_evidence`.
    """
    pairs, _ = readable_pairs(model, task("indirect-object").pairs())
    first, second = by_group(pairs, "ABBA")
    found = gather(model, "indirect-object", first, second, seed=seed)
    others, _ = readable_pairs(model, indirect_object(OTHER_WORDS))
    unrelated, _ = readable_pairs(model, task("agreement").pairs())
    graphs = graph_evidence(
        model, first, second, found.handed_over, unrelated=unrelated, others={"in other words": others}, seed=seed
    )
    carried = transfer(model, found, first, "on the order that it was found on", seed=seed)
    return found.with_more(carried).with_graphs(graphs)
