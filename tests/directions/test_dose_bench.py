"""What a bench measures of one dose, against the model run by hand; the whole response is in test_steer."""

import numpy as np
import pytest
import torch

from hooke.directions.dose_bench import DoseBench, Treatment
from hooke.directions.measures import distinct_pairs
from hooke.directions.response import Dose
from hooke.directions.steer_config import SteerConfig
from hooke.findings import share_interval
from hooke.models.edits import Add
from hooke.models.model import Model
from hooke.sites import Site
from hooke.text.windows import WindowConfig, Windows, windows
from tests.features.planted import planted_corpus, planted_model

SITE = Site("resid_post", 0)
CONFIG = SteerConfig(
    strengths=(1.0,), selection=("the stone", "of the water"), measurement=("the river", "stone and", "7 of"),
    prompt="the stone", max_tokens=4, n_continued=3,
)  # fmt: skip


@pytest.fixture(scope="module")
def model() -> Model:
    return planted_model()


@pytest.fixture(scope="module")
def text(model: Model) -> Windows:
    return next(windows(planted_corpus(), model.tokenizer, WindowConfig(context=16, batch=6)))


@pytest.fixture(scope="module")
def bench(model: Model, text: Windows) -> DoseBench:
    return DoseBench.open(model, SITE, text, CONFIG)


def edit_of(model: Model, strength: float) -> Add:
    vector = torch.zeros(model.d_model)
    vector[model.tokenizer.convert_tokens_to_ids("Ġbridge")] = 4.0
    return Add(site=str(SITE), vector=vector, scale=strength, positions="1:")


def treatment(model: Model, *, is_quick: bool) -> Treatment:
    step = edit_of(model, 1.0).vector
    assert isinstance(step, torch.Tensor)
    return Treatment(name="d", edits=lambda strength: (edit_of(model, strength),), step=step if is_quick else None)


def ids_of(model: Model, text: str) -> list[int]:
    return model.tokenizer.convert_tokens_to_ids(text.split())


def measured(bench: DoseBench, model: Model, strength: float, *, is_quick: bool = True) -> Dose:
    token = model.tokenizer.convert_tokens_to_ids("Ġbridge")
    chosen = treatment(model, is_quick=is_quick)
    (said,) = bench.continued([chosen.edits(strength)])
    return bench.measure(chosen, strength, [token], [token], said, np.random.default_rng(0))


@pytest.mark.parametrize("is_quick", [True, False])
def test_the_divergence_is_that_of_the_two_models(bench: DoseBench, model: Model, text: Windows, is_quick: bool):
    own = model.run(text.tokens, edits=[edit_of(model, 1.0)]).logits.log_softmax(-1)
    base = model.run(text.tokens).logits.log_softmax(-1)
    kl = (own.exp() * (own - base)).sum(-1)[:, :-1]
    counted = text.counted.clone()
    counted[:, :2] = False
    expected = np.mean([float(kl[row][counted[row, 1:]].mean()) for row in range(len(kl))])
    assert measured(bench, model, 1.0, is_quick=is_quick).kl.value == pytest.approx(expected, rel=1e-4)


def test_the_wrong_way_is_down_for_a_dose_up_and_up_for_a_dose_down(bench: DoseBench, model: Model):
    assert measured(bench, model, 1.0).wrong_way.value == 0
    against = measured(bench, model, -1.0)
    assert against.gain.value < 0
    assert against.wrong_way.value == 0
    # The model says each prompt's last word again; that loses what the pushed word gains.
    last = [model.tokenizer(one, add_special_tokens=False)["input_ids"][-1] for one in CONFIG.measurement]
    wrong = bench.measure(
        treatment(model, is_quick=True), 1.0, last, last, bench.base_said, np.random.default_rng(0)
    ).wrong_way
    assert wrong.value == 1
    assert wrong.interval == share_interval(1.0, 3)


def test_continuations_are_the_steered_models_and_their_pairs_are_counted(bench: DoseBench, model: Model):
    dose = measured(bench, model, 3.0)
    prompts = [CONFIG.prompt, *CONFIG.measurement[:2]]
    said = model.generate(prompts, edits=[edit_of(model, 3.0)], max_tokens=4)
    assert dose.continuation == said[0] == "Ġbridge Ġbridge Ġbridge Ġbridge"
    plain = model.generate(prompts, max_tokens=4)
    pairs = [np.mean([distinct_pairs(ids_of(model, text)) for text in texts]) for texts in (said, plain)]
    assert dose.distinct.value == pytest.approx(pairs[0])
    assert dose.distinct_change.value == pytest.approx(pairs[0] - pairs[1])


def test_the_dose_is_told_beside_the_streams_length(bench: DoseBench, model: Model, text: Windows):
    rows = model.run(text.tokens, capture=[SITE])[SITE][text.counted]
    for is_quick in (True, False):
        expected = 2.0 * 4.0 / float(rows.norm(dim=-1).median())
        assert measured(bench, model, -2.0, is_quick=is_quick).relative == pytest.approx(expected, rel=1e-4)
