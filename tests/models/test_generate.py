from pathlib import Path

import pytest
import torch

from hooke.errors import BadConfig, BadRequest, PromptTooLong, ShapeMismatch
from hooke.lab import Lab
from hooke.models.edits import Add, Cap, Clamp, Edit, Patch, Project, Splice
from hooke.models.generate import (
    Sampling,
    choose,
    conversation,
    conversation_tokens,
    generate_tokens,
    next_logits,
    said_rows,
)
from hooke.models.load import load
from hooke.models.model import Model, Tokens
from hooke.models.scope import Given, Schedule
from tests.cli.tiny_lab import write_model
from tests.models.small_dictionary import small_dictionary
from tests.models.tiny import tiny_model

IDS = torch.randint(3, 128, (9,), generator=torch.Generator().manual_seed(0))
VECTOR = torch.randn(32, generator=torch.Generator().manual_seed(1)) * 3
GREEDY = Sampling()


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_model("llama", eos_token_id=None)


def new_tokens(model: Model, tokens: Tokens, n: int = 8, edits=()) -> list[list[int]]:
    steps = [ids.tolist() for ids, _ in generate_tokens(model, tokens, edits, n, GREEDY, None)]
    return [list(row) for row in zip(*steps, strict=True)]


def without_cache(model: Model, ids: torch.Tensor, n: int, edits=()) -> list[int]:
    """The slow way: the whole text through the model for every token."""
    n_prompt, found = len(ids), []
    for _ in range(n):
        chosen = [edit for edit in edits if edit.when != "generated"]
        later = [edit for edit in edits if edit.when == "generated"]
        as_run = [type(edit)(site=edit.site, vector=edit.vector, positions=f"{n_prompt}:") for edit in later]
        if any(edit.when == "prompt" for edit in chosen):
            chosen = [type(edit)(site=edit.site, vector=edit.vector, positions=f"0:{n_prompt}") for edit in chosen]
        found.append(int(model.run(ids, edits=[*chosen, *as_run]).logits[0, -1].argmax()))
        ids = torch.cat([ids, torch.tensor(found[-1:])])
    return found


@pytest.mark.parametrize("when", ["all", "prompt", "generated"])
def test_the_cache_gives_what_the_whole_text_gives(model: Model, when: str) -> None:
    edits = [Add(site="resid_post.1", vector=VECTOR, when=when)]
    assert new_tokens(model, model.tokenize(IDS), edits=edits)[0] == without_cache(model, IDS, 8, edits)


def test_edits_change_the_text_and_phases_differ(model: Model) -> None:
    tokens = model.tokenize(IDS)
    texts = {
        when: new_tokens(model, tokens, 12, [Add(site="resid_post.1", vector=VECTOR, when=when)])[0]
        for when in ("all", "prompt", "generated")
    }
    plain = new_tokens(model, tokens, 12)[0]
    assert all(text != plain for text in texts.values())
    assert texts["generated"][0] == plain[0], "the first new token is predicted at the last prompt position"


def test_batches_of_unequal_lengths_give_what_one_by_one_gives(model: Model) -> None:
    rows = [IDS[:4], IDS]
    padded, mask = torch.zeros(2, 9, dtype=torch.int64), torch.zeros(2, 9, dtype=torch.bool)
    for at, row in enumerate(rows):
        padded[at, : len(row)], mask[at, : len(row)] = row, True
    edits = [Add(site="resid_post.1", vector=VECTOR, positions=(-1,))]
    for chosen in ((), edits):
        batch = new_tokens(model, Tokens(padded, mask), edits=chosen)
        assert batch == [new_tokens(model, model.tokenize(row), edits=chosen)[0] for row in rows]


def test_edits_of_keys_run_without_a_cache(model: Model) -> None:
    """A cache would hold the unedited keys of earlier tokens."""
    edit = Add(site="k.1", vector=torch.ones(8) * 4, positions=(3,))
    assert new_tokens(model, model.tokenize(IDS), edits=[edit])[0] == without_cache_same(model, IDS, 8, [edit])


def without_cache_same(model: Model, ids: torch.Tensor, n: int, edits) -> list[int]:
    found = []
    for _ in range(n):
        found.append(int(model.run(ids, edits=edits).logits[0, -1].argmax()))
        ids = torch.cat([ids, torch.tensor(found[-1:])])
    return found


def test_ends_and_open_rows() -> None:
    model = tiny_model("llama", eos_token_id=None)
    first = new_tokens(model, model.tokenize(IDS))[0]
    model.hf.generation_config.eos_token_id = first[3]
    assert new_tokens(model, model.tokenize(IDS))[0] == first[:3]


def test_sampling_follows_the_distribution() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0, -9.0]]).expand(4000, -1)
    drawn = choose(logits, Sampling(temperature=1.0), torch.Generator().manual_seed(0))
    share = torch.bincount(drawn, minlength=4) / 4000
    # Three standard deviations of a share of 4000 draws.
    assert torch.allclose(share, logits[0].softmax(-1), atol=0.024)
    nucleus = choose(logits, Sampling(temperature=1.0, top_p=0.7), torch.Generator().manual_seed(0))
    assert set(nucleus.tolist()) == {0, 1}
    assert set(choose(logits, GREEDY, None).tolist()) == {0}


def test_bad_requests(model: Model) -> None:
    with pytest.raises(PromptTooLong, match="at most 55"):
        model.generate(IDS, max_tokens=60)
    with pytest.raises(BadRequest, match="cannot chat"):
        model.generate("hello", chat=True)
    with pytest.raises(BadConfig, match="temperature"):
        model.generate(IDS, temperature=-1)
    with pytest.raises(BadRequest, match="one prompt"):
        model.generate(torch.stack([IDS, IDS]), stream=True, max_tokens=2)


def test_pattern_edits_work_on_the_cache(model: Model) -> None:
    """A patch of the whole pattern fits the prompt's pass and nothing after it."""
    pattern = model.run(IDS, capture=["pattern.1"])["pattern.1"]
    edit = Patch(site="pattern.1", value=pattern, when="prompt")
    tokens = model.tokenize(IDS)
    assert new_tokens(model, tokens, 1, [edit]) == new_tokens(model, tokens, 1)


def test_logits_of_sent_tokens_are_those_of_the_whole_text(model: Model):
    steps = next_logits(model, model.tokenize(IDS))
    found = [next(steps), steps.send(torch.tensor([7])), steps.send(torch.tensor([9]))]
    whole = model.run(torch.cat([IDS, torch.tensor([7, 9])])).logits
    assert whole is not None
    # The cache adds in another order.
    torch.testing.assert_close(torch.cat(found), whole[0, -3:], atol=1e-4, rtol=1e-4)


def test_an_edit_that_does_not_fit_is_refused_at_once(model: Model):
    with pytest.raises(ShapeMismatch):
        next_logits(model, model.tokenize(IDS), [Add(site="resid_post.0", vector=torch.ones(3))])


def test_a_conversation_goes_through_the_template(tmp_path: Path):
    model = load(str(write_model(tmp_path / "tiny")), lab=Lab(tmp_path))
    said = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    assert conversation(model, said) == "<|user|>a<|user|>b<|model|>"
    ids = conversation_tokens(model, said).ids[0].tolist()
    assert model.tokenizer.decode(ids) == conversation(model, said), "no special tokens besides the template's"
    model.tokenizer.chat_template = "{{ raise_exception('they must take turns') }}"
    with pytest.raises(BadRequest, match="take turns"):
        conversation(model, said)
    model.tokenizer.chat_template = None
    with pytest.raises(BadRequest, match="no chat template"):
        conversation(model, said)


DICTIONARY = small_dictionary("d", "resid_post.1", 32, 64)
PLANS = (Schedule(start=2), Schedule(hold=3), Schedule(start=1, hold=1, fade=4), Schedule(hold=0, fade=5))


def logits_of(model: Model, tokens: Tokens, said: torch.Tensor, edits=()) -> torch.Tensor:
    """Logits before each of these new tokens, [batch, step, vocab], with the cache or whatever generation uses."""
    steps = next_logits(model, tokens, edits, [DICTIONARY])
    found = [next(steps), *(steps.send(said[:, step]) for step in range(said.shape[1] - 1))]
    return torch.stack(found, dim=1)


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("site", ["resid_post.1", "resid_mid.1", "v.1", "k.1"])
def test_a_schedule_is_its_edits_token_by_token(model: Model, plan: Schedule, site: str) -> None:
    """Of v and k, whole texts run without a cache; of the others, tokens run once."""
    vector = VECTOR[:8] if site[0] in "kv" else VECTOR
    said = torch.randint(3, 128, (1, 8), generator=torch.Generator().manual_seed(2))
    positions = torch.arange(len(IDS) + 8)[None]
    factors = plan.factors(positions, torch.tensor([len(IDS)]))[0].tolist()
    by_hand = [Add(site=site, vector=vector, scale=one, positions=(at,)) for at, one in enumerate(factors)]
    found = logits_of(model, model.tokenize(IDS), said, [Add(site=site, vector=vector, schedule=plan)])
    assert torch.allclose(found, logits_of(model, model.tokenize(IDS), said, by_hand), atol=1e-4)
    assert not torch.allclose(found, logits_of(model, model.tokenize(IDS), said), atol=1e-2)


CONDITION = Given(site="resid_pre.1", direction=VECTOR, above=0.0)
SCOPED: tuple[Edit, ...] = (
    Add(site="resid_post.1", vector=VECTOR, schedule=PLANS[2], given=CONDITION),
    Cap(site="resid_post.0", direction=VECTOR, low=-1.0, high=0.5, when="generated"),
    Clamp(feature="resid_post.1/3@d", value=4.0, given=Given(feature="resid_post.1/3@d", above=0.0)),
    Project(site="attn_out.2", direction=VECTOR, schedule=PLANS[3]),
    Splice(dictionary="d", schedule=Schedule(start=4), positions="1:"),
)


def test_scoped_edits_give_with_the_cache_what_they_give_without(model: Model) -> None:
    said = torch.randint(3, 128, (1, 8), generator=torch.Generator().manual_seed(2))
    cached = logits_of(model, model.tokenize(IDS), said, SCOPED)
    # An edit of values that adds nothing makes every step run the whole text anew.
    whole = logits_of(model, model.tokenize(IDS), said, [*SCOPED, Add(site="v.0", vector=torch.zeros(8))])
    assert torch.allclose(cached, whole, atol=1e-4)


def test_scoped_edits_of_a_batch_are_those_of_each_text(model: Model) -> None:
    lengths = torch.tensor([9, 4, 7])
    mask = torch.arange(9) < lengths[:, None]
    ids = torch.randint(3, 128, (3, 9), generator=torch.Generator().manual_seed(5)) * mask
    said = torch.randint(3, 128, (3, 8), generator=torch.Generator().manual_seed(6))
    together = logits_of(model, Tokens(ids, mask), said, SCOPED)
    for row, length in enumerate(lengths.tolist()):
        alone = logits_of(model, model.tokenize(ids[row, :length]), said[row : row + 1], SCOPED)
        assert torch.allclose(together[row], alone[0], atol=1e-4), row


def test_a_row_says_nothing_behind_its_end():
    is_open = ((True, True), (True, False), (False, False))
    steps = [(torch.tensor([at, 10 + at]), torch.tensor(one)) for at, one in enumerate(is_open)]
    assert said_rows(steps, 2) == [[0, 1], [10]]
