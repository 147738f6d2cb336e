"""The tokens that edits make likelier, found by running the model: not by what a direction says to the unembedding.

Straight through the unembedding the largest effects are mostly on tokens that hardly ever occur, whose rows were
never trained. What the model says after neutral prompts is what steering will do to it.
"""

from collections.abc import Mapping, Sequence
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float
from torch import Tensor

from hooke.dictionaries import Dictionary
from hooke.directions.prompts import SELECTION
from hooke.models.edits import Edit, edits_to_json
from hooke.models.model import Model

_SMALLEST_RISE = 1e-4
_KEPT = 64
# What was found for a model, so that steering the same way again starts at once.
_KNOWN: WeakKeyDictionary[Model, dict[tuple[str, int], list[int]]] = WeakKeyDictionary()
_UNEDITED: WeakKeyDictionary[Model, Tensor] = WeakKeyDictionary()


def promoted_tokens(
    model: Model, edits: Sequence[Edit], dictionaries: Mapping[str, Dictionary], n: int = 10
) -> list[int]:
    """The tokens whose mean log-probability after the selection prompts rises most by these edits.

    They are chosen on other prompts than those that are steered, as in `hooke.directions.dose_bench`. Empty where the
    edits change nothing there, because they act on new tokens only, or where the model has no tokenizer.
    """
    if model.tokenizer is None or not edits:
        return []
    known = _KNOWN.setdefault(model, {})
    key = edits_to_json(edits), n
    if key not in known:
        if len(known) >= _KEPT:
            known.pop(next(iter(known)))
        known[key] = _promoted(model, edits, dictionaries, n)
    return list(known[key])


def _promoted(model: Model, edits: Sequence[Edit], dictionaries: Mapping[str, Dictionary], n: int) -> list[int]:
    if model not in _UNEDITED:
        _UNEDITED[model] = _after_selection(model, (), {})
    rises = (_after_selection(model, edits, dictionaries) - _UNEDITED[model]).mean(0)
    if not float(rises.abs().max()) > _SMALLEST_RISE:
        return []
    return rises.topk(min(n, len(rises))).indices.tolist()


def _after_selection(
    model: Model, edits: Sequence[Edit], dictionaries: Mapping[str, Dictionary]
) -> Float[Tensor, "prompt vocab"]:
    run = model.run(list(SELECTION), edits=edits, dictionaries=dictionaries.values())
    assert run.logits is not None
    rows = torch.arange(len(SELECTION), device=run.logits.device)
    return run.logits[rows, run.tokens.lengths - 1].float().log_softmax(-1).cpu()
