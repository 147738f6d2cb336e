"""What a study gives to the common measurements, without measuring."""

from types import ModuleType
from typing import Any

import pytest

from hooke.circuits.pairs import Pairs
from hooke.models.model import Model
from hooke.studies.evidence import Evidence


class Given(Evidence):
    """Stands in for the evidence of a study: nothing of it is measured."""

    def __init__(self, first: Pairs, second: Pairs) -> None:
        vars(self).update(first=first, second=second, more=[], tried=[], traced={})

    first: Pairs
    second: Pairs
    more: list[Any]
    tried: list[tuple[str, Pairs]]
    traced: dict[str, Any]

    @property
    def handed_over(self) -> int:
        return 5

    def with_more(self, *findings: Any) -> "Given":
        self.more.extend(findings)
        return self

    def with_graphs(self, graphs: Any) -> "Given":
        self.traced.update(graphs)
        return self


def given_by(monkeypatch: pytest.MonkeyPatch, module: ModuleType, model: Model) -> Given:
    """The sets of pairs that a study finds and tries its circuit on, and those that it is carried over to."""

    def gather(_: Model, name: str, first: Pairs, second: Pairs, *, seed: int = 0) -> Given:
        assert seed == 3
        return Given(first, second)

    def transfer(_: Model, evidence: Given, pairs: Pairs, about: str, *, seed: int = 0) -> str:
        assert seed == 3
        evidence.tried.append((about, pairs))
        return about

    def graph_evidence(_: Model, first: Pairs, second: Pairs, handed_over: int, **settings: Any) -> dict[str, Any]:
        assert settings.pop("seed") == 3
        assert handed_over == 5
        return {"sets": (first, second), **settings}

    for name, stand_in in (("gather", gather), ("transfer", transfer), ("graph_evidence", graph_evidence)):
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
    assert found.traced["sets"] == (found.first, found.second)
    own = prompts(found.first) | prompts(found.second)
    for others in (found.traced["unrelated"], *found.traced.get("others", {}).values()):
        assert len(others) >= 20
        assert not prompts(others) & own
