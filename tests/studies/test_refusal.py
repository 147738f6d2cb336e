"""The study of refusal: its argument on the specimen, and its prompts for the real model."""

import pytest

from hooke.directions.refusal import choose
from hooke.findings import Finding
from hooke.models.model import Model
from hooke.specimens import build
from hooke.studies import refusal


def told(model: Model, name: str) -> dict[str, Finding]:
    sets, sorry = refusal.specimen_sets(model), refusal._tokens(model, (refusal.SORRY,))
    choice = choose(model, sets.fit, sets.validation, sorry, n_places=1)
    return {one.claim: one for one in refusal.tried(model, name, choice, sets, sorry)}


def test_on_the_specimen_the_direction_decides_and_random_ones_do_not():
    begins, says, out, put, strayed, said_out, said_put = told(build("gated-refusal").model, "it").values()
    assert (begins.value, begins.control) == (says.value, says.control) == (1, 0)
    assert out.value < -15
    assert out.n == 5
    assert put.value > 15
    assert strayed.value < 0.1
    for one in (out, put):
        assert one.control is not None
        assert abs(one.control) < abs(one.value) / 3
    assert (said_out.value, said_put.value) == (0, 1)
    assert (said_out.control, said_put.control) == (1, 0)


def test_on_a_model_without_one_only_that_is_said():
    found = told(build("gated-refusal").random, "it")
    assert list(found)[-1] == "it: share of candidates that pass the rule"
    assert len(found) == 3


def test_likeness_stands_beside_random_directions():
    specimen = build("gated-refusal")
    sets, sorry = refusal.specimen_sets(specimen.model), refusal._tokens(specimen.model, (refusal.SORRY,))
    choice = choose(specimen.model, sets.fit, sets.validation, sorry, n_places=1)
    found = refusal.likeness(specimen.model, choice, sets, specimen.directions[0].vector)
    assert found.interval[0] < found.value < found.interval[1]
    assert found.control is not None
    assert found.value > 2 * found.control > 0


@pytest.mark.slow
def test_topics_are_parted_and_the_template_ends_all_prompts_alike(real_model: Model):
    sets = refusal.real_sets(real_model)
    assert [len(one.ids) for part in (sets.fit, sets.validation, sets.test) for one in part] == [28, 28, 14, 14, 14, 14]
    assert [len(one.ids) for one in sets.every] == [56, 56]
    assert sets.groups[0] == sets.groups[1]
    ending = sets.fit[0].ids[0][: int(sets.fit[0].lengths[0])][-refusal.shared_ending(sets) :]
    assert real_model.tokenizer.decode(ending.tolist()) == "<|im_end|>\n<|im_start|>assistant\n"
    told_to = refusal.real_sets(real_model, refusal.SYSTEM)
    assert refusal.SYSTEM in real_model.tokenizer.decode(told_to.fit[0].ids[0].tolist())
