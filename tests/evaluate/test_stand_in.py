import numpy as np
import pytest
import torch

from hooke.evaluate.stand_in import Baseline, measure_stand_in
from hooke.models.replaced import run_replaced
from hooke.text.windows import windows
from tests.evaluate.relu_model import WINDOWS, perfect, relu_model, text


def test_every_number_is_that_of_the_definition():
    model = relu_model()
    made = perfect(model, share=0.3)
    batches = list(windows(text(), model.tokenizer, WINDOWS, stop=4))
    found = measure_stand_in(model, Baseline.of(model, batches), made, (0, 2), np.random.default_rng(0))
    losses, own_losses, divergences, agreements = [], [], [], []
    for batch in batches:
        clean = model.run(batch.tokens).logits.log_softmax(-1)
        other = run_replaced(model, model.tokenize(batch.tokens), made, layers=(0, 2), where=batch.counted)
        other = other.log_softmax(-1)
        for row in range(len(batch.tokens)):
            for pos in range(1, batch.tokens.shape[1]):
                if batch.counted[row, pos] and batch.counted[row, pos - 1]:
                    token = batch.tokens[row, pos]
                    p, q = clean[row, pos - 1], other[row, pos - 1]
                    losses.append(-float(q[token]))
                    own_losses.append(-float(p[token]))
                    divergences.append(float((p.exp() * (p - q)).sum()))
                    agreements.append(float(p.argmax() == q.argmax()))
    mean = np.mean
    assert found.loss.value == pytest.approx(mean(losses), rel=1e-4)
    assert found.loss_added.value == pytest.approx(mean(losses) - mean(own_losses), rel=1e-3, abs=1e-5)
    assert found.divergence.value == pytest.approx(mean(divergences), rel=1e-3)
    assert found.agreement.value == pytest.approx(mean(agreements))
    assert found.divergence.interval[0] < found.divergence.value < found.divergence.interval[1]
    assert found.divergence.value > 0.01


def test_what_writes_the_same_predicts_the_same():
    model = relu_model()
    batches = list(windows(text(), model.tokenizer, WINDOWS, stop=4))
    found = measure_stand_in(model, Baseline.of(model, batches), perfect(model), (0, 1, 2), np.random.default_rng(0))
    assert found.loss_added.value == pytest.approx(0, abs=1e-5)
    assert found.divergence.value == pytest.approx(0, abs=1e-5)
    assert found.agreement.value == 1


def test_special_tokens_and_the_first_position_keep_their_mlps():
    model = relu_model()
    (batch,) = windows(text(), model.tokenizer, WINDOWS, stop=2)
    assert not bool(batch.counted.all())
    made = perfect(model, share=0.0)
    only = torch.zeros_like(batch.counted)
    baseline = Baseline.of(model, [batch])
    left_alone = Baseline(baseline.tokens, (only,), baseline.scored, baseline.own)
    assert measure_stand_in(model, left_alone, made, (0, 1), np.random.default_rng(0)).divergence.value == 0
    assert measure_stand_in(model, baseline, made, (0, 1), np.random.default_rng(0)).divergence.value > 0.01
