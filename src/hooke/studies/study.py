"""What a study returns, and the studies by name."""

from collections.abc import Callable
from dataclasses import dataclass

from hooke.errors import UnknownName, did_you_mean
from hooke.models.model import Model
from hooke.studies import (
    agreement,
    capitals,
    greater_than,
    indirect_object,
    induction,
    opinion,
    refusal,
    sycophancy,
    two_hop,
)
from hooke.studies.account import Account
from hooke.studies.evidence import Evidence


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """A question to a model."""

    about: str
    """The question, in one sentence."""
    run: Callable[..., Evidence | Account]
    """Takes a model and a seed. Evidence of a circuit that was traced, or an account of what edits do."""


STUDIES: dict[str, Study] = {
    name: Study(about=module.ABOUT, run=module.study)
    for name, module in (
        ("capitals", capitals),
        ("indirect-object", indirect_object),
        ("induction", induction),
        ("greater-than", greater_than),
        ("agreement", agreement),
        ("two-hop", two_hop),
        ("opinion", opinion),
        ("refusal", refusal),
        ("sycophancy", sycophancy),
    )
}


def run_study(name: str, model: Model, *, seed: int = 0) -> Evidence | Account:
    """What a study finds on a model.

    Raises:
        UnknownName: there is no such study.
        BadRequest: the model's tokenizer fits none of its prompts.
    """
    if name not in STUDIES:
        raise UnknownName(f"No study '{name}'.", did_you_mean(name, STUDIES), f"There are: {', '.join(STUDIES)}.")
    return STUDIES[name].run(model, seed=seed)
