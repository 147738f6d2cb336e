"""The law of the batch: a text says in it what it says alone, whatever joins, leaves or is steered beside it."""

import pytest
import torch
from torch import Tensor

from hooke.errors import UnknownSite, UnsupportedModel
from hooke.models.edits import Add, Cap, Edit
from hooke.models.generate import next_logits
from hooke.models.model import Model
from hooke.models.scope import Given, Schedule
from hooke.server.gateway import batch as batches
from hooke.server.gateway.batch import Batch, require_batches, require_sites
from hooke.sites import parse_site
from tests.models.tiny import tiny_model

SITE = parse_site("resid_post.1")
VECTOR = torch.randn(32, generator=torch.Generator().manual_seed(1)) * 3
STEERED = (Add(site="resid_post.1", vector=VECTOR, positions="1:"),)
FADING = (Add(site="resid_post.1", vector=VECTOR, schedule=Schedule(start=1, hold=1, fade=4)),)
SCOPED = (
    Add(site="resid_post.1", vector=VECTOR, given=Given(site="resid_pre.1", direction=VECTOR, above=0.0)),
    Cap(site="resid_post.0", direction=VECTOR, low=-1.0, high=0.5),
)
LENGTHS = (9, 3, 14, 6)
JOINS = (0, 0, 2, 5)
LEAVES = (6, 12, 9, 12)


def prompt(length: int) -> list[int]:
    return torch.randint(3, 128, (length,), generator=torch.Generator().manual_seed(length)).tolist()


def alone(model: Model, ids: list[int], n: int, edits: tuple[Edit, ...]) -> tuple[list[int], Tensor]:
    steps = next_logits(model, model.tokenize(torch.tensor(ids)), edits)
    new, found = None, []
    said: list[int] = []
    for _ in range(n):
        logits = next(steps) if new is None else steps.send(new)
        found.append(logits[0])
        new = logits.argmax(-1)
        said.append(int(new))
    return said, torch.stack(found)


def run_mixed(
    model: Model, edits: list[tuple[Edit, ...]], captured: int
) -> list[tuple[list[int], Tensor, list[Tensor]]]:
    """Texts that join and leave at their steps; only one of them is captured."""
    batch, here = Batch(model), []
    said: list[list[int]] = [[] for _ in LENGTHS]
    logits: list[list[Tensor]] = [[] for _ in LENGTHS]
    rows: list[list[Tensor]] = [[] for _ in LENGTHS]

    def take(text: int, found: Tensor) -> None:
        logits[text].append(found)
        said[text].append(int(found.argmax()))

    for step in range(max(LEAVES)):
        for text in [text for text, at in enumerate(JOINS) if at == step]:
            read = batch.read_prompt(prompt(LENGTHS[text]), edits[text], [SITE] if text == captured else [])
            assert batch.join(read) == len(here)
            here.append(text)
            take(text, read.read.logits[0])
            rows[text].extend(read.read.rows.get(SITE, ()))
        staying = [place for place, text in enumerate(here) if LEAVES[text] > step]
        if len(staying) < len(here):
            batch.keep(staying)
            here = [here[place] for place in staying]
        if here:
            found = batch.step([said[text][-1] for text in here], [SITE] if captured in here else [])
            for place, text in enumerate(here):
                if SITE in found.rows:
                    rows[text].append(found.rows[SITE][place])
                take(text, found.logits[place])
    return [(said[text], torch.stack(logits[text]), rows[text]) for text in range(len(LENGTHS))]


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gemma2", "mistral", "falcon", "mixtral", "gpt_neox"])
def test_a_text_says_in_a_batch_what_it_says_alone(architecture: str) -> None:
    model = tiny_model(architecture, eos_token_id=None)
    edits: list[tuple[Edit, ...]] = [(), STEERED, (), ()]
    mixed = run_mixed(model, edits, captured=2)
    for text, (said, logits, _) in enumerate(mixed):
        expected, expected_logits = alone(model, prompt(LENGTHS[text]), len(said), edits[text])
        assert said == expected, f"text {text} of {architecture}"
        # float32 rounds differently in products of other shapes; ten layers' worth of units is far below a real error.
        torch.testing.assert_close(logits, expected_logits, rtol=1e-4, atol=1e-4)


def test_steering_one_text_leaves_the_others_as_they_are() -> None:
    model = tiny_model("llama", eos_token_id=None)
    plain, mixed = run_mixed(model, [()] * 4, captured=2), run_mixed(model, [(), STEERED, (), ()], captured=2)
    for text in (0, 2, 3):
        torch.testing.assert_close(mixed[text][1], plain[text][1], rtol=1e-5, atol=1e-5)
    assert not torch.allclose(mixed[1][1], plain[1][1], atol=0.1), "the steered text did not change"


def test_each_token_is_captured_once_and_padding_never() -> None:
    model = tiny_model("llama", eos_token_id=None)
    said, _, rows = run_mixed(model, [(), STEERED, (), ()], captured=2)[2]
    # Besides the text's own rows there is one for each step that the captured text took part in.
    ids = torch.tensor(prompt(LENGTHS[2]) + said[:-1])
    expected = model.run(ids, capture=[SITE])[SITE][0]
    assert len(rows) == len(ids)
    torch.testing.assert_close(torch.stack(rows), expected, rtol=1e-4, atol=1e-4)


def test_scoped_edits_of_rows_at_different_steps_are_those_of_each_alone() -> None:
    model = tiny_model("llama", eos_token_id=None)
    edits: list[tuple[Edit, ...]] = [FADING, SCOPED, (*SCOPED, *FADING), FADING]
    for text, (said, logits, _) in enumerate(run_mixed(model, edits, captured=2)):
        expected, expected_logits = alone(model, prompt(LENGTHS[text]), len(said), edits[text])
        assert said == expected, text
        torch.testing.assert_close(logits, expected_logits, rtol=1e-4, atol=1e-4)


def test_the_schedule_of_edits_added_on_the_way_begins_then() -> None:
    model = tiny_model("llama", eos_token_id=None)
    batch = Batch(model)
    read = batch.read_prompt(prompt(9), (), [])
    batch.join(read)
    said, found = [int(read.read.logits.argmax())], []
    for step in range(7):
        if step == 2:
            batch.add_edits(0, FADING)
        found.append(batch.step([said[-1]], []).logits[0])
        said.append(int(found[-1].argmax()))
    factors = [0, 0, 0, 1, 0.75, 0.5, 0.25]
    by_hand = [
        Add(site="resid_post.1", vector=VECTOR, scale=one, positions=(9 + at,)) for at, one in enumerate(factors)
    ]
    steps = next_logits(model, model.tokenize(torch.tensor(prompt(9))), by_hand)
    next(steps)
    for step in range(7):
        torch.testing.assert_close(found[step], steps.send(torch.tensor([said[step]]))[0], rtol=1e-4, atol=1e-4)


def test_edits_added_on_the_way_act_from_the_next_step_on() -> None:
    model = tiny_model("llama", eos_token_id=None)
    batch = Batch(model)
    read = batch.read_prompt(prompt(9), (), [])
    batch.join(read)
    first = int(read.read.logits.argmax())
    batch.add_edits(0, STEERED)
    found = batch.step([first], []).logits
    later = (Add(site="resid_post.1", vector=VECTOR, when="generated"),)
    steps = next_logits(model, model.tokenize(torch.tensor(prompt(9))), later)
    next(steps)
    torch.testing.assert_close(found, steps.send(torch.tensor([first])), rtol=1e-4, atol=1e-4)


def test_a_model_that_batches_wrongly_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model("llama")
    require_batches(model)
    monkeypatch.setattr(batches, "_to_length", lambda value, length: value[..., :1, :].expand(-1, -1, length, -1))
    with pytest.raises(UnsupportedModel, match="unequal length"):
        require_batches(model)


def test_sites_inside_the_attention_are_refused() -> None:
    model = tiny_model("llama")
    require_sites(model, [SITE], "It")
    with pytest.raises(UnsupportedModel, match="earlier tokens"):
        require_sites(model, [parse_site("k.1")], "It")
    with pytest.raises(UnknownSite):
        require_sites(model, [parse_site("resid_post.99")], "It")
