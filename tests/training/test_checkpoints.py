from pathlib import Path

import pytest
import torch

from hooke.errors import BadArtefact, BadRequest, HookeError
from hooke.training.checkpoints import load_checkpoint, save_checkpoint
from hooke.training.state import advance
from tests.training.planted import batch
from tests.training.test_state import begun
from tests.training.test_weights import KINDS

CPU = torch.device("cpu")
TASK = {"config": {"k": 3, "groups": (1, 2)}, "site": "resid_post.1"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint.safetensors"


@pytest.mark.parametrize("kind", KINDS)
def test_the_next_steps_are_the_same_bit_for_bit(kind: str, path: Path):
    state = begun(kind, dead_after=600)
    for number in range(4):
        advance(state, batch(number))
    save_checkpoint(path, [state], TASK)
    (again,) = load_checkpoint(path, state.config, TASK, device=CPU)
    for number in range(4, 8):
        ours, theirs = advance(state, batch(number)), advance(again, batch(number))
        assert float(ours.loss) == float(theirs.loss)
    for (name, mine), (_, other) in zip(state.weights.named(), again.weights.named(), strict=True):
        assert torch.equal(mine, other), name
    assert (again.step, again.tokens, again.threshold) == (state.step, state.tokens, state.threshold)
    assert torch.equal(again.firing.idle, state.firing.idle)
    assert torch.equal(again.firing.density, state.firing.density)


def test_another_task_is_told_by_what_differs(path: Path):
    state = begun()
    save_checkpoint(path, [state], TASK)
    other = {"config": {"k": 4, "groups": (1, 2)}, "site": "resid_post.1"}
    with pytest.raises(BadRequest, match="config.k was 3, is 4"):
        load_checkpoint(path, state.config, other, device=CPU)


def test_weights_that_are_not_finite_are_not_saved(path: Path):
    state = begun()
    save_checkpoint(path, [state], TASK)
    good = path.read_bytes()
    with torch.no_grad():
        state.weights.encoder[0, 0] = torch.nan
    with pytest.raises(HookeError, match="not finite"):
        save_checkpoint(path, [state], TASK)
    assert path.read_bytes() == good


def test_damaged_checkpoints_are_refused(path: Path):
    state = begun()
    save_checkpoint(path, [state], TASK)
    good = path.read_bytes()
    for broken in (b"", good[: len(good) // 2], good.replace(b"idle", b"idol"), good.replace(b'"task"', b'"tusk"')):
        path.write_bytes(broken)
        with pytest.raises(BadArtefact):
            load_checkpoint(path, state.config, TASK, device=CPU)
