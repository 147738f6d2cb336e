"""What vLLM does for a request, by a small model: modules of its names, put in the place of those that are not here."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from hooke.models.edits import edits_from_json
from hooke.models.generate import end_tokens
from hooke.models.model import Model
from hooke.server.gateway.vllm_worker import EDITS, NAME
from hooke.sites import Site, parse_site


class FakeLLM:
    """Reads a text anew for every token, and keeps what the worker would have read of it."""

    errored = False

    def __init__(self, model: Model) -> None:
        self.model, self.settings = model, SimpleNamespace()
        self.weights: dict[Site, Tensor] = {}
        self.found: dict[str, list[tuple[int, list[float]]]] = {}
        self.asked: list[tuple[dict[str, Any], SimpleNamespace]] = []
        self.loses: set[int] = set()
        self.ends_after = 1000

    async def collective_rpc(self, method: str, args: tuple = ()) -> list[Any]:
        if method == "hooke_attach":
            self.weights = {parse_site(site): torch.tensor(one) for site, one in args[0].items()}
            return [self.model.n_layers]
        found, self.found = self.found, {}
        return [found]

    async def generate(self, prompt: dict[str, Any], parameters: SimpleNamespace, name: str) -> AsyncIterator[Any]:
        self.asked.append((prompt, parameters))
        ids, n_read = list(prompt["prompt_token_ids"]), 0
        extra = parameters.extra_args or {}
        edits = edits_from_json(extra[EDITS]) if extra.get(EDITS) else []
        for _ in range(min(parameters.max_tokens, self.ends_after)):
            run = self.model.run(torch.tensor(ids), capture=tuple(self.weights), edits=edits)
            assert run.logits is not None
            if extra and self.weights:
                rows = torch.stack([run[site][0] @ one for site, one in self.weights.items()]).sum(0)
                kept = [(at, rows[at].tolist()) for at in range(n_read, len(ids)) if at not in self.loses]
                self.found.setdefault(extra[NAME], []).extend(kept)
            n_read = len(ids)
            ids.append(int(run.logits[0, -1].argmax()))
            yield SimpleNamespace(outputs=[SimpleNamespace(token_ids=[ids[-1]], logprobs=None)])
            if ids[-1] in end_tokens(self.model):
                return
            await asyncio.sleep(0)

    async def abort(self, name: str) -> None:
        await asyncio.sleep(0)

    def shutdown(self) -> None:
        self.errored = True


def put_in_place(monkeypatch: pytest.MonkeyPatch, model: Model) -> FakeLLM:
    """The fake, where an engine will find it."""
    fake = FakeLLM(model)

    def started(arguments: SimpleNamespace) -> FakeLLM:
        fake.settings = arguments
        return fake

    def module(name: str, **contents: Any) -> None:
        made = ModuleType(name)
        made.__dict__.update(contents)
        monkeypatch.setitem(sys.modules, name, made)

    module("vllm", AsyncEngineArgs=SimpleNamespace, SamplingParams=SimpleNamespace)
    module("vllm.sampling_params", RequestOutputKind=SimpleNamespace(DELTA=1))
    module("vllm.v1", engine=None)
    module("vllm.v1.engine", async_llm=None)
    module("vllm.v1.engine.async_llm", AsyncLLM=SimpleNamespace(from_engine_args=started))
    return fake


def texts(n: Sequence[int]) -> list[tuple[int, ...]]:
    """Prompts of these lengths."""
    draw = torch.Generator().manual_seed(5)
    return [tuple(torch.randint(1, 60, (length,), generator=draw).tolist()) for length in n]
