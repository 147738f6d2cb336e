"""The two-hop study: its argument on the real model, on a few of its prompts, and what it stands on."""

import pytest

from hooke.models.model import Model
from hooke.studies import two_hop
from hooke.text.pairs import PromptPair
from hooke.text.tasks import CITIES, Task, task


def test_every_language_has_its_country():
    assert set(two_hop.COUNTRIES) == set(CITIES.values())


def test_prompts_are_those_of_the_task():
    for pair in task("two-hop").pairs():
        city, other = (two_hop._city(prompt) for prompt in (pair.clean, pair.corrupted))
        assert pair.answers == (f" {CITIES[city]}",)
        assert pair.wrong == (f" {CITIES[other]}",)


@pytest.mark.slow
def test_one_head_carries_what_a_country_in_the_citys_place_says_as_well(
    real_model: Model, monkeypatch: pytest.MonkeyPatch
):
    def few() -> list[PromptPair]:
        return [pair for pair in task("two-hop").pairs() if "Tokyo" in pair.clean or "Madrid" in pair.clean]

    monkeypatch.setattr(two_hop, "task", lambda _: Task(about="", metric="logit", pairs=few))
    monkeypatch.setattr(two_hop, "two_hop_language", lambda _: few())
    evidence = two_hop.study(real_model)
    assert evidence.graphs is not None
    assert 4 <= evidence.graphs.n_graphs <= 2 * len(few())
    assert evidence.graphs.refused == ()
    found = {one.claim: one for one in evidence.findings}
    for head in ("head 23.4, denoising", "head 23.4, noising"):
        control = found[head].control
        assert control is not None
        assert abs(control) < 0.3 < 0.6 < found[head].value
    given = [one for claim, one in found.items() if claim.startswith("Given back")]
    assert given
    for one in given:
        assert one.control is not None
        assert one.value > one.control + 0.3
    carried = [one for claim, one in found.items() if "its country in the same place" in claim]
    assert len(carried) == 3
    for one in carried:
        assert one.value > 0.8
        assert one.control is not None
        assert one.control < 0.75
    assert found["A right answer comes first of all tokens"].value > 0.6
