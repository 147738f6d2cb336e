"""What runs in vLLM's worker, on a model that keeps its stream as vLLM's do: rows are whose they are."""

from collections.abc import Sequence
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from hooke.models.edits import Add, edits_to_json
from hooke.models.scope import Schedule
from hooke.server.gateway.vllm_worker import EDITS, NAME, MonitorReads

WIDTH = 6
WEIGHTS = {
    "resid_post.0": torch.linspace(-1, 1, WIDTH)[:, None],
    "resid_pre.1": torch.linspace(0, 2, WIDTH)[:, None],
    "resid_post.1": torch.linspace(1, -3, WIDTH)[:, None],
}


class Layer(nn.Module):
    """A layer that keeps the stream in two summands."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(WIDTH, WIDTH)

    def forward(self, positions: Tensor, hidden: Tensor, residual: Tensor | None) -> tuple[Tensor, Tensor]:
        stream = hidden if residual is None else hidden + residual
        return torch.tanh(self.mix(stream)), stream


class Stream(nn.Module):
    """Tokens are their own embeddings."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.ModuleList([Layer(), Layer()])
        self.table = nn.Embedding(50, WIDTH)


class TinyCausal(nn.Module):
    """The model as vLLM calls it."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Stream()

    def forward(self, ids: Tensor, positions: Tensor) -> Tensor:
        hidden, residual = self.model.table(ids), None
        for layer in self.model.layers:
            hidden, residual = layer(positions, hidden, residual)
        return hidden + residual


class Runner:
    """The worker's model runner, as far as it is looked at."""

    def __init__(self) -> None:
        self.model = TinyCausal()
        self.requests: dict[str, SimpleNamespace] = {}
        self.input_batch = SimpleNamespace(num_reqs=0, req_ids=[])
        self.query_start_loc = SimpleNamespace(cpu=torch.zeros(9, dtype=torch.int32))

    def get_model(self) -> nn.Module:
        return self.model

    def add(self, key: str, name: str, n_prompt: int, edits: Sequence[Add] = ()) -> None:
        extra = {NAME: name, EDITS: edits_to_json(edits) if edits else ""} if name else None
        self.requests[key] = SimpleNamespace(
            num_prompt_tokens=n_prompt, sampling_params=SimpleNamespace(extra_args=extra)
        )

    def step(self, *parts: tuple[str, Sequence[int], int]) -> Tensor:
        """A forward call of parts of requests: key, tokens, position of the first."""
        bounds, ids, positions = [0], [], []
        for _, tokens, first in parts:
            ids += tokens
            positions += range(first, first + len(tokens))
            bounds.append(len(ids))
        self.input_batch = SimpleNamespace(num_reqs=len(parts), req_ids=[key for key, _, _ in parts])
        self.query_start_loc.cpu[: len(bounds)] = torch.tensor(bounds)
        with torch.no_grad():
            return self.model(torch.tensor(ids), torch.tensor(positions))


class Worker(MonitorReads):
    """vLLM's worker with the class mixed in."""

    def __init__(self) -> None:
        self.model_runner = Runner()


@pytest.fixture
def worker() -> Worker:
    made = Worker()
    assert (
        made.hooke_attach({site: one.tolist() for site, one in WEIGHTS.items()}, ["resid_post.0", "resid_post.1"]) == 2
    )
    return made


def expected(tokens: Sequence[int], push: Tensor | None = None, first: int = 0) -> list[float]:
    """Scores of a text by itself; `push` is added to layer 0's stream from `first` on."""
    model = TinyCausal().model
    with torch.no_grad():
        stream = model.table(torch.tensor(tokens))
        after = stream + torch.tanh(model.layers[0].mix(stream))
        if push is not None:
            after[first:] += push
        last = after + torch.tanh(model.layers[1].mix(after))
    by_site = {"resid_post.0": after, "resid_pre.1": after, "resid_post.1": last}
    return sum(by_site[site] @ one for site, one in WEIGHTS.items())[:, 0].tolist()


def taken(worker: Worker) -> dict[str, dict[int, float]]:
    return {name: {at: row[0] for at, row in rows} for name, rows in worker.hooke_take().items()}


def test_rows_of_a_mixed_step_are_whose_they_are(worker: Worker) -> None:
    runner = worker.model_runner
    runner.add("a-1", "mine", 5)
    runner.add("b-2", "", 3)
    runner.add("c-3", "other", 2)
    runner.step(("b-2", [7, 8, 9], 0), ("a-1", [1, 2, 3], 0))
    runner.step(("c-3", [4, 5], 0), ("b-2", [10], 3), ("a-1", [11, 12], 3))
    found = taken(worker)
    assert set(found) == {"mine", "other"}
    assert sorted(found["mine"]) == [0, 1, 2, 3, 4]
    assert [found["mine"][at] for at in range(5)] == pytest.approx(expected([1, 2, 3, 11, 12]), abs=1e-5)
    assert [found["other"][at] for at in range(2)] == pytest.approx(expected([4, 5]), abs=1e-5)
    assert worker.hooke_take() == {}


def test_steering_is_of_one_request_and_of_its_positions(worker: Worker) -> None:
    runner, push = worker.model_runner, torch.linspace(2, -1, WIDTH)
    runner.add("a", "steered", 3, [Add(site="resid_post.0", vector=push, scale=0.5, positions="1:")])
    runner.add("b", "plain", 3)
    runner.step(("a", [1, 2, 3], 0), ("b", [1, 2, 3], 0))
    runner.step(("b", [4], 3), ("a", [4], 3))
    found = taken(worker)
    assert list(found["plain"].values()) == pytest.approx(expected([1, 2, 3, 4]), abs=1e-5)
    assert list(found["steered"].values()) == pytest.approx(expected([1, 2, 3, 4], push / 2, 1), abs=1e-5)


def test_steering_knows_the_prompt_from_what_came_after(worker: Worker) -> None:
    runner, push = worker.model_runner, torch.ones(WIDTH)
    runner.add("a", "steered", 2, [Add(site="resid_post.0", vector=push, when="generated")])
    runner.step(("a", [1, 2], 0))
    runner.step(("a", [3], 2))
    assert list(taken(worker)["steered"].values()) == pytest.approx(expected([1, 2, 3], push, 2), abs=1e-5)


def test_steering_follows_its_schedule(worker: Worker) -> None:
    runner, push = worker.model_runner, torch.ones(WIDTH)
    plan = Schedule(hold=1, fade=2)
    runner.add("a", "steered", 2, [Add(site="resid_post.0", vector=push, schedule=plan, when="generated")])
    runner.step(("a", [1, 2], 0))
    for at, token in enumerate([3, 4, 5], 2):
        runner.step(("a", [token], at))
    by_hand = torch.tensor([1.0, 0.5, 0.0])[:, None] * push
    assert list(taken(worker)["steered"].values()) == pytest.approx(expected([1, 2, 3, 4, 5], by_hand, 2), abs=1e-5)


def test_what_is_read_again_counts_once(worker: Worker) -> None:
    runner = worker.model_runner
    runner.add("a", "mine", 2)
    runner.step(("a", [1, 2], 0))
    runner.step(("a", [1, 2, 3], 0))
    assert sorted(taken(worker)["mine"]) == [0, 1, 2]


def test_edits_of_requests_that_are_gone_are_forgotten(worker: Worker) -> None:
    runner = worker.model_runner
    runner.add("a", "steered", 1, [Add(site="resid_post.0", vector=torch.ones(WIDTH))])
    runner.step(("a", [1], 0))
    assert set(worker.hooke_reads.edits) == {"steered"}
    del runner.requests["a"]
    worker.hooke_take()
    assert worker.hooke_reads.edits == {}
