"""What was computed with a model and is asked for again: kept as long as the model is in memory."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from hooke.models.model import Model

T = TypeVar("T")
_MOST = 64
"""Answers of one model that are kept; the one not asked for longest goes first."""
_KEPT: WeakKeyDictionary[Model, OrderedDict[str, Any]] = WeakKeyDictionary()


def remembered(model: Model, key: str, compute: Callable[[], T]) -> T:
    """What `compute` returned for this model under this key, computed where it is not known.

    Only for the thread that runs models. What fails is not kept.
    """
    kept = _KEPT.setdefault(model, OrderedDict())
    if key not in kept:
        kept[key] = compute()
        if len(kept) > _MOST:
            kept.popitem(last=False)
    kept.move_to_end(key)
    return kept[key]
