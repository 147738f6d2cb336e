import torch

from hooke.models.redrawn import redrawn
from tests.models.tiny import tiny_model


def test_matrices_are_others_as_long_and_the_model_is_left_alone():
    model = tiny_model()
    before = {name: weight.clone() for name, weight in model.hf.named_parameters()}
    drawn = dict(redrawn(model, seed=1).hf.named_parameters())
    for name, weight in model.hf.named_parameters():
        assert torch.equal(weight, before[name])
        if weight.ndim == 1:
            assert torch.equal(drawn[name], weight)
        else:
            torch.testing.assert_close(drawn[name].norm(), weight.norm())
            cosine = torch.nn.functional.cosine_similarity(drawn[name].flatten(), weight.flatten(), dim=0)
            assert abs(cosine.item()) < 0.2


def test_the_seed_decides_and_the_model_runs():
    model = tiny_model()
    first, again, other = (redrawn(model, seed=seed).run(torch.arange(5)[None]).logits for seed in (0, 0, 1))
    assert first is not None
    assert again is not None
    assert other is not None
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=1e-3)


def test_shared_embeddings_stay_shared():
    drawn = redrawn(tiny_model("gpt2"))
    assert drawn.hf.get_input_embeddings().weight is drawn.hf.get_output_embeddings().weight  # pyright: ignore
