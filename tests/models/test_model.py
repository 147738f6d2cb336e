import pytest
import torch

from hooke.errors import BadRequest, PromptTooLong, UnknownSite
from hooke.models.model import Model, Tokens, norm_gain
from hooke.sites import Site
from tests.models.tiny import tiny_model

IDS = torch.randint(3, 128, (3, 10), generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_model("llama")


def test_no_edits_are_bit_identical_to_the_bare_model(model: Model) -> None:
    with torch.no_grad():
        bare = model.hf(input_ids=IDS).logits
    assert torch.equal(model.run(IDS, edits=[]).logits, bare)
    assert torch.equal(model.run(IDS, capture=["resid_post.*", "z.*"]).logits, bare)


def test_early_stop_computes_nothing_further(model: Model) -> None:
    reached = []
    handle = model.anatomy.blocks[1].register_forward_hook(lambda *_: reached.append(1))
    try:
        run = model.run(IDS, capture=["resid_post.0"], logits=False)
        assert run.logits is None
        assert reached == []
        full = model.run(IDS, capture=["resid_post.0"])
        assert reached == [1]
        assert torch.equal(run["resid_post.0"], full["resid_post.0"])
    finally:
        handle.remove()


def test_unequal_lengths_give_what_one_by_one_gives(model: Model) -> None:
    rows = [IDS[0, :4], IDS[1, :10], IDS[2, :7]]
    padded, mask = torch.zeros(3, 10, dtype=torch.int64), torch.zeros(3, 10, dtype=torch.bool)
    for at, row in enumerate(rows):
        padded[at, : len(row)], mask[at, : len(row)] = row, True
    batch = model.run(Tokens(padded, mask), capture=["resid_post.*", "q.1", "z.1"])
    for at, row in enumerate(rows):
        alone = model.run(row, capture=["resid_post.*", "q.1", "z.1"])
        for site in alone:
            assert torch.allclose(batch[site][at, : len(row)], alone[site][0], atol=1e-5), site
        assert torch.allclose(batch.logits[at, : len(row)], alone.logits[0], atol=1e-4)


def test_wildcards_positions_dtype(model: Model) -> None:
    run = model.run(IDS, capture=["resid_post.*", "pattern.1"], positions=[0, -1], keep_dtype=torch.float64)
    assert [str(site) for site in run] == ["resid_post.0", "pattern.1", "resid_post.1", "resid_post.2"]
    full = model.run(IDS, capture=["resid_post.1", "pattern.1"])
    assert run["resid_post.1"].dtype == torch.float64
    assert torch.equal(run["resid_post.1"].float(), full["resid_post.1"][:, [0, -1]])
    assert torch.equal(run["pattern.1"].float(), full["pattern.1"][:, :, [0, -1]])


def test_captures_are_copies(model: Model) -> None:
    """What the model does later to a tensor in place does not reach what was kept."""

    def spoil(module: object, args: tuple[torch.Tensor, ...]) -> None:
        args[0].zero_()

    handle = model.anatomy.blocks[1].register_forward_pre_hook(spoil)
    try:
        assert model.run(IDS, capture=["resid_post.0"])["resid_post.0"].abs().sum() > 0
    finally:
        handle.remove()


def test_unknown_sites_and_bad_prompts(model: Model) -> None:
    with pytest.raises(UnknownSite, match="layers 0-2"):
        model.run(IDS, capture=["resid_post.3"])
    with pytest.raises(UnknownSite, match="Did you mean 'resid_post.1'"):
        model.run(IDS, capture=["resid_pots.1"])
    with pytest.raises(PromptTooLong, match="at most 64"):
        model.run(torch.zeros(1, 65, dtype=torch.int64))
    with pytest.raises(BadRequest, match="outside the vocabulary"):
        model.run(torch.full((1, 4), 128))
    with pytest.raises(BadRequest, match="empty"):
        model.run(torch.zeros(1, 0, dtype=torch.int64))
    with pytest.raises(BadRequest, match="not in every prompt"):
        model.run(IDS, capture=["resid_post.1"], positions=[10])
    with pytest.raises(UnknownSite, match="not captured"):
        model.run(IDS, capture=["resid_post.1"])["resid_post.2"]


def test_measured_norm_gain_is_the_true_one() -> None:
    llama, gemma = tiny_model("llama"), tiny_model("gemma2")
    for model, extra in ((llama, 0.0), (gemma, 1.0)):
        norm = model.anatomy.final_norm
        torch.manual_seed(0)
        norm.weight.data.normal_()
        assert torch.allclose(norm_gain(norm, 32, torch.device("cpu")), norm.weight + extra, atol=1e-4)


def test_unembed_directions_predict_logit_differences(model: Model) -> None:
    run = model.run(IDS, capture=["final_norm", "resid_post.2"])
    stream = run["resid_post.2"]
    rms = (stream.pow(2).mean(-1, keepdim=True) + model.config.rms_norm_eps).sqrt()
    assert torch.allclose(stream / rms @ model.unembed_directions().T, run.logits, atol=1e-4)


def test_widths(model: Model) -> None:
    run = model.run(IDS, capture=["*"])
    for site in run:
        if site.kind != "pattern":
            assert run[site].shape[-1] == model.width(site), site
        if site.kind not in ("pattern", "q", "k", "v"):
            assert run[site][0, 0].numel() == model.row_width(site), site
    assert Site("logits") in run
    for site in (Site("z", 1), Site("resid_post", 1)):
        assert run.rows(site).shape[-1] == model.row_width(site) == 32
    assert torch.equal(run.rows(Site("z", 0), Site("mlp_out", 2))[..., 32:], run["mlp_out.2"])


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gemma2", "phi3"])
def test_some_logits_are_those_of_all(architecture: str):
    model = tiny_model(architecture)
    stream = torch.randn(3, model.d_model, generator=torch.Generator().manual_seed(0))
    chosen = torch.tensor([9, 0, 127, 64])
    with torch.no_grad():
        torch.testing.assert_close(model.unembed(stream, chosen), model.unembed(stream)[:, chosen])


def test_rows_of_unequal_length_are_padded_on_the_right():
    tokens = Tokens.of([[7, 8, 9], torch.tensor([4])])
    assert tokens.ids.tolist() == [[7, 8, 9], [4, 0, 0]]
    assert tokens.mask.tolist() == [[True] * 3, [True, False, False]]
