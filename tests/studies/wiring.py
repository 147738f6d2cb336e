"""What a study gives to the common measurements, without measuring."""

from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest

from hooke.circuits.pairs import Pairs
from hooke.models.model import Model


@dataclass
class Given:
    """Stands in for the evidence of a study."""

    name: str
    first: Pairs
    second: Pairs
    more: list[Any] = field(default_factory=list)
    tried: list[tuple[str, Pairs]] = field(default_factory=list)

    def with_more(self, *findings: Any) -> "Given":
        self.more += findings
        return self


def given_by(monkeypatch: pytest.MonkeyPatch, module: ModuleType, model: Model) -> Given:
    """The sets of pairs that a study finds and tries its circuit on, and those that it is carried over to."""
    tried: list[tuple[str, Pairs]] = []

    def gather(_: Model, name: str, first: Pairs, second: Pairs, *, seed: int = 0) -> Given:
        assert seed == 3
        return Given(name, first, second, tried=tried)

    def transfer(_: Model, evidence: Given, pairs: Pairs, about: str, *, seed: int = 0) -> str:
        assert seed == 3
        evidence.tried.append((about, pairs))
        return about

    for name, stand_in in (("gather", gather), ("transfer", transfer)):
        monkeypatch.setattr(module, name, stand_in, raising=False)
    found = module.study(model, seed=3)
    assert isinstance(found, Given)
    return found


def prompts(pairs: Pairs) -> set[str]:
    return {one.clean for one in pairs.pairs}


def require_apart(found: Given, n: int) -> None:
    """Nothing is tried on the pairs that it was found on, and there are enough of both."""
    both = [{(one.clean, one.corrupted) for one in some.pairs} for some in (found.first, found.second)]
    assert not both[0] & both[1]
    assert len(both[0] | both[1]) >= n
