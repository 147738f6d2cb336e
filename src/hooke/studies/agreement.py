"""Subject and verb: is or are, by a noun that another one parts from its verb."""

from hooke.circuits.pairs import readable_pairs
from hooke.models.model import Model
from hooke.studies.evidence import Evidence, by_group, gather, transfer
from hooke.text.tasks import task

ABOUT = "What carries the number of a noun past another noun to its verb, in the singular as in the plural?"


def study(model: Model, *, seed: int = 0) -> Evidence:
    """The circuit of plural subjects, tried on singular ones.

    Raises:
        BadRequest: the model's tokenizer fits none of the prompts.
        UnsupportedModel, HookeError: see `hooke.studies.evidence.gather`.
    """
    pairs, _ = readable_pairs(model, task("agreement").pairs())
    first, second = by_group(pairs, "plural")
    found = gather(model, "agreement", first, second, seed=seed)
    return found.with_more(transfer(model, found, first, "on the plural subjects that it was found on", seed=seed))
