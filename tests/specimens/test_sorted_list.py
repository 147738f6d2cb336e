"""The sorted-list specimen sorts any list, and its twin has the order turned round."""

import random

import pytest
import torch

from hooke.models.model import Model
from hooke.specimens import Specimen, build
from hooke.specimens.sorted_list import N_NUMBERS, places, prompt_of, scores


@pytest.fixture(scope="module")
def sorted_list() -> Specimen:
    return build("sorted-list")


def said(model: Model, prompts: list[str]) -> list[int]:
    run = model.run(prompts)
    assert run.logits is not None
    best = run.logits[torch.arange(len(prompts)), run.tokens.lengths - 1].argmax(-1)
    return [int(word) for word in model.tokenizer.convert_ids_to_tokens(best.tolist())]


def test_any_list_is_sorted_to_its_end(sorted_list: Specimen):
    drawn = random.Random(1)
    lists = [drawn.sample(range(1, N_NUMBERS + 1), drawn.randint(1, N_NUMBERS)) for _ in range(100)]
    asked = [(numbers, n_done) for numbers in lists for n_done in range(len(numbers))]
    answers = said(sorted_list.model, [prompt_of(*one) for one in asked])
    assert answers == [sorted(numbers)[n_done] for numbers, n_done in asked]


def test_the_head_looks_for_the_next_and_rests_when_all_is_sorted(sorted_list: Specimen):
    pattern = sorted_list.model.run("7 2 9 sorted 2", capture=["pattern.1"])["pattern.1"][0, 0]
    assert float(pattern[4, 2]) > 0.99, "the first is 2"
    assert float(pattern[5, 1]) > 0.99, "then 7"
    done = sorted_list.model.run("7 2 9 sorted 2 7 9", capture=["pattern.1"])["pattern.1"][0, 0]
    assert float(done[7, 0]) > 0.99


def test_scores_are_higher_the_nearer_above():
    found = scores()
    for word in range(N_NUMBERS + 1):
        assert float(found[word, :word].abs().sum()) == 0
        assert bool((found[word, word:].diff() < 0).all())
        assert float(found[word, word:].min() if word < N_NUMBERS else 1) > 0


def test_the_twin_looks_downwards(sorted_list: Specimen):
    assert said(sorted_list.twin, ["7 2 9 4 sorted", "7 2 9 4 sorted 2 4"]) == [9, 2]
    answers = said(sorted_list.twin, list(sorted_list.prompts))
    assert all(str(one) != answer for one, answer in zip(answers, sorted_list.answers, strict=True))


def test_the_twins_neurons_are_others():
    mine, twins = places(twin=False), places(twin=True)
    assert len({*mine.naming, *twins.naming}) == len({*mine.saying, *twins.saying}) == 2 * N_NUMBERS


def test_pairs_differ_in_one_number(sorted_list: Specimen):
    for pair in sorted_list.pairs:
        changed = [a != b for a, b in zip(pair.clean.split(), pair.corrupted.split(), strict=True)]
        assert sum(changed) == 1
        assert changed[-1] == (pair.group == "last number")
        assert [str(one) for one in said(sorted_list.model, [pair.clean, pair.corrupted])] == [
            *pair.answers,
            *pair.wrong,
        ]
