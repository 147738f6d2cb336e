"""What can be explained: tokens, differences, directions; and what is said of words that are no token."""

import pytest
import torch

from hooke.circuits.frozen import freeze
from hooke.circuits.targets import (
    Answers,
    Probe,
    answers_target,
    difference_target,
    one_token,
    parse_target,
    probe_target,
    token_target,
    top_logits,
)
from hooke.circuits.trace import trace
from hooke.errors import BadRequest, ShapeMismatch
from tests.models.tiny import tiny_model

PROMPT = torch.arange(7)[None] * 5 + 3
FROZEN = freeze(tiny_model(), PROMPT)
LOGITS = FROZEN.logits[-1]


def test_a_tokens_logit_is_measured_from_the_mean():
    target = token_target(FROZEN, 17)
    assert target.value == pytest.approx(float(LOGITS[17] - LOGITS.mean()), abs=1e-4)


def test_a_difference_is_the_models_own():
    assert difference_target(FROZEN, 17, 4).value == pytest.approx(float(LOGITS[17] - LOGITS[4]), abs=1e-4)
    assert parse_target(FROZEN, "#17 - #4").tokens == (17, 4)


def test_answers_are_the_mean_logit_of_each_side():
    target = answers_target(FROZEN, Answers((17, 3), (4,)))
    assert target.value == pytest.approx(float(LOGITS[[17, 3]].mean() - LOGITS[4]), abs=1e-4)
    assert target.tokens == ()
    assert answers_target(FROZEN, Answers((17,), (4,))).tokens == (17, 4)
    graph = trace(tiny_model(), "neurons", PROMPT, targets=[Answers((17, 3), (4,))])
    assert graph.measures["is_conserved"]
    with pytest.raises(BadRequest, match="no token"):
        answers_target(FROZEN, Answers((17,), ()))


def test_the_most_probable_reach_the_mass():
    targets = top_logits(FROZEN, mass=0.5, at_most=50)
    weights = [target.weight for target in targets]
    assert weights == sorted(weights, reverse=True)
    assert sum(weights) >= 0.5 > sum(weights[:-1])


@pytest.mark.parametrize("site", ["resid_pre.1", "resid_mid.1", "resid_post.0", "resid_post.2"])
def test_a_direction_is_traced_to_its_reading(site: str):
    vector = torch.linspace(-1, 1, 32)
    target = probe_target(FROZEN, Probe("probe", site, vector, position=-2))
    graph = trace(tiny_model(), "neurons", PROMPT, targets=[target])
    assert graph.nodes[graph.targets[0]].value == pytest.approx(target.value)
    assert graph.measures["conservation_error"] <= 1e-4


def test_what_is_no_direction_of_a_stream_is_refused():
    with pytest.raises(BadRequest, match=r"q\.0"):
        probe_target(FROZEN, Probe("probe", "q.0", torch.ones(32), position=0))
    with pytest.raises(ShapeMismatch, match="width 32"):
        probe_target(FROZEN, Probe("probe", "resid_post.0", torch.ones(8), position=0))
    with pytest.raises(BadRequest, match="position 7"):
        probe_target(FROZEN, Probe("probe", "resid_post.0", torch.ones(32), position=7))


def test_words_that_are_no_token_are_refused():
    assert one_token(FROZEN, "#5") == 5
    with pytest.raises(BadRequest, match="#999"):
        one_token(FROZEN, "#999")
    with pytest.raises(BadRequest, match="no tokenizer"):
        one_token(FROZEN, "Paris")
