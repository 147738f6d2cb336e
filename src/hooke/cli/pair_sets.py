"""Sets of prompt pairs on the command line: a task by name, or a file."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hooke.errors import BadRequest

if TYPE_CHECKING:
    from hooke.circuits.pairs import Pairs
    from hooke.models.model import Model
    from hooke.text.pairs import PromptPair


@dataclass(frozen=True, slots=True)
class PairSet:
    """What was asked for, not yet read by a model."""

    name: str
    pairs: "list[PromptPair]"
    metric: str


def chosen_pairs(task: str | None, file: Path | None, metric: str | None) -> PairSet:
    """The pairs of a task or of a file; the metric is the task's own, else logit, unless given.

    Raises:
        BadRequest: both or neither are given, there is no such task, or the file holds no pairs.
    """
    from hooke.text.pairs import read_pairs
    from hooke.text.tasks import task as named

    if task is not None and file is None:
        own = named(task)
        return PairSet(task, own.pairs(), metric or own.metric)
    if file is not None and task is None:
        return PairSet(str(file), read_pairs(file), metric or "logit")
    raise BadRequest("Pairs of prompts are needed.", "", "Give either --task NAME or --pairs FILE.")


def readable_pairs_of(model: "Model", given: PairSet) -> "tuple[Pairs, list[str]]":
    """The pairs that fit a model's tokenizer, and why each of the others does not.

    Raises:
        BadRequest: none fits.
    """
    from hooke.circuits.pairs import readable_pairs

    return readable_pairs(model, given.pairs, metric=given.metric)
