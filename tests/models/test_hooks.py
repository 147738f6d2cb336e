import pytest
import torch

from hooke.models.edits import Add, Patch
from hooke.models.generate import Sampling, generate_tokens
from hooke.models.hooks import CompiledEdit, Moment, overridden
from hooke.models.model import Model
from hooke.sites import Site
from tests.models.tiny import tiny_model

IDS = torch.randint(3, 128, (3, 10), generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_model("llama")


def n_hooks(model: Model) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.hf.modules())


def test_hooks_never_outlive_the_call(model: Model) -> None:
    before, implementation = n_hooks(model), model.config._attn_implementation
    model.run(IDS, capture=["*.*"], edits=[Add(site="resid_post.1", vector=torch.ones(32))])
    assert n_hooks(model) == before
    with pytest.raises(Exception, match="does not fit"):
        model.run(IDS, capture=["pattern.1"], edits=[Patch(site="resid_post.1", value=torch.zeros(1, 2, 3))])
    assert n_hooks(model) == before
    assert model.config._attn_implementation == implementation
    steps = generate_tokens(
        model, model.tokenize(IDS), [Add(site="resid_post.1", vector=torch.ones(32))], 5, Sampling(), None
    )
    next(steps)
    assert n_hooks(model) == before, "between two tokens the model is free"


def selected(positions, when, position, n_prompt) -> list[list[bool]] | None:
    edit = CompiledEdit(Site("embed"), lambda value, *_: value, positions, when)
    found = edit.selected(Moment(torch.tensor(position), torch.tensor(n_prompt)))
    return None if found is None else found.tolist()


def test_which_tokens_an_edit_acts_on() -> None:
    """Two prompts of 3 and 2 tokens, the second padded; then one generated token each."""
    position, n_prompt = [[0, 1, 2, 3], [-1, 0, 1, 2]], [3, 2]
    assert selected(None, "all", position, n_prompt) == [[True] * 4, [False, True, True, True]]
    assert selected(None, "all", [[0, 1]], [2]) is None, "nothing to choose: everything"
    assert selected(None, "prompt", position, n_prompt) == [[True, True, True, False], [False, True, True, False]]
    assert selected(None, "generated", position, n_prompt) == [[False] * 3 + [True], [False] * 3 + [True]]
    assert selected((-1,), "all", position, n_prompt) == [[False, False, True, False], [False, False, True, False]]
    assert selected("1:", "all", position, n_prompt) == [[False, True, True, True], [False, False, True, True]]
    assert selected(":-1", "all", position, n_prompt) == [[True, True, False, False], [False, True, False, False]]


def test_modules_return_what_they_are_told_inside_the_block_only(model: Model) -> None:
    norm, before = model.anatomy.final_norm, n_hooks(model)
    assert norm is not None
    x = torch.randn(1, 3, 32)
    own = norm(x)
    with overridden({norm: lambda read: 2 * read}):
        assert torch.equal(norm(x), 2 * x)
    assert torch.equal(norm(x), own)
    assert n_hooks(model) == before
