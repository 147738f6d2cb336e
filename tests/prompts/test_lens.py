"""The logit lens against the model's own prediction, and its numbers against their definitions."""

import pytest
import torch

from hooke.prompts.lens import lens_rows, logit_lens
from hooke.sites import Site
from tests.models.tiny import tiny_model

IDS = torch.tensor([3, 14, 15, 9, 26, 5])


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gemma2"])
def test_the_last_row_is_the_models_own_prediction(architecture: str):
    model = tiny_model(architecture)
    last = Site("resid_post", model.n_layers - 1)
    run = model.run(IDS, capture=[last])
    assert run.logits is not None
    lens = logit_lens(model, [run[last][0]], IDS)
    expected = run.logits[0].log_softmax(-1)
    # Rounding of float32 through one matrix product.
    torch.testing.assert_close(lens.logprobs[0, :, 0], expected.max(-1).values, atol=1e-4, rtol=1e-4)
    entropy = torch.distributions.Categorical(logits=expected).entropy()
    torch.testing.assert_close(lens.entropy[0], entropy, atol=1e-4, rtol=1e-4)
    own = expected[torch.arange(5), IDS[1:]]
    torch.testing.assert_close(lens.actual[0, :-1], own, atol=1e-4, rtol=1e-4)
    assert lens.rank[0, :-1].tolist() == (expected[:-1] > own[:, None]).sum(-1).tolist()
    assert lens.rank[0, -1] == -1
    assert lens.actual[0, -1].isnan()


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch):
    model = tiny_model()
    stream = torch.randn(7, model.d_model, generator=torch.Generator().manual_seed(0))
    ids = torch.arange(7)
    whole = logit_lens(model, [stream, -stream], ids)
    monkeypatch.setattr("hooke.prompts.lens._CHUNK_ELEMENTS", 2 * model.d_vocab)
    parts = logit_lens(model, [stream, -stream], ids)
    assert torch.equal(whole.rank, parts.rank)
    assert torch.equal(whole.ids, parts.ids)


def test_rows_name_the_likeliest_token():
    model = tiny_model()
    lens = logit_lens(model, [torch.ones(2, model.d_model)], torch.tensor([1, 2]))
    (row,) = lens_rows(lens, lambda token: f"<{token}>", [7])
    assert row.layer == 7
    assert row.cells[0].text == f"<{row.cells[0].token}>"
    assert row.cells[0].rank is not None
    assert row.cells[1].rank is None
