"""Indirect object: who is given something, with the two names in one order and in the other."""

from hooke.circuits.pairs import readable_pairs
from hooke.models.model import Model
from hooke.studies.evidence import Evidence, by_group, gather, transfer
from hooke.text.tasks import task

ABOUT = "Which heads say who is given something, and are they the same when the names change their order?"


def study(model: Model, *, seed: int = 0) -> Evidence:
    """The circuit of one order of the names, tried on the other order.

    Raises:
        BadRequest: the model's tokenizer fits none of the prompts.
        UnsupportedModel, HookeError: see `hooke.studies.evidence.gather`.
    """
    pairs, _ = readable_pairs(model, task("indirect-object").pairs())
    first, second = by_group(pairs, "ABBA")
    found = gather(model, "indirect-object", first, second, seed=seed)
    return found.with_more(transfer(model, found, first, "on the order that it was found on", seed=seed))
