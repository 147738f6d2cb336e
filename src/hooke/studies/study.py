"""What a study returns, and the studies by name."""

from collections.abc import Callable
from dataclasses import dataclass

from hooke.errors import UnknownName, did_you_mean
from hooke.findings import Finding
from hooke.models.model import Model
from hooke.studies import two_hop


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """A question to a model."""

    about: str
    """The question, in one sentence."""
    run: Callable[..., list[Finding]]
    """Takes a model and a seed; what was found, in the order of the argument."""


STUDIES: dict[str, Study] = {"two-hop": Study(about=two_hop.ABOUT, run=two_hop.study)}


def run_study(name: str, model: Model, *, seed: int = 0) -> list[Finding]:
    """What a study finds on a model.

    Raises:
        UnknownName: there is no such study.
        BadRequest: the model's tokenizer fits none of its prompts.
    """
    if name not in STUDIES:
        raise UnknownName(f"No study '{name}'.", did_you_mean(name, STUDIES), f"There are: {', '.join(STUDIES)}.")
    return STUDIES[name].run(model, seed=seed)
