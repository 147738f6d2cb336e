"""Edits of their own for each row: each row comes out as it would alone."""

import pytest
import torch

from hooke.models.edits import Ablate, Add, Cap, Clamp, Edit
from hooke.models.generate import Sampling, generate_tokens
from hooke.models.hooks import Moment, Pass
from hooke.models.model import Model, Tokens
from hooke.models.rows import compile_rows, greedy_rows
from hooke.models.scope import Given
from tests.models.small_dictionary import small_dictionary
from tests.models.tiny import tiny_model

IDS = torch.tensor([3, 14, 15, 92, 65])
DICTIONARY = small_dictionary("d", "resid_post.1", 32, 16)


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_model()


def logits(model: Model, rows: list[tuple[Edit, ...]]) -> torch.Tensor:
    ids = IDS.expand(len(rows), -1)
    position = torch.arange(len(IDS)).expand(len(rows), -1)
    running = Pass(
        model.anatomy,
        frozenset(),
        compile_rows(model, rows, [DICTIONARY]),
        lambda _, value: value,
        moment=Moment(position, torch.full((len(rows),), len(IDS))),
    )
    with model.open(running), torch.no_grad():
        return model.hf(input_ids=ids).logits


def test_each_row_is_what_it_would_be_alone(model: Model):
    ones = torch.ones(32)
    rows: list[tuple[Edit, ...]] = [
        (),
        (Add(site="resid_post.0", vector=ones, scale=2.0, positions="1:"),),
        (Ablate(feature="resid_post.1/3@d"), Add(site="attn_out.2", vector=-ones, positions=(-1,))),
        (Clamp(feature="resid_post.1/5@d", value=3.0),),
        (Add(site="resid_post.1", vector=ones, given=Given(site="resid_pre.1", direction=ones, above=0.0)),),
        (Cap(site="resid_post.1", direction=ones, high=0.0),),
        (),
    ]
    found = logits(model, rows)
    for row, edits in enumerate(rows):
        alone = model.run(IDS, edits=edits, dictionaries=[DICTIONARY]).logits
        assert alone is not None
        # The same sums in another order, in single precision.
        assert torch.allclose(found[row], alone[0], atol=1e-4, rtol=1e-4), row
    assert not torch.allclose(found[1], found[0], atol=1e-2)


def test_each_prompt_goes_on_as_it_would_alone(model: Model):
    prompts = [IDS, IDS[:3], IDS]
    ones = torch.ones(32)
    rows: list[tuple[Edit, ...]] = [
        (Add(site="resid_post.0", vector=ones, scale=9.0, positions="1:"),),
        (),
        (Clamp(feature="resid_post.1/5@d", value=30.0, when="generated"),),
    ]
    ids, mask = torch.zeros(3, 5, dtype=torch.int64), torch.zeros(3, 5, dtype=torch.bool)
    for row, prompt in enumerate(prompts):
        ids[row, : len(prompt)], mask[row, : len(prompt)] = prompt, True
    found = greedy_rows(model, Tokens(ids, mask), rows, 6, [DICTIONARY])
    for row, (prompt, edits) in enumerate(zip(prompts, rows, strict=True)):
        alone = generate_tokens(model, model.tokenize(prompt), edits, 6, Sampling(), None, [DICTIONARY])
        assert found[row] == [int(new[0]) for new, _ in alone], row
    assert found[0] != found[2]


def test_rows_with_equal_edits_are_edited_together(model: Model):
    vector = torch.ones(32)
    rows: list[tuple[Edit, ...]] = [(Add(site="resid_post.0", vector=vector.clone()),) for _ in range(3)]
    assert {str(site): len(edits) for site, edits in compile_rows(model, rows).items()} == {"resid_post.0": 1}
    assert compile_rows(model, [(), ()]) == {}
