"""Core scores by SAEBench's definitions, each worked out by hand on the planted world."""

from dataclasses import replace

import pytest
import torch

from hooke.dictionaries import Dictionary
from hooke.errors import BadRequest
from hooke.evaluate.core_scores import CoreScores, core_scores
from hooke.evaluate.quality import Subject
from hooke.models.edits import Patch
from hooke.models.model import Model
from hooke.text.windows import WindowConfig, Windows, windows
from tests.features.planted import SITE, planted_corpus, planted_dictionary, planted_model


@pytest.fixture(scope="module")
def model() -> Model:
    return planted_model()


@pytest.fixture(scope="module")
def batches(model: Model) -> list[Windows]:
    return list(windows(planted_corpus(), model.tokenizer, WindowConfig(context=32, batch=3), stop=6))


@pytest.fixture(scope="module")
def found(model: Model, batches: list[Windows]) -> CoreScores:
    return core_scores(Subject("planted", planted_dictionary(model), model), batches)


def read(model: Model, batch: Windows) -> torch.Tensor:
    return model.run(batch.tokens, capture=[SITE])[SITE][batch.counted].double()


def test_reconstruction_is_told_as_written(model: Model, batches: list[Windows], found: CoreScores):
    dictionary = planted_dictionary(model)
    legacy, ratios, squares, q, errors = [], [], [], [], []
    for batch in batches:
        x = read(model, batch)
        away = (x - dictionary(x.float()).double()).square().sum(-1)
        legacy.append(1 - away / (x - x.mean(0)).square().sum(-1))
        squares.append(x.square().sum(-1).mean())
        q.append(x.square().mean())
        errors.append(away.mean())
        ratios.append(away / len(x))
    told = found.metrics["reconstruction_quality"]
    assert told["explained_variance_legacy"] == pytest.approx(float(torch.cat(legacy).mean()), rel=1e-5)
    assert told["mse"] == pytest.approx(float(torch.cat(ratios).mean()), rel=1e-5)
    whole = sum(squares) / len(squares) - (sum(q) / len(q)) ** 2
    assert told["explained_variance"] == pytest.approx(float(1 - sum(errors) / len(errors) / whole), rel=1e-5)


def test_losses_and_divergences_are_those_of_edited_runs(model: Model, batches: list[Windows], found: CoreScores):
    dictionary = planted_dictionary(model)
    clean, spliced, kl = [], [], []
    for batch in batches:
        run = model.run(batch.tokens, capture=[SITE])
        put = torch.where(batch.counted[..., None], dictionary(run[SITE].float()), run[SITE])
        changed = model.run(batch.tokens, edits=[Patch(SITE, put)])
        assert run.logits is not None
        assert changed.logits is not None
        own, other = run.logits.log_softmax(-1), changed.logits.log_softmax(-1)
        asked, following = batch.counted[:, :-1], batch.tokens[:, 1:, None]
        clean.append(-own[:, :-1].gather(2, following)[..., 0][asked])
        spliced.append(-other[:, :-1].gather(2, following)[..., 0][asked])
        kl.append((own.exp() * (own - other)).sum(-1)[batch.counted])
    told = found.metrics["model_performance_preservation"]
    assert told["ce_loss_without_sae"] == pytest.approx(float(torch.cat(clean).mean()), rel=1e-4)
    assert told["ce_loss_with_sae"] == pytest.approx(float(torch.cat(spliced).mean()), rel=1e-4)
    assert found.metrics["model_behavior_preservation"]["kl_div_with_sae"] == pytest.approx(
        float(torch.cat(kl).mean()), rel=1e-4
    )
    ablated = told["ce_loss_with_ablation"]
    score = (ablated - told["ce_loss_with_sae"]) / (ablated - told["ce_loss_without_sae"])
    assert told["ce_loss_score"] == pytest.approx(score)


def test_densities_count_tokens_and_windows(model: Model, batches: list[Windows], found: CoreScores):
    dictionary = planted_dictionary(model)
    fired = [dictionary.encode(read(model, batch).float()).dense() > 0 for batch in batches]
    density = torch.cat(fired).double().mean(0)
    assert found.features["feature_density"] == pytest.approx(density.numpy(), rel=1e-5)
    assert found.features["consistent_activation_heuristic"][5] == -1  # it never fires
    per_window = [
        (dictionary.encode(model.run(batch.tokens, capture=[SITE])[SITE]).dense()[row][batch.counted[row]] > 0).sum(0)
        for batch in batches for row in range(len(batch.tokens))
    ]  # fmt: skip
    counts = torch.stack(per_window)[:, 0].double()
    assert found.features["consistent_activation_heuristic"][0] == pytest.approx(
        float(counts.sum() / (counts > 0).sum())
    )
    assert found.metrics["misc_metrics"]["frac_alive"] == pytest.approx(5 / 6)


def test_nearest_neighbours_leave_a_feature_out_of_its_own(model: Model, found: CoreScores):
    rows = torch.nn.functional.normalize(planted_dictionary(model).W_dec.detach(), dim=-1)
    cosines = rows @ rows.T - 2 * torch.eye(len(rows))
    assert found.features["max_decoder_cosine_sim"] == pytest.approx(cosines.max(1).values.numpy(), abs=1e-5)


def test_what_writes_elsewhere_has_none(model: Model, batches: list[Windows]):
    own = planted_dictionary(model)
    weights = {name: weight.data for name, weight in own.named_parameters()}
    crossing = Dictionary(replace(own.config, reads=("resid_pre.0",)), **weights)
    with pytest.raises(BadRequest, match="writes the one site that it reads"):
        core_scores(Subject("crossing", crossing, model), batches)
    with pytest.raises(BadRequest, match="0 batches"):
        core_scores(Subject("planted", own, model), [])
