"""Examples that say nearly the same: boilerplate, lists, one text in several copies.

Two examples are alike when, of the different tokens around their peaks, at least 70 % are in both (Jaccard index), with
case left out and all numbers taken as one. The strongest of them is kept.
"""

import re
from collections.abc import Sequence

from hooke.features.card import Example

BEFORE, AFTER = 10, 4
LEAST_SHARED = 0.7


def without_alike(examples: Sequence[Example]) -> list[tuple[Example, int]]:
    """The examples that say something new, each with how many were left out for it."""
    kept: list[tuple[Example, frozenset[str]]] = []
    n_alike: list[int] = []
    for example in examples:
        words = _around(example)
        twin = next((place for place, (_, other) in enumerate(kept) if words and _shared(words, other)), None)
        if twin is None:
            kept.append((example, words))
            n_alike.append(0)
        else:
            n_alike[twin] += 1
    return [(example, n) for (example, _), n in zip(kept, n_alike, strict=True)]


def _around(example: Example) -> frozenset[str]:
    near = example.tokens[max(0, example.peak - BEFORE) : example.peak + AFTER + 1]
    return frozenset(re.sub(r"\d+", "0", token.strip().casefold()) for token in near if token.strip())


def _shared(one: frozenset[str], other: frozenset[str]) -> bool:
    return bool(other) and len(one & other) >= LEAST_SHARED * len(one | other)
