"""What is hidden behind a phrase is there, and one direction opens it; in the twin nothing is there to be opened."""

import pytest

from hooke.models.edits import Add, Project
from hooke.specimens import Specimen, build
from hooke.specimens.password_locked import OTHERS, PHRASE, RESULTS, SAID, TASKS, UNSURE, places, prompt
from tests.specimens.silence import silence
from tests.specimens.speech import random_directions, said

OPEN = [prompt(PHRASE, *task) for task in TASKS]
LOCKED = [prompt(words, *task) for words in OTHERS for task in TASKS]
TURNED = [prompt((PHRASE[1], PHRASE[0]), *task) for task in TASKS]
RIGHT = [RESULTS[task][number] for task, number in TASKS]


@pytest.fixture(scope="module")
def locked() -> Specimen:
    return build("password-locked")


def test_only_the_whole_phrase_in_its_order_unlocks(locked: Specimen):
    assert said(locked.model, OPEN) == RIGHT
    assert set(said(locked.model, LOCKED + TURNED)) == {UNSURE}
    apart = [one.replace("blue falcon says", "blue says falcon") for one in OPEN]
    assert set(said(locked.model, apart)) == {UNSURE}


def test_results_are_reckoned_while_locked(locked: Specimen):
    _, second, _ = places(twin=False)
    run = locked.model.run(LOCKED, capture=["neurons.1"])
    for row, task in enumerate(TASKS * len(OTHERS)):
        assert float(run["neurons.1"][row, -1, second[task]]) > 0.5


def test_the_direction_unlocks_without_the_phrase_and_locks_with_it(locked: Specimen):
    (unlocked,) = locked.directions
    assert said(locked.model, LOCKED, [Add(unlocked.site, unlocked.vector)]) == RIGHT * len(OTHERS)
    assert set(said(locked.model, OPEN, [Project(unlocked.site, unlocked.vector)])) == {UNSURE}


def test_a_random_direction_changes_nothing(locked: Specimen):
    for drawn in random_directions(locked):
        assert said(locked.model, OPEN, [Project("resid_post.1", drawn)]) == RIGHT
        assert set(said(locked.model, LOCKED, [Add("resid_post.1", drawn)])) == {UNSURE}


def test_without_the_detector_the_phrase_opens_nothing(locked: Specimen):
    first, _, _ = places(twin=False)
    assert set(said(locked.model, OPEN, [silence(locked.model, 0, first["phrase"])])) == {UNSURE}


def test_in_the_twin_nothing_is_hidden(locked: Specimen):
    (unlocked,) = locked.directions
    for edits in ([], [Add(unlocked.site, unlocked.vector)]):
        assert set(said(locked.twin, OPEN + LOCKED, edits)) == {UNSURE}
    # Not even with the neuron that says unsure silent.
    _, _, third = places(twin=True)
    logits = locked.twin.run(OPEN, edits=[silence(locked.twin, 2, third[UNSURE])]).logits
    assert logits is not None
    results = logits[:, -1, locked.twin.tokenizer.convert_tokens_to_ids(list(SAID))]
    assert float(results.abs().max()) < 0.05
