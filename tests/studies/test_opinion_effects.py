"""How opinions are asked about and measured."""

import numpy as np
import pytest
import torch

from hooke.models.model import Model
from hooke.models.split import split_run
from hooke.sites import Site
from hooke.specimens import build
from hooke.studies.changes import Added
from hooke.studies.opinion_effects import Asked, Ordinary, asked, chat_tokens, furthest, told
from hooke.text.stated_opinions import DIRECT, QUESTIONS, WORDINGS


def test_gaps_are_differences_of_log_probabilities():
    model = build("sycophancy").model
    run = split_run(model, [one.clean for one in build("sycophancy").pairs[:4]], Site("resid_post", 1))
    logits = model.run(run.tokens, capture=["logits"], positions=[-1])["logits"][:, 0]
    found = Asked(run, (5, 6, 7, 8), (9, 9, 9, 9))
    expected = logits[range(4), [5, 6, 7, 8]] - logits[range(4), [9, 9, 9, 9]]
    assert np.allclose(found.gaps(), expected.double().numpy(), atol=1e-3)
    assert np.allclose(found.moved(Added(torch.zeros(run.value.shape[-1]))), 0, atol=1e-4)


def test_topics_weigh_alike_and_are_what_is_counted():
    values, topics = np.array([1.0, 1.0, 1.0, 5.0]), ["a", "a", "a", "b"]
    found = told("", values, -values, "", topics, 0)
    assert (found.value, found.control, found.n) == (3.0, -3.0, 2)
    assert "4 questions of 2 topics" in found.method


def test_the_furthest_control_is_the_furthest_either_way():
    assert furthest([np.array([1.0, 1.0]), np.array([-3.0, 0.0])]).tolist() == [-3.0, 0.0]


@pytest.mark.slow
def test_a_wrong_opinion_wins_over_what_the_model_knows_in_chat_too(real_model: Model):
    questions = QUESTIONS[::10]
    site = Site("resid_post", 24)
    for is_chat in (False, True):
        alone, wrong = (
            asked(real_model, questions, wording, opinion, site, is_chat=is_chat)
            for wording, opinion in (("{asked}", ""), (WORDINGS[DIRECT], "wrong"))
        )
        assert (alone.gaps() > 0).mean() > 0.6
        assert wrong.gaps().mean() < alone.gaps().mean() - 1.5
    tokens = chat_tokens(real_model, ["Why?", "Why is it so?"])
    said = real_model.tokenizer.decode(tokens.ids[0, : tokens.lengths[0]])
    assert said.startswith("<|im_start|>system\nAnswer with one word.")
    assert said.endswith("Why?<|im_end|>\n<|im_start|>assistant\nAnswer:")
    ordinary = Ordinary(real_model, site)
    assert np.allclose(ordinary.moved(Added(torch.zeros(real_model.d_model))), 0, atol=1e-4)
    assert ordinary.moved(Added(torch.full((real_model.d_model,), ordinary.length()))).min() > 0.5
